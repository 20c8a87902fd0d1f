"""The viewer at a terminal of the test, and what is true of everything that it shows."""

import re
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from esperd.testing.daemon import Daemon
from esperd.testing.screen import Screen, ScreenError, open_screen
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import TIMEOUT_S

PREFIX: Final = b"\x14"
DETACH: Final = b"\x1d"
ESCAPE: Final = b"\x1b"
UP, DOWN, RIGHT, LEFT = b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D"
PAGE_UP, PAGE_DOWN, HOME, END = b"\x1b[5~", b"\x1b[6~", b"\x1b[H", b"\x1b[F"
MODES: Final = ("DEVICE", "HOST", "CAPTURE", "NO-PORT", "READ-ONLY")
_MOST_SCROLLS: Final = 80
# Everything that the viewer says to a terminal: where, how it looks, what is erased, and the modes of a full screen.
# Sources: ECMA-48 8.3; xterm's ctlseqs (DECSET 1 application keys, 7 wrap, 12 and 25 cursor, 1049, 2004).
_ALLOWED: Final = re.compile(rb"\x1b\[(?:[0-9;]*[mHGABCDJK]|\?(?:1|7|12|25|1049|2004)[hl])")
_SEQUENCE: Final = re.compile(rb"\x1b(?:\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|[\]PX^_][^\x07\x1b]*|.|\Z)", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@asynccontextmanager
async def attached(
    daemon: Daemon,
    folder: Path,
    *arguments: str,
    size: tuple[int, int] = (80, 24),
    environment: Mapping[str, str] | None = None,
    settings: str = "",
) -> AsyncGenerator[Screen]:
    """The viewer of a daemon's board, in a working directory *folder* whose settings file holds *settings*."""
    file = folder / "config" / "esperctl" / "viewer.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(settings, "utf-8")
    command = [sys.executable, "-m", "esperctl", "--socket", str(daemon.socket), "attach", *arguments]
    made = {"XDG_CONFIG_HOME": str(folder / "config"), **(environment or {})}
    async with open_screen(command, columns=size[0], rows=size[1], environment=made, folder=folder) as screen:
        yield screen


def mode_of(screen: Screen) -> str:
    """The mode that the status line names; empty: none."""
    line = screen.lines[screen.rows - 2]
    return next((mode for mode in MODES if line.startswith(f" {mode} ")), "")


async def wait_for_mode(screen: Screen, mode: str) -> None:
    """Waits until the status line names *mode*."""
    await screen.wait_until(lambda: mode_of(screen) == mode, f"the mode {mode}")


async def command(screen: Screen, keys: bytes) -> None:
    """The prefix, and when it was seen, a command."""
    await screen.press(PREFIX)
    await screen.wait_until(lambda: mode_of(screen) in ("HOST", "READ-ONLY"), "HOST")
    await screen.press(keys)


async def arrives(screen: Screen, terminal: BoardTerminal, data: bytes) -> None:
    """Waits until *data* has come to the board, and nothing else before it.

    Raises:
        ScreenError: something else came, or not all of it.
    """
    came = await heard(screen, terminal, lambda came: len(came) >= len(data))
    if came != data:
        raise ScreenError(f"the board got {came!r} instead of {data!r}:\n{screen.text}")


async def heard(screen: Screen, terminal: BoardTerminal, is_enough: Callable[[bytes], bool]) -> bytes:
    """What comes to the board until it is enough, while the viewer goes on; what came so far when it takes too long."""
    came = b""
    with trio.move_on_after(TIMEOUT_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(screen.read_on)
            while not is_enough(came):
                came += await terminal.receive()
            nursery.cancel_scope.cancel()
    return came


async def wait_until_whole(screen: Screen) -> None:
    """Waits until the frame stands: a picture comes in several pieces.

    Raises:
        ScreenError: it does not come to stand.
    """
    await screen.wait_until(lambda: not _faults(screen), "a whole frame", timeout_s=5)


def _faults(screen: Screen) -> list[str]:
    title, status, hint = screen.cells(0), screen.lines[-2], screen.lines[-1]
    checks = {
        "something stands beyond the edges": not screen.beyond,
        "the title does not go over the whole width": all(cell.reverse for cell in title),
        "the mode is not said": bool(mode_of(screen)),
        "the status line is cut": not status.endswith("…"),
        # Two blanks part the hints; what does not fit is left out whole.
        "there is no hint, or it is cut": hint.startswith(" ") and "…" not in hint.removesuffix("  …"),
    }
    return [fault for fault, is_well in checks.items() if not is_well]


async def scroll_to(screen: Screen, keys: bytes, is_shown: Callable[[], bool], what: str) -> None:
    """Presses *keys*, which scroll, until what is looked for is shown.

    Raises:
        ScreenError: it is not, or nothing moves any more.
    """
    for _ in range(_MOST_SCROLLS):
        if is_shown():
            return
        await _scroll(screen, keys)
    raise ScreenError(f"{what} is nowhere:\n{screen.text}")


async def _scroll(screen: Screen, keys: bytes) -> None:
    before = screen.text
    await screen.press(keys)
    await screen.wait_until(lambda: screen.text != before, "something else")
    await wait_until_whole(screen)


def foreign_sequences(output: bytes) -> list[bytes]:
    """The control sequences among *output* that the viewer never writes by itself."""
    return [sequence for sequence in _SEQUENCE.findall(output) if not _ALLOWED.fullmatch(sequence)]


def foreign_controls(output: bytes) -> list[str]:
    """The control characters, also those that only order text, among *output*, which must be UTF-8."""
    return _CONTROL.findall(output.decode("utf-8"))
