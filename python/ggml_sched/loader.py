"""Which libraries the loader of glibc would bring for a file, without loading anything."""

import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from .elf import Elf, NotElf

SYSTEM_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")


@lru_cache(maxsize=None)
def cached_libraries():
    """What `ldconfig -p` says: the paths by name. Empty if there is no ldconfig."""
    ldconfig = shutil.which("ldconfig", path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin")
    if not ldconfig:
        return {}
    try:
        done = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, errors="replace", timeout=20)
    except (OSError, subprocess.SubprocessError):
        return {}
    libraries = {}
    for name, path in re.findall(r"^\s+(\S+) \(.*\) => (\S+)$", done.stdout, re.MULTILINE):
        libraries.setdefault(name, []).append(path)
    return libraries


def folders_of(search_path, origin):
    """The folders of an RPATH, a RUNPATH or LD_LIBRARY_PATH. An empty entry is the current folder."""
    if not search_path:
        return []
    entries = re.split("[:;]", search_path)
    return [re.sub(r"\$ORIGIN|\$\{ORIGIN\}", str(origin), entry) or "." for entry in entries]


class Loader:
    """Finds the libraries that one file needs, in the order in which the loader would load them."""

    def __init__(self, environment):
        self.library_path = environment.get("LD_LIBRARY_PATH", "")
        self.loaded = []   # Elf of the file itself and of each library
        self.missing = []  # (name, path of the file that needs it)
        self.by_name = {}

    def load(self, elf):
        """Returns the file and all that it needs."""
        self.add(elf, elf.path.name)
        waiting = [(elf, [])]
        while waiting:
            current, parents = waiting.pop(0)
            for name in current.needed:
                if name in self.by_name:
                    continue
                found = self.find(name, current, parents)
                if found is None:
                    self.by_name[name] = None
                    self.missing.append((name, current.path))
                    continue
                known = [other for other in self.loaded if os.path.samefile(other.path, found.path)]
                self.by_name[name] = known[0] if known else found
                if not known:
                    self.add(found, name)
                    waiting.append((found, [current, *parents]))
        return self.loaded

    def add(self, elf, name):
        self.loaded.append(elf)
        for each in {name, elf.soname} - {""}:
            self.by_name.setdefault(each, elf)

    def candidates(self, name, elf, parents):
        if "/" in name:
            yield name
            return
        folders = []
        if not elf.runpath:
            for each in (elf, *parents):
                folders += folders_of(each.rpath if not each.runpath else "", each.path.resolve().parent)
        folders += folders_of(self.library_path, elf.path.resolve().parent)
        folders += folders_of(elf.runpath, elf.path.resolve().parent)
        for folder in folders:
            yield os.path.join(folder, name)
        yield from cached_libraries().get(name, ())
        for folder in SYSTEM_FOLDERS:
            yield os.path.join(folder, name)

    def find(self, name, elf, parents):
        for path in self.candidates(name, elf, parents):
            if not os.path.isfile(path):
                continue
            try:
                found = Elf(Path(path))
            except NotElf:
                continue
            if found.is_64 == elf.is_64 and found.machine == elf.machine:
                return found
        return None
