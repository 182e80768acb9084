"""The switches of the scheduler: options of the command and the environment variables that they set."""

import argparse
import os
from pathlib import Path

from .messages import Failed

SYNC_MODES = ("auto", "barrier", "serial")
STREAM_WORDS = ("auto", "off", "unlimited")


def stream_budget(text):
    if text in STREAM_WORDS or (text.isascii() and text.isdigit()):
        return text
    raise argparse.ArgumentTypeError(f"'{text}' is none of {', '.join(STREAM_WORDS)}, and no number of MiB")


def add_options(parser):
    parser.add_argument("--sync", choices=SYNC_MODES, help="which waits a run has (default: auto)")
    parser.add_argument("--stream", type=stream_budget, metavar="BUDGET",
                        help="device memory for streamed weights: auto, off, unlimited, or a number of MiB")
    parser.add_argument("--verify", action="store_true", help="prove each plan before it runs")
    parser.add_argument("--trace", metavar="FILE", help="write what ran when; see `ggml-sched timeline`")
    parser.add_argument("--debug", action="store_true", help="log the splits of each graph in ggml's debug log")
    parser.add_argument("--stock", action="store_true", help="use ggml's own scheduler, for comparison")


def trace_path(name):
    """The absolute path, since the command may change its folder."""
    path = Path(os.path.abspath(name))
    if path.is_dir():
        raise Failed(f"--trace names {name}, which is a folder")
    if not path.parent.is_dir():
        raise Failed(f"--trace names {name}, but the folder {path.parent} does not exist")
    return str(path)


def variables(options, environment):
    """The variables that the options set. An option wins over the environment, which wins over our defaults."""
    result = {}
    if options.stock:
        result["GGML_SCHED"] = "stock"
    elif not environment.get("GGML_SCHED"):
        result["GGML_SCHED"] = "ours"
    if options.sync:
        result["GGML_SCHED_SYNC"] = options.sync
    if options.stream:
        result["GGML_SCHED_STREAM"] = options.stream
    if options.trace:
        result["GGML_SCHED_TRACE"] = trace_path(options.trace)
    if options.verify:
        result["GGML_SCHED_VERIFY"] = "1"
    if options.debug:
        result["GGML_SCHED_DEBUG"] = "1"
    return result
