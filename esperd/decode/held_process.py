"""A program in a session of its own, held by a lifeline and marked: nothing of it is left, however its use ends.

SIGKILL at once, because what has to be killed here has shown that it does not listen, or is of no use any more. What it
has started goes with it, also when it ended by itself: its process group, the descendants that left the group, and, by
the mark in their environment, those that nobody is the parent of any more.
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

from esperd.decode.leftovers import Mark
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
        environment: Of the program, without the mark; None for ours.
        directory: Where it runs; None for ours.
        stderr: ``subprocess.STDOUT`` where it is to say everything on one pipe.

    Raises:
        OSError: it can't be started.
        ValueError: there is a NUL character in *command*.
    """
    mark = Mark()
    with contextlib.closing(Lifeline()) as lifeline:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            cwd=directory,
            env=mark.put_into(environment),
            pass_fds=lifeline.inherited,
        )
        try:
            lifeline.hold(process.pid)
            yield process
        finally:
            await _end_process(process, mark)


async def wait_for_end(process: trio.Process) -> None:
    """Waits until a held program ends, and kills what it leaves of its session. The deadline is the caller's.

    Before it is reaped: until then its number, which is that of its process group, can't become another's.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        # A kernel before 5.3, or no descriptor is left: the mark finds what this lets go.
        await process.wait()
        return
    try:
        await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)
    _kill_session(process.pid)
    await process.wait()


async def _end_process(process: trio.Process, mark: Mark) -> None:
    """Kills what is left of a program and of what it started within a second, and closes its pipes."""
    with trio.move_on_after(REAP_S, shield=True):
        if _is_unreaped(process.pid):
            _kill_session(process.pid)
            await process.wait()
    # Last, when the session is gone. Nobody else will ever look for them.
    with trio.move_on_after(REAP_S, shield=True):
        await trio.to_thread.run_sync(mark.kill, abandon_on_cancel=True)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            # Shielded, because a close is a checkpoint, and what is to be closed must be closed.
            with trio.CancelScope(shield=True):
                await pipe.aclose()


def _is_unreaped(pid: int) -> bool:
    """Whether a number is still that of our child, which may have ended."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _kill_session(leader: int) -> None:
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
