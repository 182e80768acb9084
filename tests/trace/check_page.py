#!/usr/bin/env python3
"""Checks a page of sched-run --timeline: well-formed, self-contained, and with its data in it.

    tests/trace/check_page.py FILE.html     prints one line per problem; exit code 1 if there are any
"""

import json
import re
import sys
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}
LOADING = {"src", "href", "srcset", "data", "action", "poster"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.problems = []
        self.open = []
        self.ids = []
        self.scripts = {}
        self.script = None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        for name in LOADING & set(attributes):
            self.problems.append(f"<{tag} {name}={attributes[name]!r}> loads something")
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "script":
            self.script = attributes.get("id", "program")
            self.scripts[self.script] = ""

    def handle_endtag(self, tag):
        if tag in VOID or not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing, at {self.getpos()}")
        self.script = None

    def handle_data(self, data):
        if self.script:
            self.scripts[self.script] += data


def problems_of(text):
    page = Page()
    page.feed(text)
    page.close()
    yield from page.problems
    if page.open:
        yield f"not closed: {page.open}"
    if len(page.ids) != len(set(page.ids)):
        yield f"an id is there twice: {sorted(page.ids)}"
    if re.search("http|//cdn|@import|url\\(|{{|}}}}", text):
        yield f"refers to something else: {re.search('.{0,40}(http|//cdn|@import|url).{0,40}', text)}"
    for used in re.findall(r'getElementById\("([^"]+)"\)|dataOf\("([^"]+)"\)', page.scripts.get("program", "")):
        if "".join(used) not in page.ids:
            yield f"the program uses {''.join(used)}, which is not in the page"
    for name in ("about-data", "trace-data"):
        try:
            json.loads(page.scripts[name])
        except (KeyError, ValueError) as error:
            yield f"{name}: {error}"
    if not json.loads(page.scripts.get("trace-data", "{}")).get("traceEvents"):
        yield "there is nothing in the trace"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = list(problems_of(file.read()))
    print("\n".join(found) or "fine")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
