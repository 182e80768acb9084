"""Which experts a model chooses: how many a batch touches, and how many choices hit experts that stay on a device."""

import ctypes
import statistics

import numpy

import residency
from engine import Failed, ggml_function
from measure import Workload, run_untimed

BUDGETS = (0.05, 0.15, 0.30, 0.50)  # shares of a layer's experts that a cache holds


class _Tensor(ctypes.Structure):
    """The beginning of a ggml_tensor."""
    _fields_ = [("type", ctypes.c_int), ("buffer", ctypes.c_void_p), ("ne", ctypes.c_int64 * 4), ("nb", ctypes.c_size_t * 4)]


def chosen_experts(engine, n_tokens, tokens):
    """Runs a batch. Returns, for each layer that sees all of it, the ids of each token's experts, best first.

    The last layer sees only the token whose logits are wanted. A token's ids are the same when it is decoded.
    """
    name_of = ggml_function("ggml_get_name", ctypes.c_char_p, ctypes.c_void_p)
    size_of = ggml_function("ggml_nbytes", ctypes.c_size_t, ctypes.c_void_p)
    get = ggml_function("ggml_backend_tensor_get", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
    layers = {}

    def observe(tensor, ask):
        name = name_of(tensor).decode()
        if ask or not name.startswith("ffn_moe_topk"):
            return name.startswith("ffn_moe_topk") or not ask
        head = _Tensor.from_address(tensor)
        if head.ne[1] < n_tokens:
            return True
        data = numpy.empty(size_of(tensor), dtype=numpy.uint8)
        get(tensor, data.ctypes.data, 0, data.nbytes)
        starts = (row * head.nb[1] for row in range(head.ne[1]))
        layers[name] = [data[start : start + 4 * head.ne[0]].view(numpy.int32).tolist() for start in starts]
        return True

    workload = Workload("prefill", n_tokens, 0, n_tokens)
    context = engine.context("stock", observe=observe, **workload.context_options())
    run_untimed(context, workload, tokens, 1)
    context.close()
    if not layers or not engine.n_experts():
        raise Failed("this model has no experts")
    return list(layers.values())


def touched_experts(engine, n_tokens, tokens):
    """The share of experts that a batch of this many tokens touches, on average over the layers."""
    n_experts = engine.n_experts()
    shares = [len({expert for row in rows for expert in row}) / n_experts
              for rows in chosen_experts(engine, n_tokens, tokens)]
    return {"kind": "experts", "name": f"experts touched by {n_tokens} tokens", "n_tokens": n_tokens,
            "touched": statistics.mean(shares), "touched_by_layer": [round(share, 3) for share in shares]}


def hit_curve(engine, n_tokens, tokens):
    """What each rule of residency.py hits with several budgets, decoding this many tokens one by one."""
    n_experts, layers = engine.n_experts(), chosen_experts(engine, n_tokens, tokens)
    by_budget = [residency.replay_all(layers, int(budget * n_experts), n_experts) for budget in BUDGETS]
    return {"kind": "hit curve", "name": f"experts that stay, {n_tokens} tokens", "n_tokens": n_tokens,
            "budgets": BUDGETS, "rules": {rule: [each[rule] for each in by_budget] for rule in by_budget[0]}}
