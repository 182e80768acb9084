#!/usr/bin/env python3
"""Runs everything that is about GPUs, on all GPUs of this machine, and prints a summary. What is skipped says why.

  conformance   the suite that every backend passes
  kernels       kernels and queues beyond it, copies through the host, and a device that is lost
  scheduler     the same logits in all modes and micro-batches, on 1 to N GPUs; random graphs; how often the host blocks
  streaming     weights in host memory: the same bits with streaming as without, budgets of all sizes, full devices
  stress        random jobs, for --stress seconds
  sanitizer     compute-sanitizer's memcheck, racecheck, synccheck and initcheck over conformance, kernels and streaming
  bench         the three modes side by side

Each part runs for each vendor that is built, and the HIP backend also where its calls are mapped onto CUDA's
(--hip-on-cuda). Programs come from a build tree that this makes, or from --bin, where they lie ready.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("conformance", "kernels", "scheduler", "streaming", "stress", "sanitizer", "bench")
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
PROGRAMS = ("ggml-sched-test-conformance", "ggml-sched-test-gpu", "ggml-sched-test-gpu-sched", "ggml-sched-gpu-stress",
            "sched-bench-gpu", "ggml-sched-test-gpu-broken", "sched-run", "ggml-sched-test-gpu-stream")


class Runner:
    def __init__(self, args):
        self.bin, self.logs, self.limit = args.bin, args.logs, args.limit
        self.rows = []
        self.env = {**os.environ, "GGML_SCHED_MODELS": str(args.models),
                    "GGML_SCHED_GPU_REPETITIONS": str(args.repetitions)}

    def note(self, name, result, detail="", seconds=0.0):
        self.rows.append((name, result, detail))
        print(f"{name:32} {result:8} {seconds:6.0f} s  {detail}", flush=True)

    def run(self, name, command, describe, env=None):
        """Runs a command into a log. describe(text) says in a few words what it did."""
        log = self.logs / f"{name.replace(' ', '-')}.log"
        start = time.monotonic()
        try:
            with log.open("w", encoding="utf-8") as out:
                code = subprocess.run(command, cwd=self.logs, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
                                      stdout=out, stderr=subprocess.STDOUT, timeout=self.limit).returncode
        except subprocess.TimeoutExpired:
            code = f"no end within {self.limit} s"
        text = log.read_text(encoding="utf-8", errors="replace")
        result = "passed" if code == 0 else "skipped" if code == 2 and "skipped:" in text else "FAILED"
        detail = describe(text) + ("" if code in (0, 2) else f" (exit {code})")
        self.note(name, result, detail, time.monotonic() - start)
        if result == "FAILED":
            shown = [line for line in text.splitlines() if re.search(r"Failure|FAILED|ERROR|error|differs|seed", line)]
            print("\n".join(f"    {line[:300]}" for line in (shown or text.splitlines()[-10:])[:12]), flush=True)
        return text

    def summary(self):
        failed = sum(result == "FAILED" for _, result, _ in self.rows)
        passed = sum(result == "passed" for _, result, _ in self.rows)
        print(f"\n{passed} passed, {failed} failed, {len(self.rows) - passed - failed} skipped")
        return 1 if failed else 0 if passed else 2


def describe_gtest(text):
    counts = {word: re.search(rf"\[  {word} +\] (\d+) test", text) for word in ("PASSED", "SKIPPED", "FAILED")}
    words = [f"{m.group(1)} {word.lower()}" for word, m in counts.items() if m]
    reasons = sorted(set(re.findall(r"^Skipped\n(.*)$|: Skipped\n(.*)$", text, re.MULTILINE)))
    why = "; ".join(a or b for a, b in reasons[:3])
    return ", ".join(words) + (f" ({why})" if why else "")


def describe_last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:120] if lines else "said nothing"


def describe_sanitizer(text):
    found = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: (.*)", text)
    return "; ".join(found) or describe_last_line(text)


def gpus():
    if not shutil.which("nvidia-smi"):
        return []
    done = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True)
    return done.stdout.strip().splitlines() if not done.returncode else []


def build(args):
    tree = ROOT / "build" / ("gpu-hip-on-cuda" if args.hip_on_cuda else "gpu")
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DGGML_SCHED_BENCH=ON", *args.cmake]
    if args.hip_on_cuda:
        options += ["-DGGML_SCHED_HIP=ON", "-DGGML_SCHED_HIP_ON_CUDA=ON"]
    subprocess.run(["cmake", "-S", ROOT, "-B", tree, "-G", "Ninja", *options], check=True)
    subprocess.run(["cmake", "--build", tree, "--target", *PROGRAMS], check=True)
    return tree / "bin"


def run_parts(runner, args):
    for vendor in args.vendors:
        if "conformance" in args.parts:
            runner.run(f"conformance {vendor}", [runner.bin / PROGRAMS[0], f"--gtest_filter=*/{vendor}"], describe_gtest)
        for part, program in (("kernels", PROGRAMS[1]), ("scheduler", PROGRAMS[2]), ("streaming", PROGRAMS[7])):
            if part in args.parts:
                runner.run(f"{part} {vendor}", [runner.bin / program, f"--gtest_filter=Gpus.*:*/{vendor}"],
                           describe_gtest)
        if "kernels" in args.parts:
            runner.run(f"copies through the host {vendor}",
                       [runner.bin / PROGRAMS[0], f"--gtest_filter=CopyConformance.*/{vendor}:*/CopyConformance.*/{vendor}"],
                       describe_gtest, env={"GGML_SCHED_GPU_NO_PEER": "1"})
    if "kernels" in args.parts:
        runner.run("broken device", [runner.bin / PROGRAMS[5]], describe_gtest)
    if "stress" in args.parts:
        runner.run("stress", [runner.bin / PROGRAMS[3], str(args.stress)], describe_last_line)
    if "sanitizer" in args.parts:
        run_sanitizer(runner, args)
    if "bench" in args.parts:
        for vendor in args.vendors:
            text = runner.run(f"bench {vendor}", [runner.bin / PROGRAMS[4], "--vendor", vendor.lower(), *args.bench],
                              lambda text: f"{text.count('| `auto` |')} cases")
            print(text)


def run_sanitizer(runner, args):
    sanitizer = shutil.which("compute-sanitizer")
    if not sanitizer:
        runner.note("sanitizer", "skipped", "compute-sanitizer is not in PATH")
        return
    vendor = args.vendors[0]
    # Left out: what the vendor refuses on purpose, which memcheck counts as an error, and what takes too long.
    left_out = ("*MoreMemoryThanThereIs*:*MemoryThatRanOut*:*MemoryOfTheCaller*:*TheVendorRefuses*:"
                "*LargeProducts*:*ManyRows*:*LargeMatrix*")
    environment = {"GGML_SCHED_TEST_SHORT_DELAYS": "1", "GGML_SCHED_GPU_SMALL": "1", "GGML_SCHED_GPU_JOBS": "12"}
    # Side by side: most of the time is the tools' own, on the host.
    jobs = []
    with ThreadPoolExecutor(max_workers=max(1, (os.cpu_count() or 1) // 2)) as pool:
        for tool in TOOLS:
            # Races are looked for within kernels, so the suite's operations are enough.
            suite = f"*/OpConformance.*/{vendor}" if tool == "racecheck" else f"*/{vendor}"
            for program, tests in ((PROGRAMS[0], suite), (PROGRAMS[1], f"*/{vendor}"),
                                   (PROGRAMS[7], f"*/Streams.RandomJobs*/{vendor}")):
                name = program.removeprefix("ggml-sched-test-")
                if args.sanitize and name not in args.sanitize:
                    continue
                if tool == "racecheck" and program == PROGRAMS[7]:
                    continue  # streaming has no kernels of its own
                command = [sanitizer, "--tool", tool, "--error-exitcode", "1", runner.bin / program,
                           f"--gtest_filter={tests}-*{left_out}"]
                jobs.append(pool.submit(runner.run, f"{tool} {name}", command, describe_sanitizer,
                                        environment))
    for job in jobs:
        job.result()


def main():
    parser = argparse.ArgumentParser(prog="scripts/gpu-test", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", dest="parts", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--vendor", dest="vendors", action="append", choices=("CUDA", "HIP"), help="CUDA if not given")
    parser.add_argument("--hip-on-cuda", action="store_true", help="build the HIP backend to run on NVIDIA GPUs, too")
    parser.add_argument("--stress", type=int, default=60, metavar="S", help="seconds of random jobs")
    parser.add_argument("--repetitions", type=int, default=100, help="of each run that compares logits")
    parser.add_argument("--sanitize", action="append", choices=("conformance", "gpu", "gpu-stream"),
                        help="only this program with compute-sanitizer; may be repeated")
    parser.add_argument("--bench", action="append", default=[], metavar="OPTION", help="passed to sched-bench-gpu")
    parser.add_argument("--bin", type=Path, help="where the programs lie; builds them if not given")
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--logs", type=Path, default=ROOT / "build/logs/gpu")
    parser.add_argument("--limit", type=int, default=1800, help="seconds that one program may take")
    parser.add_argument("--cmake", action="append", default=[], metavar="OPTION", help="passed to CMake")
    args = parser.parse_args()
    args.parts = args.parts or PARTS
    args.vendors = args.vendors or (["CUDA", "HIP"] if args.hip_on_cuda else ["CUDA"])
    found = gpus()
    print(f"{len(found)} GPUs: {', '.join(found) or 'none that nvidia-smi shows'}", flush=True)
    args.bin = (args.bin or build(args)).resolve()
    args.models, args.logs = args.models.resolve(), args.logs.resolve()
    args.logs.mkdir(parents=True, exist_ok=True)
    runner = Runner(args)
    run_parts(runner, args)
    sys.exit(runner.summary())


if __name__ == "__main__":
    main()
