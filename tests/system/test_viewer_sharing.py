"""Two viewers on one board: they see the same, and one of them types."""

import re
import signal
from pathlib import Path
from typing import Final

import pytest

from esperd.testing.attached import DETACH, arrives, attached, command, wait_for_mode, wait_until_whole
from esperd.testing.daemon import Bench
from esperd.testing.screen import Screen
from esperd.testing.terminal import BoardTerminal

pytestmark = pytest.mark.slow

_LINE: Final = re.compile(rb"I \(\d+\) app: line \d+")


def name_of(screen: Screen) -> str:
    return f"(pid {screen.process.pid})"


def contents(file: Path) -> bytes:
    return file.read_bytes()


async def saved(screen: Screen, folder: Path) -> bytes:
    """What the viewer has in memory, as it saves it."""
    await command(screen, b"s")
    file = folder / "b.log"
    await screen.wait_until(lambda: file.exists() and file.stat().st_size > 0, "the saved lines")
    await screen.wait_for("saved: ")
    return contents(file)


async def test_both_see_the_same_and_one_types_after_the_other(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    folders = tmp_path / "first", tmp_path / "second"
    async with attached(daemon, folders[0], size=(100, 30)) as first:
        await wait_for_mode(first, "DEVICE")
        await terminal.send(b"".join(b"I (%d) app: line %d\r\n" % (n, n) for n in range(300)))
        async with attached(daemon, folders[1], size=(100, 30)) as second:
            await wait_for_mode(second, "READ-ONLY")
            await second.wait_for("Writer root", name_of(first), "w take the write lease")
            await terminal.send(b"".join(b"I (%d) app: line %d\r\n" % (n, n) for n in range(300, 600)))
            # What one types the other sees, marked as such.
            await first.press(b"status\r")
            await second.wait_for("> status", name_of(first))
            await arrives(first, terminal, b"status\r")
            for screen in (first, second):
                await screen.wait_for("app: line 599")
            lines = [
                _LINE.findall(await saved(screen, folder))
                for screen, folder in zip((first, second), folders, strict=True)
            ]
            assert lines[0] == [b"I (%d) app: line %d" % (n, n) for n in range(600)]
            assert lines[1] == lines[0]
            # Keys of the one that only watches are commands.
            await second.press(b"k")
            await second.wait_for("Follow off")
            await second.press(b"F")
            await second.wait_for("Follow on")
            # No is the default.
            await second.press(b"w")
            await second.wait_for("types to the board. Take over?", "▸ No")
            await second.press(b"\r")
            await second.wait_until_gone("Take over?")
            await wait_for_mode(second, "READ-ONLY")
            await second.press(b"w")
            await second.wait_for("Take over?")
            await second.press(b"y")
            await wait_for_mode(second, "DEVICE")
            await wait_for_mode(first, "READ-ONLY")
            await first.wait_for(f"{name_of(second)} took over", "Writer root")
            await wait_until_whole(first)
            await first.press(b"11")
            await second.press(b"mine\r")
            await arrives(second, terminal, b"mine\r")
            await first.wait_for("> mine")
            # Its place is free when it leaves, and taken without a question.
            await second.press(DETACH)
            assert await second.wait_for_end() == 0
        await first.wait_for("Writer nobody types")
        await first.press(b"w")
        await wait_for_mode(first, "DEVICE")
        await first.press(b"again\r")
        await arrives(first, terminal, b"again\r")
        # Given back by the same key.
        await command(first, b"w")
        await wait_for_mode(first, "READ-ONLY")
        await first.wait_for("nobody types", "you type no more")


async def test_one_that_asked_to_watch_only_never_types(bench: Bench, terminal: BoardTerminal, tmp_path: Path) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with attached(daemon, tmp_path, "--read-only") as watcher:
        await wait_for_mode(watcher, "READ-ONLY")
        await watcher.wait_for("nobody types")
        for keys in (b"w", b"\x14r", b"\x14\x14", b"b", b"p", b"\x1b[200~paste\x1b[201~"):
            await watcher.press(keys)
        await watcher.press(b"?")
        await watcher.wait_for("─ Help ─")
        async with attached(daemon, tmp_path) as writer:
            await wait_for_mode(writer, "DEVICE")
            await writer.press(b"k")
            await arrives(writer, terminal, b"k")
            async with attached(daemon, tmp_path, "--steal") as thief:
                await wait_for_mode(thief, "DEVICE")
                await wait_for_mode(writer, "READ-ONLY")


async def test_the_place_of_a_viewer_that_was_killed_is_free(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with attached(daemon, tmp_path) as other:
        await wait_for_mode(other, "DEVICE")
        async with attached(daemon, tmp_path) as screen:
            await wait_for_mode(screen, "READ-ONLY")
            await screen.wait_for(name_of(other))
            other.process.kill()
            await screen.wait_for("Writer nobody types")
            await screen.press(b"w")
            await wait_for_mode(screen, "DEVICE")
            await screen.press(b"k")
            await arrives(screen, terminal, b"k")


async def test_after_a_kill_the_lease_goes_back_to_who_held_it_and_not_to_who_is_back_first(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with attached(daemon, tmp_path) as holder:
        await wait_for_mode(holder, "DEVICE")
        async with attached(daemon, tmp_path) as watcher:
            await watcher.wait_for("Writer root", name_of(holder))
            await daemon.kill()
            await wait_for_mode(holder, "NO-PORT")
            await holder.press(b"x")
            await holder.wait_for("esperd is away: keys are not sent")
            holder.process.send_signal(signal.SIGSTOP)
            await bench.start(f"b={terminal.path}")
            await watcher.wait_for("attached to b again", "Writer nobody types")
            holder.process.send_signal(signal.SIGCONT)
            await wait_for_mode(holder, "DEVICE")
            await watcher.wait_for("Writer root", name_of(holder))
            await holder.press(b"mine\r")
            await arrives(holder, terminal, b"mine\r")
