"""The switches of the scheduler: options of the command and the environment variables that they set."""

import argparse
import os
import stat

from .files import status_of
from .messages import Failed

SYNC_MODES = ("auto", "barrier", "serial")
STREAM_WORDS = ("auto", "off", "unlimited")
EXPERT_WORDS = ("off", "auto")
MAX_MIB = 1 << 20


def budget(words, text):
    digits = text.lstrip("0") or "0"
    is_number = text.isascii() and text.isdigit() and len(digits) <= len(str(MAX_MIB))
    if text in words or (is_number and int(digits) <= MAX_MIB):
        return text
    raise argparse.ArgumentTypeError(f"'{text}' is none of {', '.join(words)}, and no number of MiB from 0 to {MAX_MIB}")


def stream_budget(text):
    return budget(STREAM_WORDS, text)


def expert_budget(text):
    return budget(EXPERT_WORDS, text)


def add_options(parser):
    parser.add_argument("--sync", choices=SYNC_MODES, help="which waits a run has (default: auto)")
    parser.add_argument("--stream", type=stream_budget, metavar="BUDGET",
                        help="device memory for streamed weights: auto, off, unlimited, or a number of MiB")
    parser.add_argument("--experts", type=expert_budget, metavar="BUDGET",
                        help="device memory for experts that stay there: off (default), auto, or a number of MiB")
    parser.add_argument("--expert-misses", choices=("shared", "none", "upload"),
                        help="if not all fit: single experts of each layer stay there, and others are computed by the CPU or "
                             "uploaded (shared, the default) or always uploaded (upload); or whole layers stay there (none)")
    parser.add_argument("--verify", action="store_true", help="prove each plan before it runs")
    parser.add_argument("--trace", metavar="FILE", help="write what ran when; see `ggml-sched timeline`")
    parser.add_argument("--debug", action="store_true", help="log the splits of each graph in ggml's debug log")
    parser.add_argument("--stock", action="store_true", help="use ggml's own scheduler, for comparison")


def trace_path(name):
    """The absolute path, since the command may change its folder. Its ".." stay: they may follow a link."""
    if not name:
        raise Failed("--trace needs the name of a file, and its value is empty")
    path = os.path.join(os.getcwd(), name)
    folder = os.path.dirname(path)
    try:
        file, parent = status_of(path), status_of(folder)
    except OSError as error:
        raise Failed(f"--trace names {name}, which cannot be reached: {error.strerror}; name another file") from error
    if file and stat.S_ISDIR(file.st_mode):
        raise Failed(f"--trace names {name}, which is a folder; name a file")
    if not parent or not stat.S_ISDIR(parent.st_mode):
        raise Failed(f"--trace names {name}, but the folder {folder} does not exist")
    if not os.access(path if file else folder, os.W_OK):
        raise Failed(f"--trace names {name}, which cannot be written; name another file")
    return path


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
    if options.experts:
        result["GGML_SCHED_EXPERTS"] = options.experts
    if options.expert_misses:
        result["GGML_SCHED_EXPERT_MISSES"] = options.expert_misses
    if options.trace is not None:
        result["GGML_SCHED_TRACE"] = trace_path(options.trace)
    if options.verify:
        result["GGML_SCHED_VERIFY"] = "1"
    if options.debug:
        result["GGML_SCHED_DEBUG"] = "1"
    return result
