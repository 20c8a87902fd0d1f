import pytest
from hypothesis import given, strategies as st
from prompt_toolkit.input import create_pipe_input

from esperctl.viewer.keys import Key
from esperctl.viewer.terminal.keys import KeyReader


def _keys(data: bytes) -> list[Key]:
    reader = KeyReader()
    return reader.feed(data) + reader.flush()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"a", "a"),
        (b" ", " "),
        ("ä".encode(), "ä"),
        ("日".encode(), "日"),
        (b"\r", "enter"),
        (b"\n", "ctrl-j"),
        (b"\t", "tab"),
        (b"\x7f", "backspace"),
        (b"\x08", "ctrl-h"),
        (b"\x03", "ctrl-c"),
        (b"\x11", "ctrl-q"),
        (b"\x13", "ctrl-s"),
        (b"\x14", "ctrl-t"),
        (b"\x1a", "ctrl-z"),
        (b"\x1c", "ctrl-\\"),
        (b"\x1d", "ctrl-]"),
        (b"\x1b", "escape"),
        (b"\x00", "unknown"),
        (b"\x1b[A", "up"),
        (b"\x1bOB", "down"),
        (b"\x1b[C", "right"),
        (b"\x1b[D", "left"),
        (b"\x1b[H", "home"),
        (b"\x1b[4~", "end"),
        (b"\x1b[5~", "pageup"),
        (b"\x1b[6~", "pagedown"),
        (b"\x1b[2~", "insert"),
        (b"\x1b[3~", "delete"),
        (b"\x1b[Z", "shift-tab"),
        (b"\x1bOP", "f1"),
        (b"\x1b[[A", "f1"),
        (b"\x1b[11~", "f1"),
        (b"\x1b[24~", "f12"),
    ],
)
def test_keys_have_names_and_the_bytes_they_came_as(data: bytes, name: str) -> None:
    assert _keys(data) == [Key(name, data)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b[1;5A",
        b"\x1b[?1;2c",
        b"\x1b[27;5;9~",
        b"\x1b[13;2u",
        b"\x1b[12;40R",
        b"\x1bOx",
        b"\x1bx",
        "\x1bä".encode(),
        b"\x1b\x7f",
        b"\x1b\r",
        b"\x1b[1;",
        b"\x1bO",
        b"\xff",
        b"\xe6\x97",
        "\u200b".encode(),
    ],
)
def test_what_nobody_knows_is_one_key_and_not_several(data: bytes) -> None:
    assert _keys(data) == [Key("unknown", data)]


def test_an_escape_is_held_until_nothing_followed() -> None:
    reader = KeyReader()
    assert reader.feed(b"\x1b") == []
    assert reader.flush() == [Key("escape", b"\x1b")]
    assert reader.flush() == []


def test_an_escape_before_the_prefix_does_not_swallow_it() -> None:
    assert _keys(b"\x1b\x14") == [Key("escape", b"\x1b"), Key("ctrl-t", b"\x14")]
    assert _keys(b"\x1b\x1b") == [Key("escape", b"\x1b"), Key("escape", b"\x1b")]
    assert _keys(b"\x1b\x1b[A") == [Key("escape", b"\x1b"), Key("up", b"\x1b[A")]


def test_a_sequence_may_come_in_parts() -> None:
    reader = KeyReader()
    keys = [key for byte in b"\x1b[5~\xe6\x97\xa5x" for key in reader.feed(bytes([byte]))]
    assert keys == [Key("pageup", b"\x1b[5~"), Key("日", "日".encode()), Key("x", b"x")]


def test_a_control_within_a_sequence_ends_it() -> None:
    keys = _keys(b"\x1b[1\x14")
    assert b"".join(key.data for key in keys) == b"\x1b[1\x14"
    assert keys[-1].name == "ctrl-t"


def test_a_paste_is_one_key_without_its_brackets() -> None:
    text = b"line 1\r\n\x14\x1b[A \xff"
    assert _keys(b"a\x1b[200~" + text + b"\x1b[201~b") == [Key("a", b"a"), Key("paste", text), Key("b", b"b")]
    assert _keys(b"\x1b[200~\x1b[201~b") == [Key("b", b"b")]


def test_a_paste_without_an_end_comes_in_parts() -> None:
    reader = KeyReader()
    assert reader.feed(b"\x1b[200~abc\x1b[20") == []
    assert reader.flush() == [Key("paste", b"abc", goes_on=True)]
    assert reader.feed(b"1~x") == [Key("paste", b""), Key("x", b"x")]
    reader.feed(b"\x1b[200~")
    parts = [key for _ in range(100) for key in reader.feed(b"y" * 4096)]
    assert parts
    assert {key.name for key in parts} == {"paste"}
    assert sum(len(key.data) for key in parts + reader.flush()) == 100 * 4096


_PIECES = st.lists(
    st.binary(max_size=6)
    | st.sampled_from([b"\x1b", b"\x1b[", b"\x1b[A", b"\x1b[1;5", b"O", b"\x1b[[", b"\x1b[[A", "é日".encode(), b"\xf0"])
)


@given(_PIECES, st.booleans())
def test_every_byte_is_in_one_key_in_order(pieces: list[bytes], flushes: bool) -> None:
    data = b"".join(pieces).replace(b"\x1b[200~", b"")
    reader = KeyReader()
    keys: list[Key] = []
    position = 0
    for piece in pieces:
        keys += reader.feed(data[position : position + len(piece)])
        keys += reader.flush() if flushes else []
        position += len(piece)
    keys += reader.flush()
    assert b"".join(key.data for key in keys) == data
    assert all(key.data and key.name for key in keys)


@given(_PIECES, st.integers(1, 5))
def test_the_same_bytes_are_the_same_keys_in_any_parts(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    reader = KeyReader()
    keys = [key for start in range(0, len(data), size) for key in reader.feed(data[start : start + size])]
    assert keys + reader.flush() == _keys(data)


def test_the_names_agree_with_what_prompt_toolkit_takes_keys_for() -> None:
    names = {"up": "up", "pagedown": "pagedown", "home": "home", "f5": "f5", "delete": "delete"}
    with create_pipe_input() as pipe:
        for data in (b"\x1b[A", b"\x1b[6~", b"\x1b[H", b"\x1b[15~", b"\x1b[3~"):
            pipe.send_bytes(data)
            [press] = pipe.read_keys()
            [key] = _keys(data)
            assert names[key.name] == press.key
