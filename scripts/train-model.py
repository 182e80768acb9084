#!/usr/bin/env python3
"""Makes models/grammar-1m.gguf: a llama of about 0.9 million parameters that reads and writes bytes.

The text comes from grammar.py: short stories about people, places and things, in which names, pronouns, verb forms,
places and numbers have to agree. Nothing else is read, so the model is ours from the first byte on.

    scripts/train-model.py                       train (PyTorch; a few minutes on a GPU) and write both files
    scripts/train-model.py --sample 2000         print text of the grammar, train nothing
    scripts/train-model.py --held-out-only       write the held-out text, train nothing

The vocabulary is that of a GPT-2 byte-pair tokenizer without merges: token b is byte b, under the printable character
that GPT-2 gives it, and token 256 is <s>, which precedes every text. The random seeds are fixed; as GPU arithmetic does
not promise an order of summation, another machine's weights differ in their last bits.
"""

import argparse
import math
import sys
import time
from pathlib import Path

from gguf_writer import ARRAY, BOOL, F16, F32, FLOAT32, INT32, STRING, UINT32, write
from grammar import make_text

ROOT = Path(__file__).resolve().parent.parent
BOS = 256
VOCAB = 257
TRAINING_SEED = 20_793
HELD_OUT_SEED = 4_711

# The model

CONFIG = {"dim": 96, "layers": 8, "heads": 6, "kv_heads": 3, "ffn": 288, "context": 512, "eps": 1e-5, "base": 10000.0}


def build_model(torch, cfg):
    nn, F = torch.nn, torch.nn.functional
    dim, heads, kv_heads = cfg["dim"], cfg["heads"], cfg["kv_heads"]
    head = dim // heads

    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(dim))

        def forward(self, x):
            x = x.float()
            return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + cfg["eps"]) * self.weight

    def rotate(x, cos, sin):  # pairs (2i, 2i + 1)
        a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2).to(x.dtype)

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn_norm, self.ffn_norm = Norm(), Norm()
            self.attn_q = nn.Linear(dim, heads * head, bias=False)
            self.attn_k = nn.Linear(dim, kv_heads * head, bias=False)
            self.attn_v = nn.Linear(dim, kv_heads * head, bias=False)
            self.attn_output = nn.Linear(heads * head, dim, bias=False)
            self.ffn_gate = nn.Linear(dim, cfg["ffn"], bias=False)
            self.ffn_up = nn.Linear(dim, cfg["ffn"], bias=False)
            self.ffn_down = nn.Linear(cfg["ffn"], dim, bias=False)

        def forward(self, x, cos, sin):
            n, t, _ = x.shape
            h = self.attn_norm(x)
            q = self.attn_q(h).view(n, t, heads, head).transpose(1, 2)
            k = self.attn_k(h).view(n, t, kv_heads, head).transpose(1, 2)
            v = self.attn_v(h).view(n, t, kv_heads, head).transpose(1, 2)
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
            k = k.repeat_interleave(heads // kv_heads, 1)
            v = v.repeat_interleave(heads // kv_heads, 1)
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.attn_output(a.transpose(1, 2).reshape(n, t, dim))
            h = self.ffn_norm(x)
            return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.token_embd = nn.Embedding(VOCAB, dim)
            self.blk = nn.ModuleList(Layer() for _ in range(cfg["layers"]))
            self.output_norm = Norm()
            self.output = nn.Linear(dim, VOCAB, bias=False)
            for name, p in self.named_parameters():
                if p.dim() == 2:
                    last = name.endswith(("attn_output.weight", "ffn_down.weight"))
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

    return Model()


def perplexity(torch, model, text, device):
    """Over whole contexts, each after <s>; every byte is predicted once. The same sum as `sched-run --perplexity`."""
    context = CONFIG["context"]
    data = list(text.encode())
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(data), context):
            chunk = data[start:start + context]
            x = torch.tensor([[BOS] + chunk[:-1]], device=device)
            y = torch.tensor(chunk, device=device)
            total += torch.nn.functional.cross_entropy(model(x)[0].float(), y, reduction="sum").item()
    return math.exp(total / len(data))


def generate(torch, model, prompt, n, device):
    tokens = [BOS] + list(prompt.encode())
    with torch.no_grad():
        for _ in range(n):
            logits = model(torch.tensor([tokens[-CONFIG["context"]:]], device=device))[0, -1]
            tokens.append(int(logits[:BOS].argmax()))
    return bytes(tokens[1:]).decode(errors="replace")


def train(torch, args):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(TRAINING_SEED)
    torch.set_float32_matmul_precision("highest")
    held_out = make_text(HELD_OUT_SEED, args.held_out_bytes)
    began = time.time()
    text = make_text(TRAINING_SEED, args.text_bytes)
    print(f"{len(text)} bytes of training text in {time.time() - began:.0f} s", flush=True)
    data = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).to(device)
    starts = torch.nonzero(data == ord("\n")).flatten() + 1
    starts = starts[starts < len(data) - CONFIG["context"] - 1]

    model = build_model(torch, CONFIG).to(device)
    print(f"{sum(p.numel() for p in model.parameters())} parameters on {device}", flush=True)
    print(f"held-out perplexity, untrained: {perplexity(torch, model, held_out, device):.4f}", flush=True)

    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=args.rate, betas=(0.9, 0.95), fused=device == "cuda")
    span = torch.arange(CONFIG["context"], device=device)
    bos = torch.full((args.batch, 1), BOS, device=device)
    began = time.time()
    for step in range(args.steps):
        # The schedule follows the clock when time is short, so that training always ends with the rate at its lowest.
        progress = max(step / args.steps, (time.time() - began) / args.max_seconds)
        if progress >= 1:
            break
        rate = args.rate * min((step + 1) / 200, 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        # Half of the windows begin with a story, as prompts do; the others anywhere, as pieces of a longer text do.
        anywhere = torch.randint(len(data) - CONFIG["context"], (args.batch,), device=device)
        at_story = starts[torch.randint(len(starts), (args.batch,), device=device)]
        begin = torch.where(torch.arange(args.batch, device=device) % 2 == 0, anywhere, at_story)
        y = data[begin[:, None] + span].long()
        x = torch.cat((bos, y[:, :-1]), 1)
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = model(x)
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), y.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 250 == 0:
            print(f"step {step}: loss {loss.item():.4f}, {time.time() - began:.0f} s", flush=True)

    for p in matrices:  # what the file will hold
        p.data = p.data.half().float()
    print(f"held-out perplexity, trained: {perplexity(torch, model, held_out, device):.4f}", flush=True)
    for prompt in ("Anna found a", "Three plus four is", "Leo had seven apples. Rosa gave him", "Tina has a green dog."):
        print(repr(generate(torch, model, prompt, 160, device)), flush=True)
    return model


# The file


def gpt2_characters():
    """The printable character under which GPT-2's vocabulary lists each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) if b in printable else chr(256 + others.index(b)) for b in range(256)]


def metadata():
    c = CONFIG
    yield "general.architecture", STRING, "llama"
    yield "general.name", STRING, "grammar-1m"
    yield "general.author", STRING, "the ggml-sched project (scripts/train-model.py)"
    yield "general.license", STRING, "mit"
    yield "general.description", STRING, "A byte-level llama that has learnt the grammar in scripts/grammar.py"
    yield "llama.block_count", UINT32, c["layers"]
    yield "llama.context_length", UINT32, c["context"]
    yield "llama.embedding_length", UINT32, c["dim"]
    yield "llama.feed_forward_length", UINT32, c["ffn"]
    yield "llama.attention.head_count", UINT32, c["heads"]
    yield "llama.attention.head_count_kv", UINT32, c["kv_heads"]
    yield "llama.attention.layer_norm_rms_epsilon", FLOAT32, c["eps"]
    yield "llama.rope.dimension_count", UINT32, c["dim"] // c["heads"]
    yield "llama.rope.freq_base", FLOAT32, c["base"]
    yield "llama.vocab_size", UINT32, VOCAB
    yield "tokenizer.ggml.model", STRING, "gpt2"
    yield "tokenizer.ggml.pre", STRING, "gpt-2"
    yield "tokenizer.ggml.tokens", (ARRAY, STRING), gpt2_characters() + ["<s>"]
    yield "tokenizer.ggml.token_type", (ARRAY, INT32), [1] * 256 + [3]
    yield "tokenizer.ggml.merges", (ARRAY, STRING), []
    yield "tokenizer.ggml.bos_token_id", UINT32, BOS
    yield "tokenizer.ggml.eos_token_id", UINT32, BOS
    yield "tokenizer.ggml.add_bos_token", BOOL, True


def write_model(torch, model, path):
    tensors = []
    for name, p in model.named_parameters():
        kind, stored = (F16, p.half()) if p.dim() == 2 else (F32, p.float())
        raw = stored.detach().cpu().contiguous().numpy().tobytes()
        tensors.append((name, list(reversed(p.shape)), kind, raw))  # GGUF names the fastest dimension first
    size = write(path, list(metadata()), tensors)
    print(f"{path}: {size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "models/grammar-1m.gguf")
    parser.add_argument("--held-out", type=Path, default=ROOT / "models/grammar-held-out.txt")
    parser.add_argument("--held-out-bytes", type=int, default=12_000)
    parser.add_argument("--held-out-only", action="store_true")
    parser.add_argument("--sample", type=int, metavar="BYTES", help="print that much training text and stop")
    parser.add_argument("--text-bytes", type=int, default=40_000_000)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--max-seconds", type=float, default=210)
    args = parser.parse_args()

    if args.sample:
        sys.stdout.write(make_text(TRAINING_SEED, args.sample))
        return
    args.held_out.write_text(make_text(HELD_OUT_SEED, args.held_out_bytes))
    if args.held_out_only:
        return
    import torch
    model = train(torch, args)
    write_model(torch, model, args.out)


if __name__ == "__main__":
    main()
