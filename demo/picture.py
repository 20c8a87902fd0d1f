"""Takes the picture of the viewer for the README: a simulated board crashes, the terminal becomes an SVG.

``python demo/picture.py docs/viewer.svg`` (or ``make picture``).
"""

import functools
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import trio
from pyte.screens import Char

from esperd.testing.daemon import Bench
from esperd.testing.screen import Screen, open_screen

COLUMNS: Final = 150
ROWS: Final = 42
CELL_WIDTH: Final = 8.4
CELL_HEIGHT: Final = 18
MARGIN: Final = 12
FONT: Final = "'DejaVu Sans Mono', 'Liberation Mono', Menlo, Consolas, monospace"
# The names are pyte's; brown is what terminals call yellow.
COLOURS: Final = {
    "default": "#d4d4d4",
    "black": "#1e1e1e",
    "red": "#f2777a",
    "green": "#8ccf7e",
    "brown": "#ffcc66",
    "blue": "#6699cc",
    "magenta": "#cc99cc",
    "cyan": "#66cccc",
    "white": "#e8e8e8",
    "brightblack": "#8a8a8a",
    "brightred": "#ff9da4",
    "brightgreen": "#b5e8a8",
    "brightbrown": "#ffe08a",
    "brightblue": "#99bbee",
    "brightmagenta": "#e0b8e0",
    "brightcyan": "#99e5e5",
    "brightwhite": "#ffffff",
}
BACKGROUND: Final = "#1e1e1e"


async def show_a_crash(screen: Screen) -> None:
    """Plays the part of the person at the terminal."""
    await screen.wait_for("Type 'help'")
    await screen.press(b"status\r")
    await screen.wait_for("Free heap")
    await screen.press(b"crash\r")
    await screen.wait_for("core dump greenhouse-1 decoded", timeout_s=60)
    # To the panic, from where the log has moved on already.
    await screen.press(b"\x14{")
    await screen.wait_for("Guru Meditation")
    await screen.press(b"\x1b[B" * 46)
    await screen.wait_for("#9")
    # What was said for some seconds covers the list.
    await screen.wait_until_gone("decoded: store_value")


def svg(screen: Screen) -> str:
    """The screen as an SVG file."""
    width, height = COLUMNS * CELL_WIDTH + 2 * MARGIN, ROWS * CELL_HEIGHT + 2 * MARGIN
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'font-family="{FONT}" font-size="14" role="img" aria-label="esperctl attach after a crash">'
        ),
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
    ]
    for row in range(ROWS):
        parts += _row(screen.cells(row), MARGIN + row * CELL_HEIGHT)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(cells: list[Char], top: float) -> Iterator[str]:
    column = 0
    for style, run in itertools.groupby(cells, _style):
        text = [cell.data for cell in run]
        foreground, background, bold, underlined = style
        left, width = MARGIN + column * CELL_WIDTH, len(text) * CELL_WIDTH
        column += len(text)
        if background != BACKGROUND:
            yield f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{CELL_HEIGHT}" fill="{background}"/>'
        if "".join(text).strip():
            weight = ' font-weight="bold"' if bold else ""
            line = ' text-decoration="underline"' if underlined else ""
            yield (
                f'<text x="{left:g}" y="{top + 13.5:g}" textLength="{width:g}" lengthAdjust="spacingAndGlyphs" '
                f'xml:space="preserve" fill="{foreground}"{weight}{line}>{escape("".join(text))}</text>'
            )


def _style(cell: Char) -> tuple[str, str, bool, bool]:
    foreground = COLOURS.get(cell.fg, COLOURS["default"])
    background = BACKGROUND if cell.bg == "default" else COLOURS.get(cell.bg, BACKGROUND)
    if cell.reverse:
        foreground, background = background, foreground
    return foreground, background, cell.bold, cell.underscore


async def take(target: Path) -> None:
    """Runs a daemon and a viewer, and writes what the viewer shows."""
    with tempfile.TemporaryDirectory(prefix="esperd-picture-") as folder:
        async with trio.open_nursery() as nursery:
            bench = Bench(Path(folder), nursery)
            daemon = await bench.start("greenhouse=sim:crash")
            command = [sys.executable, "-m", "esperctl", "--socket", str(daemon.socket), "attach"]
            environment = {"XDG_CONFIG_HOME": folder}
            async with open_screen(command, columns=COLUMNS, rows=ROWS, environment=environment) as screen:
                await show_a_crash(screen)
                await trio.to_thread.run_sync(functools.partial(target.write_text, svg(screen), "utf-8"))
            await bench.aclose()
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(take, Path(sys.argv[1]))
