"""A real daemon with a board that the test plays."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
import trio

from esperd.testing.daemon import Bench, Daemon
from esperd.testing.terminal import BoardTerminal


@pytest.fixture
async def bench(tmp_path: Path, nursery: trio.Nursery) -> AsyncGenerator[Bench]:
    bench = Bench(tmp_path, nursery)
    yield bench
    await bench.aclose()


@pytest.fixture
def terminal() -> Iterator[BoardTerminal]:
    terminal = BoardTerminal()
    yield terminal
    terminal.hang_up()


@pytest.fixture
async def daemon(bench: Bench, terminal: BoardTerminal) -> Daemon:
    return await bench.start(f"b={terminal.path}")
