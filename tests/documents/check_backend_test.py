"""Tests of scripts/check_backend.py: a finding has the lines that its test adds to what every process prints."""

import contextlib
import io
import re
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import check_backend  # noqa: E402

# Stands for the program that runs the suite. The drivers of its device print to both streams.
PROGRAM = f"""#!{sys.executable}
import os, signal, sys
print("driver: no configuration, the default is used")
print("some_driver_init: found no other device", file=sys.stderr)
print("load_backend: loaded a backend", file=sys.stderr)
sys.stdout.flush()
sys.stderr.flush()
option = sys.argv[1]
if option == "--list-devices":
    print("X: X0, a device", flush=True)
elif option == "--gtest_list_tests":
    print("All/Suite.", "  Fails/X", "  Aborts/X", "  Hangs/X", "  Passes/X", sep="\\n", flush=True)
elif option.endswith("Fails/X"):
    print("a_test.cpp:1: Failure", flush=True)
    print("driver: an error", file=sys.stderr, flush=True)
    sys.exit(1)
elif option.endswith("Aborts/X"):
    os.kill(os.getpid(), signal.SIGKILL)
elif option.endswith("Hangs/X"):
    signal.pause()
"""


def checked(*options):
    """What the script prints when it checks the program, without times."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "check-backend"
        program.write_text(PROGRAM, encoding="utf-8")
        program.chmod(0o755)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            check_backend.check(program, check_backend.parse(["--program", str(program), "--timeout", "5", *options]))
    return re.sub(r" \([0-9.]+ s\)", "", printed.getvalue()).splitlines()


class Findings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.printed = checked()

    def test_LeaveOutWhatEveryProcessPrints(self):
        self.assertEqual(self.printed[4:], [
            "FAILED   Suite.Fails/X",
            "    a_test.cpp:1: Failure",
            "    driver: an error",
            "ABORTED  Suite.Aborts/X",
            "    the process ended with SIGKILL",
            "HUNG     Suite.Hangs/X",
            "X: 1 ABORTED, 1 FAILED, 1 HUNG, 1 passed"])

    def test_FollowTheListOfDevices(self):
        listed = ["some_driver_init: found no other device", "load_backend: loaded a backend",
                  "driver: no configuration, the default is used", "X: X0, a device"]
        self.assertEqual(self.printed[:4], listed)
        self.assertEqual(checked("--list-devices"), listed)

    def test_HaveLinesThatOnlyTheirTestPrints(self):
        result = check_backend.Result("Suite.Fails/X", "FAILED", 0.1, "init: at start\ninit: at start, and more\n\n")
        self.assertEqual(check_backend.what_failed(result, {"init: at start"}), ["    init: at start, and more"])
        self.assertEqual(check_backend.what_failed(result, set()), ["    init: at start", "    init: at start, and more"])


if __name__ == "__main__":
    unittest.main()
