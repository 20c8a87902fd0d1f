"""The daemon's side of a symbolizer: a process that is started when it is needed, and replaced when it misbehaves.

It belongs to one task, which asks one question at a time. A process that did not answer in time, was interrupted, or
said something else than an answer is killed: what it would say next belongs to a question that nobody asks any more.
"""

import contextlib
import sys
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import trio

from esperd.decode.decoder_process import worker_environment
from esperd.decode.held_process import open_held_process
from esperd.decode.outcome import crash_text
from esperd.decode.process import ERRORS_BYTES, ProcessResult, confine
from esperd.decode.symbolizer_request import HEADER, MAX_ANSWER_BYTES, PanicAnswer, PanicRequest, encode_frame

SYMBOLIZER: Final = (sys.executable, "-m", "esperd.decode.symbolizer")
_RECEIVE_BYTES: Final = 64 * 1024
# How long one that hung up has to end by itself, so that it can be told how it ended.
_END_S: Final = 0.2
_ANSWERS: Final = msgspec.msgpack.Decoder(PanicAnswer)


@dataclass(frozen=True, slots=True)
class Silence:
    """Why there is no answer."""

    kind: Literal["timed_out", "failed"]
    error: str


class Symbolizer:
    """One symbolizer process, or none yet.

    Args:
        command: The program that speaks ``esperd.decode.symbolizer_request``.
        memory_bytes: What it may take.
    """

    def __init__(self, command: tuple[str, ...], memory_bytes: int) -> None:
        self._command = command
        self._memory_bytes = memory_bytes
        self._process: trio.Process | None = None
        self._held = contextlib.AsyncExitStack()
        self._errors = bytearray()

    @property
    def is_warm(self) -> bool:
        """Whether a process is there, with what it has learnt."""
        return self._process is not None and self._process.returncode is None

    async def ask(self, request: PanicRequest, timeout_s: float) -> PanicAnswer | Silence:
        """Asks; also when the process died meanwhile, once, of a new one. When cancelled, no process is left."""
        frame = encode_frame(request)
        with trio.move_on_after(timeout_s):
            was_warm = self.is_warm
            answer = await self._ask_once(frame, request.number)
            if isinstance(answer, Silence) and was_warm:
                # What killed an old process need not be this question.
                answer = await self._ask_once(frame, request.number)
            return answer
        return Silence("timed_out", f"no answer within {timeout_s:g} s")

    async def aclose(self) -> None:
        """Kills the process, if there is one. Harmless when repeated."""
        self._process = None
        await self._held.aclose()

    async def _ask_once(self, frame: bytes, number: int) -> PanicAnswer | Silence:
        is_good = False
        try:
            answer = await self._exchange(frame, number)
            is_good = isinstance(answer, PanicAnswer)
        finally:
            if not is_good:
                await self.aclose()
        return answer

    async def _exchange(self, frame: bytes, number: int) -> PanicAnswer | Silence:
        if not self.is_warm:
            await self.aclose()
            try:
                await self._start()
            except OSError as error:
                return Silence("failed", f"the symbolizer can't be started: {self._command[0]}: {error.strerror}")
        process = self._process
        if process is None or process.stdin is None or process.stdout is None or process.stderr is None:
            return Silence("failed", "the symbolizer has no standard streams")
        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, process.stdin, frame)
            nursery.start_soon(self._read_errors, process.stderr)
            is_whole = await _receive_frame(process.stdout, received)
            if not is_whole:
                with trio.move_on_after(_END_S):
                    await process.wait()
            nursery.cancel_scope.cancel()
        return _answer_in(received, number) if is_whole else self._describe_end(process, received)

    async def _start(self) -> None:
        self._errors.clear()
        self._process = await self._held.enter_async_context(open_held_process(self._command, worker_environment()))
        # Its processor time is not limited: it lives for long, and the deadline of a question is limit enough.
        confine(self._process.pid, self._memory_bytes, None)

    @staticmethod
    async def _send(stdin: trio.abc.SendStream, frame: bytes) -> None:
        # One that ends before it has read everything says why itself.
        with contextlib.suppress(trio.BrokenResourceError):
            await stdin.send_all(frame)

    async def _read_errors(self, stderr: trio.abc.ReceiveStream) -> None:
        while data := await stderr.receive_some(_RECEIVE_BYTES):
            self._errors += data
            del self._errors[:-ERRORS_BYTES]

    def _describe_end(self, process: trio.Process, received: bytearray) -> Silence:
        if len(received) >= HEADER.size and process.returncode is None:
            return Silence("failed", f"the symbolizer said more than {MAX_ANSWER_BYTES} bytes, and was killed")
        result = ProcessResult("exited", process.returncode or 0, bytes(received), bytes(self._errors))
        return Silence("failed", crash_text(result, None))


async def _receive_frame(stdout: trio.abc.ReceiveStream, received: bytearray) -> bool:
    """Reads one answer; False when there is none, or a longer one than is allowed."""
    size = HEADER.size
    while len(received) < size:
        data = await stdout.receive_some(_RECEIVE_BYTES)
        if not data:
            return False
        received += data
        if size == HEADER.size and len(received) >= size:
            size += HEADER.unpack_from(received)[0]
        if size > HEADER.size + MAX_ANSWER_BYTES:
            return False
    return True


def _answer_in(received: bytearray, number: int) -> PanicAnswer | Silence:
    try:
        answer = _ANSWERS.decode(memoryview(received)[HEADER.size :])
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = None
    if answer is None or answer.number != number:
        return Silence("failed", "the symbolizer said something else than an answer, and was killed")
    if answer.report is None and answer.error is None:
        return Silence("failed", "the symbolizer answered with neither a report nor an error")
    return answer
