#!/usr/bin/env python3
"""Runs our trained model on the CPU alone, then over four simulated devices and the CPU in each mode, and compares.

scripts/demo first installs the Debian packages that are missing, unless GGML_SCHED_NO_SETUP is 1. Then it builds
sched-run, the tool of the example engine: about 3 minutes on 2 cores the first time. The runs take less than a minute.
Exit code 1 if any output differs from the CPU's.
"""

import argparse
import json
import subprocess
import sys

from steps import ROOT, Failed, build, clear_progress, minutes, show_progress

SCHED_RUN = ROOT / "build/release/bin/sched-run"
MODEL = ROOT / "models/grammar-1m.gguf"
TEXT = ROOT / "models/grammar-held-out.txt"
PROMPT = "Anna found a"
DEVICES = "sim*4,cpu"
RUNS = [("cpu", "auto"), (DEVICES, "auto"), (DEVICES, "barrier"), (DEVICES, "serial")]
N_STEPS = 1 + len(RUNS)


def begin_step(number, text):
    """Prints a line, in a pipe too, so that a reader knows what takes time."""
    print(f"[{number}/{N_STEPS}] {text}", flush=True)


def sched_run(devices, mode, *options):
    # --verify: each plan is proved before it is executed.
    command = [SCHED_RUN, "--json", "--verify", "--model", MODEL, "--devices", devices, "--sync", mode, *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        clear_progress()
        raise Failed(f"sched-run on {devices}, {mode}, failed with exit code {done.returncode}")
    return json.loads(done.stdout)


def run(devices, mode):
    """Returns the report of the perplexity, and that of a generated text."""
    show_progress("perplexity ...")
    perplexity = sched_run(devices, mode, "--ubatch", "32", "--perplexity", TEXT)
    show_progress("generating text ...")
    generated = sched_run(devices, mode, "--prompt", PROMPT, "--generate", "150")
    clear_progress()
    return perplexity, generated


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
    ("throttle waits", stat("throttle_waits")),
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


def print_explanation(auto, serial):
    """Says what the rows mean, and what mode auto gains over mode serial."""
    print(f"""
What the rows mean:
  pattern of each   one word for each split of the last run, one letter for each step: s the host waits, w a queue of
                    a device waits, a asynchronous copy, c blocking copy, g graph launch
  host waits        the program was blocked until a device was done
  throttle waits    the program was blocked because two runs were queued already; the devices had work meanwhile
  device waits      one device waited for another, and the program went on
  simulated time    what the devices, the links between them and the calls that queue work took; what the CPU
                    computes itself counts as nothing

What is gained: each mode copies and computes the same, and only the waits differ. In mode serial the host waited
{serial["stats"]["host_waits"]:,} times, and a device often had nothing to do. In mode auto it waited \
{auto["stats"]["host_waits"]:,} times, and {auto["stats"]["throttle_waits"]:,} times for the throttle.
So devices compute at the same time: {auto["virtual_us"] / 1000:.1f} ms instead of \
{serial["virtual_us"] / 1000:.1f} ms, {serial["virtual_us"] / auto["virtual_us"]:.1f} times as fast.""")


def main():
    argparse.ArgumentParser(
        prog="scripts/demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    try:
        begin_step(1, "configure and build sched-run; the first time about 3 minutes on 2 cores")
        seconds = build("release", "sched-run")
        print(f"      built in {minutes(seconds)} minutes", flush=True)
        reports, texts = [], []
        for number, (devices, mode) in enumerate(RUNS, 2):
            begin_step(number, f"run {MODEL.name} on {devices}, mode {mode}: perplexity of {TEXT.name}, and 150 tokens")
            report, generated = run(devices, mode)
            reports.append(report)
            texts.append(generated)
    except Failed as failure:
        sys.exit(str(failure))
    print(f"\nThe perplexity of {TEXT.name}, in micro-batches of 32 tokens:\n")
    print_table(reports)
    print_explanation(reports[1], reports[3])
    print(f"\nThe generated text: {PROMPT}{texts[0]['text']}\n")
    outputs = {(r["logits_hash"], r["perplexity"], t["logits_hash"], t["text"]) for r, t in zip(reports, texts)}
    if len(outputs) > 1:
        sys.exit("The outputs differ: the scheduler let something run too early or too late.")
    print(f"All {len(reports)} outputs are bit-identical.")


if __name__ == "__main__":
    main()
