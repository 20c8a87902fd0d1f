"""Expressions, line programs, call frames and other tables without an end: there is a report all the same."""

import struct
import zlib
from pathlib import Path
from typing import Final

import pytest

from esperd.decode.memory import Memory
from esperd.decode.program import Program, ProgramError
from esperd.decode.unwind.frames import AddressSpace, Frame
from esperd.testing.budget import processor_budget
from esperd.testing.hostile import BUDGET_S, Sections, decode_made, variables_of
from esperd.testing.made_elf import (
    ADDR,
    CODE,
    CODE_BYTES,
    DATA4,
    EXPRLOC,
    INDIRECT,
    PC,
    REF4,
    SEC_OFFSET,
    STRING,
    STRP,
    STRX,
    UDATA,
    MadeInfo,
    MadeSection,
    made_elf,
    symbol_table,
    uleb,
)

SHT_NOBITS: Final = 8


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("2f fdff", id="jumps to itself"),
        pytest.param("31 28 fcff", id="branches without end"),
        pytest.param("31 12 2f fcff", id="grows the stack without end"),
        pytest.param("2f ff7f", id="jumps out"),
        pytest.param("9c " * 3000, id="thousands of operators"),
        pytest.param("91 00", id="frame base"),
        pytest.param("a3 01 5a", id="entry value"),
        pytest.param("a3 03 a3015a", id="entry value of an entry value"),
        pytest.param("5a 93 8080808010", id="piece of 4 GiB"),
        pytest.param("5a 93 04 50 93 8080808010", id="second piece of 4 GiB"),
        pytest.param("5a 9d 08 80808080808010", id="bits behind 2 TiB"),
        pytest.param("9e 04 01020304 9d 08 80808080808010", id="bits of a constant behind 2 TiB"),
        pytest.param("9d 08 80808080808010", id="bits of nothing behind 2 TiB"),
        pytest.param("9e ffffffff0f", id="constant of 4 GiB"),
        pytest.param("90 ffffffffffffffff7f", id="register beyond all"),
        pytest.param("31 08 ff 24 08 ff 24 9f", id="shifts"),
        pytest.param("31 1e " * 500 + "9f", id="empty stack"),
        pytest.param("f2 ffffffff 00", id="pointer to nowhere"),
        pytest.param("fa ffffffff", id="parameter that is none"),
        pytest.param("a8 ffffffff7f", id="type that is none"),
        pytest.param("94 ff", id="reads 255 bytes"),
        pytest.param("", id="empty"),
    ],
)
def test_an_expression_that_does_not_end_is_given_up(tmp_path: Path, expression: str) -> None:
    made = MadeInfo()
    sections = variables_of(made, made.integer(), bytes.fromhex(expression), count=20)
    report = decode_made(tmp_path, sections, budget_s=10)
    assert [argument.name for argument in report.frames[0].args] == ["argument"] * 20


@pytest.mark.parametrize("count", [3000])
def test_thousands_of_endless_expressions_end(tmp_path: Path, count: int) -> None:
    made = MadeInfo()
    report = decode_made(tmp_path, variables_of(made, made.integer(), b"\x31\x13\x2f\xfb\xff", count))
    assert any(warning.startswith("incomplete:") for warning in report.warnings)


def test_a_frame_base_that_asks_for_itself_ends(tmp_path: Path) -> None:
    made = MadeInfo()
    kind = made.integer()
    made.function((0x40, EXPRLOC, b"\x30\x91\x00\x22"))
    made.die(0x05, (0x03, STRING, b"p"), (0x49, REF4, kind), (0x02, EXPRLOC, b"\x91\x00" * 100))
    made.end()
    decode_made(tmp_path, made.sections(), budget_s=10)


# Lines ----------------------------------------------------------------------------------------------------


def lines(sections_of: MadeInfo, program: bytes, **fields: int) -> Sections:
    """A version 4 table of one file."""
    names = b"\0a.c\0\0\0\0\0"
    counts = bytes((0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1))
    parameters = struct.pack(
        "<BBBbBB", fields.get("unit", 1), 1, 1, fields.get("base", -5), fields.get("range", 14), 13
    )
    header = parameters + counts + names
    body = struct.pack("<HI", 4, fields.get("header", len(header))) + header + program
    table = struct.pack("<I", fields.get("length", len(body))) + body
    return {**sections_of.sections(), ".debug_line": MadeSection(table)}


def unit_with_lines() -> MadeInfo:
    made = MadeInfo((0x11, ADDR, CODE), (0x12, DATA4, CODE_BYTES), (0x10, SEC_OFFSET, 0))
    made.function()
    made.end(2)
    return made


SET_ADDRESS: Final = b"\x00\x05\x02" + struct.pack("<I", CODE)
LINES: Final[dict[str, bytes]] = {
    "opcodes without an end": SET_ADDRESS + b"\xff" * 1_000_000,
    "rows at one place": SET_ADDRESS + b"\x01" * 1_000_000,
    "sequences": (SET_ADDRESS + b"\x02\x04\x00\x01\x01") * 250_000,
    "empty sequences": (SET_ADDRESS + b"\x00\x01\x01") * 300_000,
    "lines beyond all": SET_ADDRESS + (b"\x03" + b"\xff" * 14 + b"\x3f\x01") * 1000 + b"\x02\xff\x1f\x00\x01\x01",
    "lines before the first": SET_ADDRESS + b"\x03\x80\x80\x40\x01\x02\xff\x1f\x00\x01\x01",
    "addresses beyond all": SET_ADDRESS + (b"\x02" + b"\xff" * 14 + b"\x3f\x01") * 1000 + b"\x00\x01\x01",
    "an operand without an end": SET_ADDRESS + b"\x02" + b"\xff" * 100_000,
    "an extended opcode beyond the end": SET_ADDRESS + b"\x01\x00" + b"\xff" * 14 + b"\x3f\x02",
    "files beyond the table": SET_ADDRESS + b"\x04\xff\xff\x7f\x01\x02\xff\x1f\x00\x01\x01",
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_program_that_does_not_end_is_survived(tmp_path: Path, name: str) -> None:
    report = decode_made(tmp_path, lines(unit_with_lines(), LINES[name]))
    assert report.frames[0].function == "victim"
    assert report.frames[0].line is None or 0 <= report.frames[0].line < 1 << 31


@pytest.mark.parametrize(
    "fields", [{"range": 0}, {"length": 0xFFFFFFFF}, {"length": 3}, {"header": 0xFFFFFFFF}, {"unit": 0}, {"base": 127}]
)
def test_a_line_header_with_impossible_numbers_is_survived(tmp_path: Path, fields: dict[str, int]) -> None:
    program = SET_ADDRESS + b"\x20" * 1000 + b"\x00\x01\x01"
    assert decode_made(tmp_path, lines(unit_with_lines(), program, **fields), budget_s=5).frames[0].function == "victim"


@pytest.mark.parametrize("count", [1 << 20, 1 << 32, 1 << 62])
def test_a_line_header_that_announces_names_without_end_is_survived(tmp_path: Path, count: int) -> None:
    fixed = struct.pack("<BBHBBbBB", 4, 0, 0, 1, 1, 1, 14, 1)
    for formats in (b"\x00", b"\x01\x01\x1f", b"\xff" + b"\x01\x08" * 255):
        tail = fixed + formats + uleb(count) + bytes(10)
        body = struct.pack("<H", 5) + tail
        table = struct.pack("<I", len(body)) + body
        sections = unit_with_lines().sections() | {".debug_line": MadeSection(table)}
        assert decode_made(tmp_path, sections, budget_s=5).frames[0].function == "victim"


# Call frames ----------------------------------------------------------------------------------------------


def call_frames(instructions: bytes, *, initial: bytes = b"\x0c\x02\x10\x81\x01", size: int = CODE_BYTES) -> Sections:
    """The rules of the function; by default it saves ra at the CFA minus 4, 16 bytes above its stack pointer."""
    common_body = struct.pack("<I", 0xFFFFFFFF) + b"\x01\0\x01\x7c\x01" + initial
    common = struct.pack("<I", len(common_body)) + common_body
    entry_body = struct.pack("<III", 0, CODE, size) + instructions
    made = MadeInfo()
    made.function()
    made.end(2)
    frames = common + struct.pack("<I", len(entry_body)) + entry_body
    return {**made.sections(), ".debug_frame": MadeSection(frames)}


FRAMES: Final[dict[str, Sections]] = {
    "a stack that follows for ever": call_frames(b""),
    "a size of all addresses": call_frames(b"", size=0xFFFFFFFF),
    "instructions that do nothing": call_frames(b"\0" * 200_000),
    "rules for all registers": call_frames(b"".join(b"\x05" + uleb(number) + b"\x01" for number in range(100_000))),
    "states without end": call_frames(b"\x0a" * 100_000),
    "states again and again": call_frames(b"\x0a\x0b" * 50_000),
    "an expression that loops": call_frames(b"\x0f\x03\x2f\xfd\xff"),
    "expressions for all registers": call_frames(b"".join(bytes((0x16, n, 3)) + b"\x2f\xfd\xff" for n in range(32))),
    "an expression beyond the end": call_frames(b"\x0f\xff\xff\xff\x7f"),
    "distances beyond all": call_frames(b"\x0e" + b"\xff" * 14 + b"\x3f"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_call_frames_that_do_not_end_are_survived(tmp_path: Path, name: str) -> None:
    report = decode_made(tmp_path, FRAMES[name])
    assert len(report.frames) <= 256


@pytest.mark.parametrize("length", [0, 1, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
def test_lengths_of_call_frame_entries_are_not_believed(tmp_path: Path, length: int) -> None:
    sections = call_frames(b"")
    data = bytearray(sections[".debug_frame"].data)
    second = 4 + struct.unpack_from("<I", data)[0]
    for offset in (0, second):
        struct.pack_into("<I", data, offset, length)
    decode_made(tmp_path, {**sections, ".debug_frame": MadeSection(bytes(data) * 100)}, budget_s=10)


# Symbols, strings, sections -------------------------------------------------------------------------------


def test_a_symbol_table_without_sizes_ends(tmp_path: Path) -> None:
    symbols = symbol_table([(1, CODE, 0)] * 50_000, b"\0victim\0")
    assert decode_made(tmp_path, symbols).frames[0].function == "victim"


def test_symbols_whose_names_are_the_same_text_do_not_fill_the_memory(tmp_path: Path) -> None:
    symbols = symbol_table([(number % 1000, CODE + number, 1) for number in range(20_000)], b"x" * 60_000 + b"\0")
    decode_made(tmp_path, symbols, budget_s=10)


@pytest.mark.parametrize("kind", [1, 2, SHT_NOBITS])
def test_a_symbol_table_that_claims_all_addresses_is_refused_or_ignored(tmp_path: Path, kind: int) -> None:
    sections = symbol_table([(1, CODE, CODE_BYTES)], b"\0victim\0")
    sections[".symtab"] = sections[".symtab"]._replace(kind=kind, size=0xFFFFFFF0)
    if kind == SHT_NOBITS:
        assert decode_made(tmp_path, sections, budget_s=5).frames[0].function is None
    else:
        with pytest.raises(ProgramError, match="truncated"):
            decode_made(tmp_path, sections, budget_s=5)


@pytest.mark.parametrize("form", [STRP, STRX, INDIRECT])
@pytest.mark.parametrize("value", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_names_that_are_nowhere_are_unknown(tmp_path: Path, form: int, value: int) -> None:
    made = MadeInfo()
    name: int | bytes = uleb(STRX) + uleb(value) if form == INDIRECT else value
    made.die(0x2E, (0x03, form, name), (0x11, ADDR, CODE), (0x12, DATA4, CODE_BYTES))
    made.end()
    decode_made(tmp_path, made.sections(), budget_s=5)


@pytest.mark.parametrize("claimed", [0, 1, 1 << 20, 0xFFFFFFFF])
def test_a_compressed_section_does_not_unpack_to_more_than_it_says(tmp_path: Path, claimed: int) -> None:
    made = MadeInfo()
    made.function()
    made.end(2)
    bomb = zlib.compress(bytes(50_000_000), 9)
    section = MadeSection(struct.pack("<III", 1, claimed, 1) + bomb, flags=0x800)
    path = tmp_path / "bomb.elf"
    path.write_bytes(made_elf({**made.sections(), ".debug_str": section}))
    decode_made(tmp_path, {**made.sections(), ".debug_str": section})
    with Program.open(path) as program:
        assert len(program.symbolize(PC)) == 1


def test_numbers_of_any_form_are_read_or_refused(tmp_path: Path) -> None:
    for form in range(0x30):
        made = MadeInfo()
        made.die(0x2E, (0x03, form, bytes((form, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF))), (0x11, ADDR, CODE), (0x12, UDATA, 9))
        made.end()
        decode_made(tmp_path, made.sections(), budget_s=5)


def test_a_program_that_stays_open_has_its_account_filled_for_each_decode(tmp_path: Path) -> None:
    made = MadeInfo()
    path = tmp_path / "hostile.elf"
    symbols = symbol_table([(1, CODE, CODE_BYTES)], b"\0victim\0")
    path.write_bytes(made_elf({**symbols, **variables_of(made, made.integer(), b"\x31\x13\x2f\xfb\xff", 3000)}))
    with Program.open(path) as program, processor_budget(BUDGET_S):
        space = AddressSpace(Memory([]), (program,))
        program.arguments(Frame(PC, {}, space, is_innermost=True, how="registers"))
        exhausted = [program.is_exhausted]
        program.renew()
        exhausted.append(program.is_exhausted)
        assert exhausted == [True, False]
        assert [frame.function for frame in program.symbolize(PC)] == ["victim"]
