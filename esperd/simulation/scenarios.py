"""The scenarios of ``sim:SCENARIO``, and the recorded pieces they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from esperd.simulation.recording import load_recording

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = Path(__file__).parent / "recordings"
FIRMWARE_ELF = RECORDINGS / "greenhouse.elf"
"""The firmware that made the recordings, with its debug information: what decodes their core dumps."""

PROMPT = b"esp> "


class After(Enum):
    """What a board does when a core dump has been played."""

    REBOOT = "boots again as after a panic"
    RESET = "boots again as after a reset from outside"
    HANG = "says and hears nothing any more"


@dataclass(frozen=True, slots=True)
class Crash:
    """How a board crashes: ``panic`` up to the prompt of the core dump, then ``dump``."""

    panic: tuple[str, str]
    dump: tuple[str, str]
    after: After = After.REBOOT


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a simulated board does. Pieces are named by recording and segment.

    ``crashes_after_s`` is the time without any input after a boot, for the first boot and for later ones; None: only
    when told to.
    """

    idle: tuple[str, str]
    prompt: bytes = PROMPT
    crashes_after_s: tuple[float, float] | None = None
    first_crash: Crash | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A recorded line, or the rest of one: begins ``at_s`` after its segment does."""

    at_s: float
    data: bytes


CRASHES: dict[bytes, Crash] = {
    b"crash": Crash(("console", "crash_panic"), ("console", "crash_dump")),
    b"abort": Crash(("console", "abort_panic"), ("console", "abort_dump")),
    b"assert": Crash(("console", "assert_panic"), ("console", "assert_dump")),
}
"""What the commands that crash the board do."""
SELF_CRASH = Crash(("crash", "crash_panic"), ("crash", "crash_dump"))
"""The same bug when nobody typed: another call chain, other addresses on the stack."""

ANSWERS: dict[bytes, tuple[str, str]] = {
    b"help": ("console", "answer_help"),
    b"tasks": ("console", "answer_tasks"),
    b"status": ("console", "answer_status"),
}

POWER_ON = ("console", "boot")
AFTER_PANIC = ("console", "boot_after_panic")
AFTER_RESET = ("reset-in-dump", "boot_after_reset")
AFTER_RESTART = ("console", "boot_after_restart")
RESTART = ("console", "restart")
QUIET = ("console", "idle")

SCENARIOS: dict[str, Scenario] = {
    "chatty": Scenario(idle=("chatty", "idle"), prompt=b""),
    "console": Scenario(idle=QUIET),
    "crash": Scenario(idle=QUIET, crashes_after_s=(4, 30)),
    "no-end": Scenario(
        idle=QUIET,
        crashes_after_s=(4, 30),
        first_crash=Crash(SELF_CRASH.panic, ("no-end", "dump_no_end"), After.HANG),
    ),
    "reset-in-dump": Scenario(
        idle=QUIET,
        crashes_after_s=(4, 30),
        first_crash=Crash(SELF_CRASH.panic, ("reset-in-dump", "dump_cut"), After.RESET),
    ),
}


@cache
def segment(name: tuple[str, str]) -> tuple[Line, ...]:
    """The lines of a recorded segment; without the prompts in it, which the reader shows himself."""
    recording_name, segment_name = name
    recording = load_recording(RECORDINGS / f"{recording_name}.raw")
    start, end = recording.segments[segment_name]
    assert recording.timing is not None, recording_name  # noqa: S101 - tests check each shipped recording
    return tuple(_lines(recording.data, recording.timing, start, end))


def _lines(data: bytes, timing: tuple[tuple[float, int], ...], start: int, end: int) -> Iterator[Line]:
    """Cut ``data[start:end]`` in lines, each with the time its first byte came at."""
    pieces = iter(timing)
    at_s, piece_end = 0.0, 0
    started_at_s: float | None = None
    for data_line in data[start:end].splitlines(keepends=True):
        while piece_end <= start:
            at_s, length = next(pieces)
            piece_end += length
        if started_at_s is None:
            started_at_s = at_s
        if data_line != PROMPT + b"\r\n":
            yield Line(at_s - started_at_s, data_line)
        start += len(data_line)
