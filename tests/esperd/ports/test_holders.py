from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import trio

from esperd.ports.holders import Holder, describe_holders, find_holders

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_process_that_has_the_device_open_is_found_through_a_link(
    pseudo_terminal: tuple[trio.lowlevel.FdStream, str], tmp_path: Path
) -> None:
    _, path = pseudo_terminal
    link = tmp_path / "board"
    link.symlink_to(path)
    (holder,) = await find_holders(str(link))
    assert holder.pid == os.getpid()
    # As it was typed: with or without the folder of the interpreter.
    assert holder.command.split(" ")[0].endswith(sys.orig_argv[0])


async def test_a_device_that_nobody_has_open_has_no_holders() -> None:
    assert await find_holders("/dev/serial/nothing-here") == []


def test_a_description_names_every_holder_or_says_that_none_is_visible() -> None:
    assert describe_holders([Holder(7, "picocom x"), Holder(8, "cat")]) == "picocom x (pid 7) and cat (pid 8)"
    assert "may not see" in describe_holders([])


async def test_who_has_the_other_end_of_a_pseudo_terminal_is_the_board_and_no_holder(
    pseudo_terminal: tuple[trio.lowlevel.FdStream, str],
) -> None:
    _, path = pseudo_terminal
    main, other = pty.openpty()
    command = [sys.executable, "-c", f"import os\nos.open({path!r}, os.O_RDWR | os.O_NOCTTY)\nprint()\ninput()"]
    # It has the far end of another pair, which says nothing of this one.
    stranger = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[main])
    assert stranger.stdin is not None
    assert stranger.stdout is not None
    async with stranger.stdin, stranger.stdout:
        assert await stranger.stdout.receive_some() == b"\n"
        assert {holder.pid for holder in await find_holders(path)} == {os.getpid(), stranger.pid}
        assert [holder.pid for holder in await find_holders(path, but_far_end=True)] == [stranger.pid]
        await stranger.stdin.send_all(b"\n")
        await stranger.wait()
    os.close(main)
    os.close(other)
