"""What Espressif's tool printed, as values: its threads, their frames, and the registers of the current one.

Source: esp-coredump 1.17, esp_coredump/coredump.py; the frames are GDB's (GDB manual, Backtraces).
"""

import re
from dataclasses import dataclass, field
from typing import Final

from esperd.decode.report import ArgumentReport, FrameReport

_SECTION: Final = re.compile(r"=+ ([A-Z ]+) =+")
# The tool takes addresses from 0x80000000 on, as emulators have, for negative numbers.
_THREAD: Final = re.compile(r"=+ THREAD \d+ \(TCB: 0x(-?[0-9a-f]{1,8}), name: '(.*)'\) =+")
_ROW: Final = re.compile(r" *0x(-?[0-9a-f]{1,8}) +(.*?) +(\d+)/(\d+) +-?\d+/-?\d+")
_REGISTER: Final = re.compile(r"(\w+) +0x([0-9a-f]{1,8})\b.*")
_FRAME: Final = re.compile(r"#(\d+) +(?:0x([0-9a-f]+) in )?(.+?) \((.*)\)(?: at (.+):(\d+))?")


@dataclass(slots=True)
class GdbThread:
    """One thread of the text."""

    tcb: int
    name: str
    frames: list[FrameReport] = field(default_factory=list[FrameReport])
    priority: int | None = None
    base_priority: int | None = None


@dataclass(slots=True)
class GdbText:
    """All of it that a report has a place for."""

    registers: dict[str, int] = field(default_factory=dict[str, int])
    threads: list[GdbThread] = field(default_factory=list[GdbThread])


def parse_gdb_text(text: str) -> GdbText:
    """Takes the text apart; what is not understood is left out."""
    found = GdbText()
    rows: dict[int, tuple[int, int]] = {}
    section = ""
    for line in text.splitlines():
        if heading := _THREAD.fullmatch(line):
            section = "THREAD"
            found.threads.append(GdbThread(_address(heading[1]), heading[2]))
        elif heading := _SECTION.fullmatch(line):
            section = heading[1]
        elif section == "THREAD" and (frame := _parse_frame(line, found.threads[-1].frames)):
            found.threads[-1].frames.append(frame)
        elif section == "CURRENT THREAD REGISTERS" and (register := _REGISTER.fullmatch(line)):
            found.registers[register[1]] = int(register[2], 16)
        elif section == "THREADS INFO" and (row := _ROW.fullmatch(line)):
            rows[_address(row[1])] = int(row[3]), int(row[4])
    for thread in found.threads:
        thread.priority, thread.base_priority = rows.get(thread.tcb, (None, None))
    return found


def _address(digits: str) -> int:
    return int(digits, 16) & 0xFFFFFFFF


def _parse_frame(line: str, before: list[FrameReport]) -> FrameReport | None:
    match = _FRAME.fullmatch(line)
    if match is None:
        return None
    level, address, function, arguments, file, row = match.groups()
    # GDB leaves the address out of a frame that begins a statement, and of one that was inlined into the next.
    pc = int(address, 16) if address else before[-1].pc if before else 0
    return FrameReport(
        int(level),
        pc,
        None if function == "??" else function,
        file,
        None if row is None else int(row),
        False,
        [_argument(text) for text in _split(arguments)],
        [],
        "gdb",
        address is not None,
    )


def _argument(text: str) -> ArgumentReport:
    name, _, value = text.partition("=")
    return ArgumentReport(name, "", value)


def _split(arguments: str) -> list[str]:
    """Cuts at the commas that are in no string, character or brackets."""
    parts: list[str] = []
    start = depth = 0
    quote = ""
    is_escaped = False
    for index, character in enumerate(arguments):
        if is_escaped:
            is_escaped = False
        elif quote:
            is_escaped = character == "\\"
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "{(<[":
            depth += 1
        elif character in "})>]":
            depth -= 1
        elif character == "," and depth <= 0:
            parts.append(arguments[start:index].strip())
            start = index + 1
    return [part for part in (*parts, arguments[start:].strip()) if part]
