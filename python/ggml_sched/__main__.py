"""`python -m ggml_sched` is the command `ggml-sched`."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())
