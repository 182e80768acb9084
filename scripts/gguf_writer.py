"""Writes GGUF files, version 3: the few lines of the format that our scripts need."""

import struct
from pathlib import Path

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9  # types of values
F32, F16, Q4_0 = 0, 1, 2  # types of tensors
ALIGNMENT = 32


def _string(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(kind, v):
    if kind == STRING:
        return _string(v)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind], v)


class Chunks:
    """Data of a tensor that is made while it is written: its size, and a function that returns its parts in order."""

    def __init__(self, n_bytes, parts):
        self.n_bytes, self.parts = n_bytes, parts

    def __len__(self):
        return self.n_bytes


def write(path, entries, tensors):
    """entries: (key, type, value), the type of an array being (ARRAY, element type);
    tensors: (name, shape with the fastest dimension first, type, bytes or Chunks). Returns the size of the file."""
    out = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)))
    for key, kind, value in entries:
        out += _string(key)
        if isinstance(kind, tuple):
            out += struct.pack("<IIQ", ARRAY, kind[1], len(value)) + b"".join(_value(kind[1], v) for v in value)
        else:
            out += struct.pack("<I", kind) + _value(kind, value)
    offset = 0
    for name, shape, kind, raw in tensors:
        out += _string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        out += struct.pack("<IQ", kind, offset)
        offset += len(raw) + -len(raw) % ALIGNMENT
    out += bytes(-len(out) % ALIGNMENT)
    with Path(path).open("wb") as file:
        file.write(out)
        for name, _, _, raw in tensors:
            start = file.tell()
            for part in raw.parts() if isinstance(raw, Chunks) else (raw,):
                file.write(part)
            if file.tell() - start != len(raw):
                raise ValueError(f"the data of {name} is not as long as it said")
            file.write(bytes(-len(raw) % ALIGNMENT))
        return file.tell()
