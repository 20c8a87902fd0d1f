from __future__ import annotations

import grp
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from esperd.ports.open_tty import open_tty, permission_advice
from esperd.ports.port import PortBusy, PortError, PortNotFound, PortPermission, PortUnsupported

if TYPE_CHECKING:
    from pathlib import Path

BoardEnd = trio.lowlevel.FdStream

LOCK_AND_WAIT = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


async def test_an_absent_port_says_what_to_do() -> None:
    with pytest.raises(PortNotFound, match=r"^no board at /dev/ttyUSB99 .*: plug it in") as caught:
        await open_tty("/dev/ttyUSB99", baud=115200)
    assert caught.value.path == "/dev/ttyUSB99"


async def test_a_second_opening_in_this_process_is_refused_and_not_said_to_be_a_program(
    pseudo_terminal: tuple[BoardEnd, str],
) -> None:
    board, path = pseudo_terminal
    port = await open_tty(path, baud=115200)
    with pytest.raises(PortBusy, match="is open in this esperd for another of its boards") as caught:
        await open_tty(path, baud=115200)
    assert caught.value.is_ours
    await board.send_all(b"the first is unharmed")
    assert await port.receive() == b"the first is unharmed"
    await port.aclose()


async def test_a_port_that_another_process_has_locked_is_refused_and_names_it(
    pseudo_terminal: tuple[BoardEnd, str],
) -> None:
    _, path = pseudo_terminal
    command = [sys.executable, "-c", LOCK_AND_WAIT, path]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with trio.fail_after(30):
        assert await process.stdout.receive_some(1) == b"l"
        with pytest.raises(PortBusy, match=rf"(?s){re.escape(path)} is held by .*\(pid {process.pid}\)"):
            await open_tty(path, baud=115200)
        await process.stdin.aclose()
        await process.wait()
        await process.stdout.aclose()
    port = await open_tty(path, baud=115200)
    await port.aclose()


async def test_a_failed_opening_leaves_no_descriptor_behind(pseudo_terminal: tuple[BoardEnd, str]) -> None:
    _, path = pseudo_terminal
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names only
    for baud in [0, -1, 2**33]:
        with pytest.raises(PortUnsupported, match=f"cannot run at {baud} baud"):
            await open_tty(path, baud=baud)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208 - names only


async def test_things_that_are_no_terminals_are_refused_by_name(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in [str(tmp_path), str(pipe), "/dev/null"]:
        with pytest.raises(PortError, match=f"^{path} is not a terminal device: name a serial port"):
            await open_tty(path, baud=115200)


async def test_a_link_to_a_port_opens_it(pseudo_terminal: tuple[BoardEnd, str], tmp_path: Path) -> None:
    board, path = pseudo_terminal
    link = tmp_path / "usb-Maker_0001-if00"
    link.symlink_to(path)
    port = await open_tty(str(link), baud=115200)
    await board.send_all(b"hello")
    assert (port.path, await port.receive()) == (str(link), b"hello")
    await port.aclose()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not open a port")
@pytest.mark.parametrize(("group", "mode", "advice"), [
    ("dialout", 0o660, "run `sudo usermod -aG dialout nobody` and log in again"),
    ("dialout", 0o600, "add a udev rule"),
    ("root", 0o660, "add a udev rule"),
])  # fmt: skip
async def test_a_port_without_permission_says_how_to_get_it(
    pseudo_terminal: tuple[BoardEnd, str], group: str, mode: int, advice: str
) -> None:
    _, path = pseudo_terminal
    os.chown(path, 0, grp.getgrnam(group).gr_gid)
    os.chmod(path, mode)  # noqa: PTH101 - as above
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        with pytest.raises(PortPermission) as caught:
            await open_tty(path, baud=115200)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
    assert str(caught.value).startswith(f"{path} may not be opened by user nobody: ")
    assert advice in str(caught.value)


def test_a_user_who_is_in_the_group_already_is_told_to_log_in_again(tmp_path: Path) -> None:
    populated = [group for group in grp.getgrall() if group.gr_mem and group.gr_gid]
    if not populated:
        pytest.skip("no group of this machine has members")
    status = list(tmp_path.stat())
    status[0], status[5] = 0o020660, populated[0].gr_gid
    advice = permission_advice(os.stat_result(status), populated[0].gr_mem[0])
    assert "log in again" in advice
    assert "usermod" not in advice
