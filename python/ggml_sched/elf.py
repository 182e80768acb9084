"""A reader of ELF files: what the loader does with a file, and the names of its symbols.

Only program headers are needed, except for the static symbols. So it also reads files whose section headers are gone.
"""

import contextlib
import mmap
import os
import struct
from pathlib import Path

from .files import head_of, open_regular
from .messages import Failed

MAGIC = b"\x7fELF"
LEAST_SIZE = 52  # of a header. Files of /proc have no size, and reading some of them waits.
MACHINES = {3: "x86", 40: "ARM", 62: "x86-64", 183: "AArch64", 243: "RISC-V", 22: "s390", 21: "PowerPC 64"}
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
SHT_SYMTAB = 2
NEEDED, HASH, STRTAB, SYMTAB, RELA, RELASZ, SONAME, RPATH, SYMBOLIC, JMPREL, PLTRELSZ, FLAGS, RUNPATH, GNU_HASH = (
    1, 4, 5, 6, 7, 8, 14, 15, 16, 23, 2, 30, 29, 0x6ffffef5)
DF_SYMBOLIC = 2


class NotElf(Failed):
    """The file is no ELF file, or it is damaged. The reader raises nothing else, whatever the bytes are."""


def is_elf(path):
    try:
        return os.stat(path).st_size >= LEAST_SIZE and head_of(path, 4) == MAGIC
    except OSError:
        return False


class Elf:
    """One file. `is_64` and `machine` come from its header; the rest is empty where the file does not have it.

    The file is open only while it is read, so that a folder may have more files than a process may open.
    """

    def __init__(self, path):
        self.path = Path(path)
        with self.opened():
            self.read_header()
            self.read_dynamic()
            self.names = self.read_dynamic_symbols()

    def mapped(self):
        with open_regular(self.path) as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @contextlib.contextmanager
    def opened(self):
        """Maps the file as `data`. An error becomes NotElf."""
        try:
            with self.mapped() as self.data:
                yield
        except OSError as error:
            raise NotElf(f"{self.path} cannot be read: {error.strerror}") from error
        except (struct.error, LookupError, ArithmeticError, ValueError, MemoryError) as error:
            raise NotElf(f"{self.path} is a damaged ELF file") from error

    def unpack(self, format_, offset):
        return struct.unpack_from(self.order + format_, self.data, offset)

    def read_header(self):
        if self.data[:4] != MAGIC or self.data[4] not in (1, 2) or self.data[5] not in (1, 2):
            raise NotElf(f"{self.path} is no ELF file")
        self.is_64 = self.data[4] == 2
        self.order = "<" if self.data[5] == 1 else ">"
        self.type, number = self.unpack("HH", 16)
        self.machine = MACHINES.get(number, f"machine {number}")
        self.word = "Q" if self.is_64 else "I"
        ph_offset, self.sh_offset = self.unpack(self.word * 2, 32 if self.is_64 else 28)
        ph_size, ph_count, self.sh_size, self.sh_count = self.unpack("HHHH", 54 if self.is_64 else 42)
        self.segments = [self.segment(ph_offset + i * ph_size) for i in range(ph_count)]
        names = [(offset, size) for kind, offset, _, size in self.segments if kind == PT_INTERP]
        self.interpreter = os.fsdecode(self.data[names[0][0]:sum(names[0])].split(b"\0")[0]) if names else ""

    def segment(self, at):
        """The type, the offset in the file, the address and the size in the file."""
        if self.is_64:
            kind, _, offset, address, _, size = self.unpack("IIQQQQ", at)
        else:
            kind, offset, address, _, size = self.unpack("IIIII", at)
        return kind, offset, address, size

    def offset_of(self, address):
        for kind, offset, begin, size in self.segments:
            if kind == PT_LOAD and begin <= address < begin + size:
                return address - begin + offset
        raise ValueError(f"no segment has the address {address}")

    def read_dynamic(self):
        self.tags, needed = {}, []
        found = [(offset, size) for kind, offset, _, size in self.segments if kind == PT_DYNAMIC]
        entry = 16 if self.is_64 else 8
        for at in range(found[0][0], sum(found[0]) - entry + 1, entry) if found else ():
            tag, value = self.unpack(self.word * 2, at)
            if tag == 0:
                break
            if tag == NEEDED:
                needed.append(value)
            self.tags[tag] = value
        self.is_dynamic = bool(found)
        self.strings = self.offset_of(self.tags[STRTAB]) if STRTAB in self.tags else 0
        self.needed = [self.string(value) for value in needed]
        self.soname = self.string(self.tags[SONAME]) if SONAME in self.tags else ""
        self.rpath = self.string(self.tags[RPATH]) if RPATH in self.tags else ""
        self.runpath = self.string(self.tags[RUNPATH]) if RUNPATH in self.tags else ""
        self.is_symbolic = SYMBOLIC in self.tags or bool(self.tags.get(FLAGS, 0) & DF_SYMBOLIC)

    def string(self, offset):
        return self.string_at(self.strings + offset)

    def string_at(self, begin):
        end = self.data.find(b"\0", begin)
        if end < 0:
            raise ValueError(f"no string ends behind {begin}")
        return os.fsdecode(self.data[begin:end])

    def count_symbols(self):
        """The number of dynamic symbols, which the hash tables tell.

        The newer table of a file that defines none holds no number. The strings then lie behind the symbols.
        """
        if HASH in self.tags:
            return self.unpack("II", self.offset_of(self.tags[HASH]))[1]
        if GNU_HASH not in self.tags:
            return 0
        at = self.offset_of(self.tags[GNU_HASH])
        n_buckets, first, n_bloom = self.unpack("III", at)
        buckets = at + 16 + n_bloom * (8 if self.is_64 else 4)
        last = max(self.unpack(f"{n_buckets}I", buckets), default=0)
        if last == 0:
            space = self.tags[STRTAB] - self.tags[SYMTAB]
            return space // (24 if self.is_64 else 16) if space > 0 else first
        while not self.unpack("I", buckets + 4 * (n_buckets + last - first))[0] & 1:
            last += 1
        return last + 1

    def symbols_at(self, offset, count, strings):
        """Yields (name, whether this file defines it) of a table of symbols."""
        format_ = self.order + ("IBBHQQ" if self.is_64 else "IIIBBH")
        section = 3 if self.is_64 else 5
        table = self.data[offset:offset + count * struct.calcsize(format_)]
        for symbol in struct.iter_unpack(format_, table):
            yield self.string_at(strings + symbol[0]), symbol[section] != 0

    def read_dynamic_symbols(self):
        if SYMTAB not in self.tags:
            return []
        return list(self.symbols_at(self.offset_of(self.tags[SYMTAB]), self.count_symbols(), self.strings))

    def dynamic_symbols(self):
        """A list of (name, whether this file defines it)."""
        return self.names

    @property
    def exports(self):
        return {name for name, is_defined in self.dynamic_symbols() if is_defined}

    @property
    def imports(self):
        return {name for name, is_defined in self.dynamic_symbols() if not is_defined}

    def static_symbols(self):
        """The names that .symtab defines; empty if the file is stripped.

        Section headers are of no use to the loader. So a damaged table counts as none.
        """
        try:
            with self.opened():
                return self.read_static_symbols()
        except NotElf:
            return set()

    def read_static_symbols(self):
        names = set()
        for i in range(self.sh_count):
            at = self.sh_offset + i * self.sh_size
            kind = self.unpack("I", at + 4)[0]
            offset, size = self.unpack(self.word * 2, at + (24 if self.is_64 else 16))
            if kind == SHT_SYMTAB:
                link = self.unpack("I", at + (40 if self.is_64 else 24))[0]
                strings_at = self.sh_offset + link * self.sh_size + (24 if self.is_64 else 16)
                strings = self.unpack(self.word, strings_at)[0]
                count = size // (24 if self.is_64 else 16)
                names |= {name for name, is_defined in self.symbols_at(offset, count, strings) if is_defined}
        return names

    def bound_by_name(self):
        """The names that the loader binds for this file's own code, whether or not the file defines them."""
        if not self.is_64:
            return set()
        found = set()
        with self.opened():
            for table, size in ((JMPREL, PLTRELSZ), (RELA, RELASZ)):
                if table in self.tags and size in self.tags:
                    at = self.offset_of(self.tags[table])
                    relocations = self.data[at:at + self.tags[size] // 24 * 24]
                    for _, info, _ in struct.iter_unpack(self.order + "QQq", relocations):
                        if 0 < info >> 32 < len(self.names):
                            found.add(self.names[info >> 32][0])
        return found

    def contains(self, text):
        with self.opened():
            return self.data.find(text) >= 0
