"""A program in a session of its own, held by a lifeline: nothing of it is left, however its use ends.

SIGKILL at once, because what has to be killed here has shown that it does not listen, or is of no use any more.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from esperd.decode.lifeline import Lifeline

# After SIGKILL a process is gone at once, unless it hangs in the kernel; then it is not waited for any longer.
REAP_S: Final = 0.5


@asynccontextmanager
async def open_held_process(
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    *,
    directory: Path | None = None,
    stderr: int = subprocess.PIPE,
) -> AsyncGenerator[trio.Process]:
    """A process of *command* with pipes to its standard streams; killed with its session when this, or we, end.

    Args:
        command: The program and its arguments.
        environment: Of the program; None for ours.
        directory: Where it runs; None for ours.
        stderr: ``subprocess.STDOUT`` where it is to say everything on one pipe.

    Raises:
        OSError: it can't be started.
    """
    with contextlib.closing(Lifeline()) as lifeline:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            cwd=directory,
            env=environment,
            pass_fds=lifeline.inherited,
        )
        try:
            lifeline.hold(process.pid)
            yield process
        finally:
            await _end_process(process)


async def _end_process(process: trio.Process) -> None:
    """Kills what is left of a program and its session within half a second, and closes its pipes."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + REAP_S):
        if process.returncode is None:
            kill_session(process.pid)
            await process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            # Shielded, because a close is a checkpoint, and what is to be closed must be closed.
            with trio.CancelScope(shield=True):
                await pipe.aclose()


def kill_session(leader: int) -> None:
    """Kills a process group, and the descendants of its leader that made groups of their own."""
    for pid in _descendants(leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """Source: proc(5), /proc/pid/task/tid/children."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text("ascii").split()):
                found += [child, *_descendants(child)]
    return found
