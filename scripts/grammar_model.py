"""The llama that train-model.py trains, in PyTorch, with one feed-forward network or several experts in each layer.

The model computes what llama.cpp computes from the same tensors. `cfg` is a dictionary: see CONFIG in train-model.py.
"""

import math

import torch
from torch import nn
from torch.nn import functional


class Norm(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.eps = cfg["eps"]
        self.weight = nn.Parameter(torch.ones(cfg["dim"]))

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rotate(x, cos, sin):  # pairs (2i, 2i + 1)
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2).to(x.dtype)


class Dense(nn.Module):
    """A feed-forward network that every token uses."""

    balance = 0.0

    def __init__(self, cfg):
        super().__init__()
        self.gate = nn.Linear(cfg["dim"], cfg["ffn"], bias=False)
        self.up = nn.Linear(cfg["dim"], cfg["ffn"], bias=False)
        self.down = nn.Linear(cfg["ffn"], cfg["dim"], bias=False)

    def forward(self, h):
        return self.down(functional.silu(self.gate(h)) * self.up(h))


class Bank(nn.Module):
    """One matrix for each expert, in one tensor."""

    def __init__(self, n_experts, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_experts, n_out, n_in))


class Experts(nn.Module):
    """Feed-forward networks of which each token uses a few, chosen by a router.

    All experts are computed for all tokens. The experts that a token does not use have weight 0. Sorting the tokens by
    expert would take longer at this size, and would make the order of summation depend on the choices.
    """

    def __init__(self, cfg):
        super().__init__()
        self.n_used = cfg["experts_used"]
        self.gate_inp = nn.Linear(cfg["dim"], cfg["experts"], bias=False)
        self.gate_exps = Bank(cfg["experts"], cfg["dim"], cfg["ffn"])
        self.up_exps = Bank(cfg["experts"], cfg["dim"], cfg["ffn"])
        self.down_exps = Bank(cfg["experts"], cfg["ffn"], cfg["dim"])
        self.n_chosen = None  # by expert, the number of tokens of the last call that used it
        self.balance = None   # 1 if the last call used all experts equally, more otherwise (Switch Transformer's loss)

    def route(self, h):
        """Returns the weight of each expert for each token. The weights of a token sum to 1."""
        with torch.autocast(h.device.type, enabled=False):
            p = self.gate_inp(h.float()).softmax(-1)
        is_used = torch.zeros_like(p).scatter(-1, p.topk(self.n_used, -1).indices, 1.0)
        self.n_chosen = is_used.flatten(0, -2).sum(0)
        share = self.n_chosen / self.n_chosen.sum()
        self.balance = len(share) * (share * p.flatten(0, -2).mean(0)).sum()
        weights = p * is_used
        return weights / weights.sum(-1, keepdim=True)

    def forward(self, h):
        weights = self.route(h)
        gate = functional.linear(h, self.gate_exps.weight.flatten(0, 1))
        up = functional.linear(h, self.up_exps.weight.flatten(0, 1))
        hidden = (functional.silu(gate) * up).unflatten(-1, (weights.shape[-1], -1))
        hidden = hidden * weights.unsqueeze(-1).to(hidden.dtype)
        return functional.linear(hidden.flatten(-2), self.down_exps.weight.transpose(0, 1).flatten(1))


class Layer(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        dim = cfg["dim"]
        self.heads, self.kv_heads, self.head = cfg["heads"], cfg["kv_heads"], dim // cfg["heads"]
        self.attn_norm, self.ffn_norm = Norm(cfg), Norm(cfg)
        self.attn_q = nn.Linear(dim, self.heads * self.head, bias=False)
        self.attn_k = nn.Linear(dim, self.kv_heads * self.head, bias=False)
        self.attn_v = nn.Linear(dim, self.kv_heads * self.head, bias=False)
        self.attn_output = nn.Linear(self.heads * self.head, dim, bias=False)
        self.ffn = Experts(cfg) if cfg["experts"] else Dense(cfg)

    def forward(self, x, cos, sin):
        n, t, _ = x.shape
        h = self.attn_norm(x)
        q = self.attn_q(h).view(n, t, self.heads, self.head).transpose(1, 2)
        k = self.attn_k(h).view(n, t, self.kv_heads, self.head).transpose(1, 2)
        v = self.attn_v(h).view(n, t, self.kv_heads, self.head).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k = k.repeat_interleave(self.heads // self.kv_heads, 1)
        v = v.repeat_interleave(self.heads // self.kv_heads, 1)
        a = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_output(a.transpose(1, 2).reshape(x.shape))
        return x + self.ffn(self.ffn_norm(x))


class Model(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        head = cfg["dim"] // cfg["heads"]
        self.token_embd = nn.Embedding(cfg["vocab"], cfg["dim"])
        self.blk = nn.ModuleList(Layer(cfg) for _ in range(cfg["layers"]))
        self.output_norm = Norm(cfg)
        self.output = nn.Linear(cfg["dim"], cfg["vocab"], bias=False)
        for name, p in self.named_parameters():
            if p.dim() >= 2:
                last = name.endswith(("attn_output.weight", "ffn.down.weight", "ffn.down_exps.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * cfg["layers"]) if last else 0.02)
        angle = torch.outer(torch.arange(cfg["context"]).float(),
                            cfg["base"] ** (-torch.arange(0, head, 2).float() / head))
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, tokens):
        t = tokens.shape[1]
        x = self.token_embd(tokens)
        for layer in self.blk:
            x = layer(x, self.cos[:t], self.sin[:t])
        return self.output(self.output_norm(x))

    def balance(self):
        """Returns the sum of the layers' balances. The sum is 0 if the model has no experts."""
        return sum(layer.ffn.balance for layer in self.blk)

    def tensors(self):
        """Yields (name in the file, parameter, whether the file holds it as F16). Norms and routers are F32."""
        for name, p in self.named_parameters():
            yield name.replace(".ffn.", ".ffn_"), p, p.dim() >= 2 and "gate_inp" not in name
