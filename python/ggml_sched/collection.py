"""The libraries of a folder or of a wheel: every file that the loader could load, equal files once."""

import contextlib
import hashlib
import os
import tempfile
import zipfile
from pathlib import Path

from .elf import Elf, NotElf, is_elf
from .files import open_regular
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
    with open_regular(path) as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            hash_.update(block)
    return hash_.digest()


class Collection:
    """The `libraries` below a folder, in the order of their paths, and the paths that are `unreadable` or `damaged`."""

    def __init__(self, folder):
        self.libraries, self.unreadable, self.damaged = [], [], []
        self.by_size = {}
        for path in self.paths(folder):
            if is_elf(path):
                self.add(path)
            elif os.path.isfile(path) and not os.access(path, os.R_OK):
                self.unreadable.append(path)

    def paths(self, folder):
        def refuse(error):
            if error.filename == str(folder):
                raise Failed(f"the folder {folder} cannot be read: {error.strerror}") from error
            if not isinstance(error, FileNotFoundError):
                self.unreadable.append(Path(error.filename))

        found = []
        for top, _, names in os.walk(str(folder), onerror=refuse):
            if names and not os.access(top, os.X_OK):  # Its names can be listed, and its files cannot be opened.
                self.unreadable.append(Path(top))
            else:
                found += [Path(top) / name for name in names]
        return sorted(found)

    def add(self, path):
        try:
            equals = self.by_size.setdefault((path.parent, path.stat().st_size), [])
            equal = next((other for other in equals if os.path.samefile(other.elf.path, path)
                          or digest(other.elf.path) == digest(path)), None)
            if equal:
                equal.add(path)
                return
            library = Library(Elf(path))
        except NotElf:
            self.damaged.append(path)
            return
        except OSError:  # It went, or it is a file of the kernel that only looks like others.
            self.unreadable.append(path)
            return
        equals.append(library)
        self.libraries.append(library)


def unpack(path, folder):
    """Unpacks a wheel. For damaged bytes zipfile raises errors of many kinds, also of its compressors."""
    try:
        with open_regular(path) as file:
            is_wheel = zipfile.is_zipfile(file)
            if is_wheel:
                with zipfile.ZipFile(file) as archive:
                    archive.extractall(folder)
    except OSError as error:
        raise Failed(f"{path} cannot be unpacked: {error.strerror or error}") from error
    except Exception as error:
        raise Failed(f"{path} is a damaged wheel: {error or type(error).__name__}; download it anew") from error
    if not is_wheel:
        raise Failed(f"{path} is neither a folder, a program, a library nor a wheel")


@contextlib.contextmanager
def opened(path):
    """The folder to search for a path: the folder itself, or the files of a wheel in a temporary folder."""
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ggml-sched-") as temporary:
        unpack(path, temporary)
        yield Path(temporary)
