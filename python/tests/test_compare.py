"""Tests of `ggml-sched compare`, with a benchmark that is a script."""

import json
import re
import unittest

from support import FAKE_BASE, Case, compile_file

from ggml_sched.compare import cell, spread
from ggml_sched.messages import Failed
from ggml_sched.rows import compiled, read_rows

# It runs as often as the file `count` has lines, and is twice as fast with ours.
BENCHMARK = """#!/bin/sh
cd "$(dirname "$0")"
echo "$GGML_SCHED" >> count
n=$(wc -l < count)
[ "$GGML_SCHED" = ours ] && name="ggml-sched 0.1.0" || name="ggml's own"
echo "ggml-sched: made a scheduler: $name" >&2
[ "$GGML_SCHED" = ours ] && speed=200 || speed=100
"""
JSON_ROWS = """
echo "{\\"model_type\\": \\"tiny\\", \\"n_prompt\\": 512, \\"n_gen\\": 0, \\"avg_ts\\": ${speed}.5}"
echo "{\\"model_type\\": \\"tiny\\", \\"n_prompt\\": 0, \\"n_gen\\": 64, \\"avg_ts\\": $speed}"
"""


class Runs(Case):
    def benchmark(self, text):
        return self.script("bench", BENCHMARK + text)

    def compare(self, text, *options, code=0):
        result, out, err = self.command("compare", *options, "--", self.benchmark(text))
        self.assertEqual(result, code, err)
        return out, err

    def test_RowsOfLlamaBenchAreCompared(self):
        out, err = self.compare(JSON_ROWS, "--pairs", "3")
        self.assertEqual(err, "")
        self.assertIn("medians of 3 pairs", out)
        line = r"^tiny pp512 +200\.5 \(.*\) +100\.5 \(.*\) +1\.995 \(1\.995 to 1\.995\)$"
        self.assertTrue(re.search(line, out, re.MULTILINE), out)
        self.assertTrue(re.search(r"^tiny tg64 +200 .* 2\.000 ", out, re.MULTILINE), out)

    def test_EachPairBeginsWithTheOther(self):
        self.compare(JSON_ROWS, "--pairs", "3")
        order = (self.folder / "count").read_text().split()
        self.assertEqual(order, ["ours", "stock", "stock", "ours", "ours", "stock"])

    def test_APatternReadsBothStreams(self):
        text = 'echo "eval: 12 tokens, $speed.25 per second"; echo "load: 3 ms, 1,$speed.5 per second" >&2'
        out, err = self.compare(text, "--pairs", "1", "--pattern", r"([\d.,]+) per second")
        self.assertEqual(err, "")
        self.assertIn("number 1  200.2 (200.2 to 200.2)", out)
        self.assertIn("number 2  1,200 (", out)

    def test_DifferentRowsAreRefused(self):
        text = '[ "$n" = 3 ] && exit 0' + JSON_ROWS
        self.assertIn("gave no numbers", self.compare(text, code=2)[1])
        (self.folder / "count").unlink()
        text = JSON_ROWS + '[ "$n" = 2 ] && echo "{\\"n_gen\\": 1, \\"avg_ts\\": 1}"; true'
        err = self.compare(text, code=2)[1]
        self.assertIn("the runs cannot be compared", err)
        self.assertOneSentence(err)

    def test_AFailedRunPassesItsExitCodeOn(self):
        out, err = self.compare("echo no memory >&2; exit 5", code=5)
        self.assertIn("exit code 5", err)
        self.assertIn("no memory", err)
        self.assertEqual(self.compare("kill -9 $$", code=137)[0], "")

    def test_SilentRunsAreReported(self):
        path = self.script("bench", 'echo 1\n')
        path.write_text("#!/bin/sh\necho speed 5\n")
        code, out, err = self.command("compare", "--pairs", "2", "--pattern", r"speed (\d+)", "--", path)
        self.assertEqual(code, 0)
        self.assertIn("2 of 2 runs with GGML_SCHED=ours did not say", err)

    def test_ARatioToZeroIsUnknown(self):
        text = '[ "$GGML_SCHED" = ours ] && echo v=1 || echo v=0'
        self.assertIn("unknown", self.compare(text, "--pairs", "1", "--pattern", r"v=(\d)")[0])

    def test_WhatCannotBeAttachedIsNotCompared(self):
        program = compile_file(self.folder / "static", "int main(void) { return 0; }" + FAKE_BASE, "-static")
        code, out, err = self.command("compare", "--", program)
        self.assertEqual((code, out), (2, ""))
        self.assertIn("statically", err)
        self.assertOneSentence(err)

    def test_ThePathThatWasTypedIsTheOneThatRuns(self):
        self.enter_folder()
        for name in ("echo", "only-here"):
            self.script(name, "#!/bin/sh\necho \"here: 1$1\"; grep SigIgn /proc/self/status\n")
            options = ["--pairs", "1", "--pattern", r"here: (\d+)|SigIgn:\t[0-9a-f]*[1-9a-f][0-9a-f]{2}$"]
            code, out, err = self.command("compare", *options, "--", f"./{name}", "4242")
            self.assertEqual(code, 0, err)
            self.assertIn("14,242", out)

    def test_BadInputIsOneSentence(self):
        for arguments in (["compare"], ["compare", "--"], ["compare", "--pairs", "0", "--", "true"],
                          ["compare", "--pairs", "x", "--", "true"], ["compare", "--pattern", "(", "--", "true"],
                          ["compare", "--pattern", "a", "--", "true"], ["compare", "--pattern", "(a)(b)", "--", "true"],
                          ["compare", "--", "no-such-command"], ["compare", "--", "true"],
                          ["compare", "--pattern", "(a+)", "--", "echo", "aa"]):
            code, out, err = self.command(*arguments)
            self.assertNotEqual(code, 0, arguments)
            self.assertEqual(out, "")
            self.assertOneSentence(err)


class Rows(unittest.TestCase):
    def test_WhatIsNoFiniteNumberIsRefused(self):
        for value in ("true", "NaN", "-Infinity", "1e999", "1" + "0" * 400):
            with self.assertRaisesRegex(Failed, "no finite number"):
                read_rows(f'{{"n_gen": 2, "avg_ts": {value}}}', "", None)
        for value in ("nan", "inf", "1e999", "1_0", "\u0665", "", "."):
            with self.assertRaisesRegex(Failed, "no (finite )?number"):
                read_rows(f"v={value};", "", compiled("v=(.*);"))
        self.assertEqual(read_rows("v= 1,234.5e-1 ;", "", compiled("v=(.*);")), {"number 1": 123.45})

    def test_PatternsThatPythonCannotUseAreRefused(self):
        with self.assertRaises(Failed):
            compiled("(a{99999999999})")

    def test_LinesThatAreNoResultsArePassedOver(self):
        lines = ["{broken", "[1]", '{"avg_ts": "fast"}', "{}", json.dumps({"n_prompt": 8, "n_gen": 2, "avg_ts": 3})]
        self.assertEqual(read_rows("\n".join(lines), "", None), {"pp8 tg2": 3.0})

    def test_RowsOfTheSameNameAreNumbered(self):
        line = json.dumps({"n_gen": 2, "avg_ts": 3})
        self.assertEqual(list(read_rows(f"{line}\n{line}", "", None)), ["tg2", "tg2 #2"])

    def test_RowsOfOneNameSayInWhichSettingsTheyDiffer(self):
        lines = [json.dumps({"model_type": "tiny", "n_prompt": 512, "n_gen": 0, "n_ubatch": ubatch, "type_k": kind,
                             "test_time": ubatch, "avg_ts": 1.5, "stddev_ts": ubatch})
                 for ubatch, kind in ((128, "f16"), (256, "f16"), (256, "q8_0"))]
        self.assertEqual(list(read_rows("\n".join(lines), "", None)),
                         ["tiny pp512 ub128 type_k=f16", "tiny pp512 ub256 type_k=f16", "tiny pp512 ub256 type_k=q8_0"])
        self.assertEqual(list(read_rows(lines[0], "", None)), ["tiny pp512"])

    def test_OurOwnLinesAreNoNumbers(self):
        with self.assertRaises(Failed):
            read_rows("", "ggml-sched: made a scheduler: ggml-sched 0.1.0", compiled(r"(\d+)"))

    def test_SpreadIsQuartilesAndMedian(self):
        self.assertEqual(spread([3.0]), [3.0, 3.0, 3.0])
        self.assertEqual(spread([5, 1, 4, 2, 3]), [2.0, 3.0, 4.0])
        self.assertEqual(cell([1000, 3000]), "2,000 (1,500 to 2,500)")


if __name__ == "__main__":
    unittest.main()
