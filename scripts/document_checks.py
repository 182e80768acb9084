#!/usr/bin/env python3
"""Checks the Markdown documents against the rules of language that a program can check.

    scripts/document_checks.py [FILE ...]     prints one line per fault; exit code 1 if there are any
    scripts/document_checks.py --wrap FILE    breaks the lines of its paragraphs and lists anew

The rules:

- A line has at most 100 columns. A line of a code block may have 120, as code may. A row of a table may be longer,
  because Markdown cannot break it; so may a single word, such as a link.
- A table has at most seven columns.
- A sentence outside of tables, code blocks and quotations has at most 25 words. A piece of inline code is one word.
- No sentence begins with one of OPENINGS, which leave their noun to the reader.
- There are no footnote marks.
- A link leads to a file of the tree, and to a heading that this file has.

Journals (docs/journal) and the changelog are records: only the columns, the footnote marks and the links are checked.
"""

import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_COLUMNS = 100
MAX_CODE_COLUMNS = 120
MAX_TABLE_COLUMNS = 7
MAX_WORDS = 25
OPENINGS = ("Of ", "Those ", "Who ", "That of ", "Another one ")
FOOTNOTE_MARKS = "†‡§¶"
RECORDS = ("docs/journal/", "CHANGELOG.md")
SKIPPED = {"build", ".git", ".venv"}

FENCE = re.compile(r"\s*(```|~~~)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
LIST_ITEM = re.compile(r"^\s*([-*+]|\d{1,2}[.)])\s+")
COMMENT = re.compile(r"<!--.*?-->")
# A sentence ends with its mark and white space; closing brackets, quotes or emphasis may stand between them.
END_OF_SENTENCE = re.compile(r"""[.!?][)"'*_\]]*\s+""")


def prose(text):
    """Replaces what is no word: inline code and link targets. Code becomes one word."""
    text = COMMENT.sub("", text)
    text = re.sub(r"`+[^`]+`+", "`code`", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return text.replace("**", "").strip()


def blocks(lines):
    """Yields (kind, number of the first line, lines): "code", "table", "heading", "quote", or "prose".

    Prose is one paragraph, or one item of a list.
    """
    kind, first, found = None, 0, []
    fence = None
    for number, line in enumerate([*lines, ""], 1):
        if fence:
            found.append(line)
            if line.strip().startswith(fence):
                yield "code", first, found
                kind, found, fence = None, [], None
            continue
        opening = FENCE.match(line)
        if opening:
            this = "fence"
        elif not line.strip():
            this = None
        elif line.lstrip().startswith("|"):
            this = "table"
        elif line.startswith("#"):
            this = "heading"
        elif line.startswith(">"):
            this = "quote"
        elif re.match(r"    +\S", line) and (kind == "code" or (kind is None and not LIST_ITEM.match(line))):
            this = "code"
        else:
            this = "prose"
        if found and (this != kind or this == "heading" or (this == "prose" and LIST_ITEM.match(line))):
            yield kind, first, found
            found = []
        if this == "fence":
            fence, kind, first, found = opening.group(1), "code", number, [line]
            continue
        if this and not found:
            first = number
        kind = this
        if this:
            found.append(line)
    if fence:
        yield "code", first, found


def sentences(paragraph):
    """The sentences of a paragraph or an item of a list."""
    text = LIST_ITEM.sub("", " ".join(line.strip() for line in paragraph), count=1)
    return [sentence for sentence in END_OF_SENTENCE.split(prose(text)) if sentence]


def count_words(sentence):
    return sum(1 for word in sentence.split() if re.search(r"\w", word))


def check_columns(kind, first, lines):
    if kind == "table":
        return
    limit = MAX_CODE_COLUMNS if kind == "code" else MAX_COLUMNS
    for number, line in enumerate(lines, first):
        is_one_word = len(LIST_ITEM.sub("", line).split()) == 1
        if len(line) > limit and not is_one_word:
            yield number, f"{len(line)} columns; at most {limit} are allowed"


def check_table(first, lines):
    n_columns = len(re.sub(r"\\\||`[^`]*`", "", lines[0]).strip().strip("|").split("|"))
    if n_columns > MAX_TABLE_COLUMNS:
        yield first, f"a table of {n_columns} columns; at most {MAX_TABLE_COLUMNS} are allowed"


def check_sentences(first, lines):
    for sentence in sentences(lines):
        opening = next((opening for opening in OPENINGS if sentence.startswith(opening)), None)
        if opening:
            yield first, f"a sentence begins with \"{opening.strip()}\": \"{sentence[:50]}\"; name its subject"
        n_words = count_words(sentence)
        if n_words > MAX_WORDS:
            yield first, f"a sentence of {n_words} words: \"{sentence[:50]}\"; at most {MAX_WORDS} are allowed"


def check_text(text, is_record=False):
    """The faults of a document as pairs of line number and text."""
    lines = text.splitlines()
    faults = []
    for number, line in enumerate(lines, 1):
        faults += [(number, f"footnote mark {mark}") for mark in FOOTNOTE_MARKS if mark in line]
    for kind, first, found in blocks(lines):
        faults += check_columns(kind, first, found)
        if kind == "table" and not is_record:
            faults += check_table(first, found)
        if kind == "prose" and not is_record:
            faults += check_sentences(first, found)
    return sorted(faults)


def anchors(text):
    """The names by which links reach the headings of a document."""
    titles = [line.lstrip("#").strip() for kind, _, found in blocks(text.splitlines()) if kind == "heading" for line in found]
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "]", title).lower()).replace(" ", "-") for title in titles}


def check_links(path, text):
    """The links of the document that lead nowhere."""
    faults = []
    for kind, first, found in blocks(text.splitlines()):
        for number, line in enumerate(found if kind != "code" else [], first):
            for link in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                name, _, anchor = link.partition("#")
                target = path.parent / name if name else path
                if re.match(r"\w+:", link):
                    continue
                if not target.exists():
                    faults.append((number, f"a link to {name}, which does not exist"))
                elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
                    faults.append((number, f"a link to {link}, which has no such heading"))
    return faults


def wrap(text):
    """The document with the lines of its prose broken anew."""
    lines = text.splitlines()
    for kind, first, found in reversed(list(blocks(lines))):
        if kind == "prose":
            item = LIST_ITEM.match(found[0])
            indent = item.group(0) if item else ""
            body = " ".join(line.strip() for line in found).removeprefix(indent.strip()).strip()
            lines[first - 1:first - 1 + len(found)] = textwrap.wrap(
                body, MAX_COLUMNS, initial_indent=indent, subsequent_indent=" " * len(indent), break_long_words=False,
                break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def documents():
    """All Markdown files of the tree that are ours."""
    found = (path for path in ROOT.rglob("*.md") if not SKIPPED & set(path.relative_to(ROOT).parts))
    return sorted(found)


def check_documents(paths=None):
    """The faults of all documents, one line each."""
    lines = []
    for path in paths or documents():
        name = path.resolve().relative_to(ROOT).as_posix() if path.resolve().is_relative_to(ROOT) else str(path)
        text = path.read_text(encoding="utf-8")
        faults = check_text(text, name.startswith(RECORDS)) + check_links(path, text)
        lines += [f"{name}:{number}: {fault}" for number, fault in sorted(faults)]
    return lines


def main():
    if sys.argv[1:2] == ["--wrap"]:
        for path in map(Path, sys.argv[2:]):
            path.write_text(wrap(path.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    faults = check_documents([Path(name) for name in sys.argv[1:]])
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
