"""How far the native decoder's frames are those that GDB found in the same dumps. Run with -s to see the table."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from esperd.decode.decoder import decode_core_dump
from esperd.decode.report import FrameReport, Report
from esperd.decode.report_text import format_frame

THREAD = re.compile(r"^=+ THREAD \d+ \(TCB: (0x[0-9a-f]+), name: '(.*?)'\) =+$")
FRAME = re.compile(r"^#\d+ +(?:(0x[0-9a-f]+) in )?(.*?) \((.*)\)(?: at (.*):(\d+))?$")
TASK_ROW = re.compile(r"^0x([0-9a-f]{8}) +(\S+) +(\d+)/(\d+) +(\d+)/(\d+)$", re.MULTILINE)
# Mask ROM of the ESP32 and the ESP32-C3. Without a ROM's ELF file its functions have no names.
ROM = range(0x40000000, 0x40070000)

NAMES = (
    "esp32_bin03",
    "esp32_elf12",
    "esp32c3_elf12",
    "r01_d0",
    "x01_d0",
    "x02_d0",
    "x03_d0",
    "x07_d1",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: how many application frames agree."""

    name: str
    threads: int
    frames: int
    functions: int
    places: int
    arguments: int

    def text(self) -> str:
        numbers = (self.threads, self.frames, self.functions, self.places, self.arguments)
        return f"{self.name:<14}" + "".join(f"{number:>10}" for number in numbers)


def corpus() -> Path:
    folder = os.environ.get("ESPER_CORPUS")
    if folder is None:
        pytest.skip("ESPER_CORPUS is not set: it names the folder with recorded core dumps and their reports")
    return Path(folder)


def decode(name: str) -> Report:
    folder = corpus()
    index: dict[str, str] = json.loads((folder / "dumps" / "index.json").read_text("utf-8"))
    elf = folder / "elf" / f"{index[name][:16]}.elf"
    return decode_core_dump((folder / "dumps" / f"{name}.b64").read_bytes(), elf)


def gdb_threads(name: str) -> dict[int, list[str]]:
    """The lines of each thread's frames, by task control block."""
    threads: dict[int, list[str]] = {}
    current: list[str] | None = None
    for line in (corpus() / "dumps" / f"{name}.gdb.txt").read_text("utf-8").splitlines():
        if thread := THREAD.match(line):
            current = threads.setdefault(int(thread[1], 16), [])
        elif not line.startswith("#"):
            continue
        elif current is not None:
            current.append(line.rstrip())
    return threads


def is_in_rom(address: str | None) -> bool:
    return address is not None and int(address, 16) in ROM


def application_frames(lines: list[str]) -> list[re.Match[str]]:
    matches = [FRAME.match(line) for line in lines]
    frames = [match for match in matches if match is not None]
    assert len(frames) == len(lines)
    return [frame for frame in frames if not is_in_rom(frame[1])]


def shown(frame: FrameReport) -> str:
    return format_frame(frame).replace("  (guessed)", "")


@pytest.mark.parametrize("name", NAMES)
def test_application_frames_are_gdbs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = decode(name)
    expected = gdb_threads(name)
    assert {task.tcb for task in report.tasks} == expected.keys()
    frames = functions = places = arguments = 0
    for task in report.tasks:
        ours = application_frames([shown(frame) for frame in task.frames])
        theirs = application_frames(expected[task.tcb])
        assert len(ours) == len(theirs), task.name
        for our, their in zip(ours, theirs, strict=True):
            frames += 1
            functions += our[2] == their[2]
            places += (our[4], our[5]) == (their[4], their[5])
            arguments += our[3] == their[3]
    row = Row(name, len(expected), frames, functions, places, arguments)
    with capsys.disabled():
        print(f"\n{row.text()}", end="")  # noqa: T201 - the table is what this test is for
    assert (row.functions, row.places, row.arguments) == (frames, frames, frames)


@pytest.mark.parametrize("name", NAMES)
def test_task_rows_are_gdbs(name: str) -> None:
    report = decode(name)
    text = (corpus() / "dumps" / f"{name}.gdb.txt").read_text("utf-8")
    expected = [
        (int(tcb, 16), task, int(priority), int(base), int(used), int(free))
        for tcb, task, priority, base, used, free in TASK_ROW.findall(text)
    ]
    found = [
        (task.tcb, task.name, task.priority, task.base_priority, task.stack_used, task.stack_free)
        for task in report.tasks
    ]
    assert found == expected


def test_an_old_dump_of_a_real_fault_has_the_frames_of_its_report() -> None:
    report = decode("esp32_bin01")
    functions = [frame.function for frame in report.frames]
    assert functions[:4] == ["recur_func", "recur_func", "recur_func", "unaligned_ptr_task"]
    assert report.frames[0].line == 70
    assert len(report.tasks) == 10
