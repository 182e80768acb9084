"""Where a report comes from: what a reader needs to measure again."""

import datetime
import shlex
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def commit():
    """The commit of the tree that this file lies in, with "+" behind it if the tree was changed."""
    done = subprocess.run(["git", "describe", "--always", "--dirty=+", "--abbrev=7", "--exclude=*"], cwd=HERE,
                          capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "not recorded"


def origin(arguments, program="llama_ab.py"):
    """The command with its arguments, today's date, and the commit."""
    return {"command": shlex.join(["python3", f"tools/llama-ab/{program}", *map(str, arguments)]),
            "date": datetime.date.today().isoformat(), "commit": commit()}
