"""`ggml-sched compare`: runs a benchmark with both schedulers in turn, and prints medians, quartiles and ratios."""

import argparse
import statistics
import subprocess
import time

from . import installed
from .elf import Elf
from .messages import Failed, clear_progress, note, show, show_progress
from .preload import inherited_environment, with_preload
from .program import find_program
from .rows import compiled, read_rows
from .run import why_not

CHOICES = ("ours", "stock")
ANNOUNCEMENTS = {"ours": "ggml-sched: made a scheduler: ggml-sched",
                 "stock": "ggml-sched: made a scheduler: ggml's own"}


def pairs(text):
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 1000:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is no number from 1 to 1000")


def add_options(parser):
    parser.add_argument("--pairs", type=pairs, default=5, metavar="N", help="runs of each scheduler (default: 5)")
    parser.add_argument("--pattern", metavar="REGEX",
                        help="finds the numbers in the output, by one group; without it: llama-bench with -o jsonl")


class Benchmark:
    """The command with each scheduler. It notes whether the runs announced the scheduler that was asked for."""

    def __init__(self, command, regex):
        environment = inherited_environment()
        self.program = find_program(command[0], environment)
        self.command, self.regex = command, regex
        self.silent = dict.fromkeys(CHOICES, 0)
        attach = installed.attach_library()
        reason, is_in_already = why_not(self.program, Elf(attach), environment)
        if reason and not is_in_already:
            raise Failed(f"{self.program.path} cannot be compared, because ggml-sched cannot be attached: {reason}")
        self.environment = environment if is_in_already else with_preload(environment, attach)

    def run(self, choice):
        """Runs the command once. Returns its rows."""
        try:
            done = subprocess.run(self.command, executable=self.program.path, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", restore_signals=True,
                                  env={**self.environment, "GGML_SCHED": choice})
        except OSError as error:
            raise Failed(f"{self.program.path} cannot be run: {error.strerror}", code=126) from error
        if done.returncode:
            clear_progress()
            end = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
            code = done.returncode if done.returncode > 0 else 128 - done.returncode
            raise Failed(f"the command ended with exit code {code}, with GGML_SCHED={choice}"
                         + ("; its last lines:" if end else ""), code=code, detail=end)
        self.silent[choice] += ANNOUNCEMENTS[choice] not in done.stderr
        return read_rows(done.stdout, done.stderr, self.regex)


def measure(benchmark, n_pairs):
    """Runs the pairs. Returns a list of rows for each scheduler. Each pair begins with the other scheduler."""
    results = {choice: [] for choice in CHOICES}
    start, done = time.monotonic(), 0
    for pair in range(n_pairs):
        for choice in CHOICES if pair % 2 == 0 else reversed(CHOICES):
            pace = f", {(time.monotonic() - start) / done:.1f} s each" if done else ""
            show_progress(done, 2 * n_pairs, f"runs; now {choice}{pace}")
            rows = benchmark.run(choice)
            first = next((each[0] for each in results.values() if each), rows)
            if list(rows) != list(first):
                clear_progress()
                raise Failed(f"the runs cannot be compared: the first printed {', '.join(first)}, "
                             f"and a later one, with GGML_SCHED={choice}, printed {', '.join(rows)}")
            results[choice].append(rows)
            done += 1
    clear_progress()
    return results


def spread(values):
    """The first quartile, the median and the third quartile."""
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def cell(values, format_=number):
    low, middle, high = (format_(value) for value in spread(values))
    return f"{middle} ({low} to {high})"


def table(results):
    """The lines of the table: one row for each number, with the ratio of each pair."""
    lines = [("row", "ours", "stock", "ours / stock")]
    for name in results["ours"][0]:
        ours, stock = ([rows[name] for rows in results[choice]] for choice in CHOICES)
        ratios = [a / b for a, b in zip(ours, stock) if b]
        ratio = cell(ratios, "{:.3f}".format) if len(ratios) == len(ours) else "unknown: a number is 0"
        lines.append((name, cell(ours), cell(stock), ratio))
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines]


def compare(options, command):
    if not command:
        raise Failed("compare needs a command behind --, as in: ggml-sched compare -- llama-bench -m MODEL -o jsonl")
    benchmark = Benchmark(command, None if options.pattern is None else compiled(options.pattern))
    results = measure(benchmark, options.pairs)
    show("\n".join([f"medians of {options.pairs} pairs (with quartiles):", *table(results)]))
    for choice, count in benchmark.silent.items():
        if count:
            name = "ggml-sched's scheduler" if choice == "ours" else "ggml's own scheduler"
            note(f"{count} of {options.pairs} runs with GGML_SCHED={choice} did not say that they made {name}, "
                 "so the table may compare ggml with itself; ggml-sched doctor tells more")
    return 0
