"""Runs one command of ``on_crash``; it and all that it started are gone when it has ended, or when its time is over.

It is put into its place by ``env``, which is on this machine. To start it ourselves would mean to wait until the system
has loaded it: from a network folder that does not answer, that is for ever, outside of any deadline, and with a Python
before 3.11.4 for all threads.
"""

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from esperd.decode.held_process import open_held_process, wait_for_end

# What is kept of what it says: the end, where the reason of a failure stands.
TAIL_BYTES: Final = 2048
_RECEIVE_BYTES: Final = 64 * 1024
# After the end of a program, what it left in its pipe is read.
_DRAIN_S: Final = 0.2
_ENV: Final = "/usr/bin/env"
# How env ends when it can't run a program. Source: env(1), exit status.
_NOT_RUN: Final = (126, 127)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended: ``error`` is empty when it did its work; ``tail`` is the end of what it said."""

    error: str
    tail: str


async def run_command(
    command: Sequence[str], document: bytes, timeout_s: float, environment: Mapping[str, str]
) -> CommandResult:
    """Runs *command* with *document* on its standard input, which ends with it.

    However this ends, nothing of it and of what it started is left.
    """
    said = bytearray()
    async with contextlib.AsyncExitStack() as held:
        opening = open_held_process(
            _through_env(command), {**os.environ, **environment}, directory=Path("/"), stderr=subprocess.STDOUT
        )
        try:
            process = await held.enter_async_context(opening)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            return CommandResult(f"it can't be started: {why}", "")
        with trio.move_on_after(timeout_s) as deadline:
            await _follow(process, document, said)
    tail = said.decode("utf-8", "backslashreplace").strip()
    if deadline.cancelled_caught:
        return CommandResult(f"it was killed after {timeout_s:g} s", tail)
    if why := _not_run(command[0], process.returncode, tail):
        return CommandResult(f"it can't be started: {why}", "")
    return CommandResult(_error_of(process.returncode), tail)


def _through_env(command: Sequence[str]) -> Sequence[str]:
    # What has a "=" in its name is no program for env.
    return command if "=" in command[0] else [_ENV, "--", *command]


def _not_run(program: str, code: int | None, tail: str) -> str:
    """Why env did not run *program*; empty if it did. What the program itself says of others is told as it is."""
    before, _, why = tail.rpartition(": ")
    said_by_env = before.startswith(f"{_ENV}: ") and program in before.removeprefix(_ENV)
    return why if code in _NOT_RUN and said_by_env else ""


async def _follow(process: trio.Process, document: bytes, said: bytearray) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_feed, process, document)
        nursery.start_soon(_listen, process, said)
        await wait_for_end(process)
        nursery.cancel_scope.deadline = trio.current_time() + _DRAIN_S


async def _feed(process: trio.Process, document: bytes) -> None:
    if process.stdin is None:
        return
    # One that wants nothing of it, or not all, has a right to.
    with contextlib.suppress(trio.BrokenResourceError):
        await process.stdin.send_all(document)
    await process.stdin.aclose()


async def _listen(process: trio.Process, said: bytearray) -> None:
    if process.stdout is None:
        return
    while data := await process.stdout.receive_some(_RECEIVE_BYTES):
        said += data
        del said[:-TAIL_BYTES]


def _error_of(code: int | None) -> str:
    if code is None:
        return "it hangs in the kernel"
    if code < 0:
        return f"it was killed by signal {-code}"
    return f"it ended with exit code {code}" if code else ""
