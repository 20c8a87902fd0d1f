from __future__ import annotations

from hypothesis import given, strategies as st

from esperd.core.lines import Block, LineAssembler

PIECES = st.sampled_from([b"\n", b"\r\n", b"a", b"bc", b"\x00", b"\xff\xfe", b"\x1b[0m", b"1234567", b"123456789"])
STREAMS = st.lists(PIECES | st.binary(max_size=20), max_size=30).map(b"".join)


def chunked(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks: list[bytes] = []
    for size in sizes:
        chunks.append(data[:size])
        data = data[size:]
    return [*chunks, data]


def cut(block: Block) -> list[tuple[bytes, str]]:
    lines = block.data.split(b"\n")
    whole = [(line + b"\n", "newline") for line in lines[:-1]]
    return [*whole, (lines[-1], block.end)] if lines[-1] else whole


def test_a_line_is_given_out_when_its_newline_arrives() -> None:
    assembler = LineAssembler(100)
    assert assembler.receive_data(b"hel") == []
    assert assembler.has_pending
    assert assembler.receive_data(b"lo\r\n") == [Block(b"hello\r\n", 1, "newline")]
    assert not assembler.has_pending


def test_lines_that_arrive_together_are_one_block() -> None:
    assembler = LineAssembler(100)
    assert assembler.receive_data(b"a\nb\n\nc") == [Block(b"a\nb\n\n", 3, "newline")]
    assert assembler.flush() == Block(b"c", 1, "fragment")


def test_nothing_pending_gives_no_fragment() -> None:
    assembler = LineAssembler(100)
    assert assembler.receive_data(b"") == []
    assert assembler.flush() is None


def test_a_line_of_exactly_the_limit_is_not_split() -> None:
    assembler = LineAssembler(4)
    assert assembler.receive_data(b"abcd") == []
    assert assembler.flush() == Block(b"abcd", 1, "fragment")
    assert assembler.receive_data(b"abc\n") == [Block(b"abc\n", 1, "newline")]


def test_a_longer_line_is_split_and_marked() -> None:
    assembler = LineAssembler(4)
    assert assembler.receive_data(b"abcdefghij\n") == [
        Block(b"abcd", 1, "split"),
        Block(b"efgh", 1, "split"),
        Block(b"ij\n", 1, "newline"),
    ]


def test_lines_before_a_line_that_is_too_long_are_a_block_of_their_own() -> None:
    assembler = LineAssembler(4)
    assert assembler.receive_data(b"a\nb\nabcdefg") == [Block(b"a\nb\n", 2, "newline"), Block(b"abcd", 1, "split")]
    assert assembler.flush() == Block(b"efg", 1, "fragment")


def test_many_short_lines_in_a_large_chunk_are_not_split() -> None:
    assert LineAssembler(4).receive_data(b"abc\n" * 10) == [Block(b"abc\n" * 10, 10, "newline")]


@given(STREAMS, st.lists(st.integers(0, 12), max_size=20))
def test_any_chunking_gives_the_same_lines_and_keeps_every_byte(data: bytes, sizes: list[int]) -> None:
    whole = LineAssembler(8)
    expected = [line for block in whole.receive_data(data) for line in cut(block)]
    tail = whole.flush()

    assembler = LineAssembler(8)
    blocks = [block for chunk in chunked(data, sizes) for block in assembler.receive_data(chunk)]
    assert [line for block in blocks for line in cut(block)] == expected
    assert [block.count for block in blocks] == [len(cut(block)) for block in blocks]
    assert assembler.flush() == tail
    assert b"".join(block.data for block in (*blocks, *([tail] if tail else []))) == data


@given(STREAMS, st.lists(st.integers(0, 12), max_size=20))
def test_no_line_and_nothing_pending_is_longer_than_the_limit(data: bytes, sizes: list[int]) -> None:
    assembler = LineAssembler(8)
    for chunk in chunked(data, sizes):
        for block in assembler.receive_data(chunk):
            assert all(len(line) <= 8 for line, _ in cut(block))
    tail = assembler.flush()
    assert tail is None or len(tail.data) <= 8
