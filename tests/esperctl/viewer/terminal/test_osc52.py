import base64

from esperctl.viewer.terminal.osc52 import MOST_BASE64_BYTES, clipboard_sequence


def test_the_text_is_in_the_sequence_as_base64() -> None:
    payload = base64.b64encode("grüße\n".encode()).decode()
    assert clipboard_sequence("grüße\n", in_tmux=False) == f"\x1b]52;c;{payload}\x07"


def test_inside_of_tmux_it_goes_to_tmux_and_through_it() -> None:
    plain = clipboard_sequence("x", in_tmux=False)
    assert plain is not None
    doubled = plain.replace("\x1b", "\x1b\x1b")
    assert clipboard_sequence("x", in_tmux=True) == f"{plain}\x1bPtmux;{doubled}\x1b\\"


def test_what_terminals_would_drop_is_not_sent() -> None:
    most = MOST_BASE64_BYTES // 4 * 3
    assert clipboard_sequence("x" * most, in_tmux=False) is not None
    assert clipboard_sequence("x" * (most + 3), in_tmux=False) is None


def test_no_text_can_end_the_sequence() -> None:
    sequence = clipboard_sequence("\x07\x1b\\\ud800", in_tmux=False)
    assert sequence is not None
    assert sequence.count("\x1b") == 1
    assert sequence.count("\x07") == 1
