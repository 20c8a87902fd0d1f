from __future__ import annotations

import pytest
from hypothesis import example, given, settings, strategies as st

from esperd.ports.endpoint import (
    ENDPOINT_FORMS,
    BoardArgument,
    Endpoint,
    EndpointError,
    parse_board_argument,
    parse_endpoint,
)
from esperd.ports.endpoint_kinds import (
    DeviceEndpoint,
    HardwareEndpoint,
    ReplayEndpoint,
    Rfc2217Endpoint,
    SerialUrlEndpoint,
    SimulatedEndpoint,
    TcpEndpoint,
)
from esperd.ports.names import is_board_name

BY_ID = "usb-Silicon_Labs_CP2102N_USB_to_UART_Bridge_Controller_6c4b8a1f2d3e4f5a6b7c8d9e0f1a2b3c-if00-port0"

ARGUMENTS: list[tuple[str, str, Endpoint]] = [
    ("/dev/ttyUSB0", "ttyUSB0", DeviceEndpoint("/dev/ttyUSB0")),
    ("ttyUSB0", "ttyUSB0", DeviceEndpoint("/dev/ttyUSB0")),
    ("pts/3", "3", DeviceEndpoint("/dev/pts/3")),
    ("./link", "link", DeviceEndpoint("./link")),
    ("/dev/a=b", "a-b", DeviceEndpoint("/dev/a=b")),
    ("bench1=/dev/ttyUSB0", "bench1", DeviceEndpoint("/dev/ttyUSB0")),
    ("a@lab:1=ttyACM0", "a@lab:1", DeviceEndpoint("/dev/ttyACM0")),
    ("a=/srv/b=c", "a", DeviceEndpoint("/srv/b=c")),
    (f"/dev/serial/by-id/{BY_ID}", BY_ID[-64:], DeviceEndpoint(f"/dev/serial/by-id/{BY_ID}")),
    ("/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0", "pci-0000:00:14.0-usb-0:1:1.0",
     DeviceEndpoint("/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0")),
    ("socket://rack:4000", "rack:4000", TcpEndpoint("rack", 4000)),
    ("socket://rack:4000/?logging=debug", "rack:4000", TcpEndpoint("rack", 4000)),
    ("b=SOCKET://[::1]:4000", "b", TcpEndpoint("::1", 4000)),
    ("rfc2217://rack:4000", "rack:4000", Rfc2217Endpoint("rack", 4000)),
    ("rfc2217://rack:4000?ign_set_control&timeout=3", "rack:4000", Rfc2217Endpoint("rack", 4000, 3.0)),
    ("x=rfc2217://rack:4000?timeout=3", "x", Rfc2217Endpoint("rack", 4000, 3.0)),
    ("spy:///dev/ttyUSB0?file=log.txt", "ttyUSB0", SerialUrlEndpoint("spy:///dev/ttyUSB0?file=log.txt")),
    ("loop://", "loop", SerialUrlEndpoint("loop://")),
    ("loop://?logging=debug", "loop", SerialUrlEndpoint("loop://?logging=debug")),
    ("alt:///dev/ttyS0?class=PosixPollSerial", "ttyS0", SerialUrlEndpoint("alt:///dev/ttyS0?class=PosixPollSerial")),
    ("hwgrep://0403:6001&n=2&skip_busy", "0403:6001", HardwareEndpoint("0403:6001", 2, skip_busy=True)),
    ("sim:crash", "crash", SimulatedEndpoint("crash")),
    ("sim:crash?speed=0", "crash", SimulatedEndpoint("crash", 0)),
    ("one=sim:crash?speed=2.5", "one", SimulatedEndpoint("crash", 2.5)),
    ("replay:boot.log", "boot.log", ReplayEndpoint("boot.log")),
    ("replay:/logs/boot.bin?speed=0&loop=1", "boot.bin", ReplayEndpoint("/logs/boot.bin", 0, loop=True)),
    ("replay:a=b.log", "a-b.log", ReplayEndpoint("a=b.log")),
    ("replay:what?.log?loop=0", "what-.log", ReplayEndpoint("what?.log")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "endpoint"), ARGUMENTS)
def test_each_documented_form_has_its_endpoint_and_default_name(text: str, name: str, endpoint: Endpoint) -> None:
    assert parse_board_argument(text) == BoardArgument(name, endpoint)


@pytest.mark.parametrize("endpoint", [endpoint for _, _, endpoint in ARGUMENTS])
def test_the_text_of_an_endpoint_is_that_endpoint_again(endpoint: Endpoint) -> None:
    assert parse_endpoint(endpoint.text) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/dev/..",
        "..",
        "../../etc/..",
        "a/../b",
        "tty USB0",
        "-rf",
        "x=",
        "socket://rack",
        "socket://rack:0",
        "socket://rack:65536",
        "socket://:4000",
        "socket://rack:4000/path",
        "socket://rack:4000?speed=1",
        "socket://me@rack:4000",
        "socket://[::1:4000",
        "rfc2217://rack:4000?timeout=0",
        "rfc2217://rack:4000?timeout=soon",
        "rfc2217://rack:4000?timeout=16",
        "sockets://rack:4000",
        "http://rack:4000",
        "hwgrep://(",
        "hwgrep://x&n=0",
        "hwgrep://x&wait",
        "sim:",
        "sim:../etc",
        "sim:crash?loop=1",
        "sim:crash?speed=-1",
        "sim:crash?speed=inf",
        "sim:crash?speed=nan",
        "replay:",
        "replay:folder/",
        "replay:f?loop=2",
        "replay:f?rate=2",
        "/dev/tty\nUSB0",
        "/dev/tty\x00",
    ],
)
def test_what_is_no_endpoint_is_an_error_that_names_it_and_says_what_is_allowed(text: str) -> None:
    with pytest.raises(EndpointError) as caught:
        parse_board_argument(text)
    assert ENDPOINT_FORMS in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_is_not_waited_for_longer_than_a_watchdog_allows() -> None:
    argument = parse_board_argument("rfc2217://rack:4000?timeout=15")
    assert argument.endpoint == Rfc2217Endpoint("rack", 4000, 15.0)
    with pytest.raises(EndpointError, match=r"\(timeout is at most 15 s, not 60\)"):
        parse_board_argument("rfc2217://rack:4000?timeout=60")


@pytest.mark.parametrize("text", [".hidden=ttyUSB0", "my board=ttyUSB0", "=ttyUSB0", f"{'n' * 65}=ttyUSB0"])
def test_a_bad_name_is_an_error(text: str) -> None:
    with pytest.raises(EndpointError):
        parse_board_argument(text)


_PIECES = st.sampled_from(
    ["a", "=", "/", ":", "?", "&", ".", "..", "//", "sim:", "replay:", "socket://", "rfc2217://", "hwgrep://", "spy://",
     "[", "]", "1", "speed=", "loop=1", "n=1", "@", "%", "#", " ", "\0", "é", "-", "(", "*"]
)  # fmt: skip


@settings(deadline=None)  # a loaded machine is not a failure
@given(st.one_of(st.text(max_size=40), st.lists(_PIECES, max_size=8).map("".join)))
@example("socket://[v1.]:1")
@example("socket://a:٣")
@example("hwgrep://(?P<a>b){99999999999}")
def test_any_text_gives_an_endpoint_or_an_endpoint_error(text: str) -> None:
    try:
        argument = parse_board_argument(text)
    except EndpointError:
        return
    assert is_board_name(argument.name)
    assert parse_endpoint(argument.endpoint.text) == argument.endpoint
