#!/usr/bin/env python3
"""Perplexity of a text, and the error of its logits, where experts lie on the host and a part of them on the device.

    expert_error.py MODEL TEXT [--budget MIB] [--ubatches N,...] [--rpc HOST:PORT]

The text is read in windows of the model's context, N tokens at a time. The error is that of all logits against those of
a model that lies on the device as a whole: the sum of squared differences, divided by the sum of squares.
"""

import argparse
import json
import sys
from pathlib import Path

import options
from engine import Engine, Failed  # before numpy: both bring libraries
from origin import origin

import numpy

ON_THE_HOST = "stock, all experts on the host"
WAYS = {
    "stock, all on the device": ("stock", {}),
    ON_THE_HOST: ("stock", {}),
    "ours, all experts on the host": ("ours", {}),
    "ours, missing experts shared": ("ours", {"GGML_SCHED_EXPERT_MISSES": "shared"}),
    "ours, missing experts uploaded": ("ours", {"GGML_SCHED_EXPERT_MISSES": "upload"}),
    "ours, whole layers": ("ours", {"GGML_SCHED_EXPERT_MISSES": "none"}),
}


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--budget", type=int, default=1, metavar="MIB", help="for resident experts")
    parser.add_argument("--ubatches", type=options.numbers, default=[1, 16], metavar="N,...")
    parser.add_argument("--windows", type=int, metavar="N", help="read only the first N windows")
    parser.add_argument("--threads", type=int, default=None, metavar="N")
    parser.add_argument("--rpc", action="append", default=[], metavar="HOST:PORT", help="a server as the device")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(argv)


def engine_of(args, words):
    words = [str(args.model), *words, *(word for endpoint in args.rpc for word in ("--rpc", endpoint))]
    words += ["--threads", str(args.threads)] if args.threads else []
    words += ["--no-mmap", "--no-repack"] + ([] if args.rpc else ["--devices", "1"])
    parsed = options.parse("", words)
    parsed.gpu_layers = parsed.gpu_layers[0]
    return Engine(parsed)


def read(engine, choice, environment, tokens, window, ubatch):
    """Returns the logits of all tokens, each row as bytes. Verifies all plans."""
    environment = {"GGML_SCHED_VERIFY": "1", **environment}
    context = engine.context(choice, environment=environment, n_ctx=window, n_batch=window, n_ubatch=ubatch)
    rows = []
    for first in range(0, len(tokens), window):
        context.forget()
        part = tokens[first : first + window]
        for begin in range(0, len(part), ubatch):
            batch = part[begin : begin + ubatch]
            wanting = context.fill([(token, begin + i, 0, True) for i, token in enumerate(batch)])
            context.submit()
            rows += context.logits(wanting)
    context.close()
    return rows


def values_of(rows):
    return numpy.stack([numpy.frombuffer(row, dtype=numpy.float32) for row in rows]).astype(numpy.float64)


def perplexity(engine, tokens, rows, window):
    """Of each window's tokens but the first."""
    logs = [numpy.log(engine.perplexity(tokens[first : first + window], rows[first : first + window]))
            for first in range(0, len(tokens), window)]
    return float(numpy.exp(numpy.mean(logs)))


def measure(args, ubatch, report):
    """Returns a row for each way. The report gets what is known of the machine."""
    window, rows, exact = 512, [], None
    for name, (choice, environment) in WAYS.items():
        print(f"{name}, {ubatch} tokens at a time", file=sys.stderr, flush=True)
        engine = engine_of(args, [] if exact is None else ["--cpu-moe"])
        tokens = engine.tokenize(args.text.read_text(encoding="utf-8"))
        tokens = tokens[: window * (args.windows or len(tokens))]
        tokens = tokens[: len(tokens) // window * window]
        if not tokens:
            raise Failed(f"{args.text} has less than {window} tokens")
        if environment:
            environment = {**environment, "GGML_SCHED_EXPERTS": str(args.budget)}
        logits = read(engine, choice, environment, tokens, window, ubatch)
        exact = values_of(logits) if exact is None else exact
        error = ((values_of(logits) - exact) ** 2).sum() / (exact**2).sum()
        rows.append({"name": name, "ubatch": ubatch, "perplexity": perplexity(engine, tokens, logits, window),
                     "error": float(error), "log": engine.complaints()})
        report |= {"engine": engine.version(), "device": ", ".join(engine.hardware())}
        engine.close()
    off = next(row["perplexity"] for row in rows if row["name"] == ON_THE_HOST)
    for row in rows:
        row["off_by_percent"] = 100 * (row["perplexity"] / off - 1)
    return rows


def main():
    args = parse(sys.argv[1:])
    report = {**origin(sys.argv[1:], "expert_error.py"), "budget_mib": args.budget}
    rows = []
    print(f"{args.model.name}, {args.text.name}, {args.budget} MiB for experts\n")
    print("| way | tokens at a time | perplexity | against off | error of logits |\n|---|---|---|---|---|")
    for ubatch in args.ubatches:
        for row in measure(args, ubatch, report):
            print(f"| {row['name']} | {ubatch} | {row['perplexity']:.6f} | {row['off_by_percent']:+.4f} % | {row['error']:.1e} |",
                  flush=True)
            rows.append(row)
    if args.json:
        args.json.write_text(json.dumps({**report, "ways": rows}, indent=1) + "\n", encoding="utf-8")
    complaints = [line for row in rows for line in row["log"]]
    print(*complaints, sep="\n", end="\n" if complaints else "")
    return 1 if complaints or any(abs(row["off_by_percent"]) > 0.05 for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(str(failure))
