from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from esperd.ports.holders import Holder, describe_holders, find_holders

if TYPE_CHECKING:
    from pathlib import Path

    import trio


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
