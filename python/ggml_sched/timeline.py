"""`ggml-sched timeline`: a web page that shows a trace. It is the page of `sched-run --timeline`."""

import json
import re
from html import escape
from pathlib import Path

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


def write_timeline(trace_path, page_path):
    """Writes the page. Returns its path."""
    source = Path(trace_path)
    target = Path(page_path) if page_path else source.with_suffix(".html")
    if target == source:
        raise Failed(f"the page would overwrite the trace {source}; name another file for it")
    trace, is_cut = read_trace(source)
    text = page(f"ggml-sched: {source.name}", f"The trace {source}", trace, is_cut)
    try:
        target.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise Failed(f"cannot write {target}: {error.strerror}") from error
    return target
