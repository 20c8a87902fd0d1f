"""Every error that troubleshooting explains is one that a program still says."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import DOCS, ROOT, read_page

OTHERS: Final = "## Other programs"
PAGE: Final = DOCS / "troubleshooting.md"


def texts_of(folder: Path) -> set[str]:
    """Every text in the Python files of *folder*; what is filled in is ``…``."""
    texts: set[str] = set()
    for path in folder.rglob("*.py"):
        if "testing" not in path.parts:
            texts |= {text for node in ast.walk(ast.parse(path.read_text("utf-8"))) if (text := text_of(node))}
    return texts


def text_of(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(value) or "…" for value in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{\}", "…", node.value)
    return ""


@cache
def our_texts() -> set[str]:
    return texts_of(ROOT / "esperd") | texts_of(ROOT / "esperctl")


@cache
def others_texts() -> set[str]:
    texts: set[str] = set()
    for name, package in (("pyserial", "serial"), ("esptool", "esptool")):
        # Not by an import: beside `pytest` there is a script esptool.py, which would be found first.
        texts |= texts_of(Path(str(distribution(name).locate_file(package))))
    return texts


def entries(*, of_others: bool) -> list[str]:
    ours, others = PAGE.read_text("utf-8").split(OTHERS)
    return re.findall(r"^### `(.+)`$", others if of_others else ours, re.MULTILINE)


def is_said(entry: str, texts: set[str]) -> bool:
    # A text of several values may be longer than what is shown of it, but has all that is shown, in this order.
    pattern = re.compile(".*".join(re.escape(part) for part in entry.split("…")), re.DOTALL)
    return any(pattern.search(text) for text in texts)


@pytest.mark.parametrize("entry", entries(of_others=False))
def test_an_error_that_is_explained_is_said_by_our_programs(entry: str) -> None:
    assert is_said(entry, our_texts())


@pytest.mark.parametrize("entry", entries(of_others=True))
def test_an_error_of_another_program_is_said_by_it(entry: str) -> None:
    assert is_said(entry, others_texts())


def test_each_entry_is_an_error_and_an_error_that_nobody_says_is_found() -> None:
    page = read_page(PAGE)
    headings = [line for _, line in page.prose if line.startswith("### ")]
    assert len(headings) == len(entries(of_others=False)) + len(entries(of_others=True)) >= 20
    assert not is_said("no esperd is jogging", our_texts())
