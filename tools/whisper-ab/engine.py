"""whisper.cpp through pywhispercpp built with the drop-in: for pieces of it the C functions, for whole transcriptions the
Python package as people use it. The environment variable GGML_SCHED is read when a context is made."""

import contextlib
import ctypes
import os
import struct
import wave

import _pywhispercpp
import numpy
from pywhispercpp.model import Model

WARNINGS = (3, 4)  # levels of ggml's log: warnings and errors
SAMPLE_RATE = 16000
HEADS_OF_TINY_EN = _pywhispercpp.whisper_alignment_heads_preset.WHISPER_AHEADS_TINY_EN  # those that follow the audio
TOKEN = "<2i4f3qf"  # id, timestamp id; p, log p, p and sum of timestamps; three times; voice length


class Failed(Exception):
    """Its text is for the user."""


class ContextParams(ctypes.Structure):
    _fields_ = [("use_gpu", ctypes.c_bool), ("flash_attn", ctypes.c_bool), ("gpu_device", ctypes.c_int),
                ("dtw_token_timestamps", ctypes.c_bool), ("dtw_aheads_preset", ctypes.c_int), ("dtw_n_top", ctypes.c_int),
                ("n_heads", ctypes.c_size_t), ("heads", ctypes.c_void_p), ("dtw_mem_size", ctypes.c_size_t)]


LIBRARY = ctypes.CDLL(_pywhispercpp.__file__)  # looks into what the module depends on, too
LogCallback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


def function(name, result, *parameters):
    found = getattr(LIBRARY, name, None) or getattr(ctypes.CDLL(None), name, None)  # the program knows what is attached
    if not found:
        raise Failed(f"this pywhispercpp has no {name}; build it with the drop-in, and with GGML_RPC=ON for --rpc "
                     "(docs/drop-in.md)")
    found.restype, found.argtypes = result, list(parameters)
    return found


def read_wave(path):
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, SAMPLE_RATE):
            raise Failed(f"{path} is not mono, of 16 bits, at {SAMPLE_RATE} Hz")
        return numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(numpy.float32) / 32768


class Engine:
    def __init__(self, model, n_threads, rpc=()):
        self.model, self.n_threads = str(model), n_threads
        self.lines, self.warnings = [], []
        function("ggml_sched_get_stats", None)  # the drop-in is there
        self._callback = LogCallback(self._note)
        function("whisper_log_set", None, LogCallback, ctypes.c_void_p)(self._callback, None)
        for endpoint in rpc:
            registry = function("ggml_backend_rpc_add_server", ctypes.c_void_p, ctypes.c_char_p)(endpoint.encode())
            if not registry:
                raise Failed(f"no RPC server answers at {endpoint}")
            function("ggml_backend_register", None, ctypes.c_void_p)(registry)

    def _note(self, level, text, _user_data):
        line = text.decode("utf-8", "replace").rstrip("\n")
        self.lines.append(line)
        if level in WARNINGS and "ggml-sched:" in line:
            self.warnings.append(line)

    def devices(self):
        count = function("ggml_backend_dev_count", ctypes.c_size_t)
        get = function("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
        name = function("ggml_backend_dev_name", ctypes.c_char_p, ctypes.c_void_p)
        return [name(get(i)).decode() for i in range(count())]

    @contextlib.contextmanager
    def schedulers_of(self, choice):
        """Within it schedulers are made by this choice, and the log has to say so."""
        os.environ["GGML_SCHED"] = choice
        self.lines.clear()
        yield
        makers = {line.rsplit(" ", 1)[-1] for line in self.lines if "scheduler made by" in line}
        if makers != {choice}:
            raise Failed(f"schedulers were made by {', '.join(makers) or 'nobody'}, not by {choice}")

    def complaints(self):
        """What ggml-sched has warned of since the last call."""
        lines = list(self.warnings)
        self.warnings.clear()
        return lines

    def logits(self, choice, audio, flash_attn=True, n_decode=24):
        """Encodes and decodes greedily, by whisper.cpp's functions for pieces. Returns the logits of each token."""
        make = function("whisper_init_from_file_with_params", ctypes.c_void_p, ctypes.c_char_p, ContextParams)
        defaults = function("whisper_context_default_params", ContextParams)()
        defaults.flash_attn = flash_attn
        with self.schedulers_of(choice):
            context = make(self.model.encode(), defaults)
            if not context:
                raise Failed("\n".join([f"cannot load {self.model}", *self.lines[-10:]]))
            try:
                return self._logits(context, audio, n_decode)
            finally:
                function("whisper_free", None, ctypes.c_void_p)(context)

    def _logits(self, context, audio, n_decode):
        floats = ctypes.POINTER(ctypes.c_float)
        to_mel = function("whisper_pcm_to_mel", ctypes.c_int, ctypes.c_void_p, floats, ctypes.c_int, ctypes.c_int)
        encode = function("whisper_encode", ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
        decode = function("whisper_decode", ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int), ctypes.c_int,
                          ctypes.c_int, ctypes.c_int)
        get_logits = function("whisper_get_logits", ctypes.c_void_p, ctypes.c_void_p)
        n_vocab = function("whisper_n_vocab", ctypes.c_int, ctypes.c_void_p)(context)
        start = function("whisper_token_sot", ctypes.c_int, ctypes.c_void_p)(context)
        no_timestamps = function("whisper_token_not", ctypes.c_int, ctypes.c_void_p)(context)

        if to_mel(context, audio.ctypes.data_as(floats), len(audio), self.n_threads) or encode(context, 0, self.n_threads):
            raise Failed("\n".join(["cannot encode", *self.lines[-10:]]))
        rows, tokens, n_past = [], [start, no_timestamps], 0
        for _ in range(n_decode):
            if decode(context, (ctypes.c_int * len(tokens))(*tokens), len(tokens), n_past, self.n_threads):
                raise Failed("\n".join(["cannot decode", *self.lines[-10:]]))
            n_past += len(tokens)
            last = get_logits(context) + 4 * n_vocab * (len(tokens) - 1)
            rows.append(ctypes.string_at(last, 4 * n_vocab))
            values = numpy.frombuffer(rows[-1], dtype=numpy.float32)
            if not numpy.isfinite(values).all() or values.min() == values.max():
                raise Failed("these logits cannot come from a sound model")
            tokens = [int(values.argmax())]
        return rows

    def transcribe(self, choice, audio, beam=False, context=None, **params):
        """The text, and for each token all that whisper.cpp tells about it, as bytes."""
        with self.schedulers_of(choice):
            model = Model(self.model, params_sampling_strategy=int(beam), context_params=context, n_threads=self.n_threads,
                          print_progress=False, language="en", **params)
            segments = model.transcribe(audio)
        handle, rows = model._ctx, []
        for i, segment in enumerate(segments):
            rows.append(f"{segment.t0} {segment.t1} {segment.text}".encode())
            for j in range(_pywhispercpp.whisper_full_n_tokens(handle, i)):
                t = _pywhispercpp.whisper_full_get_token_data(handle, i, j)
                rows.append(struct.pack(TOKEN, t.id, t.tid, t.p, t.plog, t.pt, t.ptsum, t.t0, t.t1, t.t_dtw, t.vlen))
        return rows, " ".join(segment.text for segment in segments)
