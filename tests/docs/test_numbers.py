"""Numbers that are quoted are those of the page that says how they were measured."""

from __future__ import annotations

import re

from tests.docs.pages import DOCS, ROOT


def test_the_numbers_of_the_comparison_are_those_of_the_benchmarks() -> None:
    quoted = (DOCS / "comparison.md").read_text("utf-8").partition("## Numbers")[2]
    rows = [line.split("|")[3] for line in quoted.splitlines() if line.startswith("|") and "CPU time" in line]
    measured = (ROOT / "benchmarks" / "README.md").read_text("utf-8").partition("## Results")[2]
    numbers = [number for row in rows for number in re.findall(r"\d+\.\d+", row)]
    assert len(numbers) == len(rows) == 4
    assert [number for number in numbers if not re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.])", measured)] == []
