"""Core dumps that were made to keep a decoder busy or to fill its memory."""

import struct
from pathlib import Path

import pytest

from esperd.decode.decoder import decode_core_dump
from esperd.decode.errors import DecodeError
from esperd.decode.report import Report
from esperd.decode.report_text import format_report
from esperd.testing.budget import processor_budget
from esperd.testing.made_elf import (
    CODE,
    CODE_BYTES,
    STACK,
    XTENSA,
    MadeInfo,
    made_core,
    made_elf,
    note,
    prstatus,
    symbol_table,
)


def decode(data: bytes, elf: Path | None = None) -> Report:
    with processor_budget(20):
        report = decode_core_dump(data, elf)
        assert format_report(report)
    return report


@pytest.fixture
def program(tmp_path: Path) -> Path:
    made = MadeInfo()
    made.function()
    made.end(2)
    path = tmp_path / "program.elf"
    path.write_bytes(made_elf({**symbol_table([(1, CODE, CODE_BYTES)], b"\0victim\0"), **made.sections()}))
    return path


def with_program_headers(kind: int, count: int, content: bytes) -> bytes:
    """A core whose program headers all name the same bytes."""
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 4, 243, 1, 0, 52, 0, 0, 52, 32, count, 0, 0, 0)
    start = 52 + 32 * count
    one = struct.pack("<8I", kind, start, STACK, STACK, len(content), len(content), 6, 4)
    return header + one * count + content


def test_segments_that_all_name_the_same_bytes_do_not_fill_the_memory() -> None:
    report = decode(with_program_headers(1, 60_000, bytes(1_000_000)))
    assert sum(part.size for part in report.memory) < 10_000_000
    assert any(warning.startswith("damaged:") for warning in report.warnings)


def test_notes_that_are_read_again_and_again_end() -> None:
    notes = prstatus() * 1000 + note(b"ESP_PANIC_DETAILS", 679, b"x") * 20_000
    report = decode(with_program_headers(4, 60_000, notes))
    assert len(report.tasks) <= 1024


def test_thousands_of_segments_end(program: Path) -> None:
    segments = tuple((STACK + 16 * number, bytes(4)) for number in range(50_000))
    assert len(decode(made_core(segments=segments), program).memory) >= 50_000


def test_a_thousand_tasks_with_the_deepest_stacks_end(program: Path) -> None:
    notes = b"".join(prstatus(sp=STACK + 4 * number, tcb=number) for number in range(3000))
    report = decode(made_core(notes), program)
    assert len(report.tasks) == 1024
    assert any(task.unwind_stop == "the dump has too many frames" for task in report.tasks) or report.tasks[-1].frames


@pytest.mark.parametrize("machine", [243, XTENSA])
@pytest.mark.parametrize("size", [0, 3, 27, 28, 72, 75, 199, 200, 201, 203, 256, 391, 392, 588, 4096])
def test_a_task_note_of_any_size_is_read_or_left_out(machine: int, size: int) -> None:
    notes = note(b"CORE", 1, bytes(size)) + note(b"EXTRA_INFO", 677, bytes(min(size, 300)))
    report = decode(made_core(notes, machine=machine))
    assert len(report.tasks) <= 1


@pytest.mark.parametrize("machine", [243, XTENSA])
@pytest.mark.parametrize("name_bytes", [0, 1, 5, 0x7FFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF])
@pytest.mark.parametrize("size", [0, 204, 0x7FFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF])
def test_the_sizes_in_a_note_are_not_believed(machine: int, name_bytes: int, size: int) -> None:
    notes = struct.pack("<3I", name_bytes, size, 1) + prstatus()
    assert len(decode(made_core(notes, machine=machine)).tasks) <= 1


def test_a_core_without_anything_is_a_clear_error() -> None:
    with pytest.raises(DecodeError, match="cut off"):
        decode(made_core(b"", ()))


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("tasks", [0, 1, 1000, 1025, 0xFFFFFFFF])
@pytest.mark.parametrize("tcb_bytes", [0, 340, 4096, 0xFFFFFFFF])
def test_the_counts_of_a_binary_dump_are_not_believed(version: int, tasks: int, tcb_bytes: int) -> None:
    words = (100_000, version, tasks, tcb_bytes, 0xFFFFFFFF, 3)
    header = struct.pack(f"<{ {1: 4, 2: 5, 3: 6}[version] }I", *words[: {1: 4, 2: 5, 3: 6}[version]])
    data = header + struct.pack("<III", STACK, STACK, STACK + 0x1000) * 4000
    if not 0 < tasks <= 1024 or tcb_bytes > 4096:
        with pytest.raises(DecodeError, match="its header is damaged"):
            decode(data)
    else:
        assert 0 < len(decode(data).tasks) <= tasks
