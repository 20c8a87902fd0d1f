from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from esperd.simulation.errors import SimulationError
from esperd.simulation.simulated_board import open_simulated_board

if TYPE_CHECKING:
    from collections.abc import Callable


async def read_until(terminal: int, wanted: bytes) -> bytes:
    got = bytearray()
    with trio.fail_after(200):
        while wanted not in got:
            await trio.lowlevel.wait_readable(terminal)
            got += os.read(terminal, 65536)
    return bytes(got)


def open_terminal(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)


async def test_a_real_terminal_answers_what_is_typed_while_output_is_playing() -> None:
    async with open_simulated_board("console", baud=115200, speed=20) as path:
        terminal = open_terminal(path)
        os.write(terminal, b"echo early\r")
        said = await read_until(terminal, b"\nearly\r\nesp> ")
        assert said.startswith(b"ESP-ROM:")
        os.write(terminal, b"status\r")
        assert b"ELF SHA256" in await read_until(terminal, b"samples\r\n")
        os.close(terminal)


async def test_as_fast_as_read_it_crashes_on_and_on(core_dumps: Callable[[bytes], list[bytes]]) -> None:
    async with open_simulated_board("crash", baud=115200, speed=0) as path:
        terminal = open_terminal(path)
        said = b"".join([await read_until(terminal, b"Rebooting...\r\n") for _ in range(3)])
        os.close(terminal)
    assert len(core_dumps(said)) >= 2


async def test_the_board_is_in_board_time(autojump_clock: trio.testing.MockClock) -> None:
    started_at = trio.current_time()
    async with open_simulated_board("crash", baud=115200, speed=2) as path:
        terminal = open_terminal(path)
        await read_until(terminal, b"Guru Meditation")
        os.close(terminal)
    assert trio.current_time() - started_at == pytest.approx(2.2, abs=0.5)


async def test_unknown_scenario_is_an_error_before_anything_is_opened() -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of a moment, not of a folder
    with pytest.raises(SimulationError, match="no simulated board 'nonsense'"):
        async with open_simulated_board("nonsense", baud=115200, speed=1):
            pass
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


async def test_nothing_stays_open_afterwards() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of a moment, not of a folder
    async with open_simulated_board("chatty", baud=115200, speed=0) as path:
        await trio.testing.wait_all_tasks_blocked()
        assert path.startswith("/dev/pts/")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above
