"""Tests of tools/llama-ab; scripts/test --engine runs them with the llama-cpp-python that it has built."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TOOL = ROOT / "tools/llama-ab"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # tests share the cores
sys.path[:0] = [str(TOOL), str(ROOT / "scripts")]

import experts  # noqa: E402
import gguf_writer  # noqa: E402
import make_model  # noqa: E402
import measure  # noqa: E402
import numpy  # noqa: E402
import plan  # noqa: E402
import residency  # noqa: E402
import vendor_calls  # noqa: E402
from checks import judge  # noqa: E402
from engine import Engine, Failed  # noqa: E402
from options import parse  # noqa: E402


class Folder(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)


class Judge(unittest.TestCase):
    def test_SaysIdenticalOnlyIfEveryRunOfBothIsTheSame(self):
        self.assertEqual(judge({"stock": [["a", "b"]] * 2, "ours": [["a", "b"]] * 2}), "identical")

    def test_CountsTheRowsThatDiffer(self):
        self.assertEqual(judge({"stock": [["a", "b", "c"]], "ours": [["a", "x", "y"]]}), "DIFFERENT (2 of 3 rows)")

    def test_SeesADifferenceOfALaterRun(self):
        self.assertIn("DIFFERENT", judge({"stock": [["a"]] * 2, "ours": [["a"], ["x"]]}))

    def test_SaysWhenStockItselfDiffers(self):
        self.assertEqual(judge({"stock": [["a"], ["b"]], "ours": [["a"], ["a"]]}), "stock differs from run to run")

    def test_HashesDependOnEveryBit(self):
        row = numpy.arange(5, dtype=numpy.float32)
        other = row.copy()
        other[3] = numpy.nextafter(other[3], numpy.float32(9))
        self.assertNotEqual(measure.digest(row.tobytes()), measure.digest(other.tobytes()))

    def test_RefusesLogitsThatNoSoundModelHas(self):
        for values in ([1, numpy.nan], [1, numpy.inf], [0, 0]):
            with self.assertRaises(Failed):
                measure.digest(numpy.array(values, dtype=numpy.float32).tobytes())


class Counter(Folder):
    def compile(self, name, *options):
        out = self.folder / name
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", out, Path(__file__).with_name("fake_cudart.c"), *options], check=True)
        return out

    def test_CountsEveryCallOnceByKindAndPassesItOn(self):
        runtime = self.compile("libfake.so", "-DFAKE_RUNTIME")
        engine = self.compile("libengine.so", runtime, f"-Wl,-rpath,{self.folder}")
        code = f"""if True:
            import ctypes, json, sys
            sys.path.insert(0, {str(TOOL)!r})
            from vendor_calls import Counter
            counter, engine = Counter(), ctypes.CDLL({str(engine)!r})
            engine.run_engine()
            counter.reset()
            good = engine.run_engine()
            print(json.dumps([good, counter.read()]))"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                              env={**os.environ, "LD_PRELOAD": str(vendor_calls.build())})
        good, counts = json.loads(done.stdout)
        self.assertEqual(good, 25)
        self.assertGreaterEqual(counts["blocking_ns"], 2000)
        counts = {name: n for name, n in counts.items() if n and not name.endswith("_ns")}
        self.assertEqual(counts, {
            "stream_synchronize": 2, "device_synchronize": 1, "compute.device_synchronize": 1, "memcpy_sync": 1,
            "memcpy_h2d": 3, "bytes_h2d": 10 + 20 + 50, "memcpy_d2h": 1, "bytes_d2h": 30, "memcpy_d2d": 1, "bytes_d2d": 40,
            "memcpy_peer": 1, "bytes_peer": 60, "memcpy_2d": 1, "bytes_2d": 48, "event_record": 1, "stream_wait_event": 1,
            "kernel_launch": 2, "fence_wait": 1, "fence_poll": 1, "semaphore_wait": 1, "idle_wait": 2, "queue_submit": 1,
            "sched_alloc": 1, "sched_compute": 1})

    def test_IsSilentWhereNothingIsPreloaded(self):
        counter = vendor_calls.Counter()
        counter.reset()
        self.assertFalse(counter)
        self.assertEqual(counter.read(), {})


class MakeModel(Folder):
    def hash_of(self, *options):
        path = self.folder / "model.gguf"
        size = make_model.make(path, *options)
        self.assertEqual(size, path.stat().st_size)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def test_GivesTheSameFileForTheSameShapeRouterAndSeedOnly(self):
        first = self.hash_of("tiny-moe", "spread", 1)
        self.assertEqual(first, self.hash_of("tiny-moe", "spread", 1))
        self.assertNotEqual(first, self.hash_of("tiny-moe", "spread", 2))
        self.assertNotEqual(first, self.hash_of("tiny-moe", "skewed", 1))

    def test_WriterRefusesDataOfAnotherLengthThanItSaid(self):
        short = gguf_writer.Chunks(64, lambda: [bytes(32)])
        with self.assertRaises(ValueError):
            gguf_writer.write(self.folder / "x.gguf", [], [("x", (16,), gguf_writer.F32, short)])


class OnTinyModels(Folder):
    def engine(self, shape, *options, router="spread"):
        path = self.folder / f"{shape}-{router}.gguf"
        make_model.make(path, shape, router)
        engine = Engine(self.arguments(path, *options))
        self.addCleanup(engine.close)
        return engine

    @staticmethod
    def arguments(path, *options):
        args = parse("", [str(path), "--threads", "1", *options])
        args.gpu_layers = args.gpu_layers[0]
        return args

    def test_HashesOfOtherTokensDiffer(self):
        engine = self.engine("tiny")
        for kind in ("decode", "prefill"):
            workload = measure.Workload(kind, 8, 0, 4)
            context = engine.context("ours", **workload.context_options())
            first, second = engine.random_tokens(1, 8), engine.random_tokens(2, 8)
            n_rows = 8 if kind == "decode" else 2
            hashes = [measure.run_untimed(context, workload, tokens, 2) for tokens in (first, second, first)]
            context.close()
            self.assertEqual(len(set(hashes[0])), n_rows)
            self.assertEqual(hashes[0], hashes[2])
            self.assertFalse(set(hashes[0]) & set(hashes[1]))

    def test_ASkewedRouterTouchesFewerExpertsAndMoreTokensTouchMore(self):
        touched = {}
        for router in ("spread", "skewed"):
            engine = self.engine("tiny-moe", router=router)
            tokens = engine.random_tokens(1, 128)
            touched[router] = [experts.touched_experts(engine, n, tokens)["touched"] for n in (1, 16, 128)]
        n_used = make_model.SHAPES["tiny-moe"].experts_used / make_model.SHAPES["tiny-moe"].experts
        for shares in touched.values():
            self.assertEqual(shares[0], n_used)
            self.assertLess(shares[0], shares[1])
            self.assertLess(shares[1], shares[2])
        self.assertLess(touched["skewed"][2], touched["spread"][2])

    def test_AZipfRouterIsHitMoreByCachesOfAllSizes(self):
        hits = {}
        for router in ("spread", "zipf"):
            engine = self.engine("tiny-moe", router=router)
            rules = experts.hit_curve(engine, 128, engine.random_tokens(1, 128))["rules"]
            hits[router] = [each["hits"] for each in rules["LRU"]]
            for rule in rules.values():
                for each, bound in zip(rule, rules["Belady"]):
                    self.assertLessEqual(each["hits"], bound["hits"])
        for spread, zipf in zip(hits["spread"], hits["zipf"]):
            self.assertLess(spread, zipf)
        self.assertEqual(hits["zipf"], sorted(hits["zipf"]))

    def test_AConstantPartOfTheWidthIsTheSameForAllTokens(self):
        weights = make_model.Weights(1)
        width, n_tokens = 64, 5000
        name, shape, _, data = weights.embedding("x", width, n_tokens)
        rows = numpy.frombuffer(b"".join(data.parts()), dtype=numpy.uint8).reshape(n_tokens, -1)
        self.assertEqual(len({bytes(row[:make_model.BLOCK_BYTES]) for row in rows}), 1)
        self.assertGreater(len({bytes(row[make_model.BLOCK_BYTES:]) for row in rows}), n_tokens // 2)
        *_, data = weights.matrix("y", 1.0, width, 96, 3, zero_rows=32)
        rows = numpy.frombuffer(b"".join(data.parts()), dtype=numpy.uint8).reshape(3, 96, -1)
        self.assertFalse(rows[:, :32].any())
        self.assertTrue(rows[:, 32:].any(axis=2).all())

    def test_LruHoldsTheExpertsUsedLast(self):
        rows = [[0, 1], [0, 2], [0, 1], [3, 1]] * 4
        for n_slots, hits in ((0, 0), (4, 1), (2, 0.5), (1, 0.25)):  # 1: only the best expert of the token before
            self.assertEqual(residency.replay(residency.Lru(n_slots, 4), rows).hits, hits)

    def test_FrequentExpertsStayWhenOthersComeOnce(self):
        rows = [[0, 1 if token % 2 else 2 + token] for token in range(64)]
        for rule in (residency.Frequency, residency.SteadyFrequency):
            done = residency.replay(rule(2, 66), rows)
            self.assertEqual(done.hits, 0.75, rule.name)  # 0 always, 1 where it is used
            self.assertEqual(done.promotions, 0, rule.name)
        self.assertEqual(residency.replay(residency.Lru(2, 66), rows).promotions, 1)

    def test_FewPromotionsAreMadeForEachToken(self):
        random = numpy.random.default_rng(1)
        rows = [random.permutation(64)[:8].tolist() for _ in range(256)]
        rule = residency.SteadyFrequency(16, 64)
        for token, row in enumerate(rows):
            promoted = rule.use(row)
            self.assertLessEqual(promoted, 2)
            self.assertLessEqual(len(rule.resident), 16)

    def test_NoRuleHitsMoreThanTheOneThatKnowsTheFuture(self):
        for seed in range(20):
            random = numpy.random.default_rng(seed)
            weights = random.dirichlet([0.3] * 24)
            rows = [random.choice(24, 4, replace=False, p=(weights + 0.001) / (weights + 0.001).sum()).tolist()
                    for _ in range(200)]
            for n_slots in (1, 3, 8, 24):
                rules = residency.replay_all([rows], n_slots, 24)
                for name, each in rules.items():
                    self.assertLessEqual(each["hits"], rules["Belady"]["hits"] + 1e-9, (name, seed, n_slots))

    def test_ReportsWhatOurSchedulerWarnsOf(self):
        engine = self.engine("tiny")
        workload = measure.Workload("decode", 2, 0, 4)
        for environment, n_lines in (({}, 0), ({"GGML_SCHED_TRACE": "/no/such/folder/trace.json"}, 1)):
            engine.forget_log()
            engine.context("ours", environment=environment, **workload.context_options()).close()
            self.assertEqual(len(engine.complaints()), n_lines)

    def test_SaysWhichMemoryThereIsIfAnOverrideNamesAnother(self):
        with self.assertRaisesRegex(Failed, "no memory Moon; there are: CPU"):
            self.engine("tiny", "--override-tensor", "blk=Moon")

    def test_SaysThatAModelWithoutVocabularyNeedsRandomTokens(self):
        with self.assertRaisesRegex(Failed, "--random-tokens"):
            self.engine("tiny").tokenize("text")


class Plan(Folder):
    def run_code(self, code, limit=60):
        out = self.folder / "out.json"
        result = plan.run_entry({}, [sys.executable, "-c", code], limit, out)
        return result, plan.read_rows(out)["rows"]

    WRITE = "import os, sys; open(sys.argv[-1], 'w').write('{\"rows\": [1]}'); "

    def test_KeepsTheRowsOfAnEntryThatCrashes(self):
        self.assertEqual(self.run_code(self.WRITE + "os.abort()"), ("ended by SIGABRT", [1]))

    def test_KeepsTheRowsOfAnEntryThatRunsOutOfTime(self):
        (self.folder / "out.json").write_text('{"rows": [1]}')
        self.assertEqual(self.run_code("while True: pass", limit=0.01), ("stopped after 0 s", [1]))

    def test_TellsAFailureFromSuccess(self):
        self.assertEqual(self.run_code("raise SystemExit(3)"), ("exit code 3", []))
        self.assertEqual(self.run_code(self.WRITE), ("ok", [1]))

    def run_plan(self, entries, *options):
        path, out = self.folder / "plan.json", self.folder / "report.json"
        path.write_text(json.dumps({"time_limit_s": 100, "models": {"tiny": {"shape": "tiny"}}, "options": ["--pairs", "1"],
                                    "entries": entries}))
        args = parse("", ["--plan", str(path), "--json", str(out), "--models", str(self.folder / "models"), *options])
        with contextlib.redirect_stdout(None):
            code = plan.run_plan(args, ["--plan", "plan.json", "--entry", "a b"])
        self.report = json.loads(out.read_text())
        return code, self.report["entries"]

    def test_AFailingEntryDoesNotStopThoseAfterIt(self):
        code, entries = self.run_plan([
            {"name": "bad", "model": "tiny", "limit_s": 60, "options": ["--decode", "2", "--override-tensor", "x=Moon"]},
            {"name": "good", "model": "tiny", "limit_s": 60, "options": ["--decode", "2"]}])
        self.assertEqual(code, 1)
        self.assertEqual([entry["result"] for entry in entries], ["exit code 1", "ok"])
        self.assertIn("Moon", entries[0]["error"])
        self.assertEqual(entries[1]["rows"][0]["logits"], "identical")
        self.assertRegex(entries[1]["engine"], r"llama-cpp-python \S+ \(ggml \S+\)")
        self.assertEqual(list((self.folder / "models").iterdir()), [])

    def test_SaysByWhichCommandWhenAndAtWhichCommit(self):
        self.run_plan([{"name": "late", "model": "tiny", "limit_s": 60, "options": []}], "--time-limit", "0")
        self.assertEqual(self.report["command"], "python3 tools/llama-ab/llama_ab.py --plan plan.json --entry 'a b'")
        self.assertRegex(self.report["date"], r"^\d{4}-\d{2}-\d{2}$")
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
        if head.returncode == 0:
            self.assertEqual(self.report["commit"].rstrip("+"), head.stdout[:7])

    def test_SaysWhatWasNotRunForLackOfTime(self):
        entry = {"name": "late", "model": "tiny", "limit_s": 60, "options": ["--decode", "2"]}
        code, entries = self.run_plan([entry], "--time-limit", "0")
        self.assertEqual((code, entries[0]["result"]), (1, "not run: no time left"))

    def test_EveryPlanNamesModelsAndOptionsThatExist(self):
        for path in (TOOL / "plans").glob("*.json"):
            content = json.loads(path.read_text())
            for model in content["models"].values():
                self.assertIn(model["shape"], make_model.SHAPES)
                self.assertIn(model.get("router", "spread"), make_model.ROUTERS)
            for entry in content["entries"]:
                self.assertIn(entry["model"], content["models"])
                parse("", ["model", *content["options"], *entry["options"]])


if __name__ == "__main__":
    unittest.main()
