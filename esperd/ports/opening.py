"""From an endpoint to an open port: which transport opens what, and who closes it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import trio

from esperd.ports.endpoint_kinds import (
    DeviceEndpoint,
    Endpoint,
    HardwareEndpoint,
    OpenableEndpoint,
    ReplayEndpoint,
    Rfc2217Endpoint,
    SerialUrlEndpoint,
    SimulatedEndpoint,
    TcpEndpoint,
)
from esperd.ports.hwgrep import find_hardware
from esperd.ports.open_tty import open_tty
from esperd.ports.port import PortError
from esperd.ports.pyserial_url import open_serial_url
from esperd.ports.rfc2217_port import open_rfc2217
from esperd.ports.tcp import TcpPort, connect
from esperd.simulation.errors import SimulationError
from esperd.simulation.replay import open_replay
from esperd.simulation.simulated_board import open_simulated_board

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from esperd.ports.port import Port


@asynccontextmanager
async def open_device(endpoint: Endpoint, *, baud: int) -> AsyncGenerator[OpenableEndpoint]:
    """Holds what must outlive each opening of a port: the pseudo-terminal of a simulated or replayed board.

    Yields:
        The endpoint to give to ``open_port``, as often as needed; *endpoint* itself where nothing has to be held.

    Raises:
        PortError: No such scenario, or the transcript cannot be read. What the block raises leaves a simulated or
            replayed board in an exception group, for a task plays it meanwhile.
    """
    try:
        match endpoint:
            case SimulatedEndpoint():
                async with open_simulated_board(endpoint.scenario, baud=baud, speed=endpoint.speed) as path:
                    yield DeviceEndpoint(path)
            case ReplayEndpoint():
                async with open_replay(
                    Path(endpoint.file), baud=baud, speed=endpoint.speed, loop=endpoint.loop
                ) as path:
                    yield DeviceEndpoint(path)
            case _:
                yield endpoint
    except SimulationError as error:
        raise PortError(endpoint.text, str(error)) from error


@asynccontextmanager
async def open_port(endpoint: OpenableEndpoint, *, baud: int, was_lent: bool = False) -> AsyncGenerator[Port]:
    """Opens a port for the time of an ``async with`` block; never resets the board, never discards its bytes.

    Args:
        endpoint: From ``open_device``.
        baud: Bit/s; means nothing to ``socket://``.
        was_lent: Whether somebody had the port to himself before, see ``open_tty``.

    Raises:
        PortError: Could not open; see its subclasses. Bounded in time: 10 s to connect, then the negotiation.
    """
    port = await _open(endpoint, baud, was_lent=was_lent)
    try:
        yield port
    finally:
        # Shielded, because a network stream closed under cancellation is reset and loses what was just sent; every
        # port closes within a fraction of a second (pyserial's: within its write timeout).
        with trio.CancelScope(shield=True):
            await port.aclose()


async def _open(endpoint: OpenableEndpoint, baud: int, *, was_lent: bool) -> Port:
    match endpoint:
        case DeviceEndpoint(path):
            return await open_tty(path, baud=baud, was_lent=was_lent)
        case HardwareEndpoint():
            return await open_tty(await find_hardware(endpoint), baud=baud)
        case TcpEndpoint(host, port):
            return TcpPort(await connect(host, port, endpoint.text), endpoint.text)
        case Rfc2217Endpoint(host, port, timeout_s):
            return await open_rfc2217(host, port, path=endpoint.text, baud=baud, negotiation_timeout_s=timeout_s)
        case SerialUrlEndpoint(url):
            return await open_serial_url(url, baud=baud)
        case _:
            assert_never(endpoint)
