#!/usr/bin/env python3
"""Writes the tables of docs/benchmarks.md, experts.md, streaming.md and vulkan.md from the JSON files in bench/results.

    scripts/benchmark-tables              writes the tables anew
    scripts/benchmark-tables --check      exit code 1 if the document has other tables
    scripts/benchmark-tables --reduce REPORT NAME [--set KEY=VALUE ...]
                                          makes bench/results/NAME.json of a report

A report is what one of these has written: `llama_ab.py --json`, `expert_error.py --json`, `sched-bench-experts --json`,
or `sched-bench --benchmark_out=FILE --benchmark_out_format=json`.
Its reduced form keeps what the tables and a reader need: the options, speeds, ratios, blocking calls and the time in
alloc_graph of each row. It has no paths of the machine. --set gives what a report cannot know (device, engine,
command, commit). The tables stand between the lines `<!-- table: NAME -->` and `<!-- end -->`.
"""

import argparse
import json
import re
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The documents, and the tables that each has.
DOCUMENTS = {"docs/benchmarks.md": ("device", "host", "cost", "sources"),
             "docs/experts.md": ("resident", "simulated", "error"), "docs/streaming.md": ("registered",),
             "docs/vulkan.md": ("vulkan",)}
# Sources that are in a table of their own, and its name. They stand below it.
OWN_TABLES = {"experts": "resident", "experts-alike": "resident", "experts-simulated": "simulated", "expert-error": "error",
              "registered": "registered", "vulkan": "vulkan"}
RESULTS = ROOT / "bench/results"
KEYS = ("device", "date", "commit", "engine", "command")
MODELS = {"1b": "1B", "8b": "8B", "moe": "MoE", "moe-spread": "MoE", "moe-skewed": "MoE, skewed", "moe-zipf": "MoE, zipf",
          "moe-zipf-by-layer": "MoE, zipf by layer"}
# Entries that another source repeats with longer prompts; the JSON file has them.
LEFT_OUT = {("one-gpu", "0 layers, large batches"), ("one-gpu", "experts on the host"),
            ("llama-b11549", "MoE, expert cache, not streamed")}
# The measurements in which alloc_graph is compared with ggml's; each is one entry and row of a report.
ALLOC_ROWS = (("1B-shaped, decode", "decode 256, no graph reuse"), ("8B-shaped, decode", "decode 128, no graph reuse"),
              ("8B-shaped, prefill", "prefill 4096, ubatch 512"), ("all layers on the host", "prefill 4096, ubatch 512"),
              ("everything on the host, KV too", "prefill 4096, ubatch 512"),
              ("experts on the host", "prefill 4096, ubatch 512"))
# Rows of sched-bench: name and size, what they measure, and per what their time is given. The JSON file has more.
BENCH_ROWS = {
    ("fresh_graph", "1000"): ("the same graph built anew: allocate, run", "node"),
    ("fresh_graph", "10000"): ("the same graph built anew: allocate, run", "node"),
    ("changed_graph", "1000"): ("other parameters: allocate, run", "node"),
    ("resized_graph", "1000"): ("other shapes: allocate, run", "node"),
    ("restructured_graph", "1000"): ("another structure: allocate, run", "node"),
    ("restructured_graph", "10000"): ("another structure: allocate, run", "node"),
    ("run_again", "1000"): ("run an allocated graph again", "run"),
}


# Reports to reduced files


def reduce_options(options):
    """Without the paths of the machine: the model's comes first, the report's behind --json."""
    kept, skip = [], False
    for option in options:
        if not skip and option != "--json" and not option.startswith("/"):
            kept.append(option)
        skip = option == "--json"
    return kept


def reduce_scheduler(measured):
    calls = measured.get("calls", {})
    reduced = {"tokens_per_s": round(measured["tokens_per_s"], 1)}
    if measured.get("blocking_in_compute") is not None:
        reduced["blocking_in_compute"] = round(measured["blocking_in_compute"], 1)
    if calls.get("sched_alloc", 0) >= 0.5:
        reduced["alloc_us"] = round(calls["sched_alloc_ns"] / calls["sched_alloc"] / 1000, 1)
    return reduced


def reduce_row(row):
    reduced = {key: row[key] for key in ("kind", "name", "n_tokens", "ubatch", "pairs", "logits", "verified") if key in row}
    return reduced | {"log_lines": len(row["log"]), "stock": reduce_scheduler(row["stock"]),
                      "ours": reduce_scheduler(row["ours"]), "ratio_quartiles": [round(x, 4) for x in row["ratio_quartiles"]]}


def reduce_entry(entry):
    rows = entry["rows"]
    reduced = {"name": entry["name"], "model": entry["model"].removesuffix(".gguf"), "result": entry["result"],
               "options": reduce_options(entry.get("options", []))}
    reduced |= {"environment": entry["environment"]} if entry.get("environment") else {}
    cases = [row for row in rows if row.get("kind") not in ("decode", "prefill", "experts")]
    if cases:
        reduced["cases"] = {row["case"]: row["logits"] for row in cases}
    touched = {row["name"]: round(row["touched"], 3) for row in rows if row.get("kind") == "experts"}
    if touched:
        reduced["touched"] = touched
    measured = [row for row in rows if row.get("kind") in ("decode", "prefill")]
    return reduced | {"rows": [reduce_row(row) for row in measured]}


def reduce_plan(report):
    known = {key: report[key] for key in KEYS if key in report}
    entries = [{"name": report.get("model", ""), "result": "ok", **report}] if "rows" in report else report["entries"]
    for entry in entries:
        known.setdefault("engine", entry.get("engine", ""))
        known.setdefault("device", ", ".join(entry.get("hardware", [])))
    if "command" in known:
        known["command"] = re.sub(r"(?<=[\s=])/\S*/", "", known["command"])
    return known | {"entries": [reduce_entry(entry) for entry in entries]}


def reduce_error(report):
    """Of expert_error.py"""
    ways = [{"name": way["name"], "ubatch": way["ubatch"], "perplexity": round(way["perplexity"], 6),
             "off_by_percent": round(way["off_by_percent"], 4), "error": float(f"{way['error']:.1e}")} for way in report["ways"]]
    return {key: report[key] for key in (*KEYS, "budget_mib") if key in report} | {"ways": ways}


def reduce_simulation(report):
    """Of sched-bench-experts: microseconds for a token"""
    cells = [{"link": cell["link_gb_per_s"], "cpu": cell["cpu_gb_per_s"], "hot_percent": cell["hot_percent"],
              "us": [round(cell[way]["token_us"]) for way in ("off", "shared", "upload")]} for cell in report["cells"]]
    return {key: report[key] for key in ("seed", "tokens", "tokens_of_graph")} | {"cells": cells}


def reduce_bench(report):
    rows = {}
    for run in report["benchmarks"]:
        if run.get("run_type") == "iteration" and not run.get("error_occurred"):
            scale = {"ns": 1, "us": 1e3, "ms": 1e6}[run["time_unit"]]
            name, _, size = run["run_name"].partition("/")
            time = run["cpu_time"] * scale / (run["nodes"] if "nodes" in run else 1)
            rows.setdefault((name, size), []).append(time)
    result = [{"name": name, "size": size, "repetitions": len(times), "cpu_ns_quartiles": quartiles(times)}
              for (name, size), times in rows.items()]
    return {"date": report["context"]["date"][:10], "engine": "none: devices that do nothing", "rows": result}


def quartiles(values):
    if len(values) < 2:
        return [round(values[0], 1)] * 3
    return [round(x, 1) for x in statistics.quantiles(values, n=4, method="inclusive")]


def reduce_report(report, settings):
    reduce = {"benchmarks": reduce_bench, "ways": reduce_error, "cells": reduce_simulation}
    reduced = next((reduce[key] for key in reduce if key in report), reduce_plan)(report) | settings
    ordered = {key: reduced.pop(key, "not recorded") for key in KEYS}
    return ordered | reduced


def write_json(path, value):
    """Lists of numbers or words stand in one line."""
    text = re.sub(r"\[\n\s+([^\[\]{}]*?)\n\s+\]", lambda m: "[" + re.sub(r",\n\s+", ", ", m[1]) + "]",
                  json.dumps(value, indent=1))
    path.write_text(text + "\n", encoding="utf-8")


# Reduced files to tables


def has(entry, option, value=None):
    options = entry["options"]
    return any(options[i] == option and (value is None or options[i + 1] == value) for i in range(len(options)))


def option_of(entry, option):
    options = entry["options"]
    return options[options.index(option) + 1] if option in options else None


def placement(entry):
    """What lies in host memory, in words; "" if nothing does."""
    override = option_of(entry, "--override-tensor") or option_of(entry, "--on-cpu") or ""
    text = ""
    if has(entry, "--kv-on-host"):
        text = "KV cache"
    elif has(entry, "--gpu-layers", "0"):
        text = "everything, KV cache too"
    elif has(entry, "--gpu-layers"):
        text = "all but {} layers".format(option_of(entry, "--gpu-layers"))
    elif override:
        text = "FFN of all layers" if "ffn" in override else "all layers"
    elif has(entry, "--cpu-moe"):
        text = "experts"
    elif has(entry, "--n-cpu-moe"):
        text = "experts of {} layers".format(option_of(entry, "--n-cpu-moe"))
    text += ", mapped" if has(entry, "--mmap") else ""
    if has(entry, "--moe-cache-mib"):
        text += ", cache of {} MiB".format(option_of(entry, "--moe-cache-mib"))
    resident = re.search(r"GGML_SCHED_EXPERTS=(\w+)", " ".join(entry["options"]))
    if resident:
        text += ", resident: " + ("all" if resident[1] == "auto" else f"{resident[1]} MiB")
    text += ", uploaded" if has(entry, "--ours-env", "GGML_SCHED_EXPERT_MISSES=upload") else ""
    return text + (", not streamed" if has(entry, "--ours-env", "GGML_SCHED_STREAM=0") else "")


def measured(row):
    text = f"decode {row['n_tokens']}"
    if row["kind"] == "prefill":
        text = f"prefill {row['n_tokens']} by {row['ubatch']}"
    text += ", 4 sequences" if "4 sequences" in row["name"] else ""
    return text + (", graphs built anew" if "no graph reuse" in row["name"] else "")


def speed(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def ratio_cell(quartiles_of_row):
    low, median, high = quartiles_of_row
    return f"{median:.2f}" if low is None else f"{median:.2f} ({low:.2f} to {high:.2f})"


def model_of(entry):
    return MODELS.get(entry["model"], MODELS.get(re.sub(r"(-spread)?-1$", "", entry["model"]), entry["model"]))


def speed_rows(sources, with_placement):
    """The rows of both tables of speeds: those with something in host memory, or those without."""
    rows = []
    for name, source in sources.items():
        for entry in source.get("entries", []) if name not in OWN_TABLES else []:
            where = placement(entry)
            if bool(where) != with_placement or (name, entry["name"]) in LEFT_OUT:
                continue
            gpus = option_of(entry, "--devices") or "1"
            for row in (row for row in entry["rows"] if "tokens_per_s" in row["ours"]):
                model = model_of(entry) + (f", {gpus} GPUs" if gpus != "1" else "")
                cells = [model, where] if with_placement else [model]
                rows.append([*cells, measured(row), speed(row["stock"]["tokens_per_s"]), speed(row["ours"]["tokens_per_s"]),
                             ratio_cell(row["ratio_quartiles"]), name])
    if with_placement:  # rows of one model and placement stand together, in the order of their first one
        keys = [tuple(row[:2]) for row in rows]
        rows = [rows[i] for i in sorted(range(len(rows)), key=lambda i: keys.index(keys[i]))]
    return rows


def rows_of(entry, where):
    behind = f" behind {option_of(entry, '--start')}" if option_of(entry, "--start") else ""
    return [[model_of(entry), where, measured(row) + (behind if row["kind"] == "decode" else ""),
             speed(row["stock"]["tokens_per_s"]), speed(row["ours"]["tokens_per_s"]), ratio_cell(row["ratio_quartiles"])]
            for row in entry["rows"]]


def resident_rows(source):
    """The rows with experts of which a part stays on a device."""
    rows = []
    for entry in source.get("entries", []):
        where = placement(entry).removeprefix("experts, ").removeprefix("resident: ")
        rows += rows_of(entry, "none" if where == "experts" else where.replace("experts of", "all but those of"))
    return rows


def registered_rows(source):
    """The rows with pageable memory, staged or registered."""
    return [row for entry in source.get("entries", [])
            for row in rows_of(entry, placement(entry) + (", registered" if "registered" in entry["name"] else ", staged"))]


def waits_cell(row):
    """How often the host waits for a device inside the call that enqueues a graph, with both schedulers."""
    waits = [row[side].get("blocking_in_compute") for side in ("stock", "ours")]
    return "not counted" if None in waits else " / ".join(f"{count:.3g}" for count in waits)


def placed_rows(source):
    """All rows, with what lies in host memory and the host's waits."""
    return [[*cells, waits_cell(row)] for entry in source.get("entries", [])
            for cells, row in zip(rows_of(entry, placement(entry) or "nothing"), entry["rows"])]


def simulated_rows(source):
    """A row for each link and CPU: the times without banks, divided by those with them."""
    rows = {}
    for cell in source.get("cells", []):
        off, shared, upload = cell["us"]
        row = rows.setdefault((cell["link"], cell["cpu"]), [[f"{cell['link']:.0f}", f"{cell['cpu']:.0f}"], [], []])
        row[1].append(f"{off / shared:.2f}")
        row[2].append(f"{off / upload:.2f}")
    return [[*names, ", ".join(shared), ", ".join(upload)] for names, shared, upload in rows.values()]


def error_rows(source):
    return [[way["name"], str(way["ubatch"]), f"{way['perplexity']:.6f}", f"{way['off_by_percent']:+.4f} %",
             f"{way['error']:.1e}" if way["error"] else "0"] for way in source.get("ways", [])]


def cost_rows(sources):
    rows = []
    for name, source in sources.items():
        for entry in source.get("entries", []) if name not in OWN_TABLES else []:
            for row in entry["rows"]:
                if "alloc_us" in row["ours"] and ((entry["name"], row["name"]) in ALLOC_ROWS or "alloc" in source):
                    stock, ours = row["stock"]["alloc_us"], row["ours"]["alloc_us"]
                    where = f" (on the host: {placement(entry)})" if placement(entry) else ""
                    note = f", `{entry['note']}`" if "note" in entry else ""
                    rows.append([f"`alloc_graph`, {model_of(entry)}{where}{note}, {measured(row)}", f"{stock:.1f} us",
                                 f"{ours:.1f} us", f"{ours / stock:.2f}", name])
    for name, source in sources.items():
        measured_rows = {(row["name"], row["size"]): row["cpu_ns_quartiles"] for row in source.get("rows", [])}
        for (bench, size), (text, unit) in BENCH_ROWS.items():
            if (bench, size) in measured_rows:
                low, median, high = measured_rows[bench, size]
                rows.append([f"{text}; {int(size):,} nodes, per {unit}", "not measured",
                             f"{median:.0f} ns ({low:.0f} to {high:.0f})", "", name])
    return rows


def source_table(sources, names):
    rows = [[f"[{name}](../bench/results/{name}.json)", *(source[key] for key in KEYS[:-1]), f"`{source['command']}`"]
            for name, source in sources.items() if name in names]
    return table(["source", *KEYS], rows)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def own_tables(sources):
    """The tables of OWN_TABLES, each with its sources below it."""
    speeds = ["measured", "ggml, tokens/s", "ours, tokens/s", "ours / ggml (quartiles)"]
    kinds = {
        "resident": (["model", "experts on the device", *speeds], resident_rows),
        "registered": (["model", "in host memory", *speeds], registered_rows),
        "vulkan": (["model", "in host memory", *speeds, "waits, ggml / ours"], placed_rows),
        "simulated": (["link, GB/s", "CPU, GB/s", "`shared`", "`upload`"], simulated_rows),
        "error": (["way", "tokens at a time", "perplexity", "against ggml, experts on the host", "error of logits"], error_rows),
    }
    tables = {}
    for name, (head, rows) in kinds.items():
        own = [source for source in OWN_TABLES if OWN_TABLES[source] == name]
        tables[name] = table(head, [row for source in own for row in rows(sources.get(source, {}))])
        tables[name] += "\n" + source_table(sources, own)
    return tables


def make_tables(sources):
    speeds = ["measured", "ggml, tokens/s", "ours, tokens/s", "ours / ggml (quartiles)", "source"]
    return {
        "device": table(["model", *speeds], speed_rows(sources, with_placement=False)),
        "host": table(["model", "in host memory", *speeds], speed_rows(sources, with_placement=True)),
        "cost": table(["measured", "ggml", "ours", "ours / ggml", "source"], cost_rows(sources)),
        "sources": source_table(sources, [name for name in sources if name not in OWN_TABLES]),
        **own_tables(sources),
    }


def read_sources(folder):
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def fill(document, text, tables):
    """The document with these tables between its markers."""
    for name, content in tables.items():
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        text, n_found = re.subn(pattern, lambda match: f"{match[1]}\n{content}\n{match[2]}", text, flags=re.DOTALL)
        if n_found != 1:
            sys.exit(f"{document} has the marker of the table {name} {n_found} times, not once")
    return text


def assignment(text):
    name, equals, value = text.partition("=")
    if not equals or name not in KEYS:
        raise argparse.ArgumentTypeError(f"{text} is not KEY=VALUE with one of the keys {', '.join(KEYS)}")
    return name, value


def main():
    parser = argparse.ArgumentParser(prog="scripts/benchmark-tables", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the document has other tables")
    parser.add_argument("--reduce", nargs=2, metavar=("REPORT", "NAME"), help="make bench/results/NAME.json")
    parser.add_argument("--set", type=assignment, action="append", default=[], metavar="KEY=VALUE",
                        help=f"with --reduce: one of {', '.join(KEYS)}")
    args = parser.parse_args()
    if args.reduce:
        report = json.loads(Path(args.reduce[0]).read_text(encoding="utf-8"))
        write_json(RESULTS / f"{args.reduce[1]}.json", reduce_report(report, dict(args.set)))
        return 0
    made = make_tables(read_sources(RESULTS))
    for document, names in DOCUMENTS.items():
        text = (ROOT / document).read_text(encoding="utf-8")
        filled = fill(document, text, {name: made[name] for name in names})
        if args.check and filled != text:
            sys.exit(f"{document} is not what bench/results gives; scripts/benchmark-tables writes it anew")
        if not args.check:
            (ROOT / document).write_text(filled, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
