import json
import os
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from esperd.decode.dump import read_dump
from esperd.decode.errors import DecodeError
from esperd.decode.image import read_image
from esperd.simulation.scenarios import RECORDINGS

NAMES = (
    "esp32_bin01",
    "esp32_bin03",
    "esp32_elf12",
    "esp32c3_elf12",
    "r01_d0",
    "x01_d0",
    "x02_d0",
    "x03_d0",
    "x07_d1",
)
REGISTER = re.compile(r"^(\w+) +0x([0-9a-f]+)\b", re.MULTILINE)


@pytest.fixture
def dumps() -> Path:
    folder = os.environ.get("ESPER_CORPUS")
    if folder is None:
        pytest.skip("ESPER_CORPUS is not set: it names the folder with recorded core dumps and their reports")
    return Path(folder) / "dumps"


def recorded_dump() -> bytes:
    return (RECORDINGS / "crash.raw").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_registers_and_tasks_are_those_of_gdbs_report(dumps: Path, name: str) -> None:
    image = read_image(read_dump((dumps / f"{name}.b64").read_bytes()))
    report = (dumps / f"{name}.gdb.txt").read_text("utf-8")
    section = report.split("CURRENT THREAD REGISTERS")[1].split("CURRENT THREAD STACK")[0]
    expected = {register: int(value, 16) for register, value in REGISTER.findall(section)}
    crashed = image.crashed_task
    assert crashed is not None
    found = image.exception | crashed.registers
    if name == "esp32_bin01":
        # The tool of that time put a code address where the register holds the size of the call window, too.
        found["a0"] = found["a0"] & 0x3FFFFFFF | 0x40000000
    common = expected.keys() & found.keys()
    assert len(common) >= 20
    assert {register: found[register] for register in common} == {register: expected[register] for register in common}
    # The report of an old tool has no table of tasks.
    if "STACK USED/FREE" in report:
        handles = re.findall(r"^0x([0-9a-f]{8}) ", report.split("STACK USED/FREE")[1], re.MULTILINE)
        assert [task.tcb for task in image.tasks] == [int(handle, 16) for handle in handles]
    assert image.in_isr == ("is in the interrupt context" in report)
    reason = re.search(r"^Panic reason: (.*)$", report, re.MULTILINE)
    if image.panic_details is not None:
        assert reason is not None
        assert image.panic_details == reason[1]


def test_the_index_names_the_elf_whose_hash_the_dump_carries(dumps: Path) -> None:
    index: dict[str, str] = json.loads((dumps / "index.json").read_text("utf-8"))
    with_hash = 0
    for name, elf in index.items():
        sha = read_image(read_dump((dumps / f"{name}.b64").read_bytes())).app_sha256
        if sha is not None:
            with_hash += 1
            assert elf.startswith(sha)
    assert with_hash >= 6


def test_the_simulated_boards_dump_has_three_tasks_and_the_cause_of_its_crash() -> None:
    image = read_image(read_dump(recorded_dump()))
    assert image.machine == "riscv"
    assert len(image.tasks) == 3
    crashed = image.crashed_task
    assert crashed is not None
    assert crashed.tcb == image.tasks[0].tcb
    assert image.exception["mcause"] == 7
    assert image.exception["mtval"] == 8
    assert crashed.stack is not None
    assert crashed.stack[0] <= crashed.registers["sp"] < crashed.stack[1]


@pytest.mark.parametrize("percent", range(1, 100, 3))
def test_a_dump_that_is_cut_anywhere_gives_the_tasks_that_arrived(percent: int) -> None:
    whole = read_dump(recorded_dump())
    cut = len(whole.payload) * percent // 100
    header = struct.pack("<6I", len(whole.payload) + 28, 5 << 16 | 0x0102, 0, 0, 0, 3)
    try:
        image = read_image(read_dump(header + whole.payload[:cut]))
    except DecodeError:
        # ELF header, program headers and the first task's registers are about 6 % of it.
        assert percent < 7
        return
    assert any(warning.startswith("truncated") for warning in image.warnings)
    # The registers of all tasks come first.
    if percent > 25:
        assert len(image.tasks) == 3


@settings(max_examples=300)
@given(st.data())
def test_no_damage_raises_anything_but_a_decode_error(data: st.DataObject) -> None:
    whole = read_dump(recorded_dump())
    damaged = bytearray(whole.payload[:2000])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    header = struct.pack("<6I", len(damaged) + 28, 5 << 16 | 0x0102, 0, 0, 0, 3)
    try:
        image = read_image(read_dump(header + bytes(damaged) + bytes(4)))
    except DecodeError:
        return
    assert len(image.tasks) <= 4096
