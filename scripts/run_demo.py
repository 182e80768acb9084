#!/usr/bin/env python3
"""Runs our trained model on the CPU alone, then over two simulated devices and the CPU in each mode, and compares."""

import json
import subprocess
import sys

from steps import ROOT, Failed, build, clear_progress, minutes, show_progress

SCHED_RUN = ROOT / "build/release/bin/sched-run"
MODEL = ROOT / "models/grammar-1m.gguf"
TEXT = ROOT / "models/grammar-held-out.txt"
PROMPT = "Anna found a"
RUNS = [("cpu", "auto"), ("sim*2,cpu", "auto"), ("sim*2,cpu", "barrier"), ("sim*2,cpu", "serial")]


def run(devices, mode):
    show_progress(f"running on {devices}, {mode}")
    # --verify: each plan is proved before it is executed.
    command = [SCHED_RUN, "--json", "--verify", "--model", MODEL, "--devices", devices, "--sync", mode,
               "--perplexity", TEXT, "--prompt", PROMPT, "--generate", "150"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    clear_progress()
    if done.returncode:
        raise Failed(f"sched-run on {devices}, {mode}, failed with exit code {done.returncode}")
    return json.loads(done.stdout)


def placement(report):
    """One line per device: "SIM0  layers 0-3". The last of the layers is the output matrix."""
    lines = []
    layers = report["layers_on"]
    for device in report["devices"]:
        own = [i for i, name in enumerate(layers[:-1]) if name == device]
        parts = [f"layers {own[0]}-{own[-1]}"] if own else []
        parts += ["output"] if layers[-1] == device else []
        lines.append(f"{device}: {', '.join(parts) or 'inputs'}")
    return lines


def simulated_time(report):
    return [f"{report['virtual_us'] / 1000:.1f} ms"] if "virtual_us" in report else ["-"]


def stat(name):
    return lambda report: [f"{report['stats'][name]:,}"]


ROWS = [
    ("mode", lambda r: [r["sync"]]),
    ("placement", placement),
    ("splits", lambda r: [str(r["n_splits"])]),
    ("pattern of each", lambda r: r["pattern"]),
    ("graph launches", stat("launches")),
    ("host waits", stat("host_waits")),
    ("  to bound the queue", stat("throttle_waits")),
    ("device waits", stat("device_waits")),
    ("async copies", stat("async_copies")),
    ("blocking copies", stat("blocking_copies")),
    ("bytes copied", stat("bytes_copied")),
    ("simulated time", simulated_time),
    ("perplexity", lambda r: [f"{r['perplexity']:.6f}"]),
    ("hash of all logits", lambda r: [r["logits_hash"]]),
]


def print_table(reports):
    table = [("devices", [[devices] for devices, _ in RUNS])]
    table += [(title, [cell(r) for r in reports]) for title, cell in ROWS]
    widths = [max(len(line) for _, cells in table for line in cells[i]) for i in range(len(reports))]
    label = max(len(title) for title, _ in table)
    for title, cells in table:
        for i in range(max(map(len, cells))):
            words = [cell[i] if i < len(cell) else "" for cell in cells]
            line = "  ".join(f"{word:<{width}}" for word, width in zip(words, widths))
            print(f"{'' if i else title:<{label}}  {line}".rstrip())


def main():
    try:
        seconds = build("release", "sched-run")
        print(f"Built in {minutes(seconds)} minutes. {MODEL.name}: perplexity of {TEXT.name}, then 150 tokens of text.\n",
              flush=True)
        reports = [run(devices, mode) for devices, mode in RUNS]
    except Failed as failure:
        sys.exit(str(failure))
    print_table(reports)
    print("\nPattern: s the host waits, w a device waits, a asynchronous copy, c blocking copy, g graph launch.")
    print(f"\n{PROMPT}{reports[0]['text']}\n")
    outputs = {(r["logits_hash"], r["perplexity"], r["text"]) for r in reports}
    if len(outputs) > 1:
        sys.exit("The outputs differ: the scheduler let something run too early or too late.")
    print(f"All {len(reports)} outputs are bit-identical.")


if __name__ == "__main__":
    main()
