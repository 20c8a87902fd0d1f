"""Findings for people and for programs. Pure."""

import textwrap
from collections.abc import Iterator
from typing import Final

import msgspec

from esperctl.doctor.findings import Severity, Topic
from esperctl.safe_text import safe_text
from esperctl.units import plural

_COLOURS: Final[dict[Severity, str]] = {"ok": "32", "note": "36", "warning": "33", "serious": "1;31"}
_COLUMN: Final = 11


def topic_lines(topic: Topic, *, colour: bool, width: int | None) -> Iterator[str]:
    """A topic as lines.

    Args:
        topic: With its findings.
        colour: Whether they may be coloured.
        width: Columns to wrap sentences at; commands are never wrapped, so that they can be copied.
    """
    yield f"\x1b[1m{topic.name}\x1b[m" if colour else topic.name
    for finding in topic.findings:
        text = f"{safe_text(finding.subject)}: {safe_text(finding.what)}"
        room = None if width is None else max(width - _COLUMN, 20)
        parts = [text] if room is None else textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        word = f"{finding.severity:<{_COLUMN - 2}}"
        yield f"  {_coloured(word, finding.severity) if colour else word}{parts[0]}"
        for part in parts[1:]:
            yield f"{' ' * _COLUMN}{part}"
        if finding.mend is not None:
            yield f"{' ' * _COLUMN}$ {safe_text(finding.mend)}"


def summary(topics: list[Topic]) -> str:
    """How much of each severity was found."""
    counts = {severity: count(topics, severity) for severity in ("serious", "warning", "note")}
    if not any(counts.values()):
        return "all is well"
    parts = [f"{counts['serious']} serious", plural(counts["warning"], "warning"), plural(counts["note"], "note")]
    return ", ".join(part for part in parts if not part.startswith("0 "))


def count(topics: list[Topic], severity: str) -> int:
    """How many findings are of this severity."""
    return sum(finding.severity == severity for topic in topics for finding in topic.findings)


def document(topics: list[Topic]) -> dict[str, object]:
    """Everything as one JSON document."""
    findings = [
        {"topic": topic.name, **msgspec.structs.asdict(finding)} for topic in topics for finding in topic.findings
    ]
    return {
        "serious": count(topics, "serious"),
        "warnings": count(topics, "warning"),
        "notes": count(topics, "note"),
        "findings": findings,
    }


def _coloured(text: str, severity: Severity) -> str:
    return f"\x1b[{_COLOURS[severity]}m{text}\x1b[m"
