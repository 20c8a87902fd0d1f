import asyncio
import os
import random
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest

from esperctl.viewer.screen import Picture, Theme
from esperctl.viewer.screen.canvas import Canvas
from esperctl.viewer.style import PLAIN, Style
from esperctl.viewer.terminal.application import Terminal
from esperctl.viewer.terminal.painting import style_string


class _Emulator(Protocol):
    raw: bytes
    descriptor: int
    screen: Any
    stream: Any

    def read(self) -> bool: ...

    def lines(self) -> list[str]: ...


MakeEmulator = Callable[[int, int], _Emulator]
COLUMNS, ROWS = 40, 12
_PARTS = ["plain text ", "日本", "é", "e\u0301", "─│┌", "👍", "✓", "   ", "~", "\uff48"]


def _picture(lines: Sequence[str], style: Style = PLAIN, cursor: tuple[int, int] | None = None) -> Picture:
    canvas = Canvas(COLUMNS, ROWS, Theme())
    for row, line in enumerate(lines):
        canvas.whole().put(row, 0, line, style)
    canvas.cursor = cursor
    return canvas.picture()


def _random_picture(chance: random.Random, before: Picture | None) -> Picture:
    canvas = Canvas(COLUMNS, ROWS, Theme())
    for row in range(ROWS):
        if before is not None and chance.random() < 0.5:
            column = 0
            for cell in before.cells[row]:
                column = canvas.whole().put(row, column, cell.text, cell.style)
        column = chance.randrange(COLUMNS)
        for _ in range(chance.randrange(5)):
            style = Style(chance.choice([None, 1, 12]), chance.choice([None, None, 4]), reverse=chance.random() < 0.2)
            column = canvas.whole().put(row, column, chance.choice(_PARTS), style)
    canvas.cursor = (chance.randrange(ROWS), chance.randrange(COLUMNS)) if chance.random() < 0.8 else None
    return canvas.picture()


def _ignore_size(_columns: int, _rows: int) -> None:
    """The pictures of these tests have one size."""


async def _show(emulator: _Emulator, pictures: Sequence[Picture], check: Callable[[Picture], None]) -> None:
    with os.fdopen(os.dup(emulator.descriptor), "r") as stdin, os.fdopen(os.dup(emulator.descriptor), "w") as stdout:
        terminal = Terminal(on_keys=lambda _: None, on_resize=_ignore_size, stdin=stdin, stdout=stdout)
        task = asyncio.create_task(terminal.run())
        for picture in pictures:
            terminal.show(picture)
            # A paint that was asked for is done within a few turns of the loop.
            for _ in range(8):
                await asyncio.sleep(0)
            while emulator.read():
                pass
            check(picture)
        terminal.stop()
        assert await task == 0


def _assert_same(emulator: _Emulator, picture: Picture) -> None:
    shown = emulator.screen.buffer
    for row, cells in enumerate(picture.cells):
        for column, cell in enumerate(cells):
            there = shown[row][column]
            assert there.data == unicodedata.normalize("NFC", cell.text), (row, column)
            if cell.text.strip():
                assert there.reverse == cell.style.reverse
                assert (there.fg == "default") == (cell.style.foreground is None)
                assert (there.bg == "default") == (cell.style.background is None)
    assert emulator.screen.cursor.hidden == (picture.cursor is None)
    if picture.cursor is not None:
        assert (emulator.screen.cursor.y, emulator.screen.cursor.x) == picture.cursor


@pytest.mark.parametrize("seed", range(6))
def test_after_any_pictures_the_terminal_shows_the_last(make_emulator: MakeEmulator, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same pictures each time
    emulator = make_emulator(COLUMNS, ROWS)
    pictures = [_random_picture(chance, None)]
    for _ in range(40):
        pictures.append(_random_picture(chance, pictures[-1]))
    asyncio.run(_show(emulator, pictures, lambda picture: _assert_same(emulator, picture)))


def test_only_what_changed_is_written(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(COLUMNS, ROWS)
    lines = ["x" * COLUMNS] * ROWS
    written: list[int] = []
    pictures = [_picture(lines), _picture([*lines[:5], "xxxyxxx" + "x" * 33, *lines[6:]]), _picture(lines)]
    asyncio.run(_show(emulator, [*pictures, pictures[-1]], lambda _: written.append(len(emulator.raw))))
    first, second, third, fourth = written
    assert first > COLUMNS * ROWS
    assert 0 < second - first < 60
    assert 0 < third - second < 60
    assert fourth == third


def test_a_terminal_that_draws_a_sign_narrower_keeps_all_others_in_their_columns(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(COLUMNS, ROWS)

    class _Narrow:
        def feed(self, data: bytes) -> None:
            stream.feed(data.replace("👍".encode(), b"!"))

    stream = emulator.stream
    emulator.stream = _Narrow()
    pictures = [_picture(["👍👍 abc 👍", "next"]), _picture(["👍👍 abd", "next"]), _picture(["👍x👍", "mext"])]
    expected = [["! !  abc !", "next"], ["! !  abd", "next"], ["! x!", "mext"]]
    shown: list[list[str]] = []
    asyncio.run(_show(emulator, pictures, lambda _: shown.append(emulator.lines()[:2])))
    assert [[line[:10].rstrip() for line in lines] for lines in shown] == expected


def test_all_colours_and_attributes_arrive(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(COLUMNS, ROWS)
    canvas = Canvas(COLUMNS, ROWS, Theme())
    for colour in range(16):
        canvas.whole().put(0, colour, "x", Style(foreground=colour))
        canvas.whole().put(1, colour, "x", Style(background=colour, bold=True, italic=True, underline=True))
    asyncio.run(_show(emulator, [canvas.picture()], lambda _: None))
    codes = emulator.raw
    for colour in range(16):
        base = 30 + colour if colour < 8 else 82 + colour
        assert f"\x1b[0;{base}m".encode() in codes
        assert f"\x1b[0;{base + 10};1;3;4m".encode() in codes
    assert style_string(Style(dim=True, reverse=True)) == "dim reverse"
