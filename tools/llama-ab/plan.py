"""Runs a plan: a list of measurements over several models, within a time limit, each in a process of its own.

    {"time_limit_s": 480,
     "models": {"8b": {"shape": "8b"}, "moe": {"shape": "moe", "router": "skewed"}},
     "options": ["--count-calls"],
     "entries": [{"name": "decode", "model": "8b", "limit_s": 60, "options": ["--decode", "64"], "environment": {}}]}

The report begins with the command, the date and the commit. It is written anew after each entry, and has the rows that an entry got before it failed or ran out of time. A model
is made when the first entry needs it and removed after the last one that does.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from make_model import make
from origin import origin
from report import table

HERE = Path(__file__).resolve().parent


def run_entry(entry, command, limit, out):
    """What became of it: "ok", or why not. Its rows are then in the file `out`."""
    environment = {**os.environ, **entry.get("environment", {})}
    process = subprocess.Popen([*command, "--json", str(out)], env=environment, stdin=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        return f"stopped after {limit:.0f} s"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return "ok" if code == 0 else f"exit code {code}"


def read_rows(out):
    """What the entry has written, if anything."""
    if not out.exists():
        return {"rows": []}
    report = json.loads(out.read_text(encoding="utf-8"))
    # The plan's report has its own.
    return {key: value for key, value in report.items() if key not in ("command", "date", "commit")}


class Models:
    def __init__(self, directory, shapes, uses):
        self.directory, self.shapes, self.uses = directory, shapes, uses
        directory.mkdir(parents=True, exist_ok=True)
        self.made = set()

    def path(self, name):
        shape = self.shapes[name]
        seed, router = shape.get("seed", 1), shape.get("router", "spread")
        path = self.directory / f"{shape['shape']}-{router}-{seed}.gguf"
        if not path.exists():
            start = time.monotonic()
            n_bytes = make(path, shape["shape"], router, seed)
            self.made.add(path)
            print(f"{path}: {n_bytes / 1e9:.2f} GB in {time.monotonic() - start:.1f} s", flush=True)
        return path

    def done_with(self, name):
        self.uses.remove(name)
        if name not in self.uses:
            path = self.path(name)
            if path in self.made:
                path.unlink()


def run_plan(args, arguments):
    plan = json.loads(args.plan.read_text(encoding="utf-8"))
    limit = plan["time_limit_s"] if args.time_limit is None else args.time_limit
    end = time.monotonic() + limit
    entries = [entry for entry in plan["entries"]
               if not args.entry or any(re.search(pattern, entry["name"]) for pattern in args.entry)]
    models = Models(args.models, plan["models"], [entry["model"] for entry in entries])
    report = {"plan": args.plan.name, **origin(arguments), "entries": []}
    out = args.json.with_name(args.json.name + ".entry")
    for entry in entries:
        left = end - time.monotonic()
        result = {"name": entry["name"], "model": entry["model"], "result": "not run: no time left", "rows": []}
        result |= {"environment": entry["environment"]} if "environment" in entry else {}
        start = time.monotonic()
        if left > 5:
            print(f"\n== {entry['name']} ({entry['model']})", flush=True)
            out.unlink(missing_ok=True)
            command = [sys.executable, str(HERE / "llama_ab.py"), str(models.path(entry["model"])), "--random-tokens", "1",
                       *plan.get("options", []), *entry["options"]]
            left = end - time.monotonic()
            result["result"] = run_entry(entry, command, min(entry["limit_s"], left), out)
            result |= read_rows(out)
            measured = [row for row in result["rows"] if "kind" in row]
            if result["result"] != "ok" and measured:
                print(f"what it had by then:\n{table(measured)}")
        models.done_with(entry["model"])
        result["seconds"] = round(time.monotonic() - start, 1)
        report["entries"].append(result)
        print(f"== {entry['name']}: {result['result']}, {result['seconds']} s", flush=True)
        args.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    out.unlink(missing_ok=True)
    return 0 if all(result["result"] == "ok" for result in report["entries"]) else 1
