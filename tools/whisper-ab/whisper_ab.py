#!/usr/bin/env python3
"""Compares ggml's scheduler with ggml-sched's inside one whisper.cpp, through pywhispercpp built with the drop-in.

    whisper_ab.py MODEL.bin SPEECH.wav [options]        (scripts/try-whisper builds what this needs)

Each case runs with both schedulers in this process, alternating. Compared bit by bit are the logits of each decoded token, or
the text and the probabilities and times of each token of a transcription. GGML_SCHED_VERIFY=1 is set: each plan is proved
before it runs, and any line that ggml-sched logs counts as a failure. The exit code is 1 if anything differs.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import numpy
from engine import HEADS_OF_TINY_EN, SAMPLE_RATE, Engine, Failed, read_wave

CHOICES = ("stock", "ours")


def sounds(speech):
    """name -> samples: speech, and what a model makes little sense of"""
    random = numpy.random.default_rng(1)
    noise = random.standard_normal(8 * SAMPLE_RATE).astype(numpy.float32) * numpy.float32(0.1)
    seconds = numpy.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    sweep = (0.5 * numpy.sin(2 * numpy.pi * (200 + 300 * seconds) * seconds)).astype(numpy.float32)
    return {"speech": speech, "noise": noise, "sweep": sweep, "40 s": numpy.concatenate([speech, noise, sweep, speech, sweep])}


def cases_for(engine, sound, vad_model):
    """name -> function of the choice that returns rows to compare and a text"""

    def logits(name, **options):
        return lambda choice: (engine.logits(choice, sound[name], **options), "")

    def transcribe(name, **options):
        return lambda choice: engine.transcribe(choice, sound[name], **options)

    cases = {f"logits, {name}": logits(name) for name in ("speech", "noise", "sweep")}
    cases |= {
        "logits, no flash attention": logits("speech", flash_attn=False),
        "greedy": transcribe("speech"),
        "greedy, no flash attention": transcribe("speech", context={"flash_attn": False}),
        "greedy, falls back": transcribe("speech", logprob_thold=0.0, temperature_inc=0.5),  # to sampling with 5 decoders
        "greedy, two windows": transcribe("40 s"),
        "beams": transcribe("speech", beam=True),
        "beams, sweep": transcribe("sweep", beam=True),
        "times of tokens by attention": transcribe("speech", context={
            "flash_attn": False, "dtw_token_timestamps": True, "dtw_aheads_preset": HEADS_OF_TINY_EN},
            token_timestamps=True),
        "short audio context": transcribe("speech", audio_ctx=768),
    }
    if vad_model:
        cases["voice detection"] = transcribe("40 s", vad=True, vad_model_path=str(vad_model))
    return cases


def judge(results):
    reference = results["stock"][0]
    if not reference:
        return "nothing to compare"
    if any(result != reference for result in results["stock"]):
        return "stock differs from run to run"
    if all(result == reference for result in results["ours"]):
        return "identical"
    differing = next(result for result in results["ours"] if result != reference)
    n_differing = sum(a != b for a, b in zip(reference, differing)) + abs(len(reference) - len(differing))
    return f"DIFFERENT ({n_differing} of {len(reference)} rows)"


def run_case(run, repeat):
    """Rows of all runs, seconds, and the text of the last one."""
    results, seconds = {choice: [] for choice in CHOICES}, {choice: [] for choice in CHOICES}
    text = ""
    for turn in range(repeat):
        for choice in CHOICES if turn % 2 == 0 else reversed(CHOICES):
            start = time.perf_counter()
            rows, text = run(choice)
            seconds[choice].append(time.perf_counter() - start)
            results[choice].append(rows)
    return results, seconds, text


def parse(argv):
    parser = argparse.ArgumentParser(prog="whisper_ab.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("speech", type=Path, help="mono, 16 bits, 16 kHz")
    parser.add_argument("--vad-model", type=Path, metavar="FILE", help="also with this model for voice detection")
    parser.add_argument("--case", action="append", default=[], help="only this case; may be repeated")
    parser.add_argument("--repeat", type=int, default=2, metavar="N", help="runs of each case with each scheduler")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--rpc", action="append", default=[], metavar="HOST:PORT", help="a server; whisper.cpp uses the first")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    os.environ["GGML_SCHED_VERIFY"] = "1"
    engine = Engine(args.model, args.threads, args.rpc)
    cases = cases_for(engine, sounds(read_wave(args.speech)), args.vad_model)
    unknown = set(args.case) - set(cases)
    if unknown:
        raise Failed(f"there is no case {', '.join(sorted(unknown))}; there are: {'; '.join(cases)}")

    print(f"devices: {', '.join(engine.devices())}")
    print(f"{'case':<30} {'rows':>5} {'result':<12} {'stock s':>8} {'ours s':>8} {'log lines':>10}  text")
    failed = False
    for name in args.case or cases:
        results, seconds, text = run_case(cases[name], args.repeat)
        verdict, log = judge(results), engine.complaints()
        failed |= verdict != "identical" or bool(log)
        medians = [statistics.median(seconds[choice]) for choice in CHOICES]
        print(f"{name:<30} {len(results['stock'][0]):>5} {verdict:<12} {medians[0]:>8.2f} {medians[1]:>8.2f} {len(log):>10}  "
              f"{text[:60]}", flush=True)
        for line in log:
            print(f"    {line}")
    return failed


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"whisper_ab.py: {failure}")
