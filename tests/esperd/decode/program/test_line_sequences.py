from pathlib import Path

from hypothesis import given, strategies as st

from esperd.decode.program import constants as dw
from esperd.decode.program.elf import ElfFile
from esperd.decode.program.line_headers import LineHeader, read_line_header
from esperd.decode.program.line_sequences import sequence_pattern
from esperd.decode.program.lines import LineTable
from esperd.decode.program.units import DebugInfo

COUNTS = bytes((0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1))
BASE = len(COUNTS) + 1
END = b"\0\1\1"


def uleb(value: int, padding: int = 0) -> bytes:
    parts: list[int] = []
    while value >= 0x80 or padding > len(parts):
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*parts, value))


def set_address(address: int) -> bytes:
    return b"\0\5\2" + address.to_bytes(4, "little")


numbers = st.builds(uleb, st.integers(0, 2**32), st.integers(0, 3))
preparing = st.one_of(
    st.sampled_from((b"\6", b"\7", b"\x0a", b"\x0b")),
    st.tuples(st.sampled_from((b"\3", b"\4", b"\5", b"\x0c")), numbers).map(b"".join),
    st.binary(min_size=1, max_size=5).map(lambda data: bytes((0, len(data) + 1, 4)) + data),
)
any_opcode = st.one_of(
    preparing,
    st.sampled_from((b"\1", b"\x08")),
    numbers.map(lambda number: b"\2" + number),
    st.binary(min_size=2, max_size=2).map(lambda data: b"\x09" + data),
    st.integers(BASE, 255).map(lambda opcode: bytes((opcode,))),
    st.integers(0, 2**32 - 1).map(set_address),
)
addresses = st.integers(0, 2**32 - 1)
sequences = st.tuples(st.lists(preparing, max_size=5), addresses, st.lists(any_opcode, max_size=40))


def table(program: bytes) -> LineTable:
    files: list[str | None] = [None, "a.c", "b.c"]
    return LineTable(program, LineHeader((0, len(program)), 1, True, -5, 14, BASE, COUNTS, files))


@given(st.lists(sequences, min_size=1, max_size=5))
def test_sequences_are_found_where_they_begin_whatever_they_hold(
    parts: list[tuple[list[bytes], int, list[bytes]]],
) -> None:
    encoded = [b"".join(before) + set_address(address) + b"".join(after) + END for before, address, after in parts]
    program = b"".join(encoded)
    match = sequence_pattern(BASE, COUNTS).match
    position = 0
    for (_, address, _), part in zip(parts, encoded, strict=True):
        found = match(program, position)

        assert found is not None
        assert found.end() - position == len(part)
        assert int.from_bytes(found[1], "little") == address
        position = found.end()


@given(st.binary(max_size=300))
def test_any_bytes_are_a_sequence_or_not(program: bytes) -> None:
    found = sequence_pattern(BASE, COUNTS).match(program)

    assert found is None or found[0].endswith(END)


def test_a_header_with_other_operands_is_left_to_the_interpreter() -> None:
    program = set_address(0x1000) + END

    assert sequence_pattern(BASE, COUNTS).match(program) is not None
    assert sequence_pattern(BASE, COUNTS[:9] + b"\2\0\1").match(program) is None
    assert sequence_pattern(BASE, COUNTS[:5]).match(program) is None
    assert sequence_pattern(4, COUNTS[:3]).match(program) is None


def test_a_sequence_that_moves_before_its_address_is_found_by_running_it() -> None:
    usual = set_address(0x1000) + b"\3\x09\1\2\4" + END
    unusual = b"\2\4" + set_address(0x2000) + b"\3\x13\1\2\4" + END
    lines = table(usual + unusual + usual.replace(b"\x10", b"\x30"))

    assert [row and row.line for row in map(lines.row_at, (0x1000, 0x2002, 0x3001, 0x2004))] == [10, 20, 10, None]


def test_a_sequence_without_rows_hides_none_before_it() -> None:
    covering = set_address(0x1000) + b"\3\x09\1\2\x40" + END
    lines = table(covering + set_address(0x1010) + END)

    row = lines.row_at(0x1020)

    assert row is not None
    assert (row.file, row.line, row.is_exact) == ("a.c", 10, False)


def test_every_sequence_of_an_image_is_found_without_running_it(any_elf_path: Path) -> None:
    elf = ElfFile.open(any_elf_path)
    try:
        data = elf.contents_named(".debug_line")
        count = 0
        for unit in DebugInfo(elf).units():
            offset = unit.root.number(dw.AT_STMT_LIST)
            if offset is None:
                continue
            header = read_line_header(unit, offset)
            match = sequence_pattern(header.opcode_base, header.operand_counts).match
            position, end = header.program
            while position < end:
                found = match(data, position, end)
                assert found is not None
                position = found.end()
                count += 1
            assert position == end
    finally:
        elf.close()

    assert count > 0


def test_a_table_of_empty_sequences_is_not_searched_for_ever() -> None:
    empty = b"".join(set_address(0x1001 + number) + END for number in range(1000))
    lines = table(set_address(0x1000) + b"\1\2\x80\x20" + END + empty)

    assert lines.row_at(0x1000) is not None
    assert lines.row_at(0x1FFF) is None
