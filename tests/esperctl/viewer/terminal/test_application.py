import re
import signal
import subprocess
import termios
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
