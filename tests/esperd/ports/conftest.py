"""Pseudo-terminals for the tests of ports."""

from __future__ import annotations

import os
import tty
from typing import TYPE_CHECKING

import pytest
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@pytest.fixture
async def pseudo_terminal() -> AsyncGenerator[tuple[trio.lowlevel.FdStream, str]]:
    """The board's end (closing it hangs up) and the path of the other end, already raw."""
    board, other = os.openpty()
    tty.setraw(other)
    async with trio.lowlevel.FdStream(board) as stream:
        yield stream, os.ttyname(other)
    os.close(other)
