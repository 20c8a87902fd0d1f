import contextlib
import random
import struct

import pytest

from esperd.decode.decoder import decode_core_dump
from esperd.decode.dump import read_dump
from esperd.decode.errors import DecodeError
from esperd.decode.report_text import format_report
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS


def container_of(payload: bytes, announced: int) -> bytes:
    return struct.pack("<6I", announced, 5 << 16 | 0x0102, 0, 0, 0, 3) + payload


@pytest.fixture(scope="module")
def payload() -> bytes:
    return read_dump((RECORDINGS / "crash.raw").read_bytes()).payload


def test_the_simulated_crash_is_decoded_with_lines_and_arguments(payload: bytes) -> None:
    report = decode_core_dump(container_of(payload, len(payload) + 28) + bytes(4), FIRMWARE_ELF)
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
    text = format_report(report)
    assert "CURRENT THREAD STACK" in text
    assert "store_value (setting=0x0" in text


@pytest.mark.parametrize("percent", range(1, 100, 2))
def test_a_truncated_dump_gives_a_report_or_a_clear_error(payload: bytes, percent: int) -> None:
    data = container_of(payload[: len(payload) * percent // 100], len(payload) + 28)
    try:
        report = decode_core_dump(data, FIRMWARE_ELF)
    except DecodeError:
        assert percent < 7
        return
    assert any(warning.startswith("truncated:") for warning in report.warnings)
    assert report.tasks
    assert format_report(report)


def test_random_damage_gives_a_report_or_a_clear_error(payload: bytes) -> None:
    generator = random.Random(20)  # noqa: S311 - not for secrets
    for _ in range(400):
        damaged = bytearray(payload)
        for _ in range(generator.randint(1, 20)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        with contextlib.suppress(DecodeError):
            report = decode_core_dump(container_of(bytes(damaged), len(payload) + 28), FIRMWARE_ELF, force=True)
            assert len(report.frames) <= 256
            assert format_report(report)
