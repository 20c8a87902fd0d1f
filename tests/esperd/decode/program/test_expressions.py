import struct

import pytest
from hypothesis import given, strategies as st

from esperd.decode.program.arithmetic import GENERIC, BaseType
from esperd.decode.program.constants import ATE_FLOAT, ATE_SIGNED
from esperd.decode.program.errors import DamagedProgramError, NoEntryValueError
from esperd.decode.program.expressions import evaluate, evaluate_number
from esperd.decode.program.places import Computed, InMemory, InRegister, Nowhere, Piece, PointsTo

_INT = 0x25
_LONG_LONG = 0x26
_FLOAT = 0x27


class _Frame:
    """Registers count up from 100, memory holds its own addresses."""

    def spend(self, steps: int) -> None:
        assert steps > 0

    def register(self, number: int) -> int:
        return 100 + number

    def read_memory(self, address: int, size: int) -> bytes:
        return struct.pack("<I", address).ljust(size, b"\0")[:size]

    def frame_base(self) -> int:
        return 0x2000

    def cfa(self) -> int:
        return 0x3000

    def entry_value(self, block: bytes) -> int:
        if block != b"\x5a":
            raise NoEntryValueError("only a0 is known")
        return 77

    def parameter_value(self, offset: int) -> int:
        return offset

    def base_type(self, offset: int) -> BaseType:
        types = {0: GENERIC, _INT: BaseType(4, ATE_SIGNED), _LONG_LONG: BaseType(8, ATE_SIGNED)}
        return types.get(offset, BaseType(4, ATE_FLOAT))

    def address_at(self, index: int) -> int:
        return 0x4000 + index


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("03 78563412", 0x12345678),
        ("35", 5),
        ("08 ff", 255),
        ("09 ff", 0xFFFFFFFF),
        ("0b feff", 0xFFFFFFFE),
        ("0d ffffffff", 0xFFFFFFFF),
        ("10 8001", 128),
        ("11 7f", 0xFFFFFFFF),
        ("72 08", 110),
        ("92 0a 7f", 109),
        ("91 78", 0x1FF8),
        ("9c", 0x3000),
        ("32 33 22", 5),
        ("32 33 1c", 0xFFFFFFFF),
        ("09 f8 32 1b", 0xFFFFFFFC),
        ("37 33 1d", 1),
        ("32 33 1e", 6),
        ("3f 35 1a", 5),
        ("38 31 21", 9),
        ("3f 35 27", 10),
        ("31 34 24", 16),
        ("09 f0 34 25", 0x0FFFFFFF),
        ("09 f0 34 26", 0xFFFFFFFF),
        ("31 09 7f 24", 0),
        ("35 1f", 0xFFFFFFFB),
        ("09 fb 19", 5),
        ("30 20", 0xFFFFFFFF),
        ("31 23 10", 17),
        ("09 ff 31 2d", 1),
        ("09 ff 31 2b", 0),
        ("31 32 16 1c", 1),
        ("31 32 14 22 22", 4),
        ("31 32 33 17 1c 1c", 4),
        ("31 32 33 15 02 22", 4),
        ("31 32 13", 1),
        ("31 12 22", 2),
        ("31 28 0200 3535 36", 6),
        ("2f 0100 35 36", 6),
        ("0a 0010 06", 0x1000),
        ("0a 3412 94 01", 0x34),
        ("a3 01 5a", 77),
        ("f3 01 5a", 77),
        ("fa 44000000", 0x44),
        ("a1 02", 0x4002),
        ("f5 0a 25 f7 00", 110),
        ("f5 0a 25 f7 26 f5 0b 25 f7 26 1e f7 00", 110 * 111),
        ("f4 25 04 fbffffff f7 00", 0xFFFFFFFB),
        ("96 35", 5),
    ],
)
def test_operators_compute_what_the_standard_says(expression: str, expected: int) -> None:
    assert evaluate_number(bytes.fromhex(expression), _Frame()) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", [Piece(Nowhere())]),
        ("5a", [Piece(InRegister(10))]),
        ("90 21", [Piece(InRegister(33))]),
        ("5a f0", [Piece(InRegister(10))]),
        ("91 00", [Piece(InMemory(0x2000))]),
        ("35 9f", [Piece(Computed(b"\x05\0\0\0"))]),
        ("9e 02 0102", [Piece(Computed(b"\x01\x02"))]),
        ("f2 34120000 04", [Piece(PointsTo(0x1234, 4))]),
        ("5a 93 04 93 04", [Piece(InRegister(10), 32), Piece(Nowhere(), 32)]),
        ("5a 9d 05 03", [Piece(InRegister(10), 5, 3)]),
        ("f5 0a 25 f7 27 9f", [Piece(Computed(struct.pack("<f", 110.0)))]),
    ],
)
def test_places_are_told_apart(expression: str, expected: list[Piece]) -> None:
    assert evaluate(bytes.fromhex(expression), _Frame()) == expected


@pytest.mark.parametrize(
    "expression",
    ["22", "01", "ff", "31 30 1b", "31 30 1d", "03 0102", "2f fdff", "2f 0070", "12 2f fcff", "93 01 22", "fd 00"],
)
def test_what_has_no_meaning_or_no_end_is_damage(expression: str) -> None:
    with pytest.raises(DamagedProgramError):
        evaluate_number(bytes.fromhex(expression), _Frame())


def test_a_stack_that_grows_without_end_is_damage() -> None:
    with pytest.raises(DamagedProgramError, match="grows"):
        evaluate(bytes.fromhex("31 12 2f fcff"), _Frame())


@given(st.binary(max_size=60))
def test_no_bytes_make_the_machine_fail_in_another_way(expression: bytes) -> None:
    try:
        pieces = evaluate(expression, _Frame())
    except (DamagedProgramError, IndexError, struct.error, OverflowError):
        return
    assert pieces
