"""Every screen of the viewer at a real terminal, in three sizes."""

from pathlib import Path
from typing import Final

import pytest
import trio

from esperd.testing.attached import (
    DOWN,
    ESCAPE,
    PREFIX,
    UP,
    arrives,
    attached,
    command,
    mode_of,
    scroll_to,
    wait_for_mode,
    wait_until_whole,
)
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.dumps import START_LINE, base64_lines, container
from esperd.testing.screen import Screen
from esperd.testing.terminal import BoardTerminal

pytestmark = pytest.mark.slow

SIZES: Final = pytest.mark.parametrize(
    "size", [(80, 24), (100, 30), (160, 50)], ids=lambda size: f"{size[0]}x{size[1]}"
)
BOOT: Final = b"ESP-ROM:esp32c3-api1-20210207\r\nrst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)\r\n"


def has_panel(screen: Screen) -> bool:
    return screen.columns >= 100


async def closes(screen: Screen, words: str, keys: bytes = ESCAPE) -> None:
    await screen.press(keys)
    await screen.wait_until_gone(words)


async def shows(screen: Screen, *words: str) -> None:
    await screen.wait_for(*words)
    await wait_until_whole(screen)


def boxed(screen: Screen, title: str) -> list[str]:
    """What a dialog shows, between its title and its keys."""
    top = next(index for index, line in enumerate(screen.lines) if f"─ {title} ─" in line)
    left, right = screen.lines[top].index("┌"), screen.lines[top].rindex("┐")
    rows: list[str] = []
    for line in screen.lines[top + 1 :]:
        if line[left : left + 1] == "└":
            assert line[right] == "┘", screen.text
            return rows
        assert (line[left], line[right]) == ("│", "│"), screen.text
        rows.append(line[left + 2 : right - 1].rstrip())
    raise AssertionError(screen.text)


async def speak_slowly(terminal: BoardTerminal, lines: list[bytes]) -> None:
    """About as fast as at 57600 baud."""
    for line in lines:
        await terminal.send(line)
        await trio.sleep(0.01)


@pytest.fixture
async def board(bench: Bench, terminal: BoardTerminal) -> Daemon:
    daemon = await bench.start(f"bench1={terminal.path}")
    await terminal.send(BOOT + b"I (31) app: ready\r\n")
    return daemon


@SIZES
async def test_device_and_host_show_log_mode_and_keys(
    board: Daemon, terminal: BoardTerminal, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with attached(board, tmp_path, size=size) as screen:
        await wait_for_mode(screen, "DEVICE")
        await shows(screen, "I (31) app: ready", "connected", "Follow on", "Ctrl-T commands", "Ctrl-] leaves")
        assert screen.lines[0].startswith(" bench1 ")
        assert f"{terminal.path} @ 115200" in screen.lines[0]
        assert ("Inspector" in screen.text) == has_panel(screen)
        assert (" boot 1: POWERON" in screen.text) == has_panel(screen)
        await screen.press(PREFIX)
        await wait_for_mode(screen, "HOST")
        await shows(screen, "Esc back to the board", "r reset")
        await screen.press(ESCAPE)
        await wait_for_mode(screen, "DEVICE")
        await shows(screen, "all other keys go to the board")


@SIZES
async def test_read_only_says_so_and_offers_no_typing(board: Daemon, tmp_path: Path, size: tuple[int, int]) -> None:
    async with attached(board, tmp_path, "--read-only", size=size) as screen:
        await wait_for_mode(screen, "READ-ONLY")
        await shows(screen, "I (31) app: ready", "Writer nobody types", "Ctrl-] leaves")
        assert "go to the board" not in screen.text
        assert "take the write lease" not in screen.lines[-1]
        await screen.press(b"\x03")
        await shows(screen, "Ctrl-] leaves", "• Ctrl-] leaves")


@SIZES
async def test_capture_shows_progress_and_asks_before_it_is_aborted(
    board: Daemon, terminal: BoardTerminal, tmp_path: Path, size: tuple[int, int], nursery: trio.Nursery
) -> None:
    lines = base64_lines(container(100_000, 1))
    async with attached(board, tmp_path, size=size) as screen:
        await wait_for_mode(screen, "DEVICE")
        nursery.start_soon(speak_slowly, terminal, [START_LINE, *lines])
        await wait_for_mode(screen, "CAPTURE")
        await shows(screen, "of 97.7 KiB", "KiB/s", "input is off while a core dump arrives", "Ctrl-C aborts")
        progress = screen.lines[-3]
        assert " %" in progress
        assert size[0] < 100 or "bench1-1" in progress
        assert "Capture" in screen.lines[-2]
        # The base64 is one row, however long it is.
        assert lines[5].decode().strip() not in screen.text
        assert sum("of base64" in line for line in screen.lines) == 1
        await screen.press(b"x")
        await shows(screen, "input is off while a core dump arrives; Ctrl-C asks")
        await screen.press(b"\x03")
        await shows(screen, "Abort the capture of the core dump?", "▸ No")
        assert boxed(screen, "Confirm")[-1].split() == ["Yes", "▸", "No"]
        # Default No: the dump goes on.
        await screen.press(b"\r")
        await screen.wait_until_gone("Abort the capture of the core dump?")
        await wait_for_mode(screen, "CAPTURE")
        await screen.press(b"\x03")
        await screen.wait_for("Abort the capture of the core dump?")
        await screen.press(b"y")
        await wait_for_mode(screen, "DEVICE")
        await shows(screen, "core dump bench1-1 partial (aborted)")
        # Nothing that was typed meanwhile reached the board.
        await screen.press(b"z")
        await arrives(screen, terminal, b"z")


@SIZES
async def test_dialogs_fit_and_close(board: Daemon, tmp_path: Path, size: tuple[int, int]) -> None:
    async with attached(board, tmp_path, size=size) as screen:
        await wait_for_mode(screen, "DEVICE")
        await command(screen, b"?")
        await shows(screen, "─ Help ─", "keys go to the board as they", "Esc closes")
        assert all(len(line) <= size[0] for line in screen.lines)
        assert any("Reset the board" in row for row in boxed(screen, "Help"))
        await closes(screen, "─ Help ─")
        await command(screen, b"t")
        await shows(screen, "─ Commands ─", "Reset the board into its bootloader")
        await screen.press(b"pause")
        await screen.wait_until_gone("Reset the board into its bootloader")
        await shows(screen, "Pause the view")
        await closes(screen, "─ Commands ─")
        await command(screen, b"f")
        await shows(screen, "─ Filter", "Enter applies", "Tab next field")
        await screen.press(b"*:Q")
        await shows(screen, "*:Q")
        await screen.press(b"\r")
        # It is told, and the form stays.
        await shows(screen, "✗", "─ Filter")
        await closes(screen, "─ Filter")
        await command(screen, b"e")
        await shows(screen, "─ Highlight")
        await closes(screen, "─ Highlight")
        await command(screen, b"l")
        await shows(screen, "─ Note ─")
        await closes(screen, "─ Note ─")


@SIZES
async def test_what_disrupts_is_confirmed_and_no_is_the_default(
    board: Daemon, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with attached(board, tmp_path, size=size) as screen:
        await wait_for_mode(screen, "DEVICE")
        for key, question in ((b"r", "Reset the board?"), (b"\x12", "Reset the board?"), (b"p", "bootloader?")):
            await command(screen, key)
            await shows(screen, question, "▸ No", "─ Confirm ─")
            await closes(screen, "─ Confirm ─", b"\r")
            await wait_for_mode(screen, "DEVICE")
        assert "--- reset" not in screen.text
        await command(screen, b"b")
        await shows(screen, "Send a break condition to the board?", "▸ No")
        await screen.press(b"\t")
        await shows(screen, "▸ Yes")
        await closes(screen, "─ Confirm ─")


@SIZES
async def test_the_search_bar_shows_the_count_and_the_inspector_is_beside_or_instead_of_the_log(
    board: Daemon, terminal: BoardTerminal, tmp_path: Path, size: tuple[int, int]
) -> None:
    await terminal.send(b"".join(b"I (%d) app: item %d\r\n" % (40 + n, n) for n in range(30)))
    async with attached(board, tmp_path, size=size) as screen:
        await screen.wait_for("item 29")
        await command(screen, b"/")
        await screen.press(b"item 2")
        await shows(screen, "Search", "item 2", "literal", "Enter searches all lines and events")
        await screen.press(b"\r")
        await shows(screen, "match 11/11")
        await screen.press(b"N")
        await shows(screen, "match 10/11")
        await screen.press(b"/")
        await screen.press(b"\x1b")
        await screen.wait_until_gone("literal")
        await screen.press(b"c")
        await shows(screen, "Inspector", "boot 1: POWERON", "opene", "Enter everything about it")
        assert ("app: item" in screen.text) == has_panel(screen)
        await screen.press(UP + UP + UP + b"\r")
        await shows(screen, "opened at 115200", "Summary", "Esc close")
        assert ("Inspector" in screen.text) is False
        await screen.press(b"\t")
        await shows(screen, "─ boot 1: POWERON ─", "reset: POWERON (0x1)")
        await closes(screen, "Summary")
        await shows(screen, "Inspector")
        await screen.press(ESCAPE)
        await wait_for_mode(screen, "DEVICE")
        assert ("Inspector" in screen.text) == has_panel(screen)


@SIZES
async def test_details_of_a_panic_and_a_core_dump(bench: Bench, tmp_path: Path, size: tuple[int, int]) -> None:
    daemon = await bench.start("g=sim:console?speed=20")
    async with attached(daemon, tmp_path, size=size) as screen:
        await screen.wait_for("esp>")
        await screen.press(b"crash\r")
        await screen.wait_for("core dump g-1 decoded", "Ctrl-T v")
        await command(screen, b"v")
        await shows(screen, "─ core dump g-1 ─", "✓ decoded", "chip: esp32c3", "captured", "task: main", "j to log")
        assert any(row.endswith("program: 54bf6313b") for row in boxed(screen, "core dump g-1"))
        for words in ("store_value", "message.c:30", "Registers", "Task"):
            await page_down_to(screen, words)
        # Back to the one before it.
        await screen.press(b"\x1b[Z")
        await shows(screen, "─ panic: exception ─", "Store access fault")
        await page_down_to(screen, "store_value")
        await closes(screen, "─ panic: exception ─")


async def page_down_to(screen: Screen, words: str) -> None:
    await scroll_to(screen, DOWN * 5, lambda: words in screen.text, words)


@SIZES
async def test_the_board_picker_lists_all_boards_with_their_states(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path, size: tuple[int, int]
) -> None:
    daemon = await bench.start(f"bench1={terminal.path}", "bench2=sim:chatty", "bench3=/nonexistent/tty")
    async with attached(daemon, tmp_path, size=size) as screen:
        await shows(screen, "─ Boards ─", "bench1", "bench2", "bench3", "Enter")
        rows = boxed(screen, "Boards")
        assert [("bench" + str(n)) in rows[n - 1] for n in (1, 2, 3)] == [True] * 3
        assert "connected" in rows[0]
        assert "connected" not in rows[2]
        assert rows[0].startswith("▸ ")
        await screen.press(DOWN)
        await screen.wait_until(lambda: boxed(screen, "Boards")[1].startswith("▸ "), "the second one selected")
        await screen.press(b"\r")
        await screen.wait_until_gone("─ Boards ─")
        await wait_for_mode(screen, "DEVICE")
        await shows(screen, "sim:chatty")
        # To another one without leaving.
        await command(screen, b"g")
        await shows(screen, "─ Boards ─", "bench2 (this one)")
        await screen.press(UP + b"\r")
        await screen.wait_until_gone("─ Boards ─")
        await screen.wait_until(lambda: screen.lines[0].startswith(" bench1 "), "the first board")
        await terminal.send(b"I (5) app: hello\r\n")
        await shows(screen, "I (5) app: hello")
        assert "bench2" not in screen.lines[0]


async def test_a_terminal_that_is_too_small_says_what_is_missing_and_the_mode(
    board: Daemon, terminal: BoardTerminal, tmp_path: Path
) -> None:
    async with attached(board, tmp_path, size=(29, 5)) as screen:
        await screen.wait_for("DEVICE", "Too small: 30x6 needed")
        assert screen.beyond == ""
        assert "app: ready" not in screen.text
        await screen.press(b"k")
        await arrives(screen, terminal, b"k")
        screen.resize(30, 6)
        await screen.wait_for("app: ready", "DEVICE")
        await wait_until_whole(screen)
        for columns, rows in ((1, 1), (3, 2), (200, 60)):
            screen.resize(columns, rows)
            await screen.press(b".")
            await arrives(screen, terminal, b".")
        await screen.wait_for("Inspector", "app: ready")
        await wait_until_whole(screen)
        assert mode_of(screen) == "DEVICE"
