"""How far the native decoder's frames are those that GDB found in the same dumps. Run with -s to see the table."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from esperd.decode.decoder import decode_core_dump
from esperd.decode.report import FrameReport, Report
from esperd.decode.report_text import format_frame, format_report

THREAD = re.compile(r"^=+ THREAD \d+ \(TCB: (0x[0-9a-f]+), name: '(.*?)'\) =+$")
FRAME = re.compile(r"^#\d+ +(?:(0x[0-9a-f]+) in )?(.*?) \((.*)\)(?: at (.*):(\d+))?$")
REGISTER = re.compile(r"^(\w+) +0x([0-9a-f]+)\b", re.MULTILINE)
FIRST_FRAME = re.compile(r"^[* ] (\d+) +(?:process \d+|<main task>) +(.*)$", re.MULTILINE)
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
BINARY = ("esp32_bin01", "esp32_bin03", "x03_d0")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: how many application frames agree."""

    name: str
    threads: int
    frames: int
    functions: int
    places: int
    arguments: int
    registers: int
    task_rows: int
    regions: int

    def text(self) -> str:
        return (
            f"{self.name:<14}{self.threads:>3} threads {self.frames:>3} frames: function {self.functions}, "
            f"file:line {self.places}, arguments {self.arguments}; registers {self.registers}, "
            f"task rows {self.task_rows}, memory regions {self.regions}"
        )


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


def gdb_text(name: str) -> str:
    return (corpus() / "dumps" / f"{name}.gdb.txt").read_text("utf-8")


def gdb_registers(name: str) -> dict[str, int]:
    section = gdb_text(name).split("CURRENT THREAD REGISTERS")[1].split("CURRENT THREAD STACK")[0]
    registers = {register: int(value, 16) for register, value in REGISTER.findall(section)}
    if name not in BINARY:
        return registers
    # A binary dump does not have these; the tool prints zeros.
    special = {register for register in registers if register.startswith(("epc", "eps"))}
    assert not any(registers[register] for register in special)
    return {register: value for register, value in registers.items() if register not in special}


def gdb_task_rows(name: str) -> list[tuple[int, str, int, int, int, int]]:
    return [
        (int(tcb, 16), task, int(priority), int(base), int(used), int(free))
        for tcb, task, priority, base, used, free in TASK_ROW.findall(gdb_text(name))
    ]


def regions(text: str) -> list[str]:
    return text.split("ALL MEMORY REGIONS")[1].split("\n\n", maxsplit=1)[0].splitlines()[2:]


def gdb_threads(name: str) -> dict[int, list[str]]:
    """The lines of each thread's frames, by task control block."""
    threads: dict[int, list[str]] = {}
    current: list[str] | None = None
    for line in gdb_text(name).splitlines():
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
    registers = gdb_registers(name)
    row = Row(
        name,
        len(expected),
        frames,
        functions,
        places,
        arguments,
        sum(report.registers.get(register) == value for register, value in registers.items()),
        sum(ours == theirs for ours, theirs in zip(task_rows(report), gdb_task_rows(name), strict=True)),
        len(regions(gdb_text(name))),
    )
    with capsys.disabled():
        print(f"\n{row.text()}", end="")  # noqa: T201 - the table is what this test is for
    assert (row.functions, row.places, row.arguments) == (frames, frames, frames)
    assert (row.registers, row.task_rows) == (len(registers), len(report.tasks))


def task_rows(report: Report) -> list[tuple[int, str | None, int | None, int | None, int | None, int | None]]:
    return [
        (task.tcb, task.name, task.priority, task.base_priority, task.stack_used, task.stack_free)
        for task in report.tasks
    ]


@pytest.mark.parametrize("name", [*NAMES, "esp32_bin01"])
def test_registers_are_gdbs(name: str) -> None:
    found = dict(decode(name).registers)
    if name == "esp32_bin01":
        # The tool of that time put a code address where the register holds the size of the call window, too.
        found["a0"] = found["a0"] & 0x3FFFFFFF | 0x40000000
    expected = gdb_registers(name)
    assert len(expected) >= 22
    assert {register: found.get(register) for register in expected} == expected


@pytest.mark.parametrize("name", NAMES)
def test_task_rows_are_gdbs(name: str) -> None:
    assert task_rows(decode(name)) == gdb_task_rows(name)


@pytest.mark.parametrize("name", NAMES)
def test_memory_regions_are_gdbs(name: str) -> None:
    expected = regions(gdb_text(name))
    assert len(expected) > 15
    assert regions(format_report(decode(name))) == expected


def test_an_old_dump_of_a_real_fault_has_the_frames_of_its_report() -> None:
    report = decode("esp32_bin01")
    functions = [frame.function for frame in report.frames]
    assert functions[:4] == ["recur_func", "recur_func", "recur_func", "unaligned_ptr_task"]
    assert report.frames[0].line == 70
    assert len(report.tasks) == 10
    # Its tool printed only the first frame of the other tasks.
    expected = {int(number): line for number, line in FIRST_FRAME.findall(gdb_text("esp32_bin01"))}
    assert expected.keys() == set(range(1, 11))
    for number, task in enumerate(report.tasks, 1):
        assert shown(task.frames[0]).split(maxsplit=1)[1] == expected[number]
    # That tool rounded the sizes of sections up.
    our_regions, their_regions = regions(format_report(report)), regions(gdb_text("esp32_bin01"))
    assert [line.split()[:2] for line in our_regions] == [line.split()[:2] for line in their_regions]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A complete dump in a transcript, and the stored report of the same crash of the same firmware."""

    transcript: str
    reference: str


RECORDED = (
    Recorded("r01_esp32c3_idf53_abort_color", "r01_d0"),
    Recorded("r05_esp32c3_idf53_reset_mid_dump", "r01_d0"),
    Recorded("x01_esp32_idf61_storeprohibited", "x01_d0"),
    Recorded("x02_esp32_idf53_abort_color", "x02_d0"),
    Recorded("x03_esp32_idf54_abort_binfmt", "x03_d0"),
    Recorded("x07_esp32_idf61_reset_mid_dump", "x07_d1"),
    Recorded("x12_esp32_idf61_fast_bootloop", "x01_d0"),
)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.transcript)
def test_the_complete_dumps_of_the_transcripts_crashed_where_gdb_says(recorded: Recorded) -> None:
    folder = corpus() / "transcripts"
    about = json.loads((folder / f"{recorded.transcript}.json").read_text("utf-8"))
    raw = (folder / f"{recorded.transcript}.raw").read_bytes()
    elf = corpus() / "elf" / f"{about['elf_sha256'][:16]}.elf"
    stack = gdb_text(recorded.reference).split("CURRENT THREAD STACK")[1].split("THREADS INFO")[0]
    expected = application_frames([line for line in stack.splitlines() if line.startswith("#")])
    dumps = [dump for dump in about["expected"]["dumps"] if dump["complete"]]
    assert dumps
    for dump in dumps:
        report = decode_core_dump(raw[dump["start_offset"] : dump["end_offset"]], elf)
        assert report.checksum == "ok"
        frames = application_frames([shown(frame) for frame in report.frames])
        assert [(frame[2], frame[4], frame[5]) for frame in frames] == [
            (frame[2], frame[4], frame[5]) for frame in expected
        ]
        assert report.elf_match in ("sha256", "unknown")
