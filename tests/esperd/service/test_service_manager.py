import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from esperd.errors import ConfigurationError
from esperd.service.manager import ServiceManager, take_service_manager


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """An address as the daemon gets it, and the service manager's end."""
    address = str(tmp_path / "notify") if request.param == "a path" else f"@esperd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address.replace("@", "\0", 1))
        receiver.settimeout(10)
        yield address, receiver


def test_each_message_is_one_datagram(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    service = ServiceManager(address)
    service.ready()
    service.status("left connected")
    service.alive()
    service.stopping()
    assert [receiver.recv(1000) for _ in range(4)] == [
        b"READY=1",
        b"STATUS=left connected",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]


def test_a_reload_names_its_moment_on_the_clock_that_the_manager_knows(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    before = time.monotonic_ns() // 1000
    ServiceManager(address).reloading()
    first, _, second = receiver.recv(1000).decode().partition("\nMONOTONIC_USEC=")
    assert first == "RELOADING=1"
    assert before <= int(second) <= time.monotonic_ns() // 1000


def test_a_manager_that_is_gone_is_no_trouble(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager(str(tmp_path / "nobody")).ready()
    assert "service manager not told" in caplog.text


def fill(address: str) -> int:
    """Fills the manager's queue; returns with how many datagrams."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.connect(address.replace("@", "\0", 1))
        count = 0
        try:
            while True:
                sender.send(b"X=1")
                count += 1
        except BlockingIOError:
            return count


async def receive(receiver: socket.socket) -> bytes:
    """The next datagram that is not the test's own."""
    receiver.setblocking(False)
    while True:
        await trio.lowlevel.wait_readable(receiver)
        if (datagram := receiver.recv(1000)) != b"X=1":
            return datagram


async def test_what_a_manager_that_does_not_read_has_missed_it_is_told_in_order(
    manager: tuple[str, socket.socket],
) -> None:
    address, receiver = manager
    service = ServiceManager(address)
    fill(address)
    began = time.monotonic()
    service.ready()
    service.status("left absent")
    service.alive()
    service.status("left connected")
    service.reloading()
    service.ready()
    service.status("left connected; 1 viewer")
    assert time.monotonic() - began < 5
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.deliver)
        with trio.fail_after(10):
            told = [await receive(receiver) for _ in range(4)]
            # All went out, so what comes now does not wait for the task.
            service.alive()
            told.append(await receive(receiver))
        nursery.cancel_scope.cancel()
    # What is out of date by then is left out.
    assert [message.split(b"\n")[0] for message in told] == [
        b"READY=1",
        b"RELOADING=1",
        b"READY=1",
        b"STATUS=left connected; 1 viewer",
        b"WATCHDOG=1",
    ]


async def test_a_manager_that_goes_while_something_waits_is_given_up(
    manager: tuple[str, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    address, receiver = manager
    service = ServiceManager(address)
    fill(address)
    service.ready()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.deliver)
        await wait_all_tasks_blocked()
        receiver.close()
        with trio.fail_after(10):
            while "service manager not told" not in caplog.text:  # noqa: ASYNC110 - the log is all that tells
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


def test_without_a_manager_there_is_nobody_to_tell() -> None:
    service = take_service_manager({})
    assert service == ServiceManager(None, None, None)
    service.ready()


def test_what_the_manager_left_is_taken_out_of_the_environment() -> None:
    environment = {
        "NOTIFY_SOCKET": "/run/notify",
        "WATCHDOG_USEC": "60000000",
        "WATCHDOG_PID": str(os.getpid()),
        "LISTEN_FDS": "1",
        "LISTEN_PID": "1",
        "LISTEN_FDNAMES": "left",
        "PATH": "/bin",
    }
    service = take_service_manager(environment)
    assert (service.address, service.watchdog_s, service.listener) == ("/run/notify", 60.0, None)
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize("descriptor", [pytest.param("3<&-", id="closed"), pytest.param("3</dev/null", id="no socket")])
def test_a_socket_that_is_none_is_told_in_a_sentence(tmp_path: Path, descriptor: str) -> None:
    program = f"exec env LISTEN_FDS=1 LISTEN_PID=$$ {sys.executable} -m esperd b=/nonexistent/tty {descriptor}"
    done = subprocess.run(
        ["/bin/sh", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "what the service manager passed on is no Unix socket that listens" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_watchdog_of_another_process_is_not_ours() -> None:
    assert take_service_manager({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}).watchdog_s is None


@pytest.mark.parametrize("period", ["0", "-1", "a minute"])
def test_a_period_that_is_none_is_told(period: str) -> None:
    with pytest.raises(ConfigurationError, match="WATCHDOG_USEC is"):
        take_service_manager({"WATCHDOG_USEC": period})
