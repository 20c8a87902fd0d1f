"""What an installation or a removal consists of, as values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

from esperctl.service.record import Record


@dataclass(frozen=True, slots=True)
class WriteFile:
    """A file that everybody may read, and its folders, are made; what was there is replaced."""

    path: Path
    content: bytes
    why: str


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """Notes what was written, for the removal and for the next installation."""

    path: Path
    record: Record
    why: str


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """A file is removed; it may be gone already."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class RemoveFolder:
    """A folder is removed if nothing is in it."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class RemoveTree:
    """A folder is removed with everything in it; it may be gone already."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class CheckIdle:
    """Nothing is changed while a daemon runs a board whose journal is in a folder."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Run:
    """A program is run; exit codes other than 0 and *accepted* are a failure."""

    words: tuple[str, ...]
    why: str
    accepted: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing is done, and that is worth a word."""

    target: str
    why: str
    state: Literal["unchanged", "kept", "skipped"]


Step = WriteFile | WriteRecord | RemoveFile | RemoveFolder | RemoveTree | CheckIdle | Run | Leave


def action_of(step: Step) -> str:
    """What is done, in a word: ``write``, ``remove``, ``check`` or ``run``; or how a thing stays, as `Leave` says."""
    match step:
        case WriteFile() | WriteRecord():
            return "write"
        case RemoveFile() | RemoveFolder() | RemoveTree():
            return "remove"
        case CheckIdle():
            return "check"
        case Run():
            return "run"
        case Leave():
            return step.state
        case _:
            assert_never(step)


def target_of(step: Step) -> str:
    """What it is done to: a path, or the program's command line."""
    match step:
        case Run():
            return " ".join(step.words)
        case Leave():
            return step.target
        case _:
            return str(step.path)
