"""Debug information that runs in circles, nests and counts without end: there is a report all the same."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from esperd.testing.hostile import REGISTER_A0, Sections, decode_made, variables_of, with_variable
from esperd.testing.made_elf import (
    ADDR,
    CODE,
    CODE_BYTES,
    DATA1,
    DATA2,
    DATA4,
    DATA8,
    EXPRLOC,
    FLAG_PRESENT,
    REF4,
    REF_ADDR,
    SEC_OFFSET,
    STRING,
    STRP,
    MadeInfo,
    MadeSection,
    uleb,
)


def first_die() -> int:
    return MadeInfo().position


CIRCLES: Final[dict[str, Callable[[], Sections]]] = {
    "typedef of itself": lambda: with_variable((0x49, REF4, first_die())),
    "const of itself": lambda: with_variable((0x49, REF4, first_die()), tag=0x26),
    "pointer to itself": lambda: with_variable((0x49, REF4, first_die()), tag=0x0F),
    "reference to itself": lambda: with_variable((0x49, REF4, first_die()), tag=0x10),
    "array of itself": lambda: with_variable((0x49, REF4, first_die()), tag=0x01),
    "enumeration of itself": lambda: with_variable((0x49, REF4, first_die()), tag=0x04),
    "function of itself": lambda: with_variable((0x49, REF4, first_die()), tag=0x15),
    "type that is the unit": lambda: with_variable((0x49, REF4, 11)),
    "type between two DIEs": lambda: with_variable((0x49, REF4, first_die() + 2)),
    "type behind all units": lambda: with_variable((0x49, REF_ADDR, 0xFFFFFFF0)),
}


@pytest.mark.parametrize("name", CIRCLES)
def test_a_type_that_refers_to_itself_ends(tmp_path: Path, name: str) -> None:
    report = decode_made(tmp_path, CIRCLES[name](), budget_s=5)
    assert report.frames[0].function == "victim"


@pytest.mark.parametrize("attribute", [0x31, 0x47, 0x01], ids=["abstract origin", "specification", "sibling"])
def test_a_function_that_refers_to_itself_ends(tmp_path: Path, attribute: int) -> None:
    made = MadeInfo()
    made.function((attribute, REF4, made.position))
    made.die(0x05, (attribute, REF4, made.position), children=True)
    made.end(2)
    assert decode_made(tmp_path, made.sections(), budget_s=5).frames[0].function == "victim"


def test_inlined_functions_that_are_instances_of_one_another_end(tmp_path: Path) -> None:
    made = MadeInfo()
    made.function()
    for _ in range(2000):
        made.die(0x1D, (0x31, REF4, made.position), (0x11, ADDR, CODE), (0x12, DATA4, CODE_BYTES), children=True)
    made.end(2001)
    decode_made(tmp_path, made.sections())


@pytest.mark.parametrize("members", [1, 3])
def test_a_structure_of_itself_ends(tmp_path: Path, members: int) -> None:
    made = MadeInfo()
    kind = made.die(0x13, (0x03, STRING, b"TCB_t"), (0x0B, DATA1, 64), children=True)
    for _ in range(members):
        made.die(0x0D, (0x49, REF4, kind), (0x38, DATA1, 0))
    made.end()
    sections = variables_of(made, kind)
    decode_made(tmp_path, sections)


@pytest.mark.parametrize("parameters", [2, 1000])
def test_a_function_type_whose_parameters_are_of_its_own_type_ends(tmp_path: Path, parameters: int) -> None:
    made = MadeInfo()
    kind = made.die(0x15, children=True)
    for _ in range(parameters):
        made.die(0x05, (0x49, REF4, kind))
    made.end()
    decode_made(tmp_path, variables_of(made, kind), budget_s=5)


def test_tail_calls_in_a_circle_end(tmp_path: Path) -> None:
    made = MadeInfo()
    kind = made.integer()
    own = made.function((0x40, EXPRLOC, b"\x9c"))
    made.die(0x05, (0x03, STRING, b"n"), (0x49, REF4, kind), (0x02, EXPRLOC, REGISTER_A0))
    for number in range(5000):
        made.die(0x4109, (0x11, ADDR, CODE + 2 * number % CODE_BYTES), (0x2115, FLAG_PRESENT, 0), (0x31, REF4, own))
    made.end()
    decode_made(tmp_path, made.sections(), budget_s=10)


# Nesting and sheer numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", [0x0B, 0x1D, 0x2E, 0x39], ids=["block", "inlined", "function", "namespace"])
def test_a_tree_that_is_a_hundred_thousand_deep_ends(tmp_path: Path, tag: int) -> None:
    made = MadeInfo()
    made.function()
    for _ in range(100_000):
        made.die(tag, children=True)
    made.end(100_001)
    assert decode_made(tmp_path, made.sections()).frames[0].function == "victim"


@pytest.mark.parametrize("tag", [0x0B, 0x1D], ids=["block", "inlined"])
def test_deep_scopes_around_many_dies_end(tmp_path: Path, tag: int) -> None:
    made = MadeInfo()
    made.function()
    for _ in range(250):
        made.die(tag, (0x03, STRING, b"f"), (0x11, ADDR, CODE), (0x12, DATA4, CODE_BYTES), children=True)
    for _ in range(20_000):
        made.die(0x0A)
    made.end(251)
    decode_made(tmp_path, made.sections())


def test_blocks_without_addresses_around_many_dies_end(tmp_path: Path) -> None:
    made = MadeInfo()
    made.function()
    for _ in range(250):
        made.die(0x0B, children=True)
    for _ in range(50_000):
        made.die(0x0A)
    made.end(251)
    decode_made(tmp_path, made.sections())


def test_a_hundred_thousand_units_end(tmp_path: Path) -> None:
    made = MadeInfo()
    sections = made.sections()
    unit = struct.pack("<IHIB", 8, 4, 0, 4) + b"\x01"
    decode_made(tmp_path, {**sections, ".debug_info": MadeSection(unit * 50_000)})


def test_units_without_a_length_end(tmp_path: Path) -> None:
    sections = MadeInfo().sections()
    decode_made(tmp_path, {**sections, ".debug_info": MadeSection(bytes(500_000))})


def test_an_abbreviation_with_a_hundred_thousand_attributes_ends(tmp_path: Path) -> None:
    sections = MadeInfo().sections()
    abbreviation = b"\x01\x11\x01" + b"\x03\x19" * 100_000 + b"\0\0\0"
    info = struct.pack("<IHIB", 7 + 200_000, 4, 0, 4) + b"\x01" * 200_000
    sections |= {".debug_abbrev": MadeSection(abbreviation), ".debug_info": MadeSection(info)}
    decode_made(tmp_path, sections)


def test_abbreviation_tables_that_overlap_end(tmp_path: Path) -> None:
    sections = MadeInfo().sections()
    table = b"".join(uleb(code) + b"\x11\x00\0\0" for code in range(1, 30_000)) + b"\0"
    units = b"".join(struct.pack("<IHIB", 8, 4, 5 * unit, 4) + b"\x01" for unit in range(2000))
    decode_made(tmp_path, {**sections, ".debug_abbrev": MadeSection(table), ".debug_info": MadeSection(units)})


def test_parameters_with_endless_location_lists_end(tmp_path: Path) -> None:
    made = MadeInfo()
    kind = made.integer()
    made.function()
    for _ in range(3000):
        made.die(0x05, (0x03, STRING, b"p"), (0x49, REF4, kind), (0x02, SEC_OFFSET, 0))
    made.end()
    entry = struct.pack("<IIH", 1, 2, 0)
    decode_made(tmp_path, {**made.sections(), ".debug_loc": MadeSection(entry * 100_000)})


def test_functions_with_endless_range_lists_end(tmp_path: Path) -> None:
    made = MadeInfo()
    for number in range(1000):
        made.die(0x2E, (0x03, STRING, b"f"), (0x55, SEC_OFFSET, 8 * (number % 7)))
    made.end()
    pair = struct.pack("<II", 0x10, 0x20)
    decode_made(tmp_path, {**made.sections(), ".debug_ranges": MadeSection(pair * 100_000)})


def test_arrays_with_huge_bounds_end(tmp_path: Path) -> None:
    made = MadeInfo()
    kind = made.integer()
    for count in (1 << 62, (1 << 31) - 1, 3):
        array = made.die(0x01, (0x49, REF4, kind), children=True)
        for _ in range(3000):
            made.die(0x21, (0x37, DATA8, count))
        made.end()
        kind = array
    decode_made(tmp_path, variables_of(made, kind))


@pytest.mark.parametrize("size", [1 << 16, 1 << 31, 1 << 40, (1 << 64) - 1])
@pytest.mark.parametrize("tag", [0x24, 0x13, 0x04, 0x0F], ids=["base", "structure", "enumeration", "pointer"])
def test_values_of_a_huge_size_are_not_read(tmp_path: Path, tag: int, size: int) -> None:
    made = MadeInfo()
    kind = made.die(tag, (0x03, STRING, b"huge"), (0x0B, DATA8, size), (0x3E, DATA1, 5))
    made.function()
    for attribute in ((0x1C, DATA8, 1), (0x02, EXPRLOC, REGISTER_A0), (0x02, EXPRLOC, b"\x9e\x01\x00")):
        made.die(0x05, (0x03, STRING, b"p"), (0x49, REF4, kind), attribute)
    made.end()
    report = decode_made(tmp_path, made.sections(), budget_s=5)
    assert [argument.name for argument in report.frames[0].args] == ["p"] * 3


def test_members_of_a_huge_size_are_not_read(tmp_path: Path) -> None:
    made = MadeInfo()
    huge = made.die(0x24, (0x03, STRING, b"huge"), (0x0B, DATA8, 1 << 40), (0x3E, DATA1, 5))
    kind = made.die(0x13, (0x0B, DATA1, 64), children=True)
    made.die(0x0D, (0x03, STRING, b"a"), (0x49, REF4, huge), (0x38, DATA8, 0))
    made.die(0x0D, (0x03, STRING, b"b"), (0x49, REF4, huge), (0x38, DATA8, 1 << 40), (0x0D, DATA8, 1 << 39))
    made.end()
    decode_made(tmp_path, variables_of(made, kind), budget_s=5)


def test_an_array_of_enumerations_of_many_names_ends(tmp_path: Path) -> None:
    made = MadeInfo()
    enumeration = made.die(0x04, (0x0B, DATA1, 1), children=True)
    for _ in range(16_000):
        made.die(0x28, (0x03, STRP, 0), (0x1C, DATA2, 0x7FFF))
    made.end()
    kind = made.die(0x01, (0x49, REF4, enumeration), children=True)
    made.die(0x21, (0x37, DATA2, 4096))
    made.end()
    decode_made(tmp_path, {**variables_of(made, kind, count=20), ".debug_str": MadeSection(b"x" * 60_000 + b"\0")})
