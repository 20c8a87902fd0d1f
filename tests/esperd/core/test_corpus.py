from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from esper_protocol.events import Boot, Panic
from esperd.core.capture import CaptureEnding

if TYPE_CHECKING:
    from pathlib import Path

    from tests.esperd.core.conftest import Driver

TRANSCRIPTS = ["n01", "n03", "r01", "r05", "x01", "x02", "x03", "x05", "x07", "x10", "x12"]
CHUNKINGS = ["whole", "bytes", "random"]
# A quarter of a megabyte byte by byte takes seconds.
CASES = [
    pytest.param(name, chunking, marks=[pytest.mark.slow] if (name, chunking) == ("x12", "bytes") else [])
    for name in TRANSCRIPTS
    for chunking in CHUNKINGS
]


def read(corpus: Path, name: str) -> tuple[bytes, dict[str, Any]]:
    (raw,) = corpus.glob(f"transcripts/{name}_*.raw")
    return raw.read_bytes(), msgspec.json.decode(raw.with_suffix(".json").read_bytes())["expected"]


def chunked(data: bytes, chunking: str) -> list[bytes]:
    if chunking == "whole":
        return [data]
    chooser = random.Random(len(data))  # noqa: S311 - the same cuts in every run
    chunks: list[bytes] = []
    while data:
        size = 1 if chunking == "bytes" else chooser.choice([1, 7, 64, 300, 4096])
        chunks.append(data[:size])
        data = data[size:]
    return chunks


def offsets(board: Driver) -> dict[int, int]:
    """Where each line, by its position, begins in the transcript."""
    result: dict[int, int] = {}
    offset = 0
    for seq, line in board.lines().items():
        result[seq] = offset
        offset += len(line)
    return result


@pytest.mark.parametrize(("name", "chunking"), CASES)
def test_a_transcript_gives_what_is_known_of_it(
    name: str, chunking: str, corpus: Path, make_driver: type[Driver]
) -> None:
    data, expected = read(corpus, name)
    board = make_driver()
    board.send(*chunked(data, chunking))
    board.wait(30.0)
    board.hang_up()
    assert board.text() == data
    begins, lines = offsets(board), board.lines()

    assert [(begins[boot.line_seq], f"({boot.reset_reason})") for boot in board.all(Boot)] == [
        (reset["offset"], reset["text"].partition(" ")[2]) for reset in expected["resets"]
    ]
    fatal = [panic for panic in board.all(Panic) if panic.fatal]
    assert [begins[panic.first_seq] for panic in fatal] == [panic["offset"] for panic in expected["panics"]]
    for panic, known in zip(fatal, expected["panics"], strict=True):
        assert lines[panic.first_seq].startswith(known["text"].encode())

    endings = board.all(CaptureEnding)
    assert [begins[ending.event.first_seq] for ending in endings] == [
        dump["start_offset"] for dump in expected["dumps"]
    ]
    for ending, dump in zip(endings, expected["dumps"], strict=True):
        decoded = board.captured()[ending.event.id].decoded
        if dump["complete"]:
            assert (ending.event.capture, ending.event.end_reason) == ("captured", "end_marker")
            assert (ending.event.checksum, ending.event.rejected_lines) == ("ok", 0)
            assert len(decoded) == ending.event.decoded_bytes == dump["decoded_len"]
            assert hashlib.sha256(decoded).hexdigest() == dump["decoded_sha256"]
        else:
            assert (ending.event.capture, ending.event.checksum) == ("partial", "absent")
            assert ending.event.end_reason == ("reboot" if dump["why"] == "interrupted by reset" else "idle_timeout")


def test_a_bytewise_reading_observes_the_same_as_one_chunk(corpus: Path, make_driver: type[Driver]) -> None:
    for name in TRANSCRIPTS[:-1]:
        data, _ = read(corpus, name)
        whole, bytewise = make_driver(), make_driver()
        whole.send(data)
        bytewise.send(*chunked(data, "bytes"))
        assert bytewise.observed() == whole.observed()


def test_the_task_watchdogs_reports_are_no_crashes(corpus: Path, make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(read(corpus, "x10")[0])
    board.wait(30.0)
    panics = board.all(Panic)
    assert len(panics) > 1
    for panic in panics:
        assert (panic.cause, panic.fatal, panic.task, panic.core) == ("task_watchdog", False, "main", 0)
        assert panic.backtrace[0] == (0x400D6642, 0x3FFB10B0)


def test_a_riscv_panic_has_its_registers_and_the_lines_of_its_stack(corpus: Path, make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(read(corpus, "r01")[0])
    panic, lines = board.all(Panic)[0], board.lines()
    assert (panic.cause, panic.core, panic.app_sha256, panic.backtrace) == ("abort", 0, "7d946a8e8", [])
    assert panic.registers["MEPC"] == 0x40380698
    assert lines[panic.last_seq].startswith(b"ELF file SHA256")
    assert any(lines[seq].startswith(b"Stack memory:") for seq in range(panic.first_seq, panic.last_seq))
