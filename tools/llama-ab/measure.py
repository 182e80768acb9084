"""Measurements: one workload with both schedulers in turn, its speed, its calls, and whether the logits are the same.

First a comparison with GGML_SCHED_VERIFY=1 and logits of many rows, each hashed; then pairs of timed runs without
verification, in which only the last row is wanted, as in use. Its hash is compared, too.
"""

import hashlib
import statistics
import time
from dataclasses import dataclass, field

import numpy

from checks import CHOICES, judge
from engine import Failed
from vendor_calls import BLOCKING, Counter


@dataclass
class Workload:
    kind: str     # "decode": tokens one by one; "prefill": one batch, cut into micro-batches by llama.cpp
    n_tokens: int # of each sequence
    n_start: int  # tokens before those that are decoded
    ubatch: int
    options: dict = field(default_factory=dict)  # of the context
    name: str = ""
    n_sequences: int = 1  # that are decoded together; each has tokens of its own

    @property
    def units(self):
        """Tokens of a decode, micro-batches of a prefill: what calls and times are given for."""
        return self.n_tokens if self.kind == "decode" else -(-self.n_tokens // self.ubatch)

    @property
    def n_all_tokens(self):
        return self.n_tokens * self.n_sequences

    @property
    def n_needed(self):
        return self.n_sequences * (self.n_start + self.n_tokens)

    def step(self, tokens, i):
        """The batch of a decode at position i, one token of each sequence."""
        return [(tokens[s * (self.n_start + self.n_tokens) + i], i, s, True) for s in range(self.n_sequences)]

    def context_options(self):
        n_batch = max(self.n_tokens if self.kind == "prefill" else self.n_start, self.n_sequences)
        sequences = {"n_seq_max": self.n_sequences} if self.n_sequences > 1 else {}
        return {"n_ctx": self.n_sequences * (self.n_start + self.n_tokens + 8), "n_batch": n_batch,
                "n_ubatch": min(self.ubatch, n_batch), **sequences, **self.options}


def workloads(args):
    """What the command line asks for, in its order."""
    reuses = {"on": (True,), "off": (False,), "both": (True, False)}[args.graph_reuse]
    kinds = [("decode", n, args.start, args.ubatch) for n in args.decode]
    kinds += [("prefill", n, 0, ubatch) for n in args.prefill for ubatch in args.ubatches or [args.ubatch]]
    for kind, n_tokens, n_start, ubatch in kinds:
        for reuse in reuses:
            options = {"graph_reuse": reuse, "offload_kqv": not args.kv_on_host, "op_offload": not args.no_op_offload}
            n_sequences = args.sequences if kind == "decode" else 1
            name = f"{kind} {n_tokens}" + (f", ubatch {ubatch}" if kind == "prefill" else "")
            name += (f", {n_sequences} sequences" if n_sequences > 1 else "") + ("" if reuse else ", no graph reuse")
            yield Workload(kind, n_tokens, n_start, ubatch, options, name, n_sequences)


def digest(row):
    """Of one row of logits; raises if they cannot have come out of a calculation that went well."""
    values = numpy.frombuffer(row, dtype=numpy.float32)
    if not numpy.isfinite(values).all() or values.min() == values.max():
        raise Failed("the logits are not finite or all the same")
    return hashlib.blake2b(row, digest_size=8).hexdigest()


def run_untimed(context, workload, tokens, n_rows):
    """Hashes of the logits: of every token that is decoded, or of n_rows rows of a prefill, the last one among them."""
    context.forget()
    if workload.kind == "prefill":
        wanted = {workload.n_tokens - 1 - i * max(1, workload.n_tokens // n_rows) for i in range(n_rows)}
        entries = [(tokens[i], i, 0, i in wanted) for i in range(workload.n_tokens)]
        wanting = context.fill(entries)
        context.submit()
        return [digest(row) for row in context.logits(wanting)]
    feed_start(context, workload, tokens)
    rows = []
    for i in range(workload.n_start, workload.n_start + workload.n_tokens):
        wanting = context.fill(workload.step(tokens, i))
        context.submit()
        rows += [digest(row) for row in context.logits(wanting)]
    return rows


def feed_start(context, workload, tokens):
    for sequence in range(workload.n_sequences if workload.n_start else 0):
        first = sequence * (workload.n_start + workload.n_tokens)
        context.fill([(tokens[first + i], i, sequence, False) for i in range(workload.n_start)])
        context.submit()


@dataclass
class Timing:
    seconds: float
    submitting: float  # in llama_decode
    waiting: float     # in llama_synchronize
    last_row: str
    calls: dict


def run_timed(context, workload, tokens, counter):
    context.forget()
    first = 0
    if workload.kind == "decode":
        feed_start(context, workload, tokens)
        first = workload.n_start
        wanting = context.fill(workload.step(tokens, first))
    else:
        wanting = context.fill([(tokens[i], i, 0, i == workload.n_tokens - 1) for i in range(workload.n_tokens)])
    context.wait()
    submitting = waiting = 0.0
    batch, clock = context.batch, time.perf_counter
    counter.reset()
    start = clock()
    for i in range(first, first + (workload.n_tokens if workload.kind == "decode" else 1)):
        if workload.kind == "decode":
            for s, (token, position, _, _) in enumerate(workload.step(tokens, i)):
                batch.token[s], batch.pos[s] = token, position
        before = clock()
        context.submit()
        between = clock()
        context.wait()
        submitting += between - before
        waiting += clock() - between
    seconds = clock() - start
    calls = counter.read()
    return Timing(seconds, submitting, waiting, digest(context.logits(wanting)[0]), calls)


def contexts_of(engine, workload, verify, ours):
    contexts = {}
    for choice in CHOICES:
        environment = {"GGML_SCHED_VERIFY": "1" if verify else "0", **(ours if choice == "ours" else {})}
        contexts[choice] = engine.context(choice, environment=environment, **workload.context_options())
    return contexts


def compare(engine, workload, tokens, args):
    """Hashes of many rows of logits from two runs of each scheduler, with verification."""
    contexts = contexts_of(engine, workload, not args.no_verify, args.ours_env)
    hashes = {choice: [] for choice in CHOICES}
    for _ in range(2):
        for choice, context in contexts.items():
            hashes[choice].append(run_untimed(context, workload, tokens, args.rows))
    for context in contexts.values():
        context.close()
    return hashes


def time_pairs(engine, workload, tokens, args):
    contexts = contexts_of(engine, workload, False, args.ours_env)
    counter = Counter()
    timings = {choice: [] for choice in CHOICES}
    for turn in range(args.warmup + args.pairs):
        read = tokens[turn * workload.n_needed :] if args.new_text else tokens
        for choice in CHOICES if turn % 2 == 0 else reversed(CHOICES):
            timing = run_timed(contexts[choice], workload, read, counter)
            timings[choice] += [timing] if turn >= args.warmup else []
    sizes = {choice: context.n_bytes for choice, context in contexts.items()}
    for context in contexts.values():
        context.close()
    return timings, sizes


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3


def summary(workload, timings):
    """The medians of one scheduler's timings; calls and the host's times are per token or micro-batch."""
    def per_unit(values):
        return statistics.median(values) / workload.units

    calls = {name: round(per_unit([t.calls[name] for t in timings]), 3) for name in timings[0].calls}
    result = {
        "tokens_per_s": statistics.median(workload.n_all_tokens / t.seconds for t in timings),
        "all_tokens_per_s": [round(workload.n_all_tokens / t.seconds, 2) for t in timings],
        "submit_ms": per_unit([1e3 * t.submitting for t in timings]),
        "wait_ms": per_unit([1e3 * t.waiting for t in timings]),
        "calls": calls,
    }
    if calls:
        result["blocking"] = sum(calls[name] for name in BLOCKING)
        result["blocking_in_compute"] = sum(calls["compute." + name] for name in BLOCKING)
    return result


def measure(engine, workload, tokens, args):
    """One row of the report."""
    engine.forget_log()
    row = {"kind": workload.kind, "name": workload.name, "n_tokens": workload.n_tokens, "ubatch": workload.ubatch,
           "units": workload.units, "gpu_layers": engine.args.gpu_layers, "pairs": args.pairs}
    if not args.no_compare:
        hashes = compare(engine, workload, tokens, args)
        row |= {"logits": judge(hashes), "rows_compared": len(hashes["stock"][0]), "verified": not args.no_verify}
    if args.pairs:
        timings, sizes = time_pairs(engine, workload, tokens, args)
        last_rows = {choice: [[t.last_row] for t in timings[choice]] for choice in CHOICES}
        if args.new_text:  # Only the two runs of a pair have the same tokens.
            last_rows = {choice: [[t.last_row for t in timings[choice]]] for choice in CHOICES}
        last_rows = judge(last_rows)
        if row.get("logits", "identical") == "identical":
            row["logits"] = last_rows
        row |= {choice: summary(workload, timings[choice]) for choice in CHOICES}
        row["ratio"] = row["ours"]["tokens_per_s"] / row["stock"]["tokens_per_s"]
        row["ratio_quartiles"] = quartiles([s.seconds / o.seconds for s, o in zip(timings["stock"], timings["ours"])])
        row["compute_buffers_mib"] = sizes
    row |= {"may_differ": True} if args.may_differ else {}
    row["log"] = engine.complaints()
    return row
