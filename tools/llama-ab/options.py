"""The command line of llama_ab.py."""

import argparse
import os
from pathlib import Path


def numbers(text):
    return [int(word) for word in text.split(",") if word]


def shares(text):
    return [float(word) for word in text.split(",")]


def assignment(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def parse(description, argv):
    parser = argparse.ArgumentParser(prog="llama_ab.py", description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="written anew after each case")
    parser.add_argument("--no-verify", action="store_true")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--ubatch", type=int, default=512, metavar="N")
    parser.add_argument("--start", type=int, default=32, metavar="N", help="tokens of a prompt before decoding")

    group = parser.add_argument_group("tokens")
    group.add_argument("--text", type=Path, default=Path("/usr/share/common-licenses/GPL-3"), help="what is read")
    group.add_argument("--random-tokens", type=int, metavar="SEED", help="random tokens in place of the text")

    group = parser.add_argument_group("cases (without measurements): all logits of a text")
    group.add_argument("--case", action="append", default=[], help="only this case; may be repeated")
    group.add_argument("--prompt", type=int, default=512, metavar="N", help="tokens of a prefill")
    group.add_argument("--predict", type=int, default=48, metavar="N", help="tokens to decode")
    group.add_argument("--repeat", type=int, default=2, metavar="N", help="runs of each case with each scheduler")

    group = parser.add_argument_group("measurements; N,... is a list")
    group.add_argument("--decode", type=numbers, default=[], metavar="N,...", help="decode N tokens one by one")
    group.add_argument("--sequences", type=int, default=1, metavar="N", help="that are decoded together")
    group.add_argument("--prefill", type=numbers, default=[], metavar="N,...", help="a prompt of N tokens")
    group.add_argument("--ubatches", type=numbers, default=[], metavar="N,...", help="micro-batches of the prefills")
    group.add_argument("--experts", type=numbers, default=[], metavar="N,...", help="experts that N tokens touch")
    group.add_argument("--hit-curve", type=numbers, default=[], metavar="N,...",
                       help="hits of caches that hold 5, 15, 30 and 50 %% of the experts, decoding N tokens")
    group.add_argument("--graph-reuse", choices=("on", "off", "both"), default="on")
    group.add_argument("--kv-on-host", action="store_true")
    group.add_argument("--no-op-offload", action="store_true", help="compute on the host what has its weights there")
    group.add_argument("--pairs", type=int, default=9, metavar="N", help="timed runs with each scheduler; 0 for none")
    group.add_argument("--warmup", type=int, default=2, metavar="N", help="runs before those that count")
    group.add_argument("--rows", type=int, default=16, metavar="N", help="rows of a prefill's logits to compare")
    group.add_argument("--new-text", action="store_true", help="each pair reads tokens that no pair before has read")
    group.add_argument("--no-compare", action="store_true", help="only the timed runs, of which the last row is compared")
    group.add_argument("--may-differ", action="store_true",
                       help="other logits are no failure: another device computes a part")
    group.add_argument("--ours-env", type=assignment, action="append", default=[], metavar="NAME=VALUE",
                       help="in the environment of our scheduler only; may be repeated")
    group.add_argument("--count-calls", action="store_true", help="count calls of the CUDA runtime, of Vulkan, and of the scheduler")

    group = parser.add_argument_group("placement, as in llama.cpp")
    group.add_argument("--gpu-layers", type=numbers, default=[999], metavar="N,...")
    group.add_argument("--devices", type=int, metavar="N", help="use the first N GPUs only; 0: none")
    group.add_argument("--split", choices=("none", "layer", "row"), default="layer")
    group.add_argument("--main-gpu", type=int, default=0, metavar="N")
    group.add_argument("--tensor-split", type=shares, default=[], metavar="A,B,...")
    group.add_argument("--override-tensor", action="append", default=[], metavar="REGEX=CPU", help="may be repeated")
    group.add_argument("--cpu-moe", action="store_true", help="keep the experts' weights in host memory")
    group.add_argument("--n-cpu-moe", type=int, default=0, metavar="N", help="those of the first N layers")
    group.add_argument("--no-repack", action="store_true", help="keep weights of the CPU in the layout of the file")
    group.add_argument("--mmap", action=argparse.BooleanOptionalAction, help="map the file into memory, or read it")
    group.add_argument("--rpc", action="append", default=[], metavar="HOST:PORT", help="a server; may be repeated")

    group = parser.add_argument_group("many measurements")
    group.add_argument("--plan", type=Path, metavar="FILE", help="entries to run; needs no MODEL")
    group.add_argument("--entry", action="append", default=[], metavar="REGEX", help="only such entries; may be repeated")
    group.add_argument("--models", type=Path, default=Path("/tmp/llama-ab-models"), metavar="DIR",
                       help="where the plan's models are made")
    group.add_argument("--time-limit", type=float, metavar="SECONDS", help="of the plan, instead of its own")

    args = parser.parse_args(argv)
    if bool(args.model) == bool(args.plan):
        parser.error("give either a model or --plan")
    if args.plan and not args.json:
        parser.error("--plan needs --json")
    if not args.pairs and args.no_compare:
        parser.error("--pairs 0 and --no-compare leave nothing to do")
    args.ours_env = dict(args.ours_env)
    return args
