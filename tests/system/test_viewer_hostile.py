"""Boards that say what a terminal would obey, and ends that come from outside: the terminal is as it was before."""

import signal
from pathlib import Path
from typing import Final

import pytest

from esperd.testing.attached import (
    DETACH,
    arrives,
    attached,
    command,
    foreign_controls,
    foreign_sequences,
    heard,
    wait_for_mode,
    wait_until_whole,
)
from esperd.testing.daemon import Bench
from esperd.testing.screen import Screen
from esperd.testing.terminal import BoardTerminal

pytestmark = pytest.mark.slow

# Sources: ECMA-48 8.3 (DA, DSR, HTS, RIS, C1), xterm's ctlseqs (OSC 0, 2, 4, 8, 10, 11, 52, DECRQSS, DECSET).
SEQUENCES: Final = (
    *(b"\x1b[5n", b"\x1b[6n", b"\x1b[?6n", b"\x1b[c", b"\x1b[>c", b"\x1b[=c", b"\x1b[>q", b"\x1b[14t", b"\x1b[21t"),
    *(b"\x1bP$qm\x1b\\", b"\x1bP+q544e\x1b\\", b"\x1b]10;?\x07", b"\x1b]11;?\x1b\\", b"\x1b]4;1;?\x07", b"\x05"),
    *(b"\x1b]0;owned\x07", b"\x1b]2;owned\x1b\\", b"\x1b]52;c;b3duZWQ=\x07", b"\x1b]8;;http://owned/\x07link"),
    *(b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?47h", b"\x1b[?1000h", b"\x1b[?1006h", b"\x1b[?2004h", b"\x1b[?25l"),
    *(b"\x1b[2J", b"\x1b[H", b"\x1b[3J", b"\x1bc", b"\x1b#8", b"\x1b[r", b"\x1b[5;10r", b"\x1b[!p", b"\x1b[4h"),
    *(b"\x1b(0", b"\x0e", b"\x1bD", b"\x1bM", b"\x1bE", b"\x1b7", b"\x1b8", b"\x1b[20h", b"\x1b[?7l", b"\x1b[100S"),
    *(b"\x1b[5i", b"\x1b_apc\x1b\\", b"\x1b^pm\x1b\\", b"\x1bXsos\x1b\\", b"\x1b[99;99Hcorner", b"\x1b[1A"),
    *(b"\xc2\x9b6n", b"\xc2\x9d0;owned\x07", b"\xc2\x90$qm\xc2\x9c", b"\x9b6n", b"\x9d52;c;b3duZWQ=\x9c", b"\x8d"),
)
TEXTS: Final = (
    *(b"\xff\xfe\xfd", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf", b"\x00\x01\x02\x7f"),
    *(
        "\u202eoverride\u202c",
        "\u2066isolate\u2069",
        "\u200f\u200e",
        "\u061c",
        "a\u200b\u200d\ufeffb",
        "e" + "\u0301" * 60,
    ),
    *(
        "\u6f22\u5b57" * 60,
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",
        "\u2028\u2029",
        "\u05e9\u05dc\u05d5\u05dd",
        "\ufdd0\uffff",
    ),
)


def encoded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def assert_tame(screen: Screen) -> None:
    """Of what the board said nothing reached the terminal that it would obey."""
    output = bytes(screen.output)
    assert foreign_sequences(output) == []
    assert foreign_controls(output) == []
    assert b"owned\x07" not in output


async def leave(screen: Screen, before: list[object], exit_code: int = 0) -> None:
    """Waits for the end, and sees that the terminal is as before."""
    assert await screen.wait_for_end() == exit_code
    assert_restored(screen, before)


def assert_restored(screen: Screen, before: list[object]) -> None:
    output = bytes(screen.output)
    assert screen.terminal_settings == before
    # The screen from before, wrapping, plain pastes, and a visible cursor, which stays where it was.
    shown, after = output.rsplit(b"\x1b[?1049l", 1)
    assert output.count(b"\x1b[?1049h") == 1
    for switched_on, switched_off in ((b"\x1b[?2004h", b"\x1b[?2004l"), (b"\x1b[?7l", b"\x1b[?7h")):
        assert output.rfind(switched_off) > output.rfind(switched_on)
    assert output.rfind(b"\x1b[?25h") > output.rfind(b"\x1b[?25l")
    assert b"\x1b[0m" in shown[-40:]
    for sequence in (b"H", b"J", b"A", b"G"):
        assert sequence not in after.split(b"\n")[0], after


@pytest.mark.parametrize("size", [(80, 24), (160, 50)], ids=["80x24", "160x50"])
async def test_nothing_that_a_terminal_obeys_reaches_it(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path, size: tuple[int, int]
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with attached(daemon, tmp_path, size=size) as screen:
        before = screen.terminal_settings
        await wait_for_mode(screen, "DEVICE")
        said = [b"before " + encoded(each) + b" behind" for each in (*SEQUENCES, *TEXTS)]
        for number, line in enumerate(said):
            await terminal.send(line + b"\r\n")
            if number % 8 == 0:
                # An open line, too, is shown with what it holds.
                await terminal.send(line)
                await screen.wait_until(lambda: "before" in screen.text, "the line")
                await terminal.send(b"\r\n")
        await terminal.send(b"that is all\r\n")
        await screen.wait_for("that is all")
        await wait_until_whole(screen)
        assert_tame(screen)
        # Also what is scrolled to, and searched.
        await command(screen, b"\x1b[5~")
        for _ in range(12):
            await screen.press(b"\x1b[5~")
        await screen.wait_for("Follow off")
        await screen.press(b"/owned\r")
        await screen.wait_for("match ")
        await wait_until_whole(screen)
        await screen.press(b"c\x1b")
        await wait_for_mode(screen, "DEVICE")
        # The board was answered nothing but that there is a terminal, which consoles ask for.
        await screen.press(b"end")
        answered = await heard(screen, terminal, lambda came: came.endswith(b"end"))
        assert set(answered.removesuffix(b"end").split(b"\x1b[0n")) == {b""}
        await screen.press(DETACH)
        await leave(screen, before)
        assert_tame(screen)


async def test_sequences_in_pieces_are_as_harmless_as_whole_ones(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with attached(daemon, tmp_path) as screen:
        await wait_for_mode(screen, "DEVICE")
        for number, sequence in enumerate((*SEQUENCES[:24], "\u6f22\u202e\U0001f469".encode())):
            # Each piece has been seen before the next one comes.
            for end in range(1, len(sequence)):
                await terminal.send(sequence[end - 1 : end])
            await terminal.send(b"%d." % number)
            await screen.wait_for(f"{number}.")
            await terminal.send(sequence[-1:])
            await terminal.send(b"\r\n")
        await terminal.send(b"that is all\r\n")
        await screen.wait_for("that is all")
        await wait_until_whole(screen)
        assert_tame(screen)


async def test_a_line_of_a_megabyte_is_one_line_and_keys_go_on(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with attached(daemon, tmp_path) as screen:
        await wait_for_mode(screen, "DEVICE")
        await terminal.send(b"\x1b[31m" + b"abcdefgh" * 65_536)
        await terminal.send("\u6f22".encode() * 100_000 + b"\x1b]0;" + b"x" * 200_000)
        await terminal.send(b"\r\nI (1) app: behind it\r\n")
        await screen.wait_for("I (1) app: behind it")
        await wait_until_whole(screen)
        await screen.press(b"k")
        await arrives(screen, terminal, b"k")
        await command(screen, b"z")
        await screen.wait_for("Wrap off", "I (1) app: behind it")
        await command(screen, b"/")
        await screen.press(b"abcdefgh\r")
        await screen.wait_for("match 1/")
        await wait_until_whole(screen)
        assert_tame(screen)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_ends_the_viewer_and_the_terminal_is_as_before(
    bench: Bench, tmp_path: Path, number: signal.Signals
) -> None:
    daemon = await bench.start("b=sim:chatty")
    async with attached(daemon, tmp_path) as screen:
        before = screen.terminal_settings
        await wait_for_mode(screen, "DEVICE")
        assert screen.terminal_settings != before
        await command(screen, b"?")
        await screen.wait_for("─ Help ─")
        screen.process.send_signal(number)
        await leave(screen, before, 128 + number)
        assert b"Traceback" not in screen.output


async def test_leaving_works_in_every_mode_and_over_every_dialog(bench: Bench, tmp_path: Path) -> None:
    daemon = await bench.start("b=sim:console")
    for keys, words in ((b"", "DEVICE"), (b"\x14", "HOST"), (b"\x14r", "Reset the board?"), (b"\x14/abc", "abc")):
        async with attached(daemon, tmp_path) as screen:
            before = screen.terminal_settings
            await wait_for_mode(screen, "DEVICE")
            await screen.press(keys)
            await screen.wait_for(words)
            await screen.press(DETACH)
            await leave(screen, before)


async def test_what_can_not_be_saved_is_told_and_the_viewer_goes_on(bench: Bench, tmp_path: Path) -> None:
    daemon = await bench.start("b=sim:console")
    folder = tmp_path / "gone"
    folder.mkdir()
    async with attached(daemon, folder) as screen:
        await screen.wait_for("esp>")
        for path in (folder / "config/esperctl/viewer.toml", folder / "config/esperctl", folder / "config", folder):
            path.unlink() if path.is_file() else path.rmdir()
        await command(screen, b"s")
        await screen.wait_for("can't be written", "No such file or directory")
        await wait_for_mode(screen, "DEVICE")
        await screen.press(b"tasks\r")
        await screen.wait_for("IDLE")
