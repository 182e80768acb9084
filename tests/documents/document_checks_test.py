"""Tests of scripts/document_checks.py: it finds each kind of fault, and nothing in a sound text."""

import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from document_checks import check_links, check_text, sentences, wrap  # noqa: E402

WORDS = " ".join(f"w{i}" for i in range(26))


def faults(text, **options):
    return [fault for _, fault in check_text(text, **options)]


class Columns(unittest.TestCase):
    def test_ALineOfTextHasAtMost100(self):
        self.assertEqual(faults("nineteen-characters " * 4 + "x" * 20), [])
        self.assertIn("101 columns", faults("nineteen-characters " * 4 + "x" * 21)[0])

    def test_ALineOfCodeHasAtMost120(self):
        self.assertEqual(faults("```\n" + "ab " * 39 + "abc\n```"), [])
        self.assertIn("121 columns", faults("```\n" + "ab " * 39 + "abcd\n```")[0])

    def test_ALinkAloneAndARowOfATableMayBeLonger(self):
        self.assertEqual(faults(f"See\n[this]({'x' * 120})\nfor more."), [])
        self.assertEqual(faults(f"| a |\n|---|\n| {'word ' * 30}|"), [])

    def test_AreCountedInTheLineOfTheFile(self):
        self.assertEqual(check_text("# Head\n\n```\nx\n```\n\nGood.\n" + "long-word " * 11)[0][0], 8)


class Tables(unittest.TestCase):
    def test_HaveAtMostSevenColumns(self):
        row = "|" + "a|" * 7
        self.assertEqual(faults(f"{row}\n{'|' + '-|' * 7}"), [])
        self.assertIn("8 columns", faults(f"{row}a|\n{'|' + '-|' * 8}")[0])

    def test_BarsInCodeAreNoColumns(self):
        self.assertEqual(faults("|" + r"`a\|b|c`|" * 7), [])


class Sentences(unittest.TestCase):
    def test_HaveAtMost25Words(self):
        self.assertEqual(faults(WORDS.replace("w0 ", "") + "."), [])
        self.assertIn("26 words", faults(WORDS.replace(" w9", "\nw9") + ".")[0])

    def test_EndAtTheirMark(self):
        self.assertEqual(len(sentences(["One (two). **Three**! `four` is 0.1 of five? Six."])), 4)

    def test_MayEndWithANumber(self):
        self.assertEqual(len(sentences(["It has a context of 12. It is", "12. Good."])), 3)

    def test_AreReadFromAnItemOfAListAsFromAParagraph(self):
        self.assertIn("26 words", faults(f"- short\n- {WORDS[:50]}\n  {WORDS[50:]}\n- short")[0])

    def test_DoNotRunOverTheEndOfAnItem(self):
        self.assertEqual(faults("\n".join(["- word word word word"] * 10)), [])

    def test_CountCodeAndLinksByWhatIsRead(self):
        self.assertEqual(faults(f"Run `{WORDS[:60]}` and\n`{WORDS[60:]}`, then see [one](two%20three)."), [])

    def test_InTablesCodeAndQuotationsAreNotChecked(self):
        self.assertEqual(faults(f"> {WORDS[:50]}\n> {WORDS[50:]}\n\n| {WORDS} |\n\n```\n{WORDS}\n```\n\nThis is code:\n\n    {WORDS}\n"), [])

    def test_MayNotBeginWithoutTheirNoun(self):
        for opening in ("Of a graph", "Those of a graph", "Who waits", "That of a graph", "Another one for places"):
            self.assertIn("begins with", faults(f"Good. {opening} is bad.")[0])
        self.assertEqual(faults("Offers and whoever are good."), [])


class Footnotes(unittest.TestCase):
    def test_AreFoundEverywhere(self):
        for mark in "†‡§¶":
            self.assertEqual(faults(f"| a {mark} |"), [f"footnote mark {mark}"])


class Links(unittest.TestCase):
    def faults(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.md"
            (Path(folder) / "b.md").write_text("# One `two`: three?\n\ntext\n\n## Four\n")
            path.write_text(text)
            return [fault for _, fault in check_links(path, text)]

    def test_LeadToFilesAndHeadingsThatExist(self):
        good = ("b.md", "b.md#one-two-three", "b.md#four", "https://example.org/x#y", "#here")
        self.assertEqual(self.faults("# Here\n\n" + "\n".join(f"[x]({link})" for link in good)), [])

    def test_ThatLeadNowhereAreFound(self):
        for link in ("c.md", "b.md#five", "#there"):
            self.assertEqual(len(self.faults(f"# Here\n\n| [x]({link}) |")), 1, link)

    def test_InCodeAreNone(self):
        self.assertEqual(self.faults("`[x](c.md)`\n\n```\n[x](c.md)\n```\n"), [])


class Wrap(unittest.TestCase):
    LONG = f"{WORDS} {WORDS}"

    def test_BreaksParagraphsAndItemsOnly(self):
        text = f"# {self.LONG}\n\n{self.LONG}\n\n- a\n- {self.LONG}\n\n| {self.LONG} |\n\n```\n{self.LONG}\n```\n"
        wrapped = wrap(text)
        self.assertEqual(wrapped.split(), text.split())
        for line in wrapped.splitlines():
            self.assertEqual(len(line) > 100, line in (f"# {self.LONG}", f"| {self.LONG} |", self.LONG), line)
        self.assertIn("\n  w", wrapped)

    def test_ChangesNothingTheSecondTime(self):
        once = wrap(f"- {self.LONG}\n{self.LONG}\n")
        self.assertEqual(wrap(once), once)


class Records(unittest.TestCase):
    def test_AreHeldToColumnsAndFootnotesOnly(self):
        self.assertEqual(faults(WORDS.replace("w10", "\nw10"), is_record=True), [])
        self.assertEqual(len(faults("ab " * 40 + "†", is_record=True)), 2)


if __name__ == "__main__":
    unittest.main()
