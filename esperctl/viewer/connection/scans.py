"""Scans of the journal: one process for each, killed when its answer is not wanted any more."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import IO, Final

import msgspec

from esper_protocol.errors import RemoteProtocolError
from esper_protocol.framing import FrameReader
from esperctl.viewer.connection.scan_process import ScanReport, ScanRequest
from esperctl.viewer.effects import StartScan
from esperctl.viewer.messages import Message, ScanProgressed

_MODULE: Final = "esperctl.viewer.connection.scan_process"
_READ_BYTES: Final = 64 * 1024
_REPORTS: Final = msgspec.msgpack.Decoder(ScanReport)


async def scan(start: StartScan, socket: str, board: str, tell: Callable[[Message], None]) -> None:
    """Carries out one scan; when cancelled, its process is killed. No deadline: a person waits, or does not.

    Whatever prevents it is told as the scan's error.
    """
    try:
        await _scan(start, socket, board, tell)
    except OSError as error:
        reason = f"the search process can't be started: {error.strerror or error}"
        tell(ScanProgressed(start.scan, is_finished=True, error=reason))


async def _scan(start: StartScan, socket: str, board: str, tell: Callable[[Message], None]) -> None:
    request = ScanRequest(
        socket,
        board,
        start.before,
        start.pattern,
        start.is_regex,
        start.ignore_case,
        start.shown,
        start.wants_events,
        start.limit_bytes,
    )
    # Not asyncio's own processes: their start and their end can be broken off in the middle, and leave one behind.
    process = subprocess.Popen(  # noqa: ASYNC220 - the start of a process takes a millisecond or two
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # What is not written at once is not kept for the end, where it would fail again.
        bufsize=0,
        # A Ctrl-C is for the viewer; and what lies in the folder that the user is in is no module of ours.
        start_new_session=True,
        env=os.environ | {"PYTHONSAFEPATH": "1"},
    )
    with process:
        try:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("a process was started without its pipes")
            # A pipe holds far more than a request. It stays open: the process dies when it closes.
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            async with _reading(process.stdout) as reader:
                await _follow(reader, start.scan, tell)
        finally:
            process.kill()


@asynccontextmanager
async def _reading(pipe: IO[bytes]) -> AsyncGenerator[asyncio.StreamReader]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        yield reader
    finally:
        transport.close()


async def _follow(reader: asyncio.StreamReader, number: int, tell: Callable[[Message], None]) -> None:
    frames = FrameReader()
    while data := await reader.read(_READ_BYTES):
        try:
            reports = [_REPORTS.decode(payload) for payload in frames.receive_data(data)]
        except (RemoteProtocolError, msgspec.DecodeError):
            break
        for report in reports:
            tell(
                ScanProgressed(
                    number,
                    tuple(report.matches),
                    tuple(report.events),
                    report.share,
                    report.is_finished or report.error is not None,
                    report.error,
                )
            )
            if report.is_finished or report.error is not None:
                return
        await asyncio.sleep(0)
    tell(ScanProgressed(number, is_finished=True, error="the search process ended early"))
