"""What a check says: one finding for each thing that it looked at."""

from typing import Literal

import msgspec

Severity = Literal["ok", "note", "warning", "serious"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    ``code`` is for programs and stays; ``what`` is one sentence without a full stop; ``mend`` is a command that
    mends it, or the first step. ``serious`` is what keeps a board from being read or its crashes from being kept.
    """

    code: str
    severity: Severity
    subject: str
    what: str
    mend: str | None = None


class Topic(msgspec.Struct, frozen=True):
    """The findings of one check."""

    name: str
    findings: list[Finding]


def fine(code: str, subject: str, what: str) -> Finding:
    """A finding that all is well."""
    return Finding(code=code, severity="ok", subject=subject, what=what)
