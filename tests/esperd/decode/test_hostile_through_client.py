"""Hostile programs given to the client: one sentence or a report, within its limits, and nothing is left."""

import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Final

import pytest
import trio

from esperd.testing.hostile import Sections, variables_of
from esperd.testing.made_elf import (
    CODE,
    CODE_BYTES,
    DATA8,
    REF4,
    STRING,
    MadeInfo,
    MadeSection,
    made_core,
    made_elf,
    symbol_table,
)


def bombs() -> Sections:
    """Sections of a hundred kilobytes each that claim to be 400 MiB, and are."""
    size = 400 << 20
    bomb = MadeSection(struct.pack("<III", 1, size, 1) + zlib.compress(bytes(size), 9), flags=0x800)
    return {".debug_info": bomb, ".debug_abbrev": bomb, ".debug_str": bomb, ".debug_frame": bomb}


def endless_expressions() -> Sections:
    made = MadeInfo()
    return variables_of(made, made.integer(), b"\x31\x13\x2f\xfb\xff", 3000)


def huge_values() -> Sections:
    made = MadeInfo()
    return variables_of(made, made.die(0x24, (0x03, STRING, b"huge"), (0x0B, DATA8, 1 << 31)))


def types_of_themselves() -> Sections:
    made = MadeInfo()
    kind = made.die(0x15, children=True)
    for _ in range(100):
        made.die(0x05, (0x49, REF4, kind))
    made.end()
    return variables_of(made, kind)


def many_lines() -> Sections:
    made = MadeInfo()
    made.function()
    made.end(2)
    return {**made.sections(), ".debug_line": MadeSection(os.urandom(2_000_000))}


HOSTILE: Final = {
    "bombs": bombs,
    "endless expressions": endless_expressions,
    "huge values": huge_values,
    "types of themselves": types_of_themselves,
    "noise": many_lines,
}


async def decode(folder: Path, elf: bytes, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the client."""
    (folder / "tmp").mkdir()
    await trio.Path(folder / "hostile.elf").write_bytes(elf)
    await trio.Path(folder / "core.elf").write_bytes(made_core())
    command = [sys.executable, "-m", "esperctl", "coredumps", "decode", str(folder / "core.elf")]
    with trio.fail_after(90):
        done = await trio.run_process(
            [*command, "--elf", str(folder / "hostile.elf"), *arguments],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=os.environ | {"TMPDIR": str(folder / "tmp")},
        )
    assert list((folder / "tmp").iterdir()) == []
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_program_gives_a_report_or_one_sentence(tmp_path: Path, name: str) -> None:
    symbols = symbol_table([(1, CODE, CODE_BYTES)], b"\0victim\0")
    code, output, errors = await decode(tmp_path, made_elf({**symbols, **HOSTILE[name]()}), "--verbose")
    if code:
        assert (code, output) == (1, "")
        assert errors.startswith("esperctl: ")
        assert errors.count("\n") <= 2
    else:
        assert "CURRENT THREAD STACK" in output
        # Where the memory does not suffice for ours, another decoder that is there may go on, and know less.
        assert "victim" in output or name == "bombs"


@pytest.mark.slow
async def test_the_deadline_holds_for_a_program_that_takes_longer(tmp_path: Path) -> None:
    symbols = symbol_table([(1, CODE, CODE_BYTES)], b"\0victim\0")
    elf = made_elf({**symbols, **endless_expressions()})
    started = trio.current_time()
    code, output, errors = await decode(tmp_path, elf, "--timeout", "1")
    assert trio.current_time() - started < 3
    assert (code, output) == (124, "")
    assert "was not decoded within 1 s" in errors
