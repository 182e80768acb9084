"""`ggml-sched timeline`: a web page that shows a trace. It is the page of `sched-run --timeline`."""

import glob
import json
import os
import re
import stat
from html import escape

from . import installed
from .messages import Failed

MAX_EVENTS = 200000  # that a browser still draws without delay
SCRIPTS = ("model", "canvas", "overview", "interaction", "table", "main")  # in this order


def closed(lines):
    """Ends a trace behind its last whole event."""
    return "".join(lines).rstrip(",\n") + "\n]}\n"


def is_trace(text):
    try:
        return isinstance(json.loads(text)["traceEvents"], list)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def read_trace(path):
    """Returns the text of the trace, and whether events are missing at its end.

    The library writes one event per line, so a trace can be cut between lines. A program that was killed leaves a trace
    without its end: the last line may be half an event.
    """
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):  # A pipe is read to its end; a device may have none.
            raise Failed(f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'a device'}, not a trace; name a file")
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line for _, line in zip(range(MAX_EVENTS + 1), file)]
    except OSError as error:
        raise Failed(f"cannot read the trace {path}: {error.strerror}") from error
    if len(lines) > MAX_EVENTS:
        text, is_cut = closed(lines[:MAX_EVENTS]), True
    else:
        text, is_cut = "".join(lines), False
    if not is_trace(text):
        attempts = (closed(lines), closed(lines[:-1]))
        text, is_cut = next((attempt for attempt in attempts if is_trace(attempt)), ""), True
    if not text:
        raise Failed(f"{path} is no trace: it needs the JSON that `ggml-sched run --trace FILE` writes")
    return text, is_cut


def has_run(trace):
    """True if any event belongs to a run, that is if the scheduler has computed something."""
    return any(isinstance(event, dict) and isinstance(event.get("args"), dict) and "run" in event["args"]
               for event in json.loads(trace)["traceEvents"])


def traces_beside(path):
    """Returns the traces of other schedulers of the same program: the first has the name, others have a number."""
    first = re.sub(r"\.[0-9]+$", "", path)
    numbers = (name[len(first) + 1:] for name in glob.glob(glob.escape(first) + ".*"))
    names = (first, *(f"{first}.{number}" for number in sorted(filter(str.isdecimal, numbers), key=int)))
    return [name for name in names if name != path and os.path.isfile(name)]


def read_part(name):
    return (installed.timeline_parts() / name).read_text(encoding="utf-8")


def page(title, about, trace, is_cut):
    """The text of the page. In JSON a '<' becomes an escape, so that it cannot end the script element."""
    about_data = json.dumps({"text": about, "cut": is_cut}, ensure_ascii=False, separators=(",", ":"))
    values = {
        "title": escape(title, quote=False).replace('"', "&quot;"),
        "style": read_part("style.css"),
        "script": "".join(read_part(f"{name}.js") + "\n" for name in SCRIPTS),
        "about": about_data.replace("<", "\\u003c"),
        "trace": trace.replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], read_part("page.html"))


def is_same_file(first, second):
    """True if both names lead to one file, through whatever links."""
    try:
        return os.path.samefile(first, second)
    except OSError:  # One of them does not exist.
        return os.path.realpath(first) == os.path.realpath(second)


def write_timeline(trace_path, page_path):
    """Writes the page. Returns its path."""
    if "" in (trace_path, page_path):
        raise Failed("timeline needs the name of a file, and one of its arguments is empty")
    target = os.path.splitext(trace_path)[0] + ".html" if page_path is None else page_path
    trace, is_cut = read_trace(trace_path)
    if is_same_file(target, trace_path):
        raise Failed(f"the page {target} would overwrite the trace {trace_path}; name another file for it")
    if not has_run(trace):
        others = traces_beside(trace_path)
        raise Failed(f"{trace_path} has no runs, because its scheduler has computed nothing; " +
                     (f"other schedulers wrote {', '.join(others)}" if others else
                      f"the next scheduler of a program writes {trace_path}.2"))
    text = page(f"ggml-sched: {os.path.basename(trace_path)}", f"The trace {trace_path}", trace, is_cut)
    try:
        with open(target, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise Failed(f"cannot write {target}: {error.strerror}") from error
    return target
