#!/usr/bin/env python3
"""Compares ggml's scheduler with ggml-sched's inside one llama.cpp, through llama-cpp-python built with the drop-in.

    llama_ab.py MODEL.gguf [options]        (scripts/try-llama builds what this needs)

Each case runs with both schedulers in this process, alternating. Logits are compared bit by bit, and the medians of the
tokens per second are given with their ratio. GGML_SCHED_VERIFY=1 is set unless --no-verify: then each plan is proved
before it runs, and any line that ggml-sched logs counts as a failure.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

from engine import Engine, Failed

CHOICES = ("stock", "ours")


def cases_for(names, tokens, args):
    """name -> (options of the context, function that runs it and returns the logits and the number of tokens)"""

    def prefill(context):
        return context.prefill(tokens[: args.prompt])

    def decode(context):
        return context.greedy(tokens[: args.start], args.predict)

    def sequences(context):
        return context.sequences(tokens, n_sequences=4, n_prompt=args.start, n_predict=max(4, args.predict // 4))

    every = {
        "prefill": ({}, prefill),
        "prefill, ubatch 64": ({"n_ubatch": 64}, prefill),
        "decode": ({}, decode),
        "decode, no graph reuse": ({"graph_reuse": False}, decode),
        "4 sequences": ({"n_seq_max": 4}, sequences),
        "4 sequences, one KV cache": ({"n_seq_max": 4, "kv_unified": True}, sequences),
        "flash attention off, prefill": ({"flash_attn_type": 0}, prefill),
        "flash attention off, decode": ({"flash_attn_type": 0}, decode),
        "KV cache on the host, prefill": ({"offload_kqv": False}, prefill),
        "KV cache on the host, decode": ({"offload_kqv": False}, decode),
        "observed (eval callback)": ({"observe": True}, decode),
    }
    unknown = set(names) - set(every)
    if unknown:
        raise Failed(f"there is no case {', '.join(sorted(unknown))}; there are: {'; '.join(every)}")
    return {name: case for name, case in every.items() if not names or name in names}


def measure(engine, options, run, repeat):
    """Runs a case `repeat` times with each scheduler, alternating. Returns logits of all runs, and tokens per second."""
    contexts = {choice: engine.context(choice, **options) for choice in CHOICES}
    logits, speeds = {choice: [] for choice in CHOICES}, {choice: [] for choice in CHOICES}
    for turn in range(repeat):
        for choice in CHOICES if turn % 2 == 0 else reversed(CHOICES):
            context = contexts[choice]
            context.forget()
            start = time.perf_counter()
            result, n_tokens = run(context)
            speeds[choice].append(n_tokens / (time.perf_counter() - start))
            logits[choice].append(result)
    sizes = {choice: context.n_bytes for choice, context in contexts.items()}
    for context in contexts.values():
        context.close()
    return logits, speeds, sizes


def judge(logits):
    """'identical', or how the two schedulers' logits differ, also from run to run."""
    reference = logits["stock"][0]
    if any(result != reference for result in logits["stock"]):
        return "stock differs from run to run"
    if all(result == reference for result in logits["ours"]):
        return "identical"
    n_differing = sum(a != b for a, b in zip(reference, logits["ours"][0]))
    return f"DIFFERENT ({n_differing} of {len(reference)} rows)"


def report(rows, perplexity):
    print(f"{'case':<34} {'logits':<12} {'stock t/s':>10} {'ours t/s':>10} {'ratio':>7} {'log lines':>10}")
    for row in rows:
        print(f"{row['case']:<34} {row['logits']:<12} {row['stock']:>10.1f} {row['ours']:>10.1f} {row['ratio']:>7.3f} "
              f"{len(row['log']):>10}")
        for line in row["log"]:
            print(f"    {line}")
    if perplexity:
        print(f"perplexity: stock {perplexity['stock']:.6f}, ours {perplexity['ours']:.6f}")


def parse(argv):
    parser = argparse.ArgumentParser(prog="llama_ab.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--text", type=Path, default=Path("/usr/share/common-licenses/GPL-3"), help="what is read")
    parser.add_argument("--case", action="append", default=[], help="only this case; may be repeated")
    parser.add_argument("--prompt", type=int, default=512, metavar="N", help="tokens of a prefill")
    parser.add_argument("--start", type=int, default=32, metavar="N", help="tokens of a prompt before decoding")
    parser.add_argument("--predict", type=int, default=48, metavar="N", help="tokens to decode")
    parser.add_argument("--repeat", type=int, default=2, metavar="N", help="runs of each case with each scheduler")
    parser.add_argument("--ubatch", type=int, default=512, metavar="N")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--gpu-layers", type=int, default=999, metavar="N")
    parser.add_argument("--cpu-moe", action="store_true", help="keep the experts' weights in host memory")
    parser.add_argument("--split", choices=("none", "layer", "row"), default="layer")
    parser.add_argument("--rpc", action="append", default=[], metavar="HOST:PORT", help="a server; may be repeated")
    parser.add_argument("--no-verify", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    os.environ["GGML_SCHED_VERIFY"] = "0" if args.no_verify else "1"
    engine = Engine(args)
    print(f"devices: {', '.join(engine.devices)}")
    tokens = engine.tokenize(args.text.read_text(encoding="utf-8", errors="replace"))
    if len(tokens) < max(args.prompt, 4 * args.start):
        raise Failed(f"{args.text} has only {len(tokens)} tokens")

    rows, perplexity = [], {}
    for name, (options, run) in cases_for(args.case, tokens, args).items():
        engine.log.clear()
        logits, speeds, sizes = measure(engine, options, run, args.repeat)
        medians = {choice: statistics.median(values) for choice, values in speeds.items()}
        rows.append({"case": name, "logits": judge(logits), **medians, "ratio": medians["ours"] / medians["stock"],
                     "speeds": speeds, "log": engine.complaints(), "compute_buffers": sizes})
        if run.__name__ == "prefill" and not perplexity:
            perplexity = {choice: engine.perplexity(tokens[: args.prompt], logits[choice][0]) for choice in CHOICES}
    report(rows, perplexity)
    if args.json:
        args.json.write_text(json.dumps({"devices": engine.devices, "model": args.model.name, "rows": rows,
                                         "perplexity": perplexity}, indent=1), encoding="utf-8")
    return 0 if all(row["logits"] == "identical" and not row["log"] for row in rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"llama_ab.py: {failure}")
