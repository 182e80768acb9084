"""The libraries of a folder or of a wheel: every file that the loader could load, equal files once."""

import contextlib
import hashlib
import os
import tempfile
import zipfile
from pathlib import Path

from .elf import Elf, NotElf, is_elf
from .messages import Failed


class Library:
    """A file, and the names of equal files in its folder. Wheels hold copies where other packages hold links."""

    def __init__(self, elf):
        self.elf = elf
        self.other_names = []

    def add(self, path):
        """Adds an equal file. The one that other libraries ask for, by the soname, becomes the file itself."""
        if path.name == self.elf.soname:
            self.other_names.append(self.elf.path.name)
            self.elf = Elf(path)
        else:
            self.other_names.append(path.name)


def digest(path):
    hash_ = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            hash_.update(block)
    return hash_.digest()


def libraries_of(folder):
    """The ELF files below a folder, in the order of their paths."""
    found, by_size = {}, {}
    paths = sorted(Path(top) / name for top, _, names in os.walk(folder) for name in names)
    for path in paths:
        if not path.is_file() or not is_elf(path):
            continue
        key = (path.parent, path.stat().st_size)
        equal = next((other for other in by_size.get(key, ()) if os.path.samefile(other, path)
                      or digest(other) == digest(path)), None)
        if equal:
            found[equal].add(path)
            continue
        try:
            found[path] = Library(Elf(path))
        except NotElf:
            continue
        by_size.setdefault(key, []).append(path)
    return list(found.values())


@contextlib.contextmanager
def opened(path):
    """The folder to search for a path: the folder itself, or the files of a wheel in a temporary folder."""
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ggml-sched-") as temporary:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(temporary)
        except (zipfile.BadZipFile, OSError, RuntimeError) as error:
            raise Failed(f"{path} is neither a folder, a program, a library nor a wheel: {error}") from error
        yield Path(temporary)
