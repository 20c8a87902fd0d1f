"""``esperctl decode``: what is named, what is said of what can't be, and the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from esperd.testing.elf_files import MadeSection, program_file

if TYPE_CHECKING:
    from tests.esperctl.conftest import Esperctl

RECORDINGS = Path(__file__).resolve().parents[2] / "esperd" / "simulation" / "recordings"
FIRMWARE = RECORDINGS / "greenhouse.elf"
CRASH = (RECORDINGS / "crash.raw").read_bytes()
ABORT = b"abort() was called at PC 0x400d0024 on core 0\n"
BACKTRACE = b"Backtrace: 0x400d0028:0x3ffb5f20 0x400d0030:0x3ffb5f40\n"
XTENSA_REGISTERS = b"PC      : 0x400d0028  PS      : 0x00060b30  EXCCAUSE: 0x0000001d\n"
GURU = b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.\n"


@pytest.fixture
def xtensa_elf(tmp_path: Path) -> Path:
    return made(tmp_path / "xtensa.elf", "app_main")


def made(path: Path, function: str, address: int = 0x400D0020) -> Path:
    section = MadeSection(".flash.text", address, bytes(64))
    path.write_bytes(program_file("xtensa", [section], [(function, address, 64)]))
    return path


@pytest.mark.parametrize("text", [ABORT + BACKTRACE, GURU + XTENSA_REGISTERS, GURU + BACKTRACE, BACKTRACE])
async def test_a_panic_of_xtensa_is_named_by_its_program(esperctl: Esperctl, xtensa_elf: Path, text: bytes) -> None:
    done = await esperctl("decode", "--elf", str(xtensa_elf), stdin=text)
    assert (done.code, done.err) == (0, "")
    assert "app_main" in done.out


@pytest.mark.parametrize("text", [ABORT + BACKTRACE, GURU + XTENSA_REGISTERS, GURU + BACKTRACE, BACKTRACE])
async def test_a_program_for_riscv_is_told_from_a_panic_of_xtensa(esperctl: Esperctl, text: bytes) -> None:
    done = await esperctl("decode", "--elf", str(FIRMWARE), stdin=text)
    assert (done.code, done.out) == (1, "")
    what = "text" if text == BACKTRACE else "panic"
    assert done.err == (f"esperctl: {FIRMWARE} is a program for RISC-V chips, and the {what} is of an Xtensa chip\n")


@pytest.mark.parametrize("text", [CRASH, b"MCAUSE  : 0x00000007 at 0x42006b1c\n"], ids=["panic", "part of one"])
async def test_a_program_for_xtensa_is_told_from_a_panic_of_riscv(
    esperctl: Esperctl, xtensa_elf: Path, text: bytes
) -> None:
    done = await esperctl("decode", "--elf", str(xtensa_elf), stdin=text)
    assert (done.code, done.out) == (1, "")
    assert f"{xtensa_elf} is a program for Xtensa chips, and the " in done.err
    assert done.err.endswith(" is of a RISC-V chip\n")


async def test_a_program_that_knows_no_address_is_told(esperctl: Esperctl, tmp_path: Path) -> None:
    other = made(tmp_path / "other.elf", "f", 0x40300000)
    done = await esperctl("decode", "--elf", str(other), stdin=ABORT + BACKTRACE)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"esperctl: none of the addresses of this panic is in a function of {other}; "
        "it is probably not the program that printed it\n"
    )


async def test_the_next_program_is_asked_where_one_knows_nothing(
    esperctl: Esperctl, xtensa_elf: Path, tmp_path: Path
) -> None:
    other = made(tmp_path / "other.elf", "f", 0x40300000)
    programs = ("--elf", str(FIRMWARE), "--elf", str(other), "--elf", str(xtensa_elf))
    done = await esperctl("decode", *programs, stdin=ABORT + BACKTRACE)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("app_main") == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [(GURU, "LoadProhibited"), (b"Brownout detector was triggered\n", "Brownout detector was triggered")],
    ids=["exception", "brownout"],
)
@pytest.mark.parametrize("with_program", [True, False])
async def test_a_panic_without_any_address_is_told_with_what_was_looked_for(
    esperctl: Esperctl, xtensa_elf: Path, with_program: bool, text: bytes, reason: str
) -> None:
    done = await esperctl("decode", *(("--elf", str(xtensa_elf)) if with_program else ()), stdin=text)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"esperctl: the panic ({reason}) has nothing to look up: no backtrace, no registers, no address of code\n"
    )


async def test_one_of_two_panics_that_is_named_is_enough(esperctl: Esperctl, xtensa_elf: Path) -> None:
    done = await esperctl("decode", "--elf", str(xtensa_elf), stdin=GURU + b"Rebooting...\n" + ABORT + BACKTRACE)
    assert (done.code, done.err) == (0, "")
    first, refusal, second, *_ = done.out.splitlines()
    assert (first, second) == ("exception: LoadProhibited", "abort: abort() was called at PC 0x400d0024 on core 0")
    assert "has nothing to look up" in refusal


async def test_a_program_with_another_hash_is_refused(esperctl: Esperctl, xtensa_elf: Path) -> None:
    text = ABORT + BACKTRACE + b"ELF file SHA256: 1b43c5e74\n"
    done = await esperctl("decode", "--elf", str(xtensa_elf), stdin=text)
    assert (done.code, done.out) == (1, "")
    assert "did not print this panic (1b43c5e74)" in done.err
