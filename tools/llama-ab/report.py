"""Tables of measurements."""

HEAD = ("measurement", "logits", "stock t/s", "ours t/s", "ratio", "quartiles", "blocking", "in compute", "submit ms",
        "wait ms", "log")


def pair(row, key, digits=2):
    """Stock's and ours, per token or micro-batch."""
    values = [row[choice].get(key) for choice in ("stock", "ours")]
    return "-" if None in values else " / ".join(f"{value:.{digits}f}" for value in values)


def cells(row):
    name = row["name"] + (f", {row['gpu_layers']} layers" if row.get("gpu_layers", 999) != 999 else "")
    if row["kind"] == "experts":
        return [name, f"{100 * row['touched']:.1f} %"]
    if row["kind"] == "hit curve":
        return [name, "; ".join(f"{rule} " + ", ".join(f"{100 * one['hits']:.0f} % ({one['promotions']:.2f})" for one in each)
                                for rule, each in row["rules"].items())]
    log = str(len(row["log"]))
    if "stock" not in row:
        return [name, row["logits"], *"-" * 8, log]
    low, _, high = row["ratio_quartiles"]
    return [name, row["logits"], f"{row['stock']['tokens_per_s']:.1f}", f"{row['ours']['tokens_per_s']:.1f}",
            f"{row['ratio']:.3f}", f"{low:.3f}-{high:.3f}", pair(row, "blocking", 1), pair(row, "blocking_in_compute", 1),
            pair(row, "submit_ms"), pair(row, "wait_ms"), log]


def table(rows):
    lines = [list(HEAD), *(cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines if i < len(line)) for i in range(len(HEAD))]
    text = []
    for line, row in zip(lines, [None, *rows]):
        text.append("  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))))
        text += [f"    {entry}" for entry in (row or {}).get("log", [])]
    return "\n".join(line.rstrip() for line in text)


def calls_table(rows):
    """Every counter that is not zero, per token or micro-batch."""
    text = []
    for row in rows:
        if row.get("stock", {}).get("calls"):
            text.append(f"{row['name']}: calls per {'token' if row['kind'] == 'decode' else 'micro-batch'}, stock / ours")
            for name, stock in row["stock"]["calls"].items():
                ours = row["ours"]["calls"][name]
                if stock or ours:
                    text.append(f"    {name:<32} {stock:>16,.1f} {ours:>16,.1f}")
    return "\n".join(text)


def good(row):
    return (row.get("logits", "identical") == "identical" or row.get("may_differ")) and not row.get("log")
