import hashlib
import os
import shutil
import struct
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from esperd.decode.elf_description import describe_elf
from esperd.decode.program import Program, ProgramError


def test_a_program_tells_its_machine_its_entry_and_its_digest(greenhouse: Program, greenhouse_path: Path) -> None:
    assert greenhouse.machine == "riscv"
    assert greenhouse.entry == 0x8000_0000
    assert greenhouse.sha256() == hashlib.sha256(greenhouse_path.read_bytes()).hexdigest()


def test_a_file_that_is_missing_is_a_program_error(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="can't be opened"):
        Program.open(tmp_path / "absent.elf")


@pytest.mark.parametrize(
    ("offset", "replacement", "message"),
    [
        (0, b"\x7fELG", "not a 32-bit little-endian ELF"),
        (4, b"\x02", "not a 32-bit little-endian ELF"),
        (5, b"\x02", "not a 32-bit little-endian ELF"),
        (16, struct.pack("<H", 4), "not a linked program"),
        (18, struct.pack("<H", 62), "machine 62"),
        (32, struct.pack("<I", 0x7FFF_FFFF), "truncated"),
        (46, struct.pack("<H", 17), "damaged section headers"),
        (50, struct.pack("<H", 0xFFF0), "no section names"),
    ],
)
def test_a_damaged_header_is_a_program_error(
    greenhouse_path: Path, tmp_path: Path, offset: int, replacement: bytes, message: str
) -> None:
    data = bytearray(greenhouse_path.read_bytes())
    data[offset : offset + len(replacement)] = replacement
    path = tmp_path / "damaged.elf"
    path.write_bytes(data)

    with pytest.raises(ProgramError, match=message):
        Program.open(path)


def sections_elf(names: bytes, names_kind: int, names_size: int, count: int) -> bytes:
    """A program of *count* sections, of which the last is the names of all, and each has all of them for a name."""
    header = struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 243, 1, 0, 0, 52, 0, 52, 0, 0, 40, count, count - 1
    )
    section = struct.pack("<10I", 0, 8, 0, 0, 0, 0, 0, 0, 0, 0)
    last = struct.pack("<10I", 0, names_kind, 0, 0, 52 + 40 * count, names_size, 0, 0, 0, 0)
    return header + section * (count - 1) + last + names


@pytest.mark.parametrize("kind", [0, 3, 8])
@pytest.mark.parametrize("size", [11, 2**32 - 1])
def test_section_names_that_end_after_the_file_are_a_program_error(tmp_path: Path, kind: int, size: int) -> None:
    path = tmp_path / "app.elf"
    path.write_bytes(sections_elf(bytes(10), kind, size, 2))

    tracemalloc.start()
    with pytest.raises(ProgramError, match=r"damaged section names|a section ends after the file"):
        describe_elf(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 * 1024 * 1024


@pytest.mark.parametrize("names_bytes", [1024 * 1024, 1024 * 1024 + 1, 16 * 1024 * 1024])
def test_sections_that_all_name_the_whole_table_take_little_memory(tmp_path: Path, names_bytes: int) -> None:
    path = tmp_path / "app.elf"
    path.write_bytes(sections_elf(b"x" * (names_bytes - 1) + b"\0", 3, names_bytes, 1000))

    tracemalloc.start()
    if names_bytes > 1024 * 1024:
        with pytest.raises(ProgramError, match="damaged section names"):
            describe_elf(path)
    else:
        assert describe_elf(path).machine == "riscv"
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 * 1024 * 1024


def test_a_section_without_content_is_empty_whatever_size_it_claims(greenhouse_path: Path, tmp_path: Path) -> None:
    data = bytearray(greenhouse_path.read_bytes())
    table, count = struct.unpack_from("<I", data, 32)[0], struct.unpack_from("<H", data, 48)[0]
    for header in range(table, table + 40 * count, 40):
        if struct.unpack_from("<I", data, header + 4)[0] != 3:
            struct.pack_into("<I", data, header + 4, 0)
            struct.pack_into("<I", data, header + 20, 2**31)
    path = tmp_path / "app.elf"
    path.write_bytes(data)

    with Program.open(path) as program:
        assert program.read_constant(0x8000_0000, 4) is None


@pytest.mark.parametrize("share", [0, 0.0005, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_a_program_error(greenhouse_path: Path, tmp_path: Path, share: float) -> None:
    data = greenhouse_path.read_bytes()
    path = tmp_path / "truncated.elf"
    path.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(ProgramError):
        Program.open(path)


def test_a_file_that_is_rewritten_while_open_is_refused_and_not_mixed(greenhouse_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "app.elf"
    shutil.copy(greenhouse_path, path)
    with Program.open(path) as program:
        os.truncate(path, 4096)

        with pytest.raises(ProgramError, match="changed while it was read"):
            program.symbolize(0x8000_172C)


def test_a_closed_program_says_so(greenhouse_path: Path) -> None:
    program = Program.open(greenhouse_path)
    program.close()

    with pytest.raises(ProgramError, match="was closed"):
        program.sha256()


def test_constants_come_from_code_and_read_only_sections_alone(greenhouse: Program) -> None:
    text = greenhouse.symbol_named("app_main")
    assert text is not None
    assert greenhouse.read_constant(text.address, 4) is not None
    assert greenhouse.is_code(text.address)
    assert greenhouse.read_constant(0x8000_253A, 9) == b"gain=2350"
    assert not greenhouse.is_code(0x8000_253A)
    assert greenhouse.read_constant(0x8002_0000, 4) is None, ".bss is not in the file"
    assert greenhouse.read_constant(0x8000_3440, 0x1000) is None, "a read beyond its section"
    assert greenhouse.read_constant(0, 4) is None


def test_initial_values_of_variables_are_not_taken_for_memory(riscv_corpus_path: Path) -> None:
    with Program.open(riscv_corpus_path) as program:
        assert program.read_constant(0x3FC8_9E00, 4) is None, ".dram0.data"
        assert program.read_constant(0x3C02_0120, 4) is not None, ".flash.rodata, although it carries SHF_WRITE"


def test_compressed_debug_sections_are_read_as_plain_ones(greenhouse_path: Path, tmp_path: Path) -> None:
    objcopy = shutil.which("riscv64-unknown-elf-objcopy")
    if objcopy is None:
        pytest.skip("riscv64-unknown-elf-objcopy is not installed")
    path = tmp_path / "compressed.elf"
    subprocess.run([objcopy, "--compress-debug-sections=zlib", str(greenhouse_path), str(path)], check=True)

    with Program.open(greenhouse_path) as plain, Program.open(path) as compressed:
        assert path.stat().st_size < greenhouse_path.stat().st_size
        assert compressed.symbolize(0x8000_172C) == plain.symbolize(0x8000_172C)
        assert plain.symbolize(0x8000_172C)[0].function == "store_value"
