"""Whatever is pressed where keys are commands: nothing reaches the board but the prefix, twice, of the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import HealthCheck, given, settings, strategies as st

from esper_protocol.events import CoredumpStarted, WriterChanged
from esperctl.viewer.effects import SendToBoard
from esperctl.viewer.keys import Key
from esperctl.viewer.messages import KeysPressed

if TYPE_CHECKING:
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer

# fmt: off
NAMES: Final = [
    "a", "c", "d", "e", "f", "g", "h", "i", "k", "l", "m", "n", "o", "p", "r", "s", "t", "v", "w", "x", "y", "z", "D",
    "F", "G", "N", "Y", "?", "/", "[", "]", "{", "}", "(", ")", "enter", "escape", "tab", "shift-tab", "backspace",
    "up", "down", "left", "right", "home", "end", "pageup", "pagedown", "f1", "f5", "ctrl-c", "ctrl-d", "ctrl-l",
    "ctrl-r", "ctrl-t", "ctrl-u", "paste", "unknown", " ", "ä",
]
# fmt: on
PREFIX_DATA: Final = b"<ctrl-t>"
KEYS: Final = st.lists(st.sampled_from(NAMES).map(lambda name: Key(name, f"<{name}>".encode())), max_size=40)
FOR_EACH: Final = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def press_all(viewer: Viewer, keys: list[Key]) -> None:
    """Presses keys, and checks after which mode each of them was sent, if it was."""
    for key in keys:
        mode, types_lines = viewer.mode, viewer.view.input is not None
        sent = [effect for effect in viewer.tell(KeysPressed((key,))) if isinstance(effect, SendToBoard)]
        if mode == "DEVICE" and types_lines:
            assert len(sent) <= 1
        elif mode == "DEVICE":
            expected = [] if key.name == "ctrl-t" else [SendToBoard(key.data)]
            assert sent == expected
        elif mode == "HOST" and key.name == "ctrl-t":
            assert sent in ([], [SendToBoard(PREFIX_DATA)])
        else:
            assert sent == []


@FOR_EACH
@given(KEYS)
def test_a_writer_in_host_or_with_anything_above_the_log_sends_nothing_by_key(
    make_viewer: MakeViewer, keys: list[Key]
) -> None:
    viewer = make_viewer()
    viewer.attach()
    viewer.press("ctrl-t")

    press_all(viewer, keys)


@FOR_EACH
@given(KEYS)
def test_a_reader_sends_nothing_by_key(make_viewer: MakeViewer, keys: list[Key]) -> None:
    viewer = make_viewer(100, 30)
    viewer.attach(is_writer=False, writer="bob (pid 2)")

    press_all(viewer, keys)

    assert viewer.sent == b""


@FOR_EACH
@given(KEYS, st.integers(0, 39))
def test_a_capture_and_a_lost_lease_in_between_let_nothing_through(
    make_viewer: MakeViewer, keys: list[Key], at: int
) -> None:
    viewer = make_viewer()
    viewer.attach()
    viewer.happen(CoredumpStarted("bench1-1", viewer.next_seq))

    press_all(viewer, keys[:at])
    viewer.happen(WriterChanged("bob (pid 2)", "me (pid 1)", stolen=True))
    before = viewer.sent
    press_all(viewer, keys[at:])

    assert viewer.sent == before


@FOR_EACH
@given(KEYS)
def test_lines_go_to_the_board_only_in_device(make_viewer: MakeViewer, keys: list[Key]) -> None:
    viewer = make_viewer(settings={"input": "line"})
    viewer.attach()

    for key in keys:
        mode = viewer.mode
        sent = [effect for effect in viewer.tell(KeysPressed((key,))) if isinstance(effect, SendToBoard)]
        assert mode == "DEVICE" or not sent or key.name == "ctrl-t"


@FOR_EACH
@given(st.lists(st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=5), max_size=10))
def test_in_device_every_byte_goes_to_the_board_in_order(make_viewer: MakeViewer, messages: list[list[bytes]]) -> None:
    viewer = make_viewer()
    viewer.attach()

    for datas in messages:
        effects = viewer.tell(KeysPressed(tuple(Key("unknown", data) for data in datas)))
        assert effects == [SendToBoard(b"".join(datas))]

    assert viewer.sent == b"".join(data for datas in messages for data in datas)
