#!/usr/bin/env python3
"""Tests of tools/whisper-ab/convert_model.py on a model that is made here: two layers, of width 4."""

import math
import struct
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools/whisper-ab"))

import convert_model  # noqa: E402

WIDTH, MELS, VOCABULARY = 4, 3, 7
HEAD = struct.pack("<I11i", convert_model.MAGIC, VOCABULARY, 6, WIDTH, 1, 2, 5, WIDTH, 1, 2, MELS, 1) + b"filters, vocabulary"


def shapes():
    """Those of CTranslate2's variables."""
    w = WIDTH
    result = {"encoder/conv1": (w, MELS, 3), "encoder/conv2": (w, w, 3)}
    for side in ("encoder", "decoder"):
        for layer in range(2):
            prefix = f"{side}/layer_{layer}"
            result |= {f"{prefix}/self_attention/linear_0": (3 * w, w), f"{prefix}/self_attention/linear_1": (w, w),
                       f"{prefix}/ffn/linear_0": (4 * w, w), f"{prefix}/ffn/linear_1": (w, 4 * w)}
            norms = ["self_attention", "ffn"]
            if side == "decoder":
                result |= {f"{prefix}/attention/linear_0": (w, w), f"{prefix}/attention/linear_1": (2 * w, w),
                           f"{prefix}/attention/linear_2": (w, w)}
                norms.append("attention")
            result |= {f"{prefix}/{norm}/layer_norm": None for norm in norms}
        result[f"{side}/layer_norm"] = None
    variables = {"encoder/position_encodings/encodings": (6, w), "decoder/position_encodings/encodings": (5, w),
                 "decoder/embeddings/weight": (VOCABULARY, w)}
    for name, shape in result.items():
        parts = {"gamma": (w,), "beta": (w,)} if shape is None else {"weight": shape, "bias": shape[:1]}
        variables |= {f"{name}/{part}": size for part, size in parts.items()}
    return variables


def values_of(name, shape):
    """Whole numbers that a half holds, other ones for each name."""
    start = sum(name.encode()) % 500
    return [float(start + i) for i in range(math.prod(shape))]


def text(s):
    raw = s.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def model(variables, version=convert_model.VERSION):
    out = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(variables) + 1)
    out += text("decoder/num_heads") + struct.pack("<BBIh", 0, 2, 2, 1)
    for name, shape in variables.items():
        data = struct.pack(f"<{math.prod(shape)}e", *values_of(name, shape))
        out += text(name) + struct.pack(f"<B{len(shape)}IBI", len(shape), *shape, convert_model.FLOAT16, len(data)) + data
    return out


def read_tensors(data):
    """name -> (dimensions with the fastest first, type, values), as whisper.cpp would read them"""
    position, result = len(HEAD), {}
    while position < len(data):
        n_dims, length, kind = struct.unpack_from("<3i", data, position)
        dims = struct.unpack_from(f"<{n_dims}i", data, position + 12)
        position += 12 + 4 * n_dims
        name = data[position : position + length].decode()
        position += length
        layout = f"<{math.prod(dims)}{'e' if kind == convert_model.GGML_F16 else 'f'}"
        result[name] = dims, kind, list(struct.unpack_from(layout, data, position))
        position += struct.calcsize(layout)
    return result


class Convert(unittest.TestCase):
    def setUp(self):
        self.variables = shapes()
        self.data = convert_model.convert(model(self.variables), HEAD)
        self.tensors = read_tensors(self.data)

    def theirs(self, name):
        return values_of(name, self.variables[name])

    def test_KeepsTheHeadAndHasEveryTensorOnce(self):
        self.assertTrue(self.data.startswith(HEAD))
        self.assertEqual(len(self.tensors), 11 + 15 * 2 + 24 * 2)  # those that whisper.cpp makes

    def test_WritesMatricesAsHalvesAndTheRestAsSingles(self):
        self.assertEqual(self.tensors["decoder.token_embedding.weight"],
                         ((WIDTH, VOCABULARY), convert_model.GGML_F16, self.theirs("decoder/embeddings/weight")))
        self.assertEqual(self.tensors["encoder.positional_embedding"],
                         ((WIDTH, 6), convert_model.GGML_F32, self.theirs("encoder/position_encodings/encodings")))
        self.assertEqual(self.tensors["decoder.blocks.1.cross_attn_ln.bias"],
                         ((WIDTH,), convert_model.GGML_F32, self.theirs("decoder/layer_1/attention/layer_norm/beta")))

    def test_TurnsShapesRoundAndGivesBiasesOfConvolutionsTwoDimensions(self):
        self.assertEqual(self.tensors["encoder.conv1.weight"][0], (3, MELS, WIDTH))
        self.assertEqual(self.tensors["encoder.conv2.bias"][:2], ((1, WIDTH), convert_model.GGML_F32))

    def test_CutsFusedMatricesIntoQueriesKeysAndValues(self):
        fused = self.theirs("encoder/layer_1/self_attention/linear_0/weight")
        size = WIDTH * WIDTH
        for part, name in enumerate(("query", "key", "value")):
            self.assertEqual(self.tensors[f"encoder.blocks.1.attn.{name}.weight"][2], fused[part * size : (part + 1) * size])
        cross = self.theirs("decoder/layer_0/attention/linear_1/bias")
        self.assertEqual(self.tensors["decoder.blocks.0.cross_attn.value.bias"][2], cross[WIDTH:])
        self.assertNotIn("decoder.blocks.0.cross_attn.key.bias", self.tensors)

    def test_RefusesOtherFilesWithASentence(self):
        good = model(self.variables)
        without = {name: shape for name, shape in self.variables.items() if name != "encoder/conv1/weight"}
        for data, head, words in ((model(self.variables, version=5), HEAD, "version 6"), (good[:-9], HEAD, "ends too early"),
                                  (b"", HEAD, "ends too early"), (good, b"GGUF" + HEAD[4:], "no model of whisper.cpp"),
                                  (model(without), HEAD, "has no encoder/conv1/weight")):
            with self.assertRaisesRegex(convert_model.Wrong, words):
                convert_model.convert(data, head)

    def test_LeavesNoHalfWrittenFileBehind(self):
        with tempfile.TemporaryDirectory() as folder:
            source, head, out = (Path(folder) / name for name in ("model.bin", "head.bin", "out.bin"))
            source.write_bytes(model(self.variables)[:-9])
            head.write_bytes(HEAD)
            with self.assertRaises(convert_model.Wrong):
                convert_model.main(source, head, out)
            self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main()
