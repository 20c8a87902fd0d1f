"""DEVICE: what is typed reaches the board, and what its console answers looks as in a terminal."""

from pathlib import Path

import pytest

from esperd.testing.attached import DETACH, PREFIX, UP, arrives, attached, command, wait_for_mode, wait_until_whole
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.screen import Screen
from esperd.testing.terminal import BoardTerminal

pytestmark = pytest.mark.slow


@pytest.fixture
async def daemon(bench: Bench, terminal: BoardTerminal) -> Daemon:
    return await bench.start(f"b={terminal.path}")


async def test_every_key_but_two_reaches_the_board_byte_for_byte(
    daemon: Daemon, terminal: BoardTerminal, tmp_path: Path
) -> None:
    async with attached(daemon, tmp_path) as screen:
        await wait_for_mode(screen, "DEVICE")
        keys = (
            *(b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1bOA", b"\x1b[H", b"\x1b[F", b"\x1b[5~", b"\x1b[6~"),
            *(b"\x1bOP", b"\x1b[15~", b"\x1b[24~", b"\x1b[3~", b"\x1b[1;5C", b"\x1b[Z", b"\x1bx", b"\t", b"\r", b"\n"),
            *(b"\x00", b"\x01", b"\x03", b"\x04", b"\x11", b"\x13", b"\x16", b"\x1a", b"\x1c", b"\x7f", b"\x08"),
            *("\u00e9".encode(), "\u6f22".encode(), "\U0001f680".encode(), b"\xff", b"/", b"?", b"q", b"~."),
        )
        for key in keys:
            await screen.press(key)
            await arrives(screen, terminal, key)
        # An Escape alone, and one followed by a letter that comes later.
        await screen.press(b"\x1b")
        await arrives(screen, terminal, b"\x1b")
        # A paste is its text, in one piece and in order, whatever it holds.
        text = ("line %d \u00e9\r" * 400 % tuple(range(400))).encode() + PREFIX + DETACH + b"end"
        await screen.press(b"\x1b[200~" + text + b"\x1b[201~")
        await arrives(screen, terminal, text)
        await wait_for_mode(screen, "DEVICE")
        # The prefix twice sends it once; HOST keys send nothing.
        await screen.press(PREFIX + PREFIX)
        await arrives(screen, terminal, PREFIX)
        await command(screen, b"z")
        await wait_for_mode(screen, "DEVICE")
        await screen.press(b"k")
        await arrives(screen, terminal, b"k")


async def test_the_line_of_a_console_is_edited_as_in_a_terminal(
    daemon: Daemon, terminal: BoardTerminal, tmp_path: Path
) -> None:
    """As linenoise refreshes a line: to its start, prompt and text, the rest erased, then the cursor's column."""
    async with attached(daemon, tmp_path) as screen:
        await wait_for_mode(screen, "DEVICE")
        await terminal.send(b"boot\r\n\x1b[5n")
        await arrives(screen, terminal, b"\x1b[0n")
        for said, shown, column in (
            (b"esp> ", "esp>", 5),
            (b"helo", "esp> helo", 9),
            (b"\r\x1b[32mesp> \x1b[0mhello\x1b[0K\r\x1b[9C", "esp> hello", 9),
            (b"\r\x1b[32mesp> \x1b[0mhell\x1b[0K\r\x1b[9C", "esp> hell", 9),
            (b"\b \b", "esp> hel", 8),
            (b"\r\x1b[Kesp> 50 %", "esp> 50 %", 9),
            (b"\r\x1b[2Kgone", "gone", 4),
            ("\r\x1b[K\u6f22\u5b57".encode(), "\u6f22\u5b57", 4),
        ):
            await terminal.send(said)
            await shows_line(screen, shown, column)
        await terminal.send(b"\r\n")
        await screen.wait_until(lambda: screen.cursor[0] == 0, "the cursor in the next line")
        await wait_until_whole(screen)


async def shows_line(screen: Screen, text: str, column: int) -> None:
    """Waits until a row shows *text* and the cursor stands in its column."""

    def is_shown() -> bool:
        return text in screen.lines and screen.cursor == (column, screen.lines.index(text), True)

    await screen.wait_until(is_shown, f"{text!r} with the cursor in column {column}")


async def test_the_console_of_the_simulated_board_is_used(bench: Bench, tmp_path: Path) -> None:
    daemon = await bench.start("b=sim:console")
    async with attached(daemon, tmp_path) as screen:
        await screen.wait_for("esp>")
        await screen.press(b"echx\x7fo one two")
        await screen.wait_for("esp> echo one two")
        assert screen.cursor[0] == len("esp> echo one two")
        await screen.press(b"\r")
        await screen.wait_until(lambda: "one two" in screen.lines, "the answer")
        await screen.press(b"nothing like it\r")
        await screen.wait_for("Unrecognized command: nothing")
        await command(screen, b"r")
        await screen.wait_for("Reset the board?")
        await screen.press(b"y")
        await screen.wait_until_gone("Reset the board?")
        await wait_for_mode(screen, "DEVICE")


async def test_line_mode_sends_whole_lines_and_remembers_them(
    daemon: Daemon, terminal: BoardTerminal, tmp_path: Path
) -> None:
    async with attached(daemon, tmp_path, settings='input = "line"\nline_end = "crlf"\n') as screen:
        await screen.wait_for("Input line", "Enter sends the line")
        await screen.press(b"firstx\x7f")
        await screen.wait_for("first")
        await screen.press(b"\r")
        await arrives(screen, terminal, b"first\r\n")
        await screen.press(b"second\r")
        await arrives(screen, terminal, b"second\r\n")
        await screen.press(UP + UP)
        await wait_until_input(screen, "first")
        await screen.press(b"!\r")
        await arrives(screen, terminal, b"first!\r\n")
        # Ctrl-C is the board's at once, whatever was typed.
        await screen.press(b"half\x03")
        await arrives(screen, terminal, b"\x03")
        await wait_until_input(screen, "half")
        await command(screen, b"m")
        await screen.wait_until_gone("Input line")
        await screen.press(b"k")
        await arrives(screen, terminal, b"k")
        await wait_until_whole(screen)


async def wait_until_input(screen: Screen, text: str) -> None:
    await screen.wait_until(lambda: screen.lines[-3].strip().endswith(text), f"{text} in the line that is typed")


async def test_a_board_that_is_unplugged_is_said_to_be_absent_and_comes_back(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    port = tmp_path / "port"
    port.symlink_to(terminal.path)
    daemon = await bench.start(f"b={port}")
    async with attached(daemon, tmp_path) as screen:
        await wait_for_mode(screen, "DEVICE")
        terminal.hang_up()
        await screen.wait_for("✗ absent", "is gone", "keys are not sent")
        await wait_for_mode(screen, "NO-PORT")
        await wait_until_whole(screen)
        # A key that can't be sent is told, and not sent later.
        await screen.press(b"lost")
        await screen.wait_for("b is not connected: keys are not sent")
        again = BoardTerminal()
        port.unlink()
        port.symlink_to(again.path)
        await screen.wait_for("✓ connected")
        await wait_for_mode(screen, "DEVICE")
        await screen.press(b"k")
        await arrives(screen, again, b"k")
        await again.send(b"I (1) app: back\r\n")
        await screen.wait_for("I (1) app: back")
        again.hang_up()
