"""What the command says: errors of one sentence, notes on stderr, and a progress bar on a terminal."""

import shutil
import sys


class Failed(Exception):
    """An error. Its text is one sentence for the user; `code` is the exit code of the command."""

    def __init__(self, text, code=2):
        super().__init__(text)
        self.code = code


def note(text):
    print(f"ggml-sched: {text}", file=sys.stderr, flush=True)


def show_progress(done, total, text):
    """Draws a bar on one line of the terminal. Writes nothing if stderr is no terminal."""
    if not sys.stderr.isatty():
        return
    n_full = 24 * done // max(total, 1)
    line = f"[{'#' * n_full}{'.' * (24 - n_full)}] {done} of {total}: {text}"
    sys.stderr.write(f"\r\x1b[K{line[:shutil.get_terminal_size().columns - 1]}")
    sys.stderr.flush()


def clear_progress():
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def gigabytes(size):
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
