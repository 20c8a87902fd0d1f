"""How it looks and which keys it takes, as the settings file, the environment and the user say."""

import re
from pathlib import Path

import pytest

from esperd.testing.attached import (
    LEFT,
    PREFIX,
    RIGHT,
    arrives,
    attached,
    command,
    mode_of,
    wait_for_mode,
    wait_until_whole,
)
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.screen import Screen
from esperd.testing.terminal import BoardTerminal

pytestmark = pytest.mark.slow

BOOT = b"rst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)\r\n"


@pytest.fixture
async def daemon(bench: Bench, terminal: BoardTerminal) -> Daemon:
    return await bench.start(f"b={terminal.path}")


def row_of(screen: Screen, words: str) -> int:
    return next(index for index, line in enumerate(screen.lines) if words in line)


async def shows_pattern(screen: Screen, pattern: str) -> None:
    await screen.wait_until(lambda: re.search(pattern, screen.text, re.MULTILINE) is not None, pattern)


def colours(screen: Screen, words: str) -> set[str]:
    """The colours of the row that shows *words*."""
    return {cell.fg for cell in screen.cells(row_of(screen, words)) if cell.data != " "}


async def test_timestamps_are_off_wall_boot_or_delta(daemon: Daemon, terminal: BoardTerminal, tmp_path: Path) -> None:
    async with attached(daemon, tmp_path) as screen:
        await terminal.send(BOOT + b"I (1) app: first\r\nI (2) app: second\r\n")
        await screen.wait_for("I (2) app: second")
        for kind, pattern in (
            ("wall", r"^\d\d:\d\d:\d\d\.\d{3} I \(2\) app: second$"),
            ("boot", r"^ *\+?\d+\.\d+s? I \(2\) app: second$"),
            ("delta", r"^ *\+?\d+\.\d+s? I \(2\) app: second$"),
        ):
            await command(screen, b"i")
            await screen.wait_for(f"Time {kind}")
            await shows_pattern(screen, pattern)
            await wait_until_whole(screen)
        await command(screen, b"i")
        await screen.wait_until_gone("Time ")
        await screen.wait_until(lambda: "I (2) app: second" in screen.lines, "the line alone")


async def test_long_lines_wrap_or_are_cut_and_scrolled_sideways(
    daemon: Daemon, terminal: BoardTerminal, tmp_path: Path
) -> None:
    async with attached(daemon, tmp_path) as screen:
        await wait_for_mode(screen, "DEVICE")
        await terminal.send(b"I (1) app: " + b"".join(b"%03d," % n for n in range(60)) + b"\r\n")
        await screen.wait_for("059,")
        assert row_of(screen, "059,") > row_of(screen, "I (1) app: 000,")
        await command(screen, RIGHT)
        await screen.wait_for("lines are wrapped")
        await screen.press(b"z")
        await screen.wait_for("Wrap off")
        await screen.wait_until_gone("059,")
        assert screen.cells(row_of(screen, "I (1) app: 000,"))[79].data not in (" ", ",")
        for _ in range(30):
            await screen.press(RIGHT)
        await screen.wait_for("059,")
        assert "000," not in screen.text
        await wait_until_whole(screen)
        for _ in range(30):
            await screen.press(LEFT)
        await screen.wait_for("I (1) app: 000,")


async def test_keys_are_bound_anew_and_help_names_them(daemon: Daemon, terminal: BoardTerminal, tmp_path: Path) -> None:
    settings = """
        prefix = "ctrl-a"
        detach = "ctrl-b"
        timestamps = "wall"
        wrap = false
        panel = false
        filter = "*:I noisy:E"
        [keys]
        reset = "R"
        pause = ["f5", "P"]
        [[highlight]]
        pattern = "fan \\\\d+"
        style = "bold magenta"
    """
    async with attached(daemon, tmp_path, size=(100, 30), settings=settings) as screen:
        await terminal.send(b"D (1) app: hidden\r\nI (2) noisy: hidden\r\nI (3) app: fan 12 is on\r\n")
        await screen.wait_for("fan 12 is on", "Ctrl-A commands", "Ctrl-B leaves", "Wrap off", "Time wall", "Filter ")
        assert "hidden" not in screen.text
        assert "Inspector" not in screen.text
        cells = screen.cells(row_of(screen, "fan 12"))
        start = "".join(cell.data for cell in cells).index("fan 12")
        assert {(cell.fg, cell.bold) for cell in cells[start : start + 6]} == {("magenta", True)}
        # What was the prefix, and what left, are the board's now.
        await screen.press(PREFIX + b"\x1d")
        await arrives(screen, terminal, PREFIX + b"\x1d")
        await screen.press(b"\x01")
        await wait_for_mode(screen, "HOST")
        await screen.wait_for("R reset")
        await screen.press(b"\x1b[15~")
        await screen.wait_for("Pause on")
        await screen.press(b"\x01\x01")
        await arrives(screen, terminal, b"\x01")
        await screen.press(b"\x02")
        assert await screen.wait_for_end() == 0


async def test_wrong_settings_are_told_and_nothing_is_started(daemon: Daemon, tmp_path: Path) -> None:
    async with attached(daemon, tmp_path, settings="wrp = true\nwrap = 3\n") as screen:
        assert await screen.wait_for_end() == 2
        text = " ".join(screen.text.split())
        assert "viewer.toml:1: wrp is not a setting; did you mean wrap?" in text
        assert "viewer.toml:2: wrap is 3; it must be true or false" in text
        assert b"\x1b[?1049h" not in screen.output


async def test_without_colours_nothing_is_coloured_and_modes_are_told_apart_all_the_same(
    daemon: Daemon, terminal: BoardTerminal, tmp_path: Path
) -> None:
    async with attached(daemon, tmp_path, environment={"NO_COLOR": "1"}) as screen:
        await wait_for_mode(screen, "DEVICE")
        await terminal.send(b"E (1) app: bad\r\n\x1b[0;33mW (2) app: hm\x1b[0m\r\n\x1b[45;96mpink\x1b[0m\r\n")
        await screen.wait_for("pink")
        await wait_until_whole(screen)
        everything = [cell for row in range(screen.rows) for cell in screen.cells(row)]
        assert {cell.fg for cell in everything} | {cell.bg for cell in everything} == {"default"}
        assert mode_of(screen) == "DEVICE"


async def test_with_colours_levels_and_the_board_s_own_are_of_the_sixteen(
    daemon: Daemon, terminal: BoardTerminal, tmp_path: Path
) -> None:
    async with attached(daemon, tmp_path) as screen:
        await wait_for_mode(screen, "DEVICE")
        await terminal.send(b"E (1) app: bad\r\nW (2) app: hm\r\nI (3) app: well\r\n\x1b[0;35mown\x1b[0m\r\n")
        await terminal.send(b"\x1b[38;5;196mindexed\x1b[0m \x1b[38;2;0;255;0mtrue\x1b[0m\r\n")
        await screen.wait_for("true")
        await wait_until_whole(screen)
        for words, colour in (("app: bad", "red"), ("app: hm", "brown"), ("app: well", "green"), ("own", "magenta")):
            assert colours(screen, words) == {colour}
        assert b"38;5" not in screen.output
        assert b"38;2" not in screen.output


async def test_a_terminal_without_unicode_gets_ascii_only(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    await terminal.send(BOOT)
    environment = {
        "LANG": "C",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    async with attached(daemon, tmp_path, size=(100, 30), environment=environment) as screen:
        await wait_for_mode(screen, "DEVICE")
        await terminal.send("\u6f22\u5b57 caf\u00e9 \u2713\r\nI (1) app: plain\r\n".encode())
        await screen.wait_for("I (1) app: plain", "Inspector")
        await command(screen, b"t")
        await screen.wait_for("Commands")
        await screen.press(b"\x1b")
        await screen.wait_until_gone("Commands")
        await command(screen, b"c")
        await screen.wait_for("Enter everything about it")
        await wait_until_whole(screen)
        assert bytes(screen.output).isascii()
        await screen.press(b"\x1b")
        await wait_for_mode(screen, "DEVICE")
        await screen.press(b"k")
        await arrives(screen, terminal, b"k")


async def test_a_terminal_that_can_do_nothing_gets_plain_text(
    daemon: Daemon, terminal: BoardTerminal, tmp_path: Path
) -> None:
    async with attached(daemon, tmp_path, environment={"TERM": "dumb"}) as screen:
        await terminal.send(b"I (1) app: plain\r\n")
        await screen.wait_for("I (1) app: plain")
        assert b"\x1b[?1049h" not in screen.output
        await screen.press(b"\x03")
        assert await screen.wait_for_end() in (0, 130)
