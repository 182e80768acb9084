#!/usr/bin/env python3
"""Compares ggml's scheduler with ggml-sched's inside one llama.cpp, through llama-cpp-python built with the drop-in.

    llama_ab.py MODEL.gguf [options]        (scripts/try-llama builds what this needs)

Without measurements: each case runs with both schedulers in this process, alternating. Logits are compared bit by bit, and
the medians of the tokens per second are given with their ratio. GGML_SCHED_VERIFY=1 is set unless --no-verify: then each
plan is proved before it runs, and any line that ggml-sched logs counts as a failure.

    llama_ab.py MODEL.gguf --decode 64 --prefill 4096 --ubatches 128,512 --pairs 9 --count-calls --json out.json

Measurements: first the same with verification and hashes of many rows of logits, then alternating pairs of timed runs
without it. Times and calls are per decoded token, or per micro-batch of a prefill: blocking calls of the CUDA runtime or of
Vulkan, those among them inside ggml_backend_sched_graph_compute_async, and the host's time in llama_decode and waiting for
the end.

    llama_ab.py --plan plans/one-gpu.json --json out.json [--entry REGEX]

A plan runs many, each in a process of its own, on models that make_model.py writes first. The report has the command, the
date and the commit; scripts/benchmark-tables --reduce makes of it what docs/benchmarks.md is made of.
"""

import copy
import json
import os
import sys
from pathlib import Path

from options import parse
from origin import origin


def write_json(path, report):
    if path:
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_text(json.dumps(report, indent=1), encoding="utf-8")
        unfinished.replace(path)


def run_model(args, n_gpu_layers, report):
    """All cases or measurements with that many layers on GPUs; the rows go into the report as they come."""
    from checks import check, report_checks
    from engine import Engine, Failed
    from experts import hit_curve, touched_experts
    from measure import measure, workloads
    from report import calls_table, table

    args = copy.copy(args)
    args.gpu_layers = n_gpu_layers
    engine = Engine(args)
    print(f"devices: {', '.join(engine.devices)}", flush=True)
    report |= {"devices": engine.devices, "hardware": engine.hardware(), "engine": engine.version(),
               "load_s": round(engine.load_seconds, 1)}
    rows = []

    def keep(row):
        rows.append(row)
        report["rows"].append(row)
        write_json(args.json, report)

    wanted = list(workloads(args))
    of_experts = args.experts + args.hit_curve
    n_texts = args.warmup + args.pairs if args.new_text else 1
    needed = max([n_texts * w.n_needed for w in wanted] + of_experts, default=max(args.prompt, 4 * args.start))
    if args.random_tokens is not None:
        tokens = engine.random_tokens(args.random_tokens, needed)
    else:
        tokens = engine.tokenize(args.text.read_text(encoding="utf-8", errors="replace"))
    if len(tokens) < needed:
        raise Failed(f"{args.text} has only {len(tokens)} tokens, not {needed}")

    if not wanted and not of_experts:
        report["perplexity"] = check(engine, tokens, args, keep)
        report_checks(rows, report["perplexity"])
        write_json(args.json, report)
    for n_tokens in args.experts:
        keep(touched_experts(engine, n_tokens, tokens))
    for n_tokens in args.hit_curve:
        keep(hit_curve(engine, n_tokens, tokens))
    for workload in wanted:
        keep(measure(engine, workload, tokens, args))
    if wanted or of_experts:
        print(table(rows))
        print(calls_table(rows), end="\n" if args.count_calls else "", flush=True)
    engine.close()


def main(argv=None):
    args = parse(__doc__, argv)
    arguments = sys.argv[1:] if argv is None else argv
    if args.plan:
        from plan import run_plan
        return run_plan(args, arguments)
    if args.count_calls:
        from vendor_calls import preload
        preload()
    from engine import Failed
    from report import good

    os.environ["GGML_SCHED_VERIFY"] = "0" if args.no_verify else "1"
    report = {"model": args.model.name, "options": arguments, **origin(arguments), "rows": []}
    try:
        for n_gpu_layers in args.gpu_layers:
            run_model(args, n_gpu_layers, report)
    except Failed as failure:
        report["error"] = str(failure)
        write_json(args.json, report)
        sys.exit(f"llama_ab.py: {failure}")
    return 0 if all(map(good, report["rows"])) else 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    sys.exit(main())
