"""The log over hours: behind the window, across restarts, while it flows, and what is looked for in it."""

import re
from pathlib import Path
from typing import Final

import pytest
import trio

from esperd.testing.attached import (
    END,
    ESCAPE,
    HOME,
    PAGE_DOWN,
    PAGE_UP,
    PREFIX,
    arrives,
    attached,
    command,
    mode_of,
    wait_for_mode,
    wait_until_whole,
)
from esperd.testing.daemon import Bench
from esperd.testing.screen import Screen
from esperd.testing.terminal import BoardTerminal

pytestmark = pytest.mark.slow

# More than a viewer keeps in memory.
MANY: Final = 30_000
BOOT: Final = b"rst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)\r\nI (%d) boot: boot of %d\r\n"
PANIC: Final = (
    b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.\r\nI (9) app: %d\r\n"
)


def many_lines() -> bytes:
    said = [b"I (%d) app: line %d\r\n" % (number, number) for number in range(MANY)]
    for number in (7, MANY // 2, MANY - 100):
        said[number] = b"W (%d) needle: found %d [x\r\n" % (number, number)
    return BOOT % (0, 0) + b"".join(said)


def numbers(screen: Screen) -> list[int]:
    """The numbers of the lines on the screen."""
    return [
        int(found)
        for found in re.findall(r"^[IW] \(\d+\) (?:app: line|needle: found) (\d+)", screen.text, re.MULTILINE)
    ]


async def shows_numbers(screen: Screen, expected: list[int]) -> None:
    await screen.wait_until(lambda: numbers(screen) == expected, f"the lines {expected}")


async def test_scrolling_and_searching_reach_behind_the_window(bench: Bench, tmp_path: Path) -> None:
    recording = tmp_path / "long.raw"
    recording.write_bytes(many_lines())
    daemon = await bench.start(f"b=replay:{recording}?speed=0")
    async with attached(daemon, tmp_path) as screen:
        await screen.wait_for(f"line {MANY - 1}")
        # A late one sees what was before; a screen holds 20 rows or so.
        await command(screen, PAGE_UP)
        await screen.wait_for("Follow off")
        for _ in range(10):
            await goes_up(screen)
        # To the very first one, and down again.
        await screen.press(HOME)
        await screen.wait_for("line 0", "line 1", "POWERON")
        for _ in range(3):
            await screen.press(PAGE_DOWN)
        await screen.wait_until(lambda: is_gapless(numbers(screen)) and numbers(screen)[0] > 30, "a few pages on")
        # The whole journal is searched, whatever the window holds; the pattern is no regular expression.
        await screen.press(b"/found 15000 [x\r")
        await screen.wait_for("match 1/1", "needle: found 15000")
        await screen.press(b"/")
        await screen.press(b"\x15needle: found\r")
        await screen.wait_for("match 2/3", "needle: found 15000")
        await screen.press(b"N")
        await screen.wait_for("match 1/3", "needle: found 7 ")
        await screen.press(b"n")
        await screen.wait_for("match 2/3", "needle: found 15000")
        await screen.press(b"n")
        await screen.wait_for("match 3/3", f"needle: found {MANY - 100}")
        # Round the end.
        await screen.press(b"n")
        await screen.wait_for("match 1/3", "needle: found 7 ")
        # A regular expression, a wrong one first.
        await screen.press(b"/")
        await screen.press(b"\x15\x12fo(und\r")
        await screen.wait_for("regex", "✗")
        await screen.press(b"\x15found (7|29900)\r")
        await screen.wait_for("/2", "regex")
        await wait_until_whole(screen)
        await screen.press(END)
        await screen.wait_for("Follow on", f"line {MANY - 1}")
        await wait_until_whole(screen)


async def goes_up(screen: Screen) -> None:
    before = numbers(screen)
    await screen.press(PAGE_UP)
    await screen.wait_until(lambda: numbers(screen)[:1] < before[:1], "older lines")
    await screen.wait_until(lambda: is_gapless(numbers(screen)), "lines without gaps")


def is_gapless(shown: list[int]) -> bool:
    return bool(shown) and shown == list(range(shown[0], shown[0] + len(shown)))


async def test_boots_panics_and_warnings_are_found_and_the_rest_is_filtered(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    for number in range(4):
        filling = b"".join(b"%c (%d) app: filling %d\r\n" % (b"IWDE"[n % 4], n, n) for n in range(60))
        await terminal.send(BOOT % (number, number) + filling + PANIC % number)
    async with attached(daemon, tmp_path) as screen:
        await screen.wait_for("I (9) app: 3")
        await command(screen, b"[")
        await screen.wait_for("boot: boot of 3")
        await screen.press(b"[[")
        await screen.wait_for("boot: boot of 1")
        await screen.press(b"]")
        await screen.wait_for("boot: boot of 2")
        await screen.press(b"{")
        await screen.wait_for("I (9) app: 1")
        await screen.press(b"}")
        await screen.wait_for("I (9) app: 2")
        await screen.press(b"(")
        await screen.wait_for("no older core dump is known")
        await screen.press(b"f")
        await screen.wait_for("─ Filter")
        await screen.press(b"*:W\r")
        await screen.wait_until_gone("─ Filter")
        await screen.wait_for("Filter *:W")
        await screen.wait_until_gone("I (4) app: filling 4")
        await screen.press(b"F")
        await screen.wait_for("E (59) app: filling 59", "W (57) app: filling 57")
        levels = {line[0] for line in screen.lines if "app: filling" in line}
        assert levels == {"W", "E"}
        # What is filtered away now is not lost.
        await screen.press(b"f")
        await screen.wait_for("─ Filter")
        await screen.press(b"\x15\r")
        await screen.wait_for("D (58) app: filling 58", "I (56) app: filling 56")
        await wait_until_whole(screen)


async def test_pause_and_scrolling_back_lose_nothing_and_notes_appear(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with attached(daemon, tmp_path) as screen:
        await wait_for_mode(screen, "DEVICE")
        await terminal.send(b"".join(b"I (1) app: line %d\r\n" % n for n in range(40)))
        await screen.wait_for("line 39")
        await command(screen, b"y")
        await screen.wait_for("Pause on")
        await terminal.send(b"".join(b"I (1) app: line %d\r\n" % n for n in range(40, 50)))
        await screen.wait_for("10 new lines")
        assert numbers(screen)[-1] == 39
        await command(screen, b"y")
        await screen.wait_until_gone("Pause on")
        await screen.wait_until(lambda: numbers(screen)[-1:] == [49], "the newest line")
        assert is_gapless(numbers(screen))
        await command(screen, b"k")
        await screen.wait_for("Follow off")
        shown = numbers(screen)
        await terminal.send(b"".join(b"I (1) app: line %d\r\n" % n for n in range(50, 53)))
        await screen.wait_for("3 new lines")
        assert numbers(screen) == shown
        await screen.press(END)
        await screen.wait_for("Follow on")
        await screen.wait_until(lambda: numbers(screen)[-1:] == [52], "the newest line")
        assert is_gapless(numbers(screen))
        await screen.press(b"l")
        await screen.wait_for("─ Note ─")
        await screen.press("the fan is off \u2713\r".encode())
        await screen.wait_until_gone("─ Note ─")
        await screen.wait_for("the fan is off \u2713", "note")
        await wait_until_whole(screen)


async def test_a_restart_of_the_daemon_loses_and_repeats_nothing(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with attached(daemon, tmp_path, size=(100, 30)) as screen:
        await wait_for_mode(screen, "DEVICE")
        await terminal.send(b"".join(b"I (1) app: line %d\r\n" % n for n in range(100)))
        await screen.wait_for("line 99")
        await daemon.stop()
        await screen.wait_for("the connection is lost", "NO-PORT", "not connected")
        await wait_until_whole(screen)
        # Said once, however often it is tried.
        assert screen.text.count("the connection is lost") == 1
        # What was being typed must not become commands; after the prefix keys are.
        await screen.press(PREFIX + b"h")
        await screen.wait_for("─ Help ─")
        await screen.press(ESCAPE)
        await screen.wait_until_gone("─ Help ─")
        daemon = await bench.start(f"b={terminal.path}")
        await terminal.send(b"".join(b"I (1) app: line %d\r\n" % n for n in range(100, 120)))
        await screen.wait_for("attached to b again", "line 119")
        await wait_for_mode(screen, "DEVICE")
        assert screen.text.count("attached to b again") == 1
        await screen.press(b"k")
        await arrives(screen, terminal, b"k")
        # Now while scrolled back: the place is kept.
        await command(screen, PAGE_UP)
        await screen.press(PAGE_UP)
        await screen.wait_for("Follow off")
        await screen.wait_until(lambda: bool(numbers(screen)) and numbers(screen)[-1] < 99, "older lines")
        shown = numbers(screen)
        await daemon.stop()
        await screen.wait_for("not connected")
        daemon = await bench.start(f"b={terminal.path}")
        await terminal.send(b"".join(b"I (1) app: line %d\r\n" % n for n in range(120, 130)))
        await screen.wait_for("connected", "new line")
        await screen.wait_until_gone("not connected")
        assert numbers(screen) == shown
        await screen.press(b"s")
        file = tmp_path / "b.log"
        await screen.wait_until(lambda: file.exists() and b"line 129" in file.read_bytes(), "the saved lines")
        saved = [int(found) for found in re.findall(rb"app: line (\d+)", file.read_bytes())]
        assert saved == list(range(130))


async def test_a_resize_at_any_moment_of_a_flood_leaves_a_whole_frame(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    sizes = [(80, 24), (100, 30), (37, 11), (160, 50), (20, 4), (99, 24), (101, 24), (200, 60), (80, 24)]
    async with attached(daemon, tmp_path, size=(120, 40)) as screen:
        await wait_for_mode(screen, "DEVICE")
        async with trio.open_nursery() as flood:
            flood.start_soon(flood_board, terminal)
            for columns, rows in sizes * 2:
                await writes_on(screen)
                screen.resize(columns, rows)
            flood.cancel_scope.cancel()
        await terminal.send(b"\r\nI (1) app: that is all\r\n")
        await screen.wait_for("that is all")
        await wait_until_whole(screen)
        assert mode_of(screen) == "DEVICE"
        assert len([line for line in screen.lines if "app: flood" in line]) > 10


async def writes_on(screen: Screen) -> None:
    seen_bytes = len(screen.output)
    await screen.wait_until(lambda: len(screen.output) > seen_bytes, "more")


async def flood_board(terminal: BoardTerminal) -> None:
    number = 0
    while True:
        await terminal.send(b"".join(b"I (%d) app: flood %d\r\n" % (n, n) for n in range(number, number + 20)))
        number += 20
        await trio.sleep(0.01)
