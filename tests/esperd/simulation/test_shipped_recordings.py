from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest

from esperd.simulation.recording import load_recording
from esperd.simulation.scenarios import (
    AFTER_PANIC,
    AFTER_RESET,
    AFTER_RESTART,
    ANSWERS,
    CRASHES,
    FIRMWARE_ELF,
    POWER_ON,
    RECORDINGS,
    RESTART,
    SCENARIOS,
    SELF_CRASH,
    segment,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("chatty", "console", "crash", "no-end", "reset-in-dump")
ELF_SHA256 = hashlib.sha256(FIRMWARE_ELF.read_bytes()).hexdigest()
WHOLE_DUMPS = {"chatty": 0, "console": 3, "crash": 2, "no-end": 0, "reset-in-dump": 1}
START = b"================= CORE DUMP START ================="


def raw(name: str) -> bytes:
    return (RECORDINGS / f"{name}.raw").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_timing_covers_every_byte(name: str) -> None:
    recording = load_recording(RECORDINGS / f"{name}.raw")
    assert recording.timing is not None
    assert sum(length for _, length in recording.timing) == len(raw(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_came_no_faster_than_the_line_carries_them(name: str) -> None:
    recording = load_recording(RECORDINGS / f"{name}.raw")
    assert recording.timing is not None
    assert len(recording.data) * 10 / 115200 <= recording.timing[-1][0] + 0.01


@pytest.mark.parametrize("name", NAMES)
def test_core_dumps_decode_with_right_length_and_checksum(
    name: str, core_dumps: Callable[[bytes], list[bytes]]
) -> None:
    dumps = core_dumps(raw(name))
    assert len(dumps) == WHOLE_DUMPS[name]
    assert all(ELF_SHA256[:9].encode() + b"\0" in dump for dump in dumps)


@pytest.mark.parametrize("name", NAMES)
def test_printed_sha_prefixes_are_the_shipped_elfs(name: str) -> None:
    printed = re.findall(rb"ELF file SHA256: +([0-9a-f]+)", raw(name))
    assert set(printed) == {ELF_SHA256[:9].encode()}
    assert json.loads((RECORDINGS / f"{name}.json").read_bytes())["elf_sha256"] == ELF_SHA256


def test_the_reset_stands_inside_a_line_of_the_dump() -> None:
    cut = re.search(rb"\n([A-Za-z0-9+/=]+)ESP-ROM:esp32c3", raw("reset-in-dump"))
    assert cut is not None
    assert len(cut[1]) < 64


def test_the_endless_dump_starts_and_never_ends() -> None:
    assert raw("no-end").count(START) == 1
    assert b"CORE DUMP END" not in raw("no-end")
    assert raw("no-end").endswith(b"\r\n")


def test_chatty_has_all_levels_and_several_tags() -> None:
    lines = re.findall(rb"\r\n(?:\x1b\[0;3\dm)?([EWID]) \(\d+\) (\w+): ", raw("chatty"))
    assert {level for level, _ in lines} == {b"E", b"W", b"I", b"D"}
    assert {tag for _, tag in lines} >= {b"sensor", b"i2c_master", b"mqtt_client", b"wifi", b"nvs"}


def test_each_piece_of_each_scenario_was_recorded() -> None:
    pieces = {POWER_ON, AFTER_PANIC, AFTER_RESET, AFTER_RESTART, RESTART, *ANSWERS.values()}
    pieces |= {scenario.idle for scenario in SCENARIOS.values()}
    crashes = [SELF_CRASH, *CRASHES.values(), *(s.first_crash for s in SCENARIOS.values() if s.first_crash is not None)]
    pieces |= {piece for crash in crashes for piece in (crash.panic, crash.dump)}
    assert all(segment(piece) for piece in pieces)


def test_elf_is_small_and_has_debug_information() -> None:
    elf = FIRMWARE_ELF.read_bytes()
    assert len(elf) < 200_000
    assert b".debug_info" in elf
