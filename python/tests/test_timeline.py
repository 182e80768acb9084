"""Tests of `ggml-sched timeline`. The page is checked as the one of sched-run is."""

import json
import os
import sys
import unittest
from unittest import mock

from support import PYTHON, Case

from ggml_sched import timeline

sys.path.insert(0, str(PYTHON.parent / "tests/trace"))
from check_page import Page, problems_of  # noqa: E402

HEAD = '{"displayTimeUnit":"ms",\n"otherData":{"clock":"host","cut":false},\n"traceEvents":[\n'
EVENT = '{"ph":"X","pid":1,"tid":0,"name":"launch split %d","cat":"launch","ts":%d,"dur":5,"args":{"run":1}}'


def trace(count):
    return HEAD + ",\n".join(EVENT % (i, 10 * i) for i in range(count)) + "\n]}\n"


class Timeline(Case):
    def written(self, text, name="trace.json"):
        """Writes a trace and its page. Returns the trace and the facts that the page holds."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        code, out, err = self.command("timeline", path)
        self.assertEqual((code, err), (0, ""))
        page = (self.folder / out.strip()).read_text(encoding="utf-8")
        names = page.replace("{{style}}", "").replace("{{trace}}", "")  # names of the trace may look like the page's
        self.assertEqual(list(problems_of(names)), [])
        parsed = Page()
        parsed.feed(page)
        return json.loads(parsed.scripts["trace-data"]), json.loads(parsed.scripts["about-data"])

    def test_ThePageHoldsTheTrace(self):
        data, about = self.written(trace(3))
        self.assertEqual(data, json.loads(trace(3)))
        self.assertFalse(about["cut"])

    def test_AnotherFileCanBeNamed(self):
        (self.folder / "t.json").write_text(trace(1))
        code, out, _ = self.command("timeline", self.folder / "t.json", self.folder / "x.html")
        self.assertEqual((code, out), (0, f"{self.folder / 'x.html'}\n"))

    def test_ALongTraceIsCutBetweenEvents(self):
        with mock.patch.object(timeline, "MAX_EVENTS", 6):
            data, about = self.written(trace(9))
            self.assertEqual(len(data["traceEvents"]), 3)
            self.assertTrue(about["cut"])
            self.assertFalse(self.written(trace(2))[1]["cut"])

    def test_ATraceOfAKilledProgramIsShown(self):
        whole = trace(3)
        for text in (whole[:-20], whole[:-len("\n]}\n")], whole[:-len("\n]}\n")] + ",\n"):
            data, about = self.written(text)
            self.assertGreaterEqual(len(data["traceEvents"]), 2)
            self.assertTrue(about["cut"])

    def test_NamesCannotLeaveTheirPlaceInThePage(self):
        name = "</script><script>alert(1)</script> {{style}} \\u00e9 é"
        text = json.dumps({"traceEvents": [{"name": name, "args": {"run": 1}}]}, ensure_ascii=False)
        data, about = self.written(text, "a<b>&{{trace}}.json")
        self.assertEqual(data["traceEvents"][0]["name"], name)
        self.assertIn("a<b>&{{trace}}.json", about["text"])

    def test_TracesOfOthersNeedNotHaveALineForEachEvent(self):
        data, _ = self.written(json.dumps({"traceEvents": [{"name": "a"}, {"name": "b", "args": {"run": 1}}]}))
        self.assertEqual(len(data["traceEvents"]), 2)

    def test_ATraceWithoutRunsNamesTheOthers(self):
        self.enter_folder()
        for name in ("tr.json", "tr.json.10", "tr.json.3"):
            (self.folder / name).write_text(trace(0))
        (self.folder / "tr.json.2").write_text(trace(1))
        (self.folder / "tr.json.v4").write_text("no trace")
        code, out, err = self.command("timeline", "tr.json")
        self.assertEqual((code, out), (2, ""))
        self.assertOneSentence(err)
        self.assertIn("other schedulers wrote tr.json.2, tr.json.3, tr.json.10\n", err)
        self.assertIn("wrote tr.json, tr.json.2, tr.json.10\n", self.command("timeline", "tr.json.3")[2])
        (self.folder / "alone.json").write_text(trace(0))
        self.assertIn("alone.json.2", self.command("timeline", "alone.json")[2])
        self.assertFalse((self.folder / "tr.html").exists())
        self.assertEqual(self.command("timeline", "tr.json.2")[0], 0)

    def test_ThePageNeverOverwritesTheTrace(self):
        self.enter_folder()
        source = self.folder / "tr.json"
        source.write_text(trace(1))
        (self.folder / "tr.html").symlink_to("tr.json")
        os.link(source, self.folder / "hard.html")
        for arguments in (["tr.json"], ["tr.json", source], ["tr.json", "hard.html"], ["tr.json", "./x/../tr.json"]):
            code, out, err = self.command("timeline", *arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertOneSentence(err)
            self.assertEqual(source.read_text(), trace(1))

    def test_AFolderOrADeviceIsOneSentence(self):
        for name in ("/", ".", "..", "", "/dev/zero"):
            code, out, err = self.command("timeline", name)
            self.assertEqual((code, out), (2, ""), name)
            self.assertOneSentence(err)

    def test_BadInputIsOneSentence(self):
        files = {"empty.json": "", "text.json": "hello", "list.json": "[1]", "other.json": "{}",
                 "odd.json": '{"traceEvents": 5}', "deep.json": "[" * 100000, "page.html": trace(1)}
        for name, text in files.items():
            (self.folder / name).write_text(text)
        paths = [[self.folder / name] for name in files] + [["/no/such/file"], [self.folder], [],
                                                            [self.folder / "page.html", "/no/such/folder/x.html"]]
        for path in paths:
            code, out, err = self.command("timeline", *path)
            self.assertEqual((code, out), (2, ""), path)
            self.assertOneSentence(err)


if __name__ == "__main__":
    unittest.main()
