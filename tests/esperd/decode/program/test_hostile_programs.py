import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from esperd.decode.program import Program, ProgramError
from esperd.decode.program.abbreviations import read_abbreviations
from esperd.decode.program.cfi import FrameSection
from esperd.decode.program.dies import Die
from esperd.decode.program.elf import ElfFile
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.ranges import read_aranges
from esperd.decode.program.reading import read_sleb, read_string, read_uleb
from esperd.decode.program.units import DebugInfo

# Far above what an answer needs on a loaded machine (some 20 ms), far below what anybody waits for.
_PATIENCE_S = 5.0


class _Frame:
    """A frame in the middle of readable memory whose registers all point into it."""

    is_innermost = True
    cfa = None

    def __init__(self, pc: int, caller: "_Frame | None" = None) -> None:
        self.pc = pc
        self.caller = caller

    def register(self, dwarf_number: int) -> int | None:
        return 0x8002_0000 + 8 * dwarf_number

    def read_memory(self, address: int, size: int) -> bytes | None:
        return bytes(size) if 0x8002_0000 <= address < 0x8003_0000 and size < 0x1_0000 else None


def _ask_everything(path: Path, pcs: list[int]) -> int:
    """Asks every question; returns how many functions were named."""
    named = 0
    with Program.open(path) as program:
        for pc in pcs:
            frame = _Frame(pc, _Frame(pcs[0]))
            frames = program.symbolize(pc)
            named += len(frames)
            function = program.function_at(pc)
            program.symbol_at(pc)
            program.read_constant(pc, 4)
            program.unwind_with_cfi(frame)
            for depth in range(len(frames)):
                program.arguments(frame, inlined_depth=depth)
                program.local_variables(frame, inlined_depth=depth)
            program.call_target(pc)
            if function is not None:
                program.tail_call_chain(pcs[-1], function)
        program.structure("TCB_t", in_unit_of="vTaskSwitchContext")
        program.structure("no_such_type")
        program.symbol_named("main")
    return named


def _pcs(path: Path) -> list[int]:
    elf = ElfFile.open(path)
    try:
        return [
            pc for low, high, _ in read_aranges(elf.contents_named(".debug_aranges")) for pc in range(low, high, 64)
        ]
    finally:
        elf.close()


def _extents(path: Path) -> list[tuple[int, int]]:
    """Where the header, the section headers and every section that is parsed are in the file."""
    elf = ElfFile.open(path)
    elf.close()
    parsed = (".debug", ".symtab", ".strtab", ".shstrtab", ".eh_frame")
    sections = [(section.offset, section.size) for section in elf.sections if section.name.startswith(parsed)]
    return [(0, 52), *(extent for extent in sections if extent[1])]


@pytest.mark.parametrize("seed", range(60))
def test_no_damage_makes_a_look_up_fail_or_last(greenhouse_path: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - the same choice in every run
    data = bytearray(greenhouse_path.read_bytes())
    offset, size = rng.choice(_extents(greenhouse_path))
    for _ in range(rng.choice((1, 4, 30, 200))):
        data[offset + rng.randrange(size)] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    path = tmp_path / "damaged.elf"
    path.write_bytes(data)
    started = time.monotonic()

    try:
        named = _ask_everything(path, rng.sample(_pcs(greenhouse_path), 12))
    except ProgramError:
        named = 0

    assert named >= 0
    assert time.monotonic() - started < _PATIENCE_S


def _patched(greenhouse_path: Path, tmp_path: Path, section: str, patch: Callable[[bytearray], None]) -> Path:
    data = bytearray(greenhouse_path.read_bytes())
    elf = ElfFile.open(greenhouse_path)
    elf.close()
    found = elf.section_named(section)
    assert found is not None
    contents = bytearray(data[found.offset : found.offset + found.size])
    patch(contents)
    data[found.offset : found.offset + found.size] = contents
    path = tmp_path / "hostile.elf"
    path.write_bytes(data)
    return path


def _all_dies(info: DebugInfo) -> list[Die]:
    def below(die: Die) -> list[Die]:
        return [die, *(found for child in die.children() for found in below(child))]

    return [die for unit in info.units() for die in below(unit.root)]


@pytest.mark.parametrize("attribute", [0x31, 0x47, 0x49, 0x01], ids=["origin", "specification", "type", "sibling"])
def test_references_that_run_in_circles_end(greenhouse_path: Path, tmp_path: Path, attribute: int) -> None:
    elf = ElfFile.open(greenhouse_path)
    dies = [die for die in _all_dies(DebugInfo(elf)) if die.number(attribute) is not None]
    elf.close()

    def point_to_themselves(contents: bytearray) -> None:
        for die in dies:
            own = struct.pack("<I", die.offset - die.unit.offset)
            at = contents.find(struct.pack("<I", die.number(attribute) or 0), die.offset, die.end)
            if at >= 0:
                contents[at : at + 4] = own

    path = _patched(greenhouse_path, tmp_path, ".debug_info", point_to_themselves)
    started = time.monotonic()

    _ask_everything(path, _pcs(greenhouse_path)[::4])

    assert time.monotonic() - started < _PATIENCE_S


@pytest.mark.parametrize(
    "section", [".debug_info", ".debug_abbrev", ".debug_line", ".debug_loc", ".debug_frame", ".symtab"]
)
@pytest.mark.parametrize("byte", [0x00, 0x80, 0xFF])
def test_sections_full_of_one_byte_are_survived(greenhouse_path: Path, tmp_path: Path, section: str, byte: int) -> None:
    def fill(contents: bytearray) -> None:
        contents[:] = bytes((byte,)) * len(contents)

    path = _patched(greenhouse_path, tmp_path, section, fill)

    assert _ask_everything(path, _pcs(greenhouse_path)[::16]) >= 0


def test_without_debug_information_the_symbol_table_still_names_functions(
    greenhouse_path: Path, tmp_path: Path
) -> None:
    def erase(contents: bytearray) -> None:
        contents[:] = bytes(len(contents))

    path = _patched(greenhouse_path, tmp_path, ".debug_info", erase)

    with Program.open(path) as program:
        (frame,) = program.symbolize(0x8000_172C)
    assert (frame.function, frame.file, frame.line) == ("store_value", None, None)


@pytest.mark.parametrize("data", [b"\x80" * 400, b"\xff" * 20 + b"\x01"])
def test_numbers_without_an_end_are_damage(data: bytes) -> None:
    with pytest.raises(DamagedProgramError, match="no end"):
        read_uleb(data, 0)
    with pytest.raises(DamagedProgramError, match="no end"):
        read_sleb(data, 0)


def test_strings_without_an_end_are_damage() -> None:
    with pytest.raises(DamagedProgramError, match="no end"):
        read_string(b"a" * 100_000 + b"\0", 0)
    with pytest.raises(DamagedProgramError, match="no end"):
        read_string(b"abc", 0)


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_abbreviations_of_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        table = read_abbreviations(data, 0, {})
    except (DamagedProgramError, IndexError):
        return
    assert isinstance(table, dict)


@given(st.binary(max_size=300))
def test_aranges_of_any_bytes_are_read(data: bytes) -> None:
    assert all(low < high for low, high, _ in read_aranges(data))


def test_remembered_states_have_a_limit(greenhouse_path: Path, tmp_path: Path) -> None:
    def remember(contents: bytearray) -> None:
        contents[20:] = b"\x0a" * len(contents[20:])

    path = _patched(greenhouse_path, tmp_path, ".debug_frame", remember)
    elf = ElfFile.open(path)
    section = FrameSection(elf, ".debug_frame")
    elf.close()

    assert section.row_at(0x8000_172C) is None
