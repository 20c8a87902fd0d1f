import re
import signal
import subprocess
import termios
import time
from collections.abc import Callable
from typing import Any, Protocol

import pytest


class _Emulator(Protocol):
    raw: bytes
    descriptor: int
    screen: Any

    def resize(self, columns: int, rows: int) -> None: ...

    def type(self, data: bytes) -> None: ...

    def wait_for(self, is_reached: "Callable[[_Emulator], bool]") -> None: ...

    def wait_for_text(self, text: str) -> None: ...

    def lines(self) -> list[str]: ...

    def hang_up(self) -> None: ...


class _Program(Protocol):
    emulator: _Emulator
    process: subprocess.Popen[bytes]
    settings_before: list[Any]

    def end(self) -> tuple[int, str]: ...


Start = Callable[..., _Program]

# What a terminal answers to: status and attribute reports, mode and setting requests, colour queries (xterm's ctlseqs).
_QUERY = re.compile(rb"\x1b\[[?>=]?[0-9;]*[nc]|\x1b\[[?0-9;]*\$p|\x1bP[+$]q|\x1b\][0-9;]*\?|\x1b\[[0-9;]*x|\x05|\x1bZ")


def _assert_restored(program: _Program) -> None:
    raw = program.emulator.raw
    assert termios.tcgetattr(program.emulator.descriptor) == program.settings_before
    for switched_on, switched_off in ((b"?1049h", b"?1049l"), (b"?2004h", b"?2004l"), (b"?7l", b"?7h")):
        assert 0 < raw.rfind(switched_on) < raw.rfind(switched_off)
    assert raw.rfind(b"\x1b[?25l") < raw.rfind(b"\x1b[?25h")
    styles = re.findall(rb"\x1b\[([0-9;]*)m", raw)
    assert styles[-1] == b"0"


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 30), (160, 50)])
def test_the_picture_fills_the_terminal(start: Start, columns: int, rows: int) -> None:
    program = start(columns, rows)
    program.emulator.wait_for_text("hint")
    lines = program.emulator.lines()
    assert lines[0] == " esperctl"
    assert lines[1] == f"0 keys at {columns}x{rows}"
    assert lines[-2:] == [" DEVICE", " 日本 é hint"]
    assert (program.emulator.screen.cursor.y, program.emulator.screen.cursor.x) == (1, 3)
    assert not program.emulator.screen.cursor.hidden


def test_nothing_is_asked_of_the_terminal(start: Start) -> None:
    program = start()
    program.emulator.type(b"abcQ")
    assert program.end()[0] == 7
    assert _QUERY.search(program.emulator.raw) is None


def test_every_key_arrives_byte_for_byte(start: Start) -> None:
    program = start(80, 50)
    typed = [bytes([code]) for code in range(32) if code != 0x1B]
    typed += [b"\x7f", b"a", "ä".encode(), b"\x1b[A", b"\x1bOP", b"\x1bx", b"\x1b[99;5~", b"\xff", b"\x1b"]
    for data in typed:
        program.emulator.type(data)
    program.emulator.wait_for_text(f"{len(typed)} keys" if len(typed) < 46 else "escape 1b")
    program.emulator.wait_for_text("escape 1b")
    shown = [line.split()[-1] for line in program.emulator.lines()[2:-2] if line]
    assert "".join(shown) == b"".join(typed).hex()
    assert program.process.poll() is None


def test_an_escape_alone_arrives_without_another_key(start: Start) -> None:
    program = start()
    program.emulator.type(b"\x1b")
    program.emulator.wait_for_text("escape 1b")


def test_a_paste_arrives_as_one_key(start: Start) -> None:
    program = start()
    program.emulator.wait_for(lambda emulator: b"\x1b[?2004h" in emulator.raw)
    program.emulator.type(b"\x1b[200~one\rtwo\x03\x1b[201~")
    program.emulator.wait_for_text("paste 6f6e650d74776f03")


def test_a_resize_is_told_and_painted(start: Start) -> None:
    program = start()
    for columns, rows in ((100, 30), (30, 6), (160, 50)):
        program.emulator.resize(columns, rows)
        program.emulator.wait_for_text(f"0 keys at {columns}x{rows}")
        program.emulator.wait_for_text("hint")
        lines = program.emulator.lines()
        assert lines[0] == " esperctl"
        assert lines[-2:] == [" DEVICE", " 日本 é hint"]


def test_the_clipboard_sequence_goes_out_whole(start: Start) -> None:
    program = start()
    program.emulator.type(b"C")
    program.emulator.wait_for(lambda emulator: b"\x1b]52;c;Y2xpcA==\x07" in emulator.raw)


def test_the_terminal_is_restored_when_it_is_left(start: Start) -> None:
    program = start()
    assert termios.tcgetattr(program.emulator.descriptor) != program.settings_before
    program.emulator.type(b"Q")
    assert program.end() == (7, "")
    _assert_restored(program)


@pytest.mark.parametrize(
    ("key", "error"), [(b"E", "RuntimeError: a callback failed"), (b"B", "RuntimeError: a task failed")]
)
def test_the_terminal_is_restored_when_the_viewer_crashes(start: Start, key: bytes, error: str) -> None:
    program = start()
    program.emulator.type(key)
    code, errors = program.end()
    assert code == 1
    assert errors.rstrip().endswith(error)
    _assert_restored(program)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_restored_when_a_signal_ends_the_viewer(start: Start, number: signal.Signals) -> None:
    program = start()
    program.process.send_signal(number)
    assert program.end() == (128 + number, "")
    _assert_restored(program)


@pytest.mark.parametrize(("key", "code"), [(b"K", 128 + signal.SIGTERM), (b"X", 9)])
def test_the_terminal_is_restored_when_a_key_ends_the_process(start: Start, key: bytes, code: int) -> None:
    program = start()
    program.emulator.type(key)
    assert program.end()[0] == code
    _assert_restored(program)


def test_a_terminal_that_is_gone_ends_the_viewer(start: Start) -> None:
    program = start()
    program.emulator.hang_up()
    _, errors = program.process.communicate(timeout=20)
    assert program.process.returncode == 128 + signal.SIGHUP
    assert errors == b""


def _stall(program: _Program) -> int:
    """Has the program paint far more than the terminal takes while nobody reads; how many keys that took."""
    count = 600
    for first in range(0, count, 4):
        program.emulator.type(bytes(ord("a") + (first + index) % 26 for index in range(4)))
        # Each part is a picture of its own.
        time.sleep(0.01)
    return count


def test_a_terminal_that_takes_nothing_for_a_while_shows_the_last_picture_then(start: Start) -> None:
    program = start(160, 50)
    count = _stall(program)
    last = [f"{chr(ord('a') + key % 26)} {ord('a') + key % 26:02x}" for key in range(count - 47, count)]
    program.emulator.wait_for(lambda emulator: emulator.lines()[1:-2] == last)
    program.emulator.type(b"Q")
    assert program.end() == (7, "")
    _assert_restored(program)


@pytest.mark.parametrize("by_signal", [False, True])
def test_a_viewer_whose_terminal_nobody_reads_ends_when_it_shall(start: Start, by_signal: bool) -> None:
    program = start(160, 50)
    _stall(program)
    if by_signal:
        program.process.send_signal(signal.SIGTERM)
    else:
        program.emulator.type(b"Q")
    # Nothing is read meanwhile.
    code = program.process.wait(timeout=10)
    assert code == (128 + signal.SIGTERM if by_signal else 7)
    assert termios.tcgetattr(program.emulator.descriptor) == program.settings_before
