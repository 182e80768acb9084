"""Tests of scripts/benchmark_tables.py: reports are reduced, and tables say what the reduced files say."""

import copy
import json
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import benchmark_tables as tables  # noqa: E402

CALLS = {"sched_alloc": 1.0, "sched_alloc_ns": 33600.0, "memcpy_h2d": 6.0}
ROW = {"kind": "prefill", "name": "prefill 64, ubatch 32", "n_tokens": 64, "ubatch": 32, "pairs": 3, "logits": "identical",
       "verified": True, "stock": {"tokens_per_s": 1999.96, "calls": CALLS, "blocking_in_compute": 13.04},
       "ours": {"tokens_per_s": 999.94, "calls": {**CALLS, "sched_alloc_ns": 9000.0}, "blocking_in_compute": 0.0},
       "ratio": 0.5, "ratio_quartiles": [0.41, 0.5, 0.625], "log": []}
REPORT = {"plan": "p.json", "command": "python3 llama_ab.py --plan /home/someone/p.json --json out.json", "date": "2026-11-30",
          "commit": "1234567", "entries": [
              {"name": "first", "model": "8b-spread-1.gguf", "result": "ok", "engine": "llama 1", "hardware": ["CUDA0: X"],
               "options": ["/tmp/models/8b-spread-1.gguf", "--cpu-moe", "--mmap", "--json", "/tmp/o.entry"],
               "rows": [ROW, {"kind": "experts", "name": "512 tokens", "touched": 0.71549}]},
              {"name": "second", "model": "1b-spread-1.gguf", "result": "ok", "options": [], "rows": [
                  {"case": "decode", "logits": "identical"}, ROW]}]}


def reduced(report=REPORT, **settings):
    return tables.reduce_report(copy.deepcopy(report), settings)


class Reduce(unittest.TestCase):
    def test_KeepsWhereTheReportComesFrom(self):
        result = reduced(device="one X")
        self.assertEqual([result[key] for key in tables.KEYS],
                         ["one X", "2026-11-30", "1234567", "llama 1", "python3 llama_ab.py --plan p.json --json out.json"])

    def test_KeepsTheEnvironmentOfAnEntry(self):
        report = copy.deepcopy(REPORT)
        report["entries"][1]["environment"] = {"A": "1"}
        first, second = reduced(report)["entries"]
        self.assertEqual((first.get("environment"), second["environment"]), (None, {"A": "1"}))

    def test_SaysWhatTheReportDoesNotKnow(self):
        self.assertEqual(reduced({"entries": []})["commit"], "not recorded")

    def test_KeepsNoPathOfTheMachine(self):
        self.assertEqual(reduced()["entries"][0]["options"], ["--cpu-moe", "--mmap"])
        self.assertNotRegex(json.dumps(reduced()), "/tmp|/home")

    def test_KeepsSpeedsAndTheTimeOfOneCall(self):
        row = reduced()["entries"][0]["rows"][0]
        self.assertEqual(row["stock"], {"tokens_per_s": 2000.0, "blocking_in_compute": 13.0, "alloc_us": 33.6})
        self.assertEqual(row["ratio_quartiles"], [0.41, 0.5, 0.625])

    def test_KeepsCasesAndTouchedExperts(self):
        first, second = reduced()["entries"]
        self.assertEqual(first["touched"], {"512 tokens": 0.715})
        self.assertEqual((second["cases"], len(second["rows"])), ({"decode": "identical"}, 1))

    def test_GivesQuartilesOfTheCpuTimesOfGoogleBenchmark(self):
        runs = [{"run_name": "fresh_graph/100", "run_type": "iteration", "time_unit": "us", "cpu_time": t, "nodes": 100.0}
                for t in (1, 2, 3, 4, 5)]
        runs.append({**runs[0], "run_type": "aggregate"})
        report = {"context": {"date": "2026-11-30T10:00:00+00:00", "host_name": "secret"}, "benchmarks": runs}
        result = reduced(report)
        self.assertEqual(result["rows"], [{"name": "fresh_graph", "size": "100", "repetitions": 5,
                                           "cpu_ns_quartiles": [20.0, 30.0, 40.0]}])
        self.assertNotIn("secret", json.dumps(result))


class Tables(unittest.TestCase):
    def test_SeparateWhatIsInHostMemory(self):
        made = tables.make_tables({"s": reduced()})
        self.assertIn("| 1B | prefill 64 by 32 | 2,000 | 999.9 | 0.50 (0.41 to 0.62) | s |", made["device"])
        self.assertIn("| 8B | experts, mapped | prefill 64 by 32 |", made["host"])
        self.assertNotIn("8B", made["device"])
        self.assertNotIn("1B", made["host"])

    def test_NameTheSourceOfEachRow(self):
        self.assertIn("| [s](../bench/results/s.json) | CUDA0: X | 2026-11-30 | 1234567 |",
                      tables.make_tables({"s": reduced()})["sources"])

    def test_SayPlacementsInWords(self):
        for options, text in ((["--kv-on-host"], "KV cache"), (["--gpu-layers", "16"], "all but 16 layers"), ([], ""),
                              (["--override-tensor", r"blk\..*\.ffn_.*=CPU"], "FFN of all layers")):
            self.assertEqual(tables.placement({"options": options}), text)

    def test_SayTheSchedulersOwnCost(self):
        cost = tables.make_tables({"b": {**reduced(), "rows": [
            {"name": "fresh_graph", "size": "1000", "cpu_ns_quartiles": [49.3, 58.1, 64.4]},
            {"name": "fresh_graph", "size": "7", "cpu_ns_quartiles": [1, 1, 1]}]}})["cost"]
        self.assertIn("1,000 nodes, per node | not measured | 58 ns (49 to 64) |  | b |", cost)
        self.assertEqual(cost.count("per node"), 1)

    def test_CompareAllocGraphWithGgmls(self):
        report = copy.deepcopy(REPORT)
        report["entries"][0]["name"] = "experts on the host"
        report["entries"][0]["rows"][0]["name"] = "prefill 4096, ubatch 512"
        cost = tables.make_tables({"s": reduced(report)})["cost"]
        self.assertIn("8B (on the host: experts, mapped), prefill 64 by 32 | 33.6 us | 9.0 us | 0.27 | s |", cost)

    def test_LeaveOutTheCostsOfSourcesWithATableOfTheirOwn(self):
        report = copy.deepcopy(REPORT)
        report["entries"][0]["name"], report["entries"][0]["rows"][0]["name"] = tables.ALLOC_ROWS[0]
        sources = {name: reduced(report) for name in ("s", next(iter(tables.OWN_TABLES)))}
        self.assertEqual(tables.make_tables(sources)["cost"].count("`alloc_graph`"), 1)

    def test_HaveTheirSourceBelowThemWhereItIsTheirOwn(self):
        report = copy.deepcopy(REPORT)
        report["entries"][1] |= {"name": "second, registered", "options": ["--kv-on-host", "--start", "4096"], "rows": [
            {**ROW, "kind": "decode", "name": "decode 64"}]}
        made = tables.make_tables({"registered": reduced(report), "s": reduced()})
        self.assertIn("| 8B | experts, mapped, staged | prefill 64 by 32 |", made["registered"])
        self.assertIn("| 1B | KV cache, registered | decode 64 behind 4096 |", made["registered"])
        self.assertIn("| [registered](../bench/results/registered.json) |", made["registered"])
        self.assertNotIn("registered.json", made["sources"])
        self.assertNotIn("registered", made["host"])

    def test_SayHowOftenTheHostWaitsWithBothSchedulers(self):
        report = copy.deepcopy(REPORT)
        report["entries"][0]["rows"] = [{**ROW, "stock": {**ROW["stock"], "blocking_in_compute": 127.88}}]
        report["entries"][1]["rows"] = [{**ROW, "ours": {"tokens_per_s": 999.94}}]
        made = tables.make_tables({"vulkan": reduced(report)})["vulkan"]
        self.assertIn("| 8B | experts, mapped | prefill 64 by 32 | 2,000 | 999.9 | 0.50 (0.41 to 0.62) | 128 / 0 |", made)
        self.assertIn("| 1B | nothing | prefill 64 by 32 | 2,000 | 999.9 | 0.50 (0.41 to 0.62) | not counted |", made)

    def test_SayHowMuchResultsDiffer(self):
        ways = [{"name": "a", "ubatch": 1, "perplexity": 1.5, "off_by_percent": 0.0, "error": 0.0, "log": []},
                {"name": "b", "ubatch": 16, "perplexity": 1.5000007, "off_by_percent": -0.01234, "error": 3.14e-6, "log": []}]
        made = tables.make_tables({"expert-error": tables.reduce_report({"ways": ways}, {})})["error"]
        self.assertIn("| a | 1 | 1.500000 | +0.0000 % | 0 |", made)
        self.assertIn("| b | 16 | 1.500001 | -0.0123 % | 3.1e-06 |", made)

    def test_DivideSimulatedTimes(self):
        cells = [{"link_gb_per_s": 4.0, "cpu_gb_per_s": 20.0, "hot_percent": hot, "off": {"token_us": 300.4},
                  "shared": {"token_us": 100.0 + hot}, "upload": {"token_us": 600.0}} for hot in (0, 50)]
        report = {"seed": 1, "tokens": 2, "tokens_of_graph": 0, "cells": cells}
        made = tables.make_tables({"experts-simulated": tables.reduce_report(report, {})})["simulated"]
        self.assertIn("| 4 | 20 | 3.00, 2.00 | 0.50, 0.50 |", made)

    def test_AreWrittenBetweenTheirMarkersOnly(self):
        text = "a\n<!-- table: x -->\nold\n<!-- end -->\nb\n"
        once = tables.fill("docs/x.md", text, {"x": "| new |\n"})
        self.assertEqual(once, "a\n<!-- table: x -->\n\n| new |\n\n<!-- end -->\nb\n")
        self.assertEqual(tables.fill("docs/x.md", once, {"x": "| new |\n"}), once)

    def test_NeedTheirMarker(self):
        with self.assertRaises(SystemExit):
            tables.fill("docs/x.md", "no marker", {"x": ""})


class Files(unittest.TestCase):
    def test_AreWrittenSoThatTheyAreReadAgain(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.json"
            tables.write_json(path, reduced())
            self.assertEqual(json.loads(path.read_text()), reduced())

    def test_OfTheTreeHaveNoPathOfAMachine(self):
        for path in tables.RESULTS.glob("*.json"):
            self.assertNotRegex(path.read_text(encoding="utf-8"), r"/(root|home|tmp|work)/")


if __name__ == "__main__":
    unittest.main()
