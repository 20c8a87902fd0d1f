"""The documentation as data: its pages, and the blocks, headings, links and code spans of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
REFERENCE: Final = DOCS / "reference"
_FENCE: Final = re.compile(r"(?P<marks>```+)(?P<info>.*)")
_HEADING: Final = re.compile(r"#{1,6} (?P<text>.+)")
_LINK: Final = re.compile(r"!?\[(?:[^][]|\[[^]]*\])*\]\((?P<target>[^()\s]+)\)")
_SPAN: Final = re.compile(r"(?<!`)`(?P<code>[^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block, or an indented one (its ``language`` is ``indented``); ``line`` is that of its first line."""

    page: Path
    line: int
    language: str
    lines: tuple[str, ...]

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Page:
    """A page in Markdown: its blocks, and its other lines with their numbers."""

    path: Path
    blocks: tuple[Block, ...]
    prose: tuple[tuple[int, str], ...]

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    def headings(self) -> list[str]:
        return [match["text"] for _, line in self.prose if (match := _HEADING.fullmatch(line))]

    def anchors(self) -> set[str]:
        """What ``#…`` may name, as GitHub makes it of headings."""
        anchors: set[str] = set()
        for heading in self.headings():
            text = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
            number = 1
            unique = text
            while unique in anchors:
                unique, number = f"{text}-{number}", number + 1
            anchors.add(unique)
        return anchors

    def links(self) -> Iterator[tuple[int, str]]:
        for number, line in self.prose:
            for match in _LINK.finditer(line):
                yield number, match["target"]

    def code_spans(self) -> Iterator[tuple[int, str]]:
        for number, line in self.prose:
            for match in _SPAN.finditer(line):
                yield number, match["code"].replace("\\|", "|")


@cache
def read_page(path: Path) -> Page:
    blocks: list[Block] = []
    prose: list[tuple[int, str]] = []
    fence, info, start = "", "", 0
    inside: list[str] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        match = _FENCE.fullmatch(line)
        if fence:
            if line == fence:
                blocks.append(Block(path, start, info, tuple(inside)))
                fence, inside = "", []
            else:
                inside.append(line)
        elif match:
            fence, info, start = match["marks"], match["info"].split(" ")[0], number + 1
        elif line.startswith("    ") and (inside or not prose or not prose[-1][1].strip()):
            start = start if inside else number
            inside.append(line[4:])
        else:
            if inside:
                blocks.append(Block(path, start, "indented", tuple(inside)))
                inside = []
            prose.append((number, line))
    assert not fence, f"{path} ends inside a block"
    return Page(path, tuple(blocks), tuple(prose))


def user_pages() -> list[Page]:
    """The README and all of docs."""
    return [read_page(ROOT / "README.md"), *(read_page(path) for path in sorted(DOCS.rglob("*.md")))]


def all_pages() -> list[Page]:
    """Every page that links to one of these, too."""
    others = [
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        *(f"{name}/README.md" for name in ("benchmarks", "firmware", "systemd")),
    ]
    return [*user_pages(), *(read_page(ROOT / name) for name in [*others, "protocol/SPEC.md"])]
