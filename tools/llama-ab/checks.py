"""Cases that compare all logits of both schedulers over a text, as engines use a model: batches, sequences, caches."""

import statistics
import time

from engine import Failed

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


def run_case(engine, options, run, repeat):
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


def check(engine, tokens, args, keep):
    """Runs the cases; keep(row) is called after each. Returns the perplexities."""
    perplexity = {}
    for name, (options, run) in cases_for(args.case, tokens, args).items():
        engine.forget_log()
        logits, speeds, sizes = run_case(engine, options, run, args.repeat)
        medians = {choice: statistics.median(values) for choice, values in speeds.items()}
        keep({"case": name, "logits": judge(logits), **medians, "ratio": medians["ours"] / medians["stock"],
              "speeds": speeds, "log": engine.complaints(), "compute_buffers": sizes})
        if run.__name__ == "prefill" and not perplexity:
            perplexity = {choice: engine.perplexity(tokens[: args.prompt], logits[choice][0]) for choice in CHOICES}
    return perplexity


def report_checks(rows, perplexity):
    print(f"{'case':<34} {'logits':<12} {'stock t/s':>10} {'ours t/s':>10} {'ratio':>7} {'log lines':>10}")
    for row in rows:
        print(f"{row['case']:<34} {row['logits']:<12} {row['stock']:>10.1f} {row['ours']:>10.1f} {row['ratio']:>7.3f} "
              f"{len(row['log']):>10}")
        for line in row["log"]:
            print(f"    {line}")
    if perplexity:
        print(f"perplexity: stock {perplexity['stock']:.6f}, ours {perplexity['ours']:.6f}")
