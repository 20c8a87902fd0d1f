import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from esperd.decode.decoder import decode_core_dump
from esperd.decode.elf_choice import NoElfError, choose_by_trying
from esperd.decode.program import Program
from esperd.decode.report import Report
from esperd.decode.request import DecodeRequest, KnownElf
from esperd.decode.rom import RomSearch, rom_file
from esperd.testing.elf_files import ALLOC, EXECUTE, WRITE, MadeSection, core_file, program_file

ROM_CODE = 0x40000000
APP_CODE = 0x42000000
TCB = 0x3FC90000
STACK = 0x3FC91000
NOP = b"\x01\x00"
# jal ra, itself: a call as far as anybody who looks in front of a return address can see.
CALL = struct.pack("<I", 0x000000EF)
# addi sp, sp, -16; sw ra, 12(sp)
PROLOGUE = struct.pack("<II", 0xFF010113, 0x00112623)


def rom_bytes(function: str = "rom_printf") -> bytes:
    code = PROLOGUE + NOP * 28
    return program_file("riscv", [MadeSection(".text", ROM_CODE, code)], [(function, ROM_CODE, len(code))])


def application_bytes() -> bytes:
    code = CALL + NOP * 30
    return program_file("riscv", [MadeSection(".flash.text", APP_CODE, code)], [("app_main", APP_CODE, len(code))])


def crash_in_rom(chip_id: int = 5, revision: int = 3) -> bytes:
    """A dump of a chip whose task stands in ROM code that the application called."""
    stack = bytearray(64)
    struct.pack_into("<I", stack, 12, APP_CODE + 4)
    registers = [ROM_CODE + 12, APP_CODE + 4, STACK, *[0] * 29]
    core = core_file("riscv", [(TCB, registers)], [(TCB, bytes(84)), (STACK, bytes(stack))])
    return struct.pack("<6I", 28 + len(core), chip_id << 16 | 0x0102, 0, 0, 0, revision) + core + bytes(4)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(report: Report) -> list[str | None]:
    return [frame.function for frame in report.frames]


@pytest.fixture
def application(tmp_path: Path) -> Path:
    return write(tmp_path / "app.elf", application_bytes())


# Which file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("esp32_rev0_rom.elf", ("esp32", 0)),
        ("esp32_rev300_rom.elf", ("esp32", 300)),
        ("esp32c3_rev101_rom.elf", ("esp32c3", 101)),
        ("esp32c61_rev100_rom.elf", ("esp32c61", 100)),
        ("esp32s31_rev0_rom.elf", ("esp32s31", 0)),
        ("esp32c3_rev3_rom.elf.part", None),
        ("esp32c3_rom.elf", None),
        ("firmware.elf", None),
    ],
)
def test_the_name_of_a_rom_file_tells_chip_and_revision(name: str, expected: tuple[str, int] | None) -> None:
    found = rom_file(name, Path(name))
    assert (found and (found.chip, found.revision)) == expected


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (3, ["esp32c3_rev3_rom.elf", "esp32c3_rev0_rom.elf"]),
        (100, ["esp32c3_rev3_rom.elf", "esp32c3_rev0_rom.elf"]),
        (101, ["esp32c3_rev101_rom.elf", "esp32c3_rev3_rom.elf", "esp32c3_rev0_rom.elf"]),
        (2, ["esp32c3_rev0_rom.elf"]),
        (None, []),
    ],
)
def test_the_chips_revision_or_the_next_lower_one_is_taken(
    tmp_path: Path, revision: int | None, expected: list[str]
) -> None:
    for number in (101, 0, 3):
        write(tmp_path / f"esp32c3_rev{number}_rom.elf", b"")
    write(tmp_path / "esp32_rev3_rom.elf", b"")
    search = RomSearch({"ESP_ROM_ELF_DIR": str(tmp_path)})
    assert [path.name for path in search.candidates("esp32c3", revision)] == expected


def test_of_a_chip_of_unknown_revision_the_only_rom_there_is_counts(tmp_path: Path) -> None:
    only = write(tmp_path / "esp32s3_rev0_rom.elf", b"")
    assert RomSearch({"ESP_ROM_ELF_DIR": str(tmp_path)}).candidates("esp32s3", None) == [only]


def test_the_users_folder_comes_before_the_store_and_that_before_installed_tools(tmp_path: Path) -> None:
    name = "esp32c3_rev3_rom.elf"
    own = write(tmp_path / "own" / name, b"")
    stored = write(tmp_path / "0123.elf", b"")
    old = write(tmp_path / "tools/tools/esp-rom-elfs/20230320" / name, b"")
    new = write(tmp_path / "tools/tools/esp-rom-elfs/20241011" / name, b"")
    environment = {"ESP_ROM_ELF_DIR": str(own.parent), "IDF_TOOLS_PATH": str(tmp_path / "tools")}
    search = RomSearch(environment, ((name, stored), ("firmware.elf", tmp_path / "firmware.elf")))
    assert search.candidates("esp32c3", 3) == [own, stored, new, old]


def test_the_tools_are_in_the_home_folder_by_default(tmp_path: Path) -> None:
    path = write(tmp_path / ".espressif/tools/esp-rom-elfs/20241011/esp32_rev0_rom.elf", b"")
    assert RomSearch({"HOME": str(tmp_path)}).candidates("esp32", 0) == [path]
    assert RomSearch({}).candidates("esp32", 0) == []
    assert RomSearch({"ESP_ROM_ELF_DIR": str(tmp_path / "missing")}).candidates("esp32", 0) == []


def test_a_rom_is_never_tried_as_the_program_of_a_dump_without_a_hash() -> None:
    rom = KnownElf(path="/1", sha256="1" * 64, machine="riscv", name="esp32c3_rev3_rom.elf")
    program = KnownElf(path="/2", sha256="2" * 64, machine="riscv", name="app.elf")
    assert choose_by_trying([rom, program], "riscv", lambda _: True) == program
    with pytest.raises(NoElfError):
        choose_by_trying([rom], "riscv", lambda _: True)


# What it is good for -------------------------------------------------------------------------------------


def test_functions_in_rom_have_names_and_callers_with_the_roms_file(tmp_path: Path, application: Path) -> None:
    rom = write(tmp_path / "roms/esp32c3_rev3_rom.elf", rom_bytes())
    roms = RomSearch({"ESP_ROM_ELF_DIR": str(rom.parent)})
    report = decode_core_dump(crash_in_rom(), application, roms=roms)
    assert names(report)[:2] == ["rom_printf", "app_main"]
    assert report.frames[1].how == "prologue"
    assert report.decoder is not None
    assert report.decoder.rom == str(rom)
    without = decode_core_dump(crash_in_rom(), application)
    assert names(without)[0] is None
    assert without.decoder is not None
    assert without.decoder.rom is None


def eh_frame(section_address: int) -> bytes:
    """Rules for PROLOGUE, with addresses relative to their own place, as GCC writes them."""
    # Version 1, "zR", code by 1, data by -4, return address in x1, relative signed words; the CFA is sp + 0.
    common = struct.pack("<I", 0) + b"\x01zR\0\x01\x7c\x01\x01\x1b\x0c\x02\x00"
    common += bytes(-len(common) % 4)
    first = struct.pack("<I", len(common)) + common
    begins_at = len(first) + 8
    # After 4 bytes the CFA is sp + 16, after 8 ra is at CFA - 4.
    rules = struct.pack("<Iii", len(first) + 4, ROM_CODE - section_address - begins_at, 64)
    rules += b"\x00\x44\x0e\x10\x44\x81\x01\x00"
    return first + struct.pack("<I", len(rules)) + rules + bytes(4)


@pytest.mark.parametrize("address", [ROM_CODE, 0x10000000])
def test_a_roms_own_unwinding_rules_are_used_wherever_they_claim_to_be(
    tmp_path: Path, application: Path, address: int
) -> None:
    code = PROLOGUE + NOP * 28
    sections = [
        MadeSection(".text", ROM_CODE, code),
        MadeSection(".eh_frame", address, eh_frame(address), ALLOC | WRITE),
    ]
    rom = program_file("riscv", sections, [("rom_printf", ROM_CODE, len(code))])
    report = decode_core_dump(crash_in_rom(), application, rom=write(tmp_path / "rom.elf", rom))
    assert names(report)[:2] == ["rom_printf", "app_main"]
    assert report.frames[1].how == "cfi"


def test_the_application_comes_first_where_both_have_code(tmp_path: Path) -> None:
    rom = write(tmp_path / "rom.elf", rom_bytes())
    code = NOP * 32
    own = program_file("riscv", [MadeSection(".flash.text", ROM_CODE, code)], [("own_code", ROM_CODE, len(code))])
    report = decode_core_dump(crash_in_rom(), write(tmp_path / "own.elf", own), rom=rom)
    assert names(report)[0] == "own_code"


def test_the_unwinding_tables_of_a_rom_take_no_part_in_the_address_space(tmp_path: Path) -> None:
    code = b"\xaa" * 64
    rom = program_file(
        "riscv",
        [
            MadeSection(".text", ROM_CODE + 0x1000, code),
            MadeSection(".eh_frame_hdr", ROM_CODE, b"\x11" * 16, ALLOC),
            MadeSection(".eh_frame", ROM_CODE + 0x1000, b"\x22" * 64, ALLOC | WRITE),
        ],
        [("rom_code", ROM_CODE + 0x1000, 64)],
    )
    with Program.open(write(tmp_path / "rom.elf", rom), is_rom=True) as program:
        assert program.read_constant(ROM_CODE, 4) is None
        assert program.read_constant(ROM_CODE + 0x1000, 4) == code[:4]
        assert program.is_code(ROM_CODE + 0x1000)
        symbol = program.symbol_at(ROM_CODE + 0x1004)
        assert symbol is not None
        assert symbol.name == "rom_code"


def test_without_an_application_the_roms_functions_still_have_names(tmp_path: Path) -> None:
    rom = write(tmp_path / "rom.elf", rom_bytes())
    report = decode_core_dump(crash_in_rom(), None, rom=rom)
    assert names(report)[0] == "rom_printf"
    assert report.elf_path is None


@pytest.mark.parametrize("content", [b"", b"\x7fELF", rom_bytes()[:200], b"#!/bin/sh\n" * 40])
def test_a_damaged_rom_is_a_warning_and_the_next_lower_one_is_taken(
    tmp_path: Path, application: Path, content: bytes
) -> None:
    bad = write(tmp_path / "roms/esp32c3_rev3_rom.elf", content)
    good = write(tmp_path / "roms/esp32c3_rev0_rom.elf", rom_bytes("older_printf"))
    report = decode_core_dump(crash_in_rom(), application, roms=RomSearch({"ESP_ROM_ELF_DIR": str(bad.parent)}))
    assert names(report)[:2] == ["older_printf", "app_main"]
    warnings = [warning for warning in report.warnings if warning.startswith("rom_unusable:")]
    assert len(warnings) == 1
    assert str(bad) in warnings[0]
    assert report.decoder is not None
    assert report.decoder.rom == str(good)


def test_a_named_rom_of_another_machine_is_a_warning(tmp_path: Path, application: Path) -> None:
    xtensa = program_file("xtensa", [MadeSection(".text", ROM_CODE, NOP * 32, ALLOC | EXECUTE)])
    report = decode_core_dump(crash_in_rom(), application, rom=write(tmp_path / "rom.elf", xtensa))
    assert any(warning.startswith("rom_unusable:") and "xtensa" in warning for warning in report.warnings)
    assert names(report)[0] is None


# In the decoder process ----------------------------------------------------------------------------------


def ask(request: DecodeRequest, environment: dict[str, str]) -> Report:
    done = subprocess.run(
        [sys.executable, "-m", "esperd.decode.worker"],
        input=msgspec.json.encode(request) + b"\n",
        stdout=subprocess.PIPE,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )
    return msgspec.convert(json.loads(done.stdout)["report"], Report)


def test_the_decoder_process_finds_the_rom_by_its_environment(tmp_path: Path, application: Path) -> None:
    dump = write(tmp_path / "dump.raw", crash_in_rom())
    rom = write(tmp_path / "roms/esp32c3_rev3_rom.elf", rom_bytes())
    request = DecodeRequest(dump=str(dump), elf=str(application))
    report = ask(request, {"ESP_ROM_ELF_DIR": str(rom.parent)})
    assert names(report)[0] == "rom_printf"
    assert report.decoder is not None
    assert report.decoder.rom == str(rom)


def test_the_decoder_process_finds_the_rom_in_the_store(tmp_path: Path, application: Path) -> None:
    dump = write(tmp_path / "dump.raw", crash_in_rom())
    stored = write(tmp_path / f"{'7' * 64}.elf", rom_bytes())
    known = KnownElf(path=str(stored), sha256="7" * 64, machine="riscv", name="esp32c3_rev3_rom.elf")
    empty = str(tmp_path / "nothing")
    request = DecodeRequest(dump=str(dump), elf=str(application), elfs=[known])
    report = ask(request, {"ESP_ROM_ELF_DIR": empty, "IDF_TOOLS_PATH": empty})
    assert names(report)[0] == "rom_printf"
    assert report.decoder is not None
    assert report.decoder.rom == str(stored)
