#!/usr/bin/env python3
"""Turns a model of llama2.c (its first, headerless format) and its tokenizer into GGUF, for trials on other weights.

    scripts/convert-llama2c.py stories260K.bin tok512.bin stories260K.gguf

The model file: 7 int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len; vocab_size is negative
where the output matrix is not the token embedding), then float32 weights, one kind after the other over all layers.
The tokenizer file: the longest token's length, then a float32 score, a length and the bytes of each token.
"""

import argparse
import struct
from pathlib import Path

from gguf_writer import ARRAY, F32, FLOAT32, INT32, STRING, UINT32, write

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # types of tokens


def read_tokens(path, n):
    raw = Path(path).read_bytes()
    at = 4
    tokens = []
    for i in range(n):
        score, length = struct.unpack_from("<fi", raw, at)
        text = raw[at + 8:at + 8 + length].decode()
        at += 8 + length
        is_byte = len(text) == 6 and text.startswith("<0x")
        kind = UNKNOWN if i == 0 else CONTROL if i in (1, 2) else BYTE if is_byte else NORMAL
        tokens.append((text.strip("\n") if i in (1, 2) else text.replace(" ", "\u2581"), score, kind))
    return tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("tokenizer")
    parser.add_argument("out")
    args = parser.parse_args()

    raw = Path(args.model).read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, context = struct.unpack_from("<7i", raw)
    tied, vocab = vocab > 0, abs(vocab)
    head = dim // heads
    kv = kv_heads * head
    at = 7 * 4

    def take(*shape):  # the bytes of a tensor whose fastest dimension is the last one
        nonlocal at
        size = 4
        for n in shape:
            size *= n
        at += size
        return list(reversed(shape)), F32, raw[at - size:at]

    def take_layers(name, *shape):
        return {f"blk.{i}.{name}.weight": take(*shape) for i in range(layers)}

    tensors = {"token_embd.weight": take(vocab, dim)}
    tensors |= take_layers("attn_norm", dim)
    tensors |= take_layers("attn_q", heads * head, dim)
    tensors |= take_layers("attn_k", kv, dim)
    tensors |= take_layers("attn_v", kv, dim)
    tensors |= take_layers("attn_output", dim, heads * head)
    tensors |= take_layers("ffn_norm", dim)
    tensors |= take_layers("ffn_gate", hidden, dim)
    tensors |= take_layers("ffn_down", dim, hidden)
    tensors |= take_layers("ffn_up", hidden, dim)
    tensors["output_norm.weight"] = take(dim)
    at += 4 * context * head  # tables of sines and cosines
    if not tied:
        tensors["output.weight"] = take(vocab, dim)
    if at != len(raw):
        raise SystemExit(f"{args.model}: {len(raw)} bytes instead of {at}: not a model in llama2.c's first format")

    tokens = read_tokens(args.tokenizer, vocab)
    entries = [
        ("general.architecture", STRING, "llama"),
        ("general.name", STRING, Path(args.model).stem),
        ("llama.block_count", UINT32, layers),
        ("llama.context_length", UINT32, context),
        ("llama.embedding_length", UINT32, dim),
        ("llama.feed_forward_length", UINT32, hidden),
        ("llama.attention.head_count", UINT32, heads),
        ("llama.attention.head_count_kv", UINT32, kv_heads),
        ("llama.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
        ("llama.rope.dimension_count", UINT32, head),
        ("llama.rope.freq_base", FLOAT32, 10000.0),
        ("llama.vocab_size", UINT32, vocab),
        ("tokenizer.ggml.model", STRING, "llama"),
        ("tokenizer.ggml.tokens", (ARRAY, STRING), [t[0] for t in tokens]),
        ("tokenizer.ggml.scores", (ARRAY, FLOAT32), [t[1] for t in tokens]),
        ("tokenizer.ggml.token_type", (ARRAY, INT32), [t[2] for t in tokens]),
        ("tokenizer.ggml.bos_token_id", UINT32, 1),
        ("tokenizer.ggml.eos_token_id", UINT32, 2),
    ]
    print(f"{args.out}: {write(args.out, entries, [(name, *t) for name, t in tensors.items()])} bytes")


if __name__ == "__main__":
    main()
