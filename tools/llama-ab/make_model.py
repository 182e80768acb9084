#!/usr/bin/env python3
"""Writes a model with random weights, of the shape of a real one, for measuring where no real one can be had.

    make_model.py --shape 8b out.gguf

All matrices are Q4_0, norms are 1, and the scales keep activations and logits near those of a trained model. There is no
vocabulary: llama.cpp runs such models on token ids (llama_ab.py --random-tokens). The same shape, router and seed give the
same file. Data repeats with a period of 9 MB that fits no row, so that gigabytes are written as fast as the disk takes them.

--router decides how many experts of a mixture a batch touches:
    spread      about 73 % by 512 random tokens, 78 % by 2048
    skewed      about 38 % by 512, 42 % by 2048
    zipf        a few experts for nearly every token, many now and then, as in trained models: of 128 experts, 8 used, caches
                of 5, 15, 30 and 50 % hit about 37, 73, 91 and 98 % of the choices (spread: 14, 39, 71 and 95 %)
    zipf-by-layer  as zipf, but the first layer chooses all experts alike, and the last one nearly always the same
llama_ab.py --experts 512,2048 and --hit-curve 512 measure it.
"""

import argparse
import math
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))
import gguf_writer as gguf  # noqa: E402

BLOCK = 32          # values of a Q4_0 block
BLOCK_BYTES = 18    # a half-precision scale and 16 bytes
POOL_BLOCKS = 524287  # a prime, so that no row of a matrix begins where another one did
MEAN_SQUARE = 4.32 * 1.04  # root of it, of the values of a block whose scale is 1 on average


@dataclass(frozen=True)
class Shape:
    architecture: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    ffn: int  # of one expert if there are any
    vocabulary: int
    experts: int = 0
    experts_used: int = 0


SHAPES = {
    "1b": Shape("llama", 16, 2048, 32, 8, 64, 8192, 128256),
    "8b": Shape("llama", 32, 4096, 32, 8, 128, 14336, 128256),
    "moe": Shape("qwen3moe", 24, 2048, 32, 4, 128, 768, 151936, 128, 8),
    "tiny": Shape("llama", 4, 128, 4, 2, 32, 256, 512),
    "tiny-moe": Shape("qwen3moe", 3, 128, 4, 2, 32, 64, 512, 32, 4),
    "tiny-mixtral": Shape("llama", 3, 128, 4, 2, 32, 64, 512, 32, 4),
    "tiny-gpt-oss": Shape("gpt-oss", 3, 128, 4, 2, 32, 64, 512, 32, 4),
    "tiny-olmoe": Shape("olmoe", 3, 128, 4, 4, 32, 64, 512, 32, 4),
}
# What a layer with experts has beside its matrices, by architecture: norms of the rows of queries and keys, of each head or
# of all; and biases.
HEAD_NORMS, ROW_NORMS, BIASES = {"qwen3moe"}, {"olmoe"}, {"gpt-oss"}

# Lengths of the router's rows: that of the expert at rank r of n is exp(-depth * (r / n) ** power). An expert is chosen when
# its logit is among the largest, which for short rows is rare.
ROUTERS = {"spread": (2.2, 1.0), "skewed": (7.0, 0.85), "zipf": None, "zipf-by-layer": None}
MOST_EXPONENT = 2.0  # of the last layer of "zipf-by-layer"

# The router "zipf" gives the expert at rank r a logit of -ln(r) for every token, and a random part of size 1 that is another
# one for each token. With "zipf-by-layer" that logit is multiplied with an exponent, which grows from layer to layer. A share
# of the width, one block, is the same for all tokens: its values are CONSTANT in the embeddings, and nothing is added to them
# later. What layers add to the other values makes the random part larger; ZIPF_RANDOM makes up for that.
ZIPF_RANDOM = 0.83
CONSTANT = 4.0


def is_zipf(router):
    return router.startswith("zipf")


class Weights:
    """Random Q4_0 data out of one pool for each size of values."""

    def __init__(self, seed):
        self.seed, self.pools = seed, {}

    def pool(self, size):
        """Blocks whose values have this root of the mean square."""
        if size not in self.pools:
            random = numpy.random.default_rng([self.seed, zlib.crc32(repr(size).encode())])
            blocks = numpy.empty(POOL_BLOCKS, dtype=[("scale", "<f2"), ("values", "u1", 16)])
            blocks["scale"] = size / MEAN_SQUARE * random.uniform(0.5, 1.5, POOL_BLOCKS)
            low, high = random.integers(1, 16, (2, POOL_BLOCKS, 16), dtype=numpy.uint8)  # 8 is zero: 1 to 15 has no bias
            blocks["values"] = low | high << 4
            self.pools[size] = memoryview(blocks.tobytes())
        return self.pools[size]

    def blocks(self, size, position, left):
        """The blocks from this position of the pool on, round and round."""
        pool = self.pool(size)
        while left:
            count = min(left, POOL_BLOCKS - position)
            yield pool[position * BLOCK_BYTES : (position + count) * BLOCK_BYTES]
            left -= count
            position = 0

    def matrix(self, name, size, *shape, zero_rows=0):
        """Random values. The first `zero_rows` rows of each matrix are 0."""
        n_blocks = math.prod(shape) // BLOCK
        start = (zlib.crc32(name.encode()) + self.seed) % POOL_BLOCKS

        def parts():
            if not zero_rows:
                yield from self.blocks(size, start, n_blocks)
                return
            n_zero, n_of_each = zero_rows * shape[0] // BLOCK, math.prod(shape[:2]) // BLOCK
            for i in range(math.prod(shape[2:])):
                yield bytes(n_zero * BLOCK_BYTES)
                yield from self.blocks(size, (start + i * n_of_each) % POOL_BLOCKS, n_of_each - n_zero)

        return name, shape, gguf.Q4_0, gguf.Chunks(n_blocks * BLOCK_BYTES, parts)

    def embedding(self, name, width, n_tokens):
        """Random values of size 1; those of the first block of each row are CONSTANT."""
        constant = numpy.frombuffer(numpy.float16(CONSTANT / 7).tobytes() + b"\xff" * 16, dtype=numpy.uint8)
        row_bytes = width // BLOCK * BLOCK_BYTES
        start = (zlib.crc32(name.encode()) + self.seed) % POOL_BLOCKS

        def parts():
            for first in range(0, n_tokens, 4096):
                n_rows = min(4096, n_tokens - first)
                n_blocks = n_rows * width // BLOCK
                data = b"".join(self.blocks(1.0, (start + first * width // BLOCK) % POOL_BLOCKS, n_blocks))
                rows = numpy.frombuffer(data, dtype=numpy.uint8).reshape(n_rows, row_bytes).copy()
                rows[:, :BLOCK_BYTES] = constant
                yield rows.tobytes()

        return name, (width, n_tokens), gguf.Q4_0, gguf.Chunks(n_tokens * row_bytes, parts)

    def zipf_router(self, name, exponent, width, n_experts):
        """The logits of a token whose values have the size 1, except for the constant ones, are those of "zipf"."""
        random = numpy.random.default_rng([self.seed, zlib.crc32(name.encode())])
        rank = random.permutation(n_experts) + 1
        rows = ZIPF_RANDOM * random.standard_normal((n_experts, width)) / math.sqrt(width - BLOCK)
        rows[:, :BLOCK] = (-exponent * numpy.log(rank) / (BLOCK * CONSTANT))[:, None]
        return name, (width, n_experts), gguf.F32, rows.astype("<f4").tobytes()

    def router(self, name, kind, place, width, n_experts):
        """`place` is that of the layer: 0 for the first one, 1 for the last one."""
        if is_zipf(kind):
            return self.zipf_router(name, 1.0 if kind == "zipf" else MOST_EXPONENT * place, width, n_experts)
        random = numpy.random.default_rng([self.seed, zlib.crc32(name.encode())])
        depth, power = ROUTERS[kind]
        lengths = numpy.exp(-depth * (random.permutation(n_experts) / n_experts) ** power)
        rows = random.standard_normal((n_experts, width)) * (2 / math.sqrt(width)) * lengths[:, None]
        return name, (width, n_experts), gguf.F32, rows.astype("<f4").tobytes()


def bias(name, *shape):
    """Small values that differ."""
    random = numpy.random.default_rng(zlib.crc32(name.encode()))
    return name, shape, gguf.F32, (0.1 * random.standard_normal(math.prod(shape))).astype("<f4").tobytes()


def ones(name, n):
    return name, (n,), gguf.F32, numpy.ones(n, dtype="<f4").tobytes()


def layer_tensors(shape, weights, layer, router):
    width, prefix = shape.width, f"blk.{layer}."
    n_q, n_kv = shape.heads * shape.head_size, shape.kv_heads * shape.head_size

    zero_rows = BLOCK if is_zipf(router) else 0

    def into(n, gain=1.0):
        return gain / math.sqrt(n)  # of weights that keep the size of what they are multiplied with

    tensors = [
        ones(f"{prefix}attn_norm.weight", width),
        weights.matrix(f"{prefix}attn_q.weight", into(width), width, n_q),
        weights.matrix(f"{prefix}attn_k.weight", into(width), width, n_kv),
        weights.matrix(f"{prefix}attn_v.weight", into(width), width, n_kv),
        weights.matrix(f"{prefix}attn_output.weight", into(n_q, 0.5), n_q, width,
                       zero_rows=zero_rows),
        ones(f"{prefix}{'post_attention' if shape.architecture in BIASES else 'ffn'}_norm.weight", width),
    ]
    many = (shape.experts,) if shape.experts else ()
    suffix = "_exps.weight" if shape.experts else ".weight"
    if shape.experts:
        place = layer / max(shape.layers - 1, 1)
        tensors.append(weights.router(f"{prefix}ffn_gate_inp.weight", router, place, width, shape.experts))
    if shape.experts and shape.architecture in HEAD_NORMS | ROW_NORMS:
        is_by_head = shape.architecture in HEAD_NORMS
        tensors += [ones(f"{prefix}attn_q_norm.weight", shape.head_size if is_by_head else n_q),
                    ones(f"{prefix}attn_k_norm.weight", shape.head_size if is_by_head else n_kv)]
    if shape.architecture in BIASES:
        tensors += [bias(f"{prefix}attn_sinks.weight", shape.heads), bias(f"{prefix}attn_output.bias", width),
                    bias(f"{prefix}ffn_gate_inp.bias", shape.experts),
                    *(bias(f"{prefix}ffn_{name}_exps.bias", n, shape.experts)
                      for name, n in (("gate", shape.ffn), ("up", shape.ffn), ("down", width)))]
    return tensors + [
        weights.matrix(f"{prefix}ffn_gate{suffix}", into(width), width, shape.ffn, *many),
        weights.matrix(f"{prefix}ffn_up{suffix}", into(width), width, shape.ffn, *many),
        weights.matrix(f"{prefix}ffn_down{suffix}", into(shape.ffn), shape.ffn, width, *many,
                       zero_rows=zero_rows),
    ]


def metadata(shape, name):
    a = shape.architecture
    numbers = {
        "vocab_size": shape.vocabulary, "context_length": 131072, "embedding_length": shape.width,
        "block_count": shape.layers, "feed_forward_length": shape.ffn, "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads, "attention.key_length": shape.head_size,
        "attention.value_length": shape.head_size, "rope.dimension_count": shape.head_size,
    }
    if shape.experts:
        numbers |= {"expert_count": shape.experts, "expert_used_count": shape.experts_used,
                    "expert_feed_forward_length": shape.ffn}
    if shape.architecture in BIASES:
        numbers |= {"attention.sliding_window": 32}
    return [
        ("general.architecture", gguf.STRING, a),
        ("general.name", gguf.STRING, name),
        ("general.quantization_version", gguf.UINT32, 2),
        *((f"{a}.{key}", gguf.UINT32, value) for key, value in numbers.items()),
        (f"{a}.attention.layer_norm_rms_epsilon", gguf.FLOAT32, 1e-5),
        (f"{a}.rope.freq_base", gguf.FLOAT32, 500000.0),
        ("tokenizer.ggml.model", gguf.STRING, "no_vocab"),
    ]


def make(path, shape_name, router="spread", seed=1):
    """Returns the size of the file."""
    shape, weights = SHAPES[shape_name], Weights(seed)
    embedding = ("token_embd.weight", shape.width, shape.vocabulary)
    tensors = [weights.embedding(*embedding) if is_zipf(router) else weights.matrix(embedding[0], 1.0, *embedding[1:])]
    for layer in range(shape.layers):
        tensors += layer_tensors(shape, weights, layer, router)
    tensors += [ones("output_norm.weight", shape.width),
                weights.matrix("output.weight", 2 / math.sqrt(shape.width), shape.width, shape.vocabulary)]
    unfinished = Path(f"{path}.part")
    n_bytes = gguf.write(unfinished, metadata(shape, f"random {shape_name}"), tensors)
    unfinished.rename(path)
    return n_bytes


def main():
    parser = argparse.ArgumentParser(prog="make_model.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--router", choices=ROUTERS, default="spread")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    start = time.monotonic()
    n_bytes = make(args.path, args.shape, args.router, args.seed)
    print(f"{args.path}: {n_bytes / 1e9:.2f} GB in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
