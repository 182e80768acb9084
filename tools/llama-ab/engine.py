"""A model and contexts of it through llama-cpp-python's C API, for comparing schedulers."""

import contextlib
import ctypes
import math
import os
import random
import re
import time

import llama_cpp as api
import numpy

WARNINGS = (3, 4)  # levels of ggml's log: warnings and errors
EXPERTS = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"  # the tensors that llama.cpp's --cpu-moe means


class Failed(Exception):
    """Its text is for the user."""


class BuftOverride(ctypes.Structure):
    _fields_ = [("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p)]


def ggml_function(name, result, *parameters):
    """A function of the ggml that llama-cpp-python has loaded, whatever the names of its files."""
    # The library knows what it depends on, too; the program itself knows what is attached.
    function = getattr(api.llama_cpp._lib, name, None) or getattr(ctypes.CDLL(None), name, None)
    if not function:
        raise Failed(f"this llama-cpp-python has no {name}; build it with the drop-in, and with GGML_RPC=ON for --rpc "
                     "(docs/drop-in.md)")
    function.restype, function.argtypes = result, list(parameters)
    return function


class Engine:
    def __init__(self, args):
        self.args = args
        self.log, self.warnings = [], []
        ggml_function("ggml_sched_get_stats", None)  # the drop-in is there
        self._log_callback = api.llama_log_callback(self._note)
        api.llama_log_set(self._log_callback, ctypes.c_void_p())
        api.llama_backend_init()
        for endpoint in args.rpc:
            self._add_rpc_server(endpoint)

        start = time.monotonic()
        self.model = api.llama_model_load_from_file(str(args.model).encode(), self._model_params())
        if not self.model:
            raise Failed("\n".join([f"cannot load {args.model}", *self.log[-10:]]))
        self.load_seconds = time.monotonic() - start
        self.vocab = api.llama_model_get_vocab(self.model)
        self.n_vocab = api.llama_vocab_n_tokens(self.vocab)
        self.devices = self._devices()
        n_rpc = sum(name.startswith("RPC") for name in self.devices)
        if n_rpc < len(args.rpc) and args.gpu_layers > 0:
            raise Failed(f"of {len(args.rpc)} RPC servers the model uses {n_rpc}: {', '.join(self.devices)}")

    def close(self):
        api.llama_model_free(self.model)

    def _model_params(self):
        args, params = self.args, api.llama_model_default_params()
        params.n_gpu_layers = args.gpu_layers
        params.split_mode = {"none": 0, "layer": 1, "row": 2}[args.split]
        params.main_gpu = args.main_gpu
        params.use_extra_bufts = not args.no_repack
        if args.mmap is not None:
            params.load_mode = 1 if args.mmap else 0
        if args.tensor_split:
            shares = args.tensor_split + [0.0] * (api.llama_max_devices() - len(args.tensor_split))
            self._shares = (ctypes.c_float * len(shares))(*shares)
            params.tensor_split = ctypes.cast(self._shares, ctypes.POINTER(ctypes.c_float))
        if args.devices is not None:
            self._chosen_devices = self._accelerators(args.devices)
            params.devices = ctypes.cast(self._chosen_devices, ctypes.c_void_p)
        overrides = [word.rsplit("=", 1) for word in args.override_tensor]
        overrides += [(EXPERTS, "CPU")] if args.cpu_moe else []
        overrides += [(rf"blk\.{layer}{EXPERTS}", "CPU") for layer in range(args.n_cpu_moe)]
        if overrides:
            types = self._buffer_types()
            unknown = {word[-1] for word in overrides} - types.keys()
            if unknown:
                raise Failed(f"there is no memory {', '.join(sorted(unknown))}; there are: {', '.join(types)}")
            self._overrides = (BuftOverride * (len(overrides) + 1))(
                *((pattern.encode(), types[name]) for pattern, name in overrides))
            params.tensor_buft_overrides = ctypes.cast(self._overrides, ctypes.c_void_p)
        return params

    @staticmethod
    def _all_devices():
        count = ggml_function("ggml_backend_dev_count", ctypes.c_size_t)
        get = ggml_function("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
        return [get(i) for i in range(count())]

    def _buffer_types(self):
        of_device = ggml_function("ggml_backend_dev_buffer_type", ctypes.c_void_p, ctypes.c_void_p)
        name = ggml_function("ggml_backend_buft_name", ctypes.c_char_p, ctypes.c_void_p)
        types = (of_device(device) for device in self._all_devices())
        return {name(buffer_type).decode(): buffer_type for buffer_type in types}

    def _accelerators(self, count):
        """The first `count` GPUs, as a list that ends with NULL."""
        kind = ggml_function("ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)
        every = [device for device in self._all_devices() if kind(device) == 1]
        if len(every) < count:
            raise Failed(f"there are {len(every)} GPUs, not {count}")
        return (ctypes.c_void_p * (count + 1))(*every[:count])

    @staticmethod
    def version():
        ggml_version = ggml_function("ggml_version", ctypes.c_char_p)
        return f"llama-cpp-python {api.__version__} (ggml {ggml_version().decode()})"

    def hardware(self):
        """What ggml calls the devices of this machine."""
        describe = ggml_function("ggml_backend_dev_description", ctypes.c_char_p, ctypes.c_void_p)
        name = ggml_function("ggml_backend_dev_name", ctypes.c_char_p, ctypes.c_void_p)
        return [f"{name(device).decode()}: {describe(device).decode()}" for device in self._all_devices()]

    def _note(self, level, text, _user_data):
        line = text.decode("utf-8", "replace").rstrip("\n")
        self.log.append(line)
        if level in WARNINGS and "ggml-sched:" in line:
            self.warnings.append(line)

    def _add_rpc_server(self, endpoint):
        add = ggml_function("ggml_backend_rpc_add_server", ctypes.c_void_p, ctypes.c_char_p)
        register = ggml_function("ggml_backend_register", None, ctypes.c_void_p)
        registry = add(endpoint.encode())
        if not registry:
            raise Failed(f"no rpc-server answers at {endpoint}")
        register(registry)

    def _devices(self):
        names = []
        for line in self.log:
            match = re.search(r"(\S+) model buffer size", line)
            if match and match.group(1) not in names:
                names.append(match.group(1))
        return names

    def complaints(self):
        """What ggml-sched has warned of, or could not do."""
        return list(self.warnings)

    def forget_log(self):
        self.log.clear()
        self.warnings.clear()

    def _metadata(self, key):
        value = ctypes.create_string_buffer(256)
        found = api.llama_model_meta_val_str(self.model, key.encode(), value, len(value)) >= 0
        return value.value.decode() if found else ""

    def n_experts(self):
        return int(self._metadata(f"{self._metadata('general.architecture')}.expert_count") or 0)

    def random_tokens(self, seed, count):
        return random.Random(seed).choices(range(self.n_vocab), k=count)

    def tokenize(self, text):
        if api.llama_vocab_type(self.vocab) == 0:
            raise Failed("this model has no vocabulary; use --random-tokens SEED")
        data = text.encode()
        tokens = (api.llama_token * (len(data) + 16))()
        count = api.llama_tokenize(self.vocab, data, len(data), tokens, len(tokens), True, False)
        if count < 0:
            raise Failed("cannot tokenize the text")
        return list(tokens[:count])

    def context(self, choice, **options):
        return Context(self, choice, **options)

    def perplexity(self, tokens, rows):
        total = 0.0
        for row, following in zip(rows, tokens[1:]):
            logits = numpy.frombuffer(row, dtype=numpy.float32).astype(numpy.float64)
            peak = logits.max()
            total += peak + math.log(numpy.exp(logits - peak).sum()) - logits[following]
        return math.exp(total / (len(tokens) - 1))


@contextlib.contextmanager
def changed_environment(values):
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Context:
    """One scheduler's llama_context. observe: True, or a function of (tensor, ask) for llama.cpp's eval callback."""

    def __init__(self, engine, choice, graph_reuse=True, observe=None, environment=None, **options):
        args = engine.args
        params = api.llama_context_default_params()
        params.n_ctx = 4 * (max(args.prompt, args.start + args.predict) + 64)
        params.n_batch = params.n_ctx
        params.n_ubatch = args.ubatch
        params.n_threads = params.n_threads_batch = args.threads
        params.no_perf = True
        for name, value in options.items():
            setattr(params, name, value)
        self._observe_tensor = observe
        if observe:
            self._observer = api.ggml_backend_sched_eval_callback(self._observe)
            params.cb_eval = self._observer
        self.observed = 0

        before = len(engine.log)
        with changed_environment({"GGML_SCHED": choice, "LLAMA_GRAPH_REUSE_DISABLE": "0" if graph_reuse else "1",
                                  **(environment or {})}):
            self.handle = api.llama_init_from_model(engine.model, params)
        lines = engine.log[before:]
        if not self.handle:
            raise Failed("\n".join(["cannot make a context", *lines[-10:]]))
        if not any(f"made by {choice}" in line for line in lines):
            raise Failed(f"the context does not say that its scheduler was made by {choice}")
        self.n_bytes = {name: float(size) for line in lines
                        for name, size in re.findall(r"(\S+) compute buffer size = +([\d.]+) MiB", line)}
        self.engine = engine
        self.batch = api.llama_batch_init(params.n_batch, 0, 1)

    def _observe(self, tensor, ask, _user_data):
        self.observed += 1
        return True if self._observe_tensor is True else self._observe_tensor(tensor, ask)

    def close(self):
        api.llama_batch_free(self.batch)
        api.llama_free(self.handle)

    def forget(self):
        api.llama_synchronize(self.handle)
        api.llama_memory_clear(api.llama_get_memory(self.handle), True)

    def fill(self, entries):
        """Prepares a batch of (token, position, sequence, wants logits). Returns the indices of those that want them."""
        wanting = []
        for i, (token, position, sequence, wants) in enumerate(entries):
            self.batch.token[i] = token
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = wants
            wanting += [i] if wants else []
        self.batch.n_tokens = len(entries)
        return wanting

    def submit(self):
        """Starts the prepared batch."""
        code = api.llama_decode(self.handle, self.batch)
        if code != 0:
            raise Failed("\n".join([f"llama_decode returned {code}", *self.engine.log[-10:]]))

    def logits(self, wanting):
        """As bytes; waits for them."""
        size = 4 * self.engine.n_vocab
        return [ctypes.string_at(api.llama_get_logits_ith(self.handle, i), size) for i in wanting]

    def _decode(self, entries):
        wanting = self.fill(entries)
        self.submit()
        return self.logits(wanting)

    def wait(self):
        api.llama_synchronize(self.handle)

    @staticmethod
    def _best(row):
        return int(numpy.frombuffer(row, dtype=numpy.float32).argmax())

    def prefill(self, tokens):
        return self._decode([(token, i, 0, True) for i, token in enumerate(tokens)]), len(tokens)

    def greedy(self, tokens, n_predict):
        rows = self._decode([(token, i, 0, i == len(tokens) - 1) for i, token in enumerate(tokens)])
        for i in range(n_predict):
            rows += self._decode([(self._best(rows[-1]), len(tokens) + i, 0, True)])
        return rows, len(tokens) + n_predict

    def sequences(self, tokens, n_sequences, n_prompt, n_predict):
        """Different prompts of different lengths in one batch, continued together."""
        entries, lengths = [], []
        for s in range(n_sequences):
            length = n_prompt - s
            part = tokens[s * n_prompt : s * n_prompt + length]
            entries += [(token, i, s, i == length - 1) for i, token in enumerate(part)]
            lengths.append(length)
        latest = self._decode(entries)
        rows = list(latest)
        for i in range(n_predict):
            latest = self._decode([(self._best(row), lengths[s] + i, s, True) for s, row in enumerate(latest)])
            rows += latest
        return rows, len(entries) + n_sequences * n_predict
