"""The kinds of endpoints, as values; the ``text`` of one is for messages and parses to the same value again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class DeviceEndpoint:
    """A terminal device: ``/dev/ttyUSB0``, a ``/dev/serial/by-id`` link, ``/dev/pts/4``."""

    path: str

    @property
    def text(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A TCP server that passes bytes through as they are (``socket://``)."""

    host: str
    port: int

    @property
    def text(self) -> str:
        return f"socket://{_host_and_port(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class Rfc2217Endpoint:
    """A serial port server that speaks Telnet COM-PORT-OPTION."""

    host: str
    port: int
    negotiation_timeout_s: float = 5.0

    @property
    def text(self) -> str:
        timeout = f"?timeout={self.negotiation_timeout_s:g}" if self.negotiation_timeout_s != 5 else ""
        return f"rfc2217://{_host_and_port(self.host, self.port)}{timeout}"


@dataclass(frozen=True, slots=True)
class HardwareEndpoint:
    """The first (or *index*-th, from 1) serial device whose name, description or hardware id matches."""

    pattern: str
    index: int = 1
    skip_busy: bool = False

    @property
    def text(self) -> str:
        options = f"&n={self.index}" * (self.index != 1) + "&skip_busy" * self.skip_busy
        return f"hwgrep://{self.pattern}{options}"


@dataclass(frozen=True, slots=True)
class SerialUrlEndpoint:
    """A URL that only pyserial can open."""

    url: str

    @property
    def text(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class SimulatedEndpoint:
    """The built-in simulated board; *speed* is a factor, 0 is as fast as it is read."""

    scenario: str
    speed: float = 1.0

    @property
    def text(self) -> str:
        return f"sim:{self.scenario}{_options_text(self.speed)}"


@dataclass(frozen=True, slots=True)
class ReplayEndpoint:
    """A recorded transcript; *speed* is a factor, 0 is as fast as it is read."""

    file: str
    speed: float = 1.0
    loop: bool = False

    @property
    def text(self) -> str:
        options = _options_text(self.speed, loop=self.loop)
        # A question mark of the file's own name must not be the last one.
        return f"replay:{self.file}{options or '?speed=1' * ('?' in self.file)}"


OpenableEndpoint: TypeAlias = DeviceEndpoint | TcpEndpoint | Rfc2217Endpoint | HardwareEndpoint | SerialUrlEndpoint
"""What ``open_port`` opens, again and again."""

Endpoint: TypeAlias = OpenableEndpoint | SimulatedEndpoint | ReplayEndpoint
"""What a user can name; ``open_device`` turns the last two into a terminal that can be opened."""


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _options_text(speed: float, *, loop: bool = False) -> str:
    options = [f"speed={speed:g}"] * (speed != 1) + ["loop=1"] * loop
    return "?" * bool(options) + "&".join(options)
