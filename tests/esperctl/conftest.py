"""A scripted daemon on a real socket, and the real command against it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec
import pytest
import trio

from esper_protocol.connection import ServerConnection
from esper_protocol.events import Body, Event, Line, seq_count
from esper_protocol.messages import (
    Boards,
    CoredumpDetails,
    CoredumpFile,
    CoredumpInfo,
    Coredumps,
    Done,
    ErrorResponse,
    FileData,
    Hello,
    HistoryEnd,
    ListBoards,
    ListCoredumps,
    ReadCoredumpFile,
    Request,
    RequestBody,
    Response,
    Result,
    Subscribe,
    Subscribed,
)
from esper_protocol.records import BoardRecord, CoredumpRecord, DaemonRecord

if TYPE_CHECKING:
    from pathlib import Path

# 2026-01-31 08:30:00 UTC
START_NS = 1_769_848_200 * 1_000_000_000


@dataclass(frozen=True)
class Refusal:
    """An error answer."""

    code: str
    message: str
    hint: str | None = None


Answer = Result | Refusal


class MakeBoard(Protocol):
    """A board's record with some fields changed."""

    def __call__(self, name: str = "bench1", **changes: object) -> BoardRecord: ...


class MakeCoredump(Protocol):
    """A core dump's record with some fields changed."""

    def __call__(self, name: str = "bench1-17", **changes: object) -> CoredumpRecord: ...


class MakeDaemon(Protocol):
    """The record of a daemon that serves a socket."""

    def __call__(self, socket: str = "/run/esperd/a.sock") -> DaemonRecord: ...


def board_record(name: str = "bench1", **changes: object) -> BoardRecord:
    fields: dict[str, object] = {
        "board": name,
        "port": "/dev/ttyUSB0",
        "state": "connected",
        "state_detail": None,
        "generation": 3,
        "boot": 12,
        "baud": 115200,
        "chip": "esp32",
        "project": "blink",
        "app_version": "1.0",
        "app_sha256": None,
        "viewers": 0,
        "writer": None,
        "capture": None,
        "last_crash": None,
        "coredumps": 0,
        "first_seq": 1,
        "next_seq": 1,
        "journal_bytes": 2048,
        "journal_path": "/var/lib/esperd/bench1/journal",
        "telemetry": None,
    }
    return msgspec.convert({**fields, **changes}, BoardRecord)


def coredump_record(name: str = "bench1-17", **changes: object) -> CoredumpRecord:
    fields: dict[str, object] = {
        "id": name,
        "board": "bench1",
        "generation": 3,
        "boot": 12,
        "started_at": "2026-01-31T08:30:00Z",
        "capture": "captured",
        "end_reason": "end_marker",
        "checksum": "ok",
        "raw_path": f"/var/lib/esperd/bench1/coredumps/{name}/core.b64",
        "core_path": f"/var/lib/esperd/bench1/coredumps/{name}/core.bin",
        "first_seq": 100,
        "last_seq": 200,
    }
    return msgspec.convert({**fields, **changes}, CoredumpRecord)


@dataclass
class FakeDaemon:
    """Speaks the protocol with the real server connection; its answers are scripted.

    ``journal`` is what Subscribe serves; whole events, as the daemon does, also where a client asked for a part.
    """

    path: str
    boards: list[BoardRecord] = field(default_factory=lambda: [board_record()])
    journal: list[Event] = field(default_factory=list[Event])
    dumps: list[CoredumpRecord] = field(default_factory=list[CoredumpRecord])
    dumps_in_an_answer: int = 1000
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    report: str | None = None
    writer: str | None = None
    answers: dict[type, Answer] = field(default_factory=dict[type, Answer])
    requests: list[RequestBody] = field(default_factory=list[RequestBody])
    says_welcome: bool = True
    hangs_up_after_history: bool = False
    _followers: list[Callable[[Event], Awaitable[None]]] = field(
        default_factory=list[Callable[[Event], Awaitable[None]]]
    )
    _changed: trio.Event = field(default_factory=trio.Event)

    def add(self, *bodies: Body, at_ns: int | None = None) -> None:
        """Appends events to the journal, a second apart."""
        for body in bodies:
            last = self.journal[-1] if self.journal else None
            seq = 1 if last is None else last.seq + seq_count(last.body)
            at = at_ns if at_ns is not None else START_NS + len(self.journal) * 1_000_000_000
            self.journal.append(Event(seq, at, self.boards[0].board, 3, 12, body))

    async def publish(self, body: Body) -> None:
        """Appends an event and sends it to everybody who follows."""
        self.add(body)
        for send in self._followers:
            await send(self.journal[-1])

    async def requested(self, kind: type, count: int = 1) -> list[RequestBody]:
        """Waits until *count* requests of this kind arrived."""
        with trio.fail_after(20):
            while len(found := [body for body in self.requests if isinstance(body, kind)]) < count:
                await self._changed.wait()
        return found

    async def serve(
        self, *, task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listens until it is cancelled."""
        with trio.socket.socket(trio.socket.AF_UNIX) as listening:
            await listening.bind(self.path)
            listening.listen()
            await trio.serve_listeners(self._serve_client, [trio.SocketListener(listening)], task_status=task_status)

    async def _serve_client(self, stream: trio.SocketStream) -> None:
        connection = ServerConnection("esperd 0.0.0")
        lock = trio.Lock()

        async def send(message: Response | ErrorResponse | HistoryEnd | Event) -> None:
            async with lock:
                await stream.send_all(connection.send(message))

        followers: list[Callable[[Event], Awaitable[None]]] = []
        try:
            while data := await stream.receive_some():
                for message in connection.receive_data(data):
                    if isinstance(message, Hello) and self.says_welcome:
                        await stream.send_all(connection.welcome())
                    elif isinstance(message, Request):
                        self.requests.append(message.body)
                        self._changed.set()
                        self._changed = trio.Event()
                        if await self._handle(message, send):
                            followers.append(send)
                            self._followers.append(send)
                        if isinstance(message.body, Subscribe) and self.hangs_up_after_history:
                            return
        except trio.BrokenResourceError:
            return
        finally:
            for follower in followers:
                self._followers.remove(follower)
            await trio.aclose_forcefully(stream)

    async def _handle(
        self, request: Request, send: Callable[[Response | ErrorResponse | HistoryEnd | Event], Awaitable[None]]
    ) -> bool:
        body = request.body
        answer = self.answers.get(type(body)) or self._answer(body)
        if isinstance(answer, Refusal):
            await send(ErrorResponse(request.id, answer.code, answer.message, answer.hint))
            return False
        await send(Response(request.id, answer))
        if not isinstance(body, Subscribe) or not isinstance(answer, Subscribed):
            return False
        # What is published while this goes on belongs to it, as its client is no follower yet.
        for event in self.journal:
            is_before_end = body.until is None or event.seq < body.until
            if event.seq + seq_count(event.body) > answer.next_seq and is_before_end:
                await send(event)
        follows = body.follow and body.until is None
        if not follows:
            await send(HistoryEnd(body.board, self._end(body)))
        return follows

    def _answer(self, body: RequestBody) -> Answer:
        match body:
            case ListBoards():
                return Boards(daemon_record(self.path), self.boards)
            case Subscribe():
                is_writer = body.interactive and self.writer is None
                return Subscribed(self._first_seq(body), 1, "me" if is_writer else self.writer, is_writer)
            case ListCoredumps():
                start = int(body.after or 0)
                end = start + self.dumps_in_an_answer
                chosen = [dump for dump in self.dumps if body.board in (None, dump.board)]
                return Coredumps(chosen[start:end], None if end >= len(chosen) else str(end))
            case CoredumpInfo():
                dump = next((dump for dump in self.dumps if dump.id == body.id), None)
                files = [CoredumpFile(name, len(data)) for name, data in self.files.items()]
                return Refusal("unknown_coredump", "no") if dump is None else CoredumpDetails(dump, files, self.report)
            case ReadCoredumpFile():
                part = self.files[body.name][body.offset : body.offset + 1000]
                return FileData(part, body.offset + len(part) >= len(self.files[body.name]))
            case _:
                return Done()

    def _next_seq(self) -> int:
        return self.journal[-1].seq + seq_count(self.journal[-1].body) if self.journal else 1

    def _end(self, request: Subscribe) -> int:
        return self._next_seq() if request.until is None else min(request.until, self._next_seq())

    def _first_seq(self, request: Subscribe) -> int:
        end = self._end(request)
        if request.after is not None:
            return min(request.after + 1, end)
        if request.since is not None:
            return min(next((event.seq for event in self.journal if event.at >= request.since), end), end)
        line_seqs = [
            event.seq + index
            for event in self.journal
            if isinstance(event.body, Line)
            for index in range(event.body.count)
            if event.seq + index < end
        ]
        if request.last_lines and len(line_seqs) >= request.last_lines:
            return line_seqs[-request.last_lines]
        return min(self.journal[0].seq, end) if request.last_lines and self.journal else end


def daemon_record(socket: str = "/run/esperd/a.sock") -> DaemonRecord:
    return DaemonRecord(
        version="0.0.0",
        pid=4242,
        started_at="2026-01-31T08:00:00Z",
        socket=socket,
        state_dir="/var/lib/esperd",
        log_path="/var/lib/esperd/esperd.log",
        fault_log_path="/var/lib/esperd/fault.log",
    )


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str
    raw: bytes


class Esperctl(Protocol):
    """Runs the command to its end."""

    async def __call__(self, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Finished: ...


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A clean environment whose runtime folder is empty."""
    (tmp_path / "run" / "esperd").mkdir(parents=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def socket_path(tmp_path: Path) -> str:
    return str(tmp_path / "run" / "esperd" / "a.sock")


@pytest.fixture
async def daemon(nursery: trio.Nursery, environment: dict[str, str], socket_path: str) -> FakeDaemon:
    fake = FakeDaemon(socket_path)
    await nursery.start(fake.serve)
    return fake


@pytest.fixture
def make_board() -> MakeBoard:
    return board_record


@pytest.fixture
def make_coredump() -> MakeCoredump:
    return coredump_record


@pytest.fixture
def make_daemon() -> MakeDaemon:
    return daemon_record


@pytest.fixture
def refuse() -> type[Refusal]:
    return Refusal


@pytest.fixture
async def second_daemon(nursery: trio.Nursery, environment: dict[str, str], tmp_path: Path) -> FakeDaemon:
    fake = FakeDaemon(str(tmp_path / "run" / "esperd" / "b.sock"), boards=[board_record("bench2")])
    await nursery.start(fake.serve)
    return fake


@pytest.fixture
def command() -> list[str]:
    return [sys.executable, "-m", "esperctl"]


@pytest.fixture
def esperctl(environment: dict[str, str], command: list[str]) -> Esperctl:
    async def run(*words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Finished:
        with trio.fail_after(30):
            done = await trio.run_process(
                [*command, *words],
                stdin=stdin,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                env={**environment, **(env or {})},
            )
        return Finished(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode(), done.stdout)

    return run


@pytest.fixture
def follower(command: list[str], environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the command with pipes, for streams that do not end; kills what is left."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*command, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
