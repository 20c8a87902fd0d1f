"""Runs a program that may hang, flood or fork, and is rid of it and of what it started in any case.

The program gets a session of its own, so that one signal reaches its whole process group; SIGKILL at once, because what
has to be killed here has shown that it does not listen. Memory and processor time are limited from outside, for any
program. How a program ended:

========== ====================================================================
exited     by itself, or by a signal (then ``exit_code`` is negative)
timed_out  the deadline came, and it was killed
flooded    it said more than was allowed, and was killed
unstarted  there was nothing to run; ``errors`` says why
========== ====================================================================

When the task that runs it is cancelled, the program is killed, too; and when we are killed (see `lifeline`).
"""

import contextlib
import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import trio

from esperd.decode.held_process import REAP_S, open_held_process, wait_for_end
from esperd.decode.request import NICENESS

Ending = Literal["exited", "timed_out", "flooded", "unstarted"]

# What a program said last before it failed; the reason stands in the last line, if anywhere.
ERRORS_BYTES: Final = 4096
_RECEIVE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What a program may take: seconds until its deadline, bytes of output and address space, seconds of processor."""

    timeout_s: float
    output_bytes: int
    memory_bytes: int
    cpu_s: int


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a program ended, its standard output, and the end of its standard error."""

    ending: Ending
    exit_code: int = 0
    output: bytes = b""
    errors: bytes = b""


async def run_limited(
    command: Sequence[str],
    request: bytes,
    limits: ProcessLimits,
    *,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> ProcessResult:
    """Runs *command*, which gets *request* on its standard input.

    The input stays open: a program can tell by it that we are still there. No process of its session is left when this
    returns, however it ends, and none of those that left its session but kept its environment.
    """
    async with contextlib.AsyncExitStack() as held:
        try:
            process = await held.enter_async_context(open_held_process(command, environment, directory=directory))
        except OSError as error:
            return ProcessResult("unstarted", errors=f"{command[0]}: {error.strerror}".encode())
        running = _Running(process, limits.output_bytes)
        confine(process.pid, limits.memory_bytes, limits.cpu_s)
        with trio.move_on_after(limits.timeout_s) as deadline:
            await running.follow(request)
    return running.result(timed_out=deadline.cancelled_caught)


class _Running:
    """A program while it runs; owns its process and pipes."""

    def __init__(self, process: trio.Process, output_bytes: int) -> None:
        self._process = process
        self._output_bytes = output_bytes
        self._output = bytearray()
        self._errors = bytearray()
        self._is_flooded = False

    async def follow(self, request: bytes) -> None:
        """Waits for its end, and takes what it says meanwhile."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, request)
            async with trio.open_nursery() as readers:
                readers.start_soon(self._read_output, nursery.cancel_scope)
                readers.start_soon(self._read_errors)
                # With the children that it leaves behind, which hold the pipes open.
                await wait_for_end(self._process)
                readers.cancel_scope.deadline = trio.current_time() + REAP_S
            nursery.cancel_scope.cancel()

    def result(self, *, timed_out: bool) -> ProcessResult:
        ending: Ending = "flooded" if self._is_flooded else "timed_out" if timed_out else "exited"
        return ProcessResult(ending, self._process.returncode or 0, bytes(self._output), bytes(self._errors))

    async def _send(self, request: bytes) -> None:
        if self._process.stdin is not None:
            # One that ends, or closes its input, before it has read everything, says why itself.
            with contextlib.suppress(trio.BrokenResourceError):
                await self._process.stdin.send_all(request)

    async def _read_output(self, everything: trio.CancelScope) -> None:
        if self._process.stdout is None:
            return
        while data := await self._process.stdout.receive_some(_RECEIVE_BYTES):
            self._output += data
            if len(self._output) > self._output_bytes:
                self._is_flooded = True
                self._output.clear()
                everything.cancel()
                return

    async def _read_errors(self) -> None:
        if self._process.stderr is None:
            return
        while data := await self._process.stderr.receive_some(_RECEIVE_BYTES):
            self._errors += data
            del self._errors[:-ERRORS_BYTES]


def confine(pid: int, memory_bytes: int, cpu_s: int | None) -> None:
    """Limits what a process may take from now on; without *cpu_s* its processor time is not limited."""
    # A process that is over already, or that gave itself other rights, has nothing left to confine.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
        resource.prlimit(pid, resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        if cpu_s is not None:
            resource.prlimit(pid, resource.RLIMIT_CPU, (cpu_s, cpu_s))
