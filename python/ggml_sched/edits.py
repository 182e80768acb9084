"""Changes of files that are made together: all of them, or none."""

import contextlib
import difflib
import os
import signal
import threading
from pathlib import Path

from .messages import Failed


class Edit:
    """The content of one file before and after. None stands for no file."""

    def __init__(self, path, before, after):
        self.path, self.before, self.after = path, before, after

    def difference(self, name):
        """The changed lines, as `diff -u` shows them."""
        old, new = ((content or b"").decode(errors="replace").split("\n") for content in (self.before, self.after))
        lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", n=2, lineterm="")
        return "\n".join("".join(each if each.isprintable() or each == "\t" else "?" for each in line.rstrip("\r"))
                         for line in lines)


class Edits(list):
    """Edits in the order in which they are made."""

    def add(self, path, after):
        """Adds an edit, unless the file has this content already."""
        before = content_of(path)
        if before != after:
            self.append(Edit(path, before, after))

    def __add__(self, other):
        return Edits([*self, *other])

    def make(self):
        """Makes all edits. If one fails or is interrupted, those before it are taken back."""
        done = []
        made_folders = {edit.path.parent for edit in self if not edit.path.parent.exists()}
        try:
            with signals_as(interrupt):
                self.make_each(done)
        except BaseException as error:
            with signals_as(signal.SIG_IGN):
                left = [edit.path for edit in reversed(done) if not take_back(edit)]
                remove_if_empty(made_folders)
            state = "the tree is as it was" if not left else (
                "these could not be taken back: " + ", ".join(map(str, left)))
            if isinstance(error, OSError):
                raise Failed(f"{done[-1].path} cannot be changed: {error.strerror}; {state}") from error
            if left:
                raise Failed(f"the command was interrupted; {state}") from error
            raise
        remove_if_empty({edit.path.parent for edit in self if edit.after is None})

    def make_each(self, done):
        """Makes the edits, and adds each to `done` before anything happens to its file."""
        for edit in self:
            done.append(edit)
            if content_of(edit.path) != edit.before:
                done.pop()
                raise Failed(f"{edit.path} was changed meanwhile; run the command again")
            put(edit.path, edit.after)


def interrupt(number, frame):
    raise KeyboardInterrupt


@contextlib.contextmanager
def signals_as(handler):
    """Lets the signals that end a program do something else meanwhile."""
    if threading.current_thread() is not threading.main_thread():  # Only the main thread may set handlers.
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def content_of(path):
    """The content of a file; None if there is none."""
    try:
        return path.read_bytes() if path.is_file() else None
    except NotADirectoryError:
        return None


def take_back(edit):
    """Returns false if the file has not its content of before."""
    try:
        if content_of(edit.path) != edit.before:
            put(edit.path, edit.before)
        return True
    except OSError:
        return False


def put(path, content):
    """Writes a file that is whole at any time, or removes it. Of a link it writes what the link names."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    make_folder(path.parent)
    path = Path(os.path.realpath(path))
    written = path.with_name(path.name + ".ggml-sched-new")
    try:
        written.unlink(missing_ok=True)
        with open(written, "xb") as file:
            file.write(content)
        mode_from = path if path.exists() else path.parent
        written.chmod(mode_from.stat().st_mode & (0o777 if mode_from == path else 0o666))
        os.replace(written, path)
    finally:
        written.unlink(missing_ok=True)


def make_folder(folder):
    if not folder.is_dir():
        folder.mkdir()
        folder.chmod(folder.parent.stat().st_mode & 0o777)


def remove_if_empty(folders):
    for folder in folders:
        with contextlib.suppress(OSError):  # It is not empty, or somebody else's.
            folder.rmdir()
