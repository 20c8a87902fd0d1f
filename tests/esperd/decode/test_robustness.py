"""Dumps that were cut, changed and mixed with other text: a report or a clear error each time, in a bounded time.

The full measure is taken with ESPER_MUTATIONS, the number of damaged dumps, for instance 10000; `make test` tries some.
"""

import json
import os
import random
import time
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from esperd.decode.decoder import decode_core_dump
from esperd.decode.errors import DecodeError
from esperd.decode.report import Report
from esperd.decode.report_text import format_report
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS
from esperd.testing.budget import processor_budget
from esperd.testing.damage import damaged_image, damaged_text, decoded_lines
from esperd.testing.dumps import END_LINE, START_LINE

MUTATIONS: Final = int(os.environ.get("ESPER_MUTATIONS", "2000"))
# A decode takes 0.01 to 0.1 s here.
BUDGET_S: Final = 10.0


class Known(NamedTuple):
    """A dump as its container, and the program that it is of."""

    name: str
    image: bytes
    elf: Path


def shipped() -> Known:
    text = (RECORDINGS / "crash.raw").read_bytes()
    start = text.index(START_LINE) + len(START_LINE)
    return Known("shipped", decoded_lines(text[start : text.index(END_LINE, start)]), FIRMWARE_ELF)


def known_dumps() -> list[Known]:
    """Ours, and those of the corpus where it is set."""
    if "ESPER_CORPUS" not in os.environ:
        return [shipped()]
    corpus = Path(os.environ["ESPER_CORPUS"])
    index: dict[str, str] = json.loads((corpus / "dumps" / "index.json").read_bytes())
    others = [
        Known(name, decoded_lines((corpus / "dumps" / f"{name}.b64").read_bytes()), corpus / "elf" / f"{elf}.elf")
        for name, elf in ((name, elf.removesuffix(".elf")) for name, elf in index.items())
    ]
    return [shipped(), *others]


DUMPS: Final = known_dumps()


def decode(data: bytes, elf: Path | None, *, with_locals: bool = False, force: bool = True) -> Report | DecodeError:
    """What becomes of it; any other exception is the failure of the test."""
    with processor_budget(BUDGET_S):
        try:
            report = decode_core_dump(data, elf, force=force, with_locals=with_locals)
        except DecodeError as error:
            return error
        assert format_report(report, with_locals=with_locals)
    return report


def test_the_simulated_crash_is_decoded_with_lines_and_arguments() -> None:
    report = decode_core_dump(shipped().image, FIRMWARE_ELF)
    functions = [frame.function for frame in report.frames]
    assert functions[:4] == ["store_value", "parse_field", "process_message", "command_crash"]
    assert report.crashed_task == "main"
    assert report.frames[0].file is not None
    assert report.frames[0].file.endswith("message.c")
    arguments = {argument.name: argument.value for argument in report.frames[0].args}
    assert arguments["setting"] == "0x0"
    assert len(report.tasks) == 3
    assert all(task.frames for task in report.tasks)
    assert report.elf_match == "sha256"
    assert report.checksum == "ok"
    text = format_report(report)
    assert "CURRENT THREAD STACK" in text
    assert "store_value (setting=0x0" in text


@pytest.mark.parametrize("known", DUMPS, ids=[known.name for known in DUMPS])
def test_a_dump_that_is_cut_anywhere_gives_a_report_or_a_clear_error(known: Known) -> None:
    tasks = len(decode_core_dump(known.image, None).tasks)
    for percent in range(100):
        data = known.image[: len(known.image) * percent // 100]
        # Each without a program, and where nothing but time speaks against it with one.
        with_program = percent % 10 == 5 or known.elf == FIRMWARE_ELF or MUTATIONS >= 10_000
        for elf in (None, known.elf) if with_program else (None,):
            result = decode(data, elf)
            if isinstance(result, DecodeError):
                assert result.code == "no_dump"
                assert percent < 25, "so much of it has a task"
                continue
            assert any(warning.startswith("truncated:") for warning in result.warnings)
            assert result.tasks or result.memory
            assert len(result.tasks) <= tasks
            assert elf is None or percent < 50 or any(frame.function for frame in result.frames)


def test_damaged_dumps_give_a_report_or_a_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    slowest_s, slowest_seed = 0.0, -1
    reports = 0
    for seed in range(MUTATIONS):
        generator = random.Random(seed)  # noqa: S311 - the same damage in every run
        known = generator.choice(DUMPS)
        damage = damaged_text if generator.random() < 0.4 else damaged_image
        data = damage(known.image, generator)
        elf = generator.choice((known.elf, known.elf, None))
        started_s = time.process_time()
        try:
            result = decode(data, elf, with_locals=generator.random() < 0.3)
        except BaseException as error:
            error.add_note(f"with seed {seed}, dump {known.name}")
            raise
        took_s = time.process_time() - started_s
        slowest_s, slowest_seed = max((slowest_s, slowest_seed), (took_s, seed))
        if isinstance(result, Report):
            reports += 1
            assert all(len(task.frames) <= 1024 for task in result.tasks)
    with capsys.disabled():
        if MUTATIONS >= 10_000:
            print(f"\n{MUTATIONS} damaged dumps: {reports} reports, slowest {slowest_s:.2f} s (seed {slowest_seed})")  # noqa: T201
    assert MUTATIONS // 2 < reports < MUTATIONS


@pytest.mark.parametrize("known", DUMPS, ids=[known.name for known in DUMPS])
def test_the_wrong_program_gives_a_report_that_says_so_or_a_clear_error(known: Known) -> None:
    for other in {dump.elf for dump in DUMPS} - {known.elf}:
        result = decode(known.image, other, force=False)
        forced = decode(known.image, other)
        if isinstance(result, DecodeError):
            assert result.code in ("elf_mismatch", "wrong_chip")
            assert str(other) in str(result)
            if result.code == "wrong_chip":
                assert str(forced) == str(result)
                continue
        else:
            assert result.elf_match in ("mismatch", "unknown")
        assert isinstance(forced, Report)
        assert forced.elf_match != "sha256"
