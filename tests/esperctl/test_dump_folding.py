import base64

from hypothesis import given, strategies as st

from esper_protocol.events import Body, CoredumpEnded, CoredumpProgress, CoredumpStarted, Line, SessionOpened
from esperctl.dump_folding import DumpFolding

STARTED = CoredumpStarted("a-1", 1)
ENDED = CoredumpEnded("a-1", "captured", "end_marker", 1, 1, 0, 1, 1, "ok", 1, 2, "/x")


def folding(*bodies: Body) -> DumpFolding:
    state = DumpFolding()
    for body in bodies:
        state.follow(body)
    return state


def line(data: bytes, end: str = "newline") -> Line:
    return Line(
        data, data.count(b"\n") + (0 if data.endswith(b"\n") else 1), "fragment" if end == "fragment" else "newline"
    )


def test_nothing_is_hidden_outside_a_dump() -> None:
    assert folding().visible(line(b"QUJD\n")) == line(b"QUJD\n")
    assert folding(STARTED, ENDED).visible(line(b"QUJD\n")) == line(b"QUJD\n")


def test_base64_is_hidden_in_a_dump_and_log_lines_stay() -> None:
    state = folding(STARTED)
    assert state.visible(line(b"QUJD\r\nI (5) wifi: up\r\nQQ==\r\n")) == line(b"I (5) wifi: up\r\n")
    assert state.visible(line(b"QUJD\r\n")) is None


def test_the_end_marker_stays() -> None:
    marker = line(b"================= CORE DUMP END =================\r\n")
    assert folding(STARTED).visible(marker) == marker


def test_a_base64_line_that_came_in_parts_is_hidden_in_all_its_parts() -> None:
    state = folding(STARTED)
    assert state.visible(line(b"QUJDQ", "fragment")) is None
    assert state.visible(line(b"UJD\r\n")) is None
    assert state.visible(line(b"hello\n")) == line(b"hello\n")


def test_a_log_line_that_came_in_parts_stays_in_all_its_parts() -> None:
    state = folding(STARTED)
    assert state.visible(line(b"I (5) ", "fragment")) == line(b"I (5) ", "fragment")
    assert state.visible(line(b"wifi\n")) == line(b"wifi\n")


def test_progress_tells_of_a_dump_whose_start_was_not_seen() -> None:
    state = folding(CoredumpProgress("a-1", 1, 1, 1, None, 0.5))
    assert state.visible(line(b"QUJD\n")) is None


def test_a_new_session_ends_the_hiding() -> None:
    assert folding(STARTED, SessionOpened("p", 115200)).visible(line(b"QUJD\n")) == line(b"QUJD\n")


@given(st.lists(st.binary(min_size=1, max_size=48), max_size=10), st.integers(1, 20))
def test_no_part_of_a_dump_is_ever_shown(payloads: list[bytes], size: int) -> None:
    text = b"".join(base64.b64encode(payload) + b"\r\n" for payload in payloads)
    state = folding(STARTED)
    position = 0
    for whole in text.splitlines(keepends=True):
        cut = min(size, len(whole) - 1)
        assert state.visible(line(whole[:cut], "fragment")) is None
        assert state.visible(line(whole[cut:])) is None
        position += len(whole)
    assert position == len(text)
