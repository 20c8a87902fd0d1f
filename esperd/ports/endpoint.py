"""Endpoints: what the user typed after ``NAME=`` turned into values, without looking at the machine.

The forms, in the order they are recognised: ``sim:SCENARIO``, ``replay:FILE``, a URL that this daemon or pyserial
understands, a path (starts with ``/`` or ``.``), and anything else is a name under ``/dev``. Links under
``/dev/serial`` are not resolved here: they are the identity of a board, their target changes with each plug.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlsplit

from esperd.ports.endpoint_kinds import (
    DeviceEndpoint,
    Endpoint,
    HardwareEndpoint,
    ReplayEndpoint,
    Rfc2217Endpoint,
    SerialUrlEndpoint,
    SimulatedEndpoint,
    TcpEndpoint,
)
from esperd.ports.names import default_board_name, split_board_name
from esperd.simulation.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = [
    "ENDPOINT_FORMS",
    "BoardArgument",
    "Endpoint",
    "EndpointError",
    "parse_board_argument",
    "parse_endpoint",
]

ENDPOINT_FORMS = (
    "a device path, a name under /dev, a /dev/serial/by-id or by-path link, socket://HOST:PORT, "
    "rfc2217://HOST:PORT, another pyserial URL (spy://, loop://, alt://, cp2110://, hwgrep://), "
    "sim:SCENARIO[?speed=N] or replay:FILE[?speed=N&loop=1]"
)

_URL_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DEVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+,/-]*")
_SCENARIO_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PYSERIAL_SCHEMES = frozenset({"spy", "loop", "alt", "cp2110"})

# Options of pyserial's own clients. All but `timeout` switch things that this daemon's clients do not do (poll
# the modem state, wait for the echo of a control request, log every packet), so they are accepted without effect.
_SOCKET_OPTIONS = frozenset({"logging"})
_RFC2217_OPTIONS = frozenset({"logging", "ign_set_control", "poll_modem", "timeout"})
# A board proves nothing while its port is opened: with 10 s to connect that is to be well below what a watchdog waits.
_LONGEST_NEGOTIATION_S = 15.0


class EndpointError(ValueError):
    """The text is not an endpoint; the message is one sentence for the user and says what is allowed."""


@dataclass(frozen=True, slots=True)
class BoardArgument:
    """One ``[NAME=]ENDPOINT`` of the command line or the configuration; *name* is safe as a folder name."""

    name: str
    endpoint: Endpoint


def parse_board_argument(text: str) -> BoardArgument:
    """Parses ``[NAME=]ENDPOINT``, e.g. ``bench1=/dev/ttyUSB0`` or ``replay:boot.log?speed=0``.

    Raises:
        EndpointError: The name cannot name a folder, or the rest is not an endpoint.
    """
    try:
        name, endpoint_text = split_board_name(text)
    except ValueError as error:
        raise EndpointError(str(error)) from None
    endpoint = parse_endpoint(endpoint_text)
    return BoardArgument(name=name or default_board_name(_naming_part(endpoint)), endpoint=endpoint)


def parse_endpoint(text: str) -> Endpoint:
    """Parses one endpoint; pure, so the device need not exist.

    Raises:
        EndpointError: Not an endpoint.
    """
    if not text or not text.isprintable():
        raise _not_an_endpoint(text, "it is empty" if not text else "it contains control characters")
    if text.startswith("sim:"):
        return _parse_simulated(text)
    if text.startswith("replay:"):
        return _parse_replay(text)
    if scheme := _URL_SCHEME.match(text):
        return _parse_url(scheme[1].lower(), text)
    return _parse_device(text)


def _parse_device(text: str) -> DeviceEndpoint:
    path = text if text.startswith(("/", ".")) else f"/dev/{text}"
    if path == text:
        if path.rstrip("/").rpartition("/")[2] in {"", ".", ".."}:
            raise _not_an_endpoint(text, "it names a folder")
    elif not _DEVICE_NAME.fullmatch(text) or ".." in text.split("/"):
        raise _not_an_endpoint(text, "a name under /dev has letters, digits and . _ : @ + , / - only")
    return DeviceEndpoint(path)


def _parse_url(scheme: str, text: str) -> Endpoint:
    if scheme == "hwgrep":
        return _parse_hwgrep(text)
    if scheme in _PYSERIAL_SCHEMES:
        return SerialUrlEndpoint(text)
    if scheme not in {"socket", "rfc2217"}:
        raise _not_an_endpoint(text, f"{scheme}:// is not known")
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise _not_an_endpoint(text, str(error)) from None
    if not host or not port or url.path not in {"", "/"} or url.fragment or url.username is not None:
        raise _not_an_endpoint(text, f"expected {scheme}://HOST:PORT with a port from 1 to 65535")
    if scheme == "socket":
        _url_options(url, text, _SOCKET_OPTIONS)
        return TcpEndpoint(host, port)
    options = _url_options(url, text, _RFC2217_OPTIONS)
    if "timeout" not in options:
        return Rfc2217Endpoint(host, port)
    timeout_s = _number(text, "timeout", options["timeout"], above_zero=True)
    if timeout_s > _LONGEST_NEGOTIATION_S:
        raise _not_an_endpoint(text, f"timeout is at most {_LONGEST_NEGOTIATION_S:g} s, not {timeout_s:g}")
    return Rfc2217Endpoint(host, port, timeout_s)


def _parse_hwgrep(text: str) -> HardwareEndpoint:
    # pyserial's form: options follow an ampersand, because a question mark is common in regular expressions.
    pattern, *options = text.partition("://")[2].split("&")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise _not_an_endpoint(text, f"the regular expression does not compile ({error})") from None
    index, skip_busy = 1, False
    for option in options:
        key, _, value = option.partition("=")
        if key == "n" and re.fullmatch("[1-9][0-9]{0,2}", value):
            index = int(value)
        elif option == "skip_busy":
            skip_busy = True
        else:
            raise _not_an_endpoint(text, f"option {option!r} is not n=NUMBER or skip_busy")
    return HardwareEndpoint(pattern, index, skip_busy)


def _parse_simulated(text: str) -> SimulatedEndpoint:
    scenario, options = _split_options(text, {"speed"})
    if not _SCENARIO_NAME.fullmatch(scenario):
        raise _not_an_endpoint(text, "expected sim:SCENARIO[?speed=N], e.g. sim:crash")
    if scenario not in SCENARIOS:
        raise EndpointError(f"there is no simulated board {scenario!r}; there are {', '.join(sorted(SCENARIOS))}")
    return SimulatedEndpoint(scenario, _number(text, "speed", options.get("speed", "1")))


def _parse_replay(text: str) -> ReplayEndpoint:
    file, options = _split_options(text, {"speed", "loop"})
    if not file or file.endswith("/"):
        raise _not_an_endpoint(text, "expected replay:FILE[?speed=N&loop=1]")
    loop = options.get("loop", "0")
    if loop not in {"0", "1"}:
        raise _not_an_endpoint(text, f"loop is 0 or 1, not {loop!r}")
    return ReplayEndpoint(file, _number(text, "speed", options.get("speed", "1")), loop == "1")


def _split_options(text: str, allowed: AbstractSet[str]) -> tuple[str, dict[str, str]]:
    """Splits ``replay:FILE?a=1&b=2`` at the last question mark, as file names may contain others."""
    rest = text.partition(":")[2]
    before, mark, query = rest.rpartition("?")
    return (before, _options(text, query, allowed)) if mark else (rest, {})


def _url_options(url: SplitResult, text: str, allowed: AbstractSet[str]) -> dict[str, str]:
    return _options(text, url.query, allowed)


def _options(text: str, query: str, allowed: AbstractSet[str]) -> dict[str, str]:
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=16))
    except ValueError as error:
        raise _not_an_endpoint(text, str(error)) from None
    for key in options:
        if key not in allowed:
            raise _not_an_endpoint(text, f"option {key!r} is not one of {', '.join(sorted(allowed))}")
    return options


def _number(text: str, key: str, value: str, *, above_zero: bool = False) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or (above_zero and number == 0):
        raise _not_an_endpoint(text, f"{key} is a number {'above' if above_zero else 'from'} 0, not {value!r}")
    return number


def _naming_part(endpoint: Endpoint) -> str:
    match endpoint:
        case TcpEndpoint() | Rfc2217Endpoint():
            return f"{endpoint.host}:{endpoint.port}"
        case DeviceEndpoint(path) | ReplayEndpoint(path):
            return path
        case SimulatedEndpoint(scenario):
            return scenario
        case HardwareEndpoint(pattern):
            return pattern
        case SerialUrlEndpoint(url):
            scheme, _, rest = url.partition("://")
            return rest.partition("?")[0] or scheme


def _not_an_endpoint(text: str, reason: str) -> EndpointError:
    return EndpointError(f"{text!r} is not a port ({reason}): use {ENDPOINT_FORMS}")
