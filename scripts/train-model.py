#!/usr/bin/env python3
"""Makes models/grammar-1m.gguf and models/grammar-moe.gguf: llamas of about 0.9 million parameters that read bytes.

The text comes from grammar.py: short stories about people, places and things, in which names, pronouns, verb forms,
places and numbers have to agree. Nothing else is read, so the models are ours from the first byte on.

    scripts/train-model.py                       train (PyTorch; a few minutes on a GPU), write model and held-out text
    scripts/train-model.py --experts 16 --out models/grammar-moe.gguf
                                                 the same with 16 experts in each layer, of which a token uses 4
    scripts/train-model.py --sample 2000         print text of the grammar, train nothing
    scripts/train-model.py --held-out-only       write the held-out text, train nothing

The vocabulary is that of a GPT-2 byte-pair tokenizer without merges: token b is byte b, under the printable character
that GPT-2 gives it, and token 256 is <s>, which precedes every text. The random seeds are fixed; as GPU arithmetic does
not promise an order of summation, another machine's weights differ in their last bits. They differ more if training ran
out of time (--max-seconds) before it made all steps.
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
TRAINING_SEED = 20_793
HELD_OUT_SEED = 4_711
BALANCE = 0.01  # factor of the loss that is lowest when all experts are used equally

CONFIG = {"vocab": 257, "dim": 96, "layers": 8, "heads": 6, "kv_heads": 3, "ffn": 288, "experts": 0, "experts_used": 0,
          "context": 512, "eps": 1e-5, "base": 10000.0}
# What differs with experts. "ffn" is the width of one expert.
EXPERTS_CONFIG = {"layers": 5, "ffn": 32, "experts_used": 4}


def contexts(torch, text, device):
    """Yields (tokens, next tokens) of whole contexts, each after <s>. Every byte is predicted once."""
    data = list(text.encode())
    for start in range(0, len(data), CONFIG["context"]):
        chunk = data[start:start + CONFIG["context"]]
        yield torch.tensor([[BOS] + chunk[:-1]], device=device), torch.tensor(chunk, device=device)


def perplexity(torch, model, text, device):
    """The same sum as `sched-run --perplexity`."""
    total = 0.0
    with torch.no_grad():
        for x, y in contexts(torch, text, device):
            total += torch.nn.functional.cross_entropy(model(x)[0].float(), y, reduction="sum").item()
    return math.exp(total / len(text.encode()))


def print_expert_use(torch, model, text, device):
    """Prints, for each layer, how many percent of the tokens use each expert."""
    n_tokens, n_chosen = 0, [0] * len(model.blk)
    with torch.no_grad():
        for x, _ in contexts(torch, text, device):
            model(x)
            n_tokens += x.numel()
            n_chosen = [n + layer.ffn.n_chosen for n, layer in zip(n_chosen, model.blk)]
    even = 100 * model.cfg["experts_used"] / model.cfg["experts"]
    print(f"percent of the held-out tokens that use each expert; {even:.0f} if all are used equally:")
    for i, n in enumerate(n_chosen):
        print(f"layer {i}: " + " ".join(f"{percent:.0f}" for percent in (100 * n / n_tokens).tolist()), flush=True)


def generate(torch, model, prompt, n, device):
    tokens = [BOS] + list(prompt.encode())
    with torch.no_grad():
        for _ in range(n):
            logits = model(torch.tensor([tokens[-CONFIG["context"]:]], device=device))[0, -1]
            tokens.append(int(logits[:BOS].argmax()))
    return bytes(tokens[1:]).decode(errors="replace")


def windows(torch, data, n, device):
    """Yields (tokens, next tokens) of n random pieces of the text, without end.

    Half of them begin with a story, as prompts do; the others anywhere, as pieces of a longer text do.
    """
    context = CONFIG["context"]
    starts = torch.nonzero(data == ord("\n")).flatten() + 1
    starts = starts[starts < len(data) - context - 1]
    span = torch.arange(context, device=device)
    bos = torch.full((n, 1), BOS, device=device)
    while True:
        anywhere = torch.randint(len(data) - context, (n,), device=device)
        at_story = starts[torch.randint(len(starts), (n,), device=device)]
        begin = torch.where(torch.arange(n, device=device) % 2 == 0, anywhere, at_story)
        y = data[begin[:, None] + span].long()
        yield torch.cat((bos, y[:, :-1]), 1), y


def run_steps(torch, model, data, args, device):
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=args.rate, betas=(0.9, 0.95), fused=device == "cuda")
    began = time.time()
    for step, (x, y) in zip(range(args.steps), windows(torch, data, args.batch, device)):
        # The schedule follows the clock when time is short, so that training always ends with the rate at its lowest.
        progress = max(step / args.steps, (time.time() - began) / args.max_seconds)
        if progress >= 1:
            print(f"out of time after {step} of {args.steps} steps", flush=True)
            break
        rate = args.rate * min((step + 1) / 200, 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = model(x)
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), y.flatten())
        optimizer.zero_grad(set_to_none=True)
        (loss + BALANCE * model.balance()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 250 == 0:
            print(f"step {step}: loss {loss.item():.4f}, {time.time() - began:.0f} s", flush=True)


def train(torch, args):
    from grammar_model import Model
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(TRAINING_SEED)
    torch.set_float32_matmul_precision("highest")
    held_out = make_text(HELD_OUT_SEED, args.held_out_bytes)
    began = time.time()
    text = make_text(TRAINING_SEED, args.text_bytes)
    print(f"{len(text)} bytes of training text in {time.time() - began:.0f} s", flush=True)
    data = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).to(device)

    cfg = {**CONFIG, **EXPERTS_CONFIG, "experts": args.experts} if args.experts else CONFIG
    model = Model(cfg).to(device)
    print(f"{sum(p.numel() for p in model.parameters())} parameters on {device}", flush=True)
    print(f"held-out perplexity, untrained: {perplexity(torch, model, held_out, device):.4f}", flush=True)
    run_steps(torch, model, data, args, device)
    for _, p, is_half in model.tensors():
        if is_half:
            p.data = p.data.half().float()  # what the file will hold
    print(f"held-out perplexity, trained: {perplexity(torch, model, held_out, device):.4f}", flush=True)
    if args.experts:
        print_expert_use(torch, model, held_out, device)
    for prompt in ("Anna found a", "Three plus four is", "Leo had seven apples. Rosa gave him", "Tina has a green dog."):
        print(repr(generate(torch, model, prompt, 160, device)), flush=True)
    return model


# The file


def gpt2_characters():
    """The printable character under which GPT-2's vocabulary lists each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) if b in printable else chr(256 + others.index(b)) for b in range(256)]


def metadata(c, name):
    yield "general.architecture", STRING, "llama"
    yield "general.name", STRING, name
    yield "general.author", STRING, "the ggml-sched project (scripts/train-model.py)"
    yield "general.license", STRING, "mit"
    yield "general.description", STRING, "A byte-level llama that has learnt the grammar in scripts/grammar.py"
    yield "llama.block_count", UINT32, c["layers"]
    yield "llama.context_length", UINT32, c["context"]
    yield "llama.embedding_length", UINT32, c["dim"]
    yield "llama.feed_forward_length", UINT32, c["ffn"]
    if c["experts"]:
        yield "llama.expert_count", UINT32, c["experts"]
        yield "llama.expert_used_count", UINT32, c["experts_used"]
    yield "llama.attention.head_count", UINT32, c["heads"]
    yield "llama.attention.head_count_kv", UINT32, c["kv_heads"]
    yield "llama.attention.layer_norm_rms_epsilon", FLOAT32, c["eps"]
    yield "llama.rope.dimension_count", UINT32, c["dim"] // c["heads"]
    yield "llama.rope.freq_base", FLOAT32, c["base"]
    yield "llama.vocab_size", UINT32, c["vocab"]
    yield "tokenizer.ggml.model", STRING, "gpt2"
    yield "tokenizer.ggml.pre", STRING, "gpt-2"
    yield "tokenizer.ggml.tokens", (ARRAY, STRING), gpt2_characters() + ["<s>"]
    yield "tokenizer.ggml.token_type", (ARRAY, INT32), [1] * 256 + [3]
    yield "tokenizer.ggml.merges", (ARRAY, STRING), []
    yield "tokenizer.ggml.bos_token_id", UINT32, BOS
    yield "tokenizer.ggml.eos_token_id", UINT32, BOS
    yield "tokenizer.ggml.add_bos_token", BOOL, True


def write_model(model, path):
    tensors = []
    for name, p, is_half in model.tensors():
        kind, stored = (F16, p.half()) if is_half else (F32, p.float())
        raw = stored.detach().cpu().contiguous().numpy().tobytes()
        tensors.append((name, list(reversed(p.shape)), kind, raw))  # GGUF names the fastest dimension first
    size = write(path, list(metadata(model.cfg, path.stem)), tensors)
    print(f"{path}: {size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "models/grammar-1m.gguf")
    parser.add_argument("--experts", type=int, default=0, metavar="N", help="train a model with N experts in each layer")
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
    if args.experts and args.experts < EXPERTS_CONFIG["experts_used"]:
        parser.error(f"--experts must be at least {EXPERTS_CONFIG['experts_used']}: a token uses as many")

    if args.sample:
        sys.stdout.write(make_text(TRAINING_SEED, args.sample))
        return
    args.held_out.write_text(make_text(HELD_OUT_SEED, args.held_out_bytes))
    if args.held_out_only:
        return
    import torch
    write_model(train(torch, args), args.out)


if __name__ == "__main__":
    main()
