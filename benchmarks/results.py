"""What is printed, and what is kept: one JSON line for each round, with the machine it was measured on."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from benchmarks.goals import Goal, Row
from benchmarks.rounds import Outcome

_DIRECTORY: Final = Path(__file__).parent / "results"
_PACKAGES: Final = ("esperd", "trio", "msgspec", "pyserial")


def save(profile: str, outcomes: Sequence[Outcome]) -> Path:
    """Appends a profile's rounds to a file of its own; returns its path."""
    _DIRECTORY.mkdir(exist_ok=True)
    path = _DIRECTORY / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{profile}.jsonl"
    machine = _machine()
    with path.open("w", encoding="utf-8") as file:
        for outcome in outcomes:
            for number, one in enumerate(outcome.rounds):
                line = {"experiment": outcome.experiment, "round": number, "void": outcome.void_rounds, "metrics": one}
                file.write(json.dumps({**machine, **line}) + "\n")
    return path


def _machine() -> dict[str, object]:
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "git": _git_hash(),
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _git_hash() -> str | None:
    if shutil.which("git") is None:
        return None
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def table(rows: Sequence[Row]) -> str:
    """The goals, one a line."""
    lines = [("goal", "what", "median (least-greatest)", "target", "gate", "verdict")]
    for row in rows:
        measured = "-"
        if row.spread is not None:
            measured = f"{row.spread.median:.2f} ({row.spread.least:.2f}-{row.spread.greatest:.2f})"
        lines.append(
            (str(row.goal.number), row.goal.what, measured, f"{row.goal.target:g}", _gate(row.goal), row.verdict)
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _gate(goal: Goal) -> str:
    if goal.gate is None:
        return "-"
    return f"{goal.gate:g}" + (" (warns)" if goal.is_wall else "")


def details(outcome: Outcome) -> str:
    """The medians of what each subject of an experiment gave."""
    lines = [f"{outcome.experiment}: {len(outcome.rounds)} rounds, {outcome.void_rounds} void"]
    for subject in outcome.rounds[0]:
        medians: list[str] = []
        for metric in outcome.rounds[0][subject]:
            values = sorted(one[subject][metric] for one in outcome.rounds)
            medians.append(f"{metric} {values[len(values) // 2]:.4g}")
        lines.append(f"  {subject:16} {'  '.join(medians)}")
    return "\n".join(lines)
