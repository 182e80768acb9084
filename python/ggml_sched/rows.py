"""The numbers that a benchmark prints, as rows: a dictionary from the name of a row to its number."""

import json
import math
import re

from .messages import Failed, printable

LABELS = {"n_ubatch": "ub", "n_batch": "b", "n_depth": "d", "n_threads": "t", "n_gpu_layers": "ngl"}
MEASURED = ("avg_", "stddev_", "samples_", "test_time", "build_", "model_type", "n_prompt", "n_gen")
NUMBER = re.compile(r"[+-]?([0-9][0-9,]*(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def compiled(pattern):
    try:
        regex = re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise Failed(f"--pattern is no regular expression: {error}") from error
    if regex.groups != 1:
        raise Failed(f"--pattern needs one group in parentheses, around the number; it has {regex.groups}")
    return regex


def add(rows, name, value):
    """Adds a row; a name that is there already gets a number."""
    unique, count = name, 1
    while unique in rows:
        count += 1
        unique = f"{name} #{count}"
    rows[unique] = value


def finite(value, what):
    """The value as a number. A truth value, nan and infinity are none."""
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise Failed(f"{what} {value}, which is no finite number, so the runs cannot be compared")
    return number


def name_of(result):
    """The name of a row of llama-bench."""
    words = [str(result["model_type"])] if result.get("model_type") else []
    for key, label in (("n_prompt", "pp"), ("n_gen", "tg")):
        if result.get(key):
            words.append(f"{label}{result[key]}")
    return printable(" ".join(words)) or "avg_ts"


def settings_of(result):
    """What llama-bench was told, without what it measured."""
    return {key: value for key, value in result.items()
            if isinstance(value, (bool, int, str)) and not key.startswith(MEASURED)}


def told_apart(results):
    """The names of rows. Rows of one name also name the settings in which they differ."""
    names = [name_of(result) for result in results]
    full = []
    for name, result in zip(names, results):
        alike = [settings_of(other) for other, its_name in zip(results, names) if its_name == name]
        differing = [key for key in settings_of(result) if len({str(other.get(key)) for other in alike}) > 1]
        words = [f"{LABELS.get(key, key + '=')}{result[key]}" for key in differing]
        full.append(printable(" ".join([name, *words])))
    return full


def rows_of_json(output):
    results = []
    for line in output.splitlines():
        try:
            result = json.loads(line) if line.startswith("{") else None
        except (ValueError, RecursionError):
            continue
        if isinstance(result, dict) and isinstance(result.get("avg_ts"), (int, float)):
            results.append(result)
    rows = {}
    for name, result in zip(told_apart(results), results):
        add(rows, name, finite(result["avg_ts"], f"the row {name} has the avg_ts"))
    return rows


def rows_of_pattern(output, regex):
    rows = {}
    for found in regex.finditer(output):
        text = (found[1] or "").strip()
        if not NUMBER.fullmatch(text):
            raise Failed(f"--pattern found '{text}', which is no number; let its group match digits only")
        rows[f"number {len(rows) + 1}"] = finite(text.replace(",", ""), "--pattern found")
    return rows


def read_rows(stdout, stderr, regex):
    """The rows of one run. The pattern also looks at stderr, without our own lines."""
    if regex is None:
        rows = rows_of_json(stdout)
        hint = "it printed no line of JSON with 'avg_ts'; add '-o jsonl' to llama-bench, or give --pattern"
    else:
        lines = [line for line in stderr.splitlines() if not line.startswith("ggml-sched:")]
        rows = rows_of_pattern("\n".join([stdout, *lines]), regex)
        hint = "its output holds nothing that matches --pattern"
    if not rows:
        raise Failed(f"the command gave no numbers: {hint}")
    return rows
