"""What the daemons answer, each within a deadline; a machine without any has an empty survey."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, TypeVar

from esper_protocol.events import Line
from esper_protocol.messages import Boards, Elfs, ListBoards, ListElfs, Subscribe, Subscribed
from esper_protocol.records import BoardRecord, CoredumpRecord, DaemonRecord, ElfRecord
from esperctl.client import Client
from esperctl.commands.coredumps_list import stored_coredumps
from esperctl.daemons import SocketPaths, connect, socket_paths
from esperctl.deadline import DeadlineError, deadline
from esperctl.doctor.machine import Machine
from esperctl.errors import EsperctlError, NoDaemonError, NotPermittedError, TimedOutError
from esperctl.subscription import Subscription

TroubleKind = Literal["stale", "forbidden", "mute", "refused"]
_CONNECT_S: Final = 3.0
_DETAIL_S: Final = 3.0
_SAMPLE_LINES: Final = 400
_SAMPLE_BYTES: Final = 32 * 1024

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Sample:
    """The end of a board's journal: what the board said, and when each event was (ns since the Unix epoch)."""

    data: bytes = b""
    times: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A daemon that answered, and what it knows."""

    path: str
    daemon: DaemonRecord
    boards: tuple[BoardRecord, ...]
    coredumps: tuple[CoredumpRecord, ...] = ()
    elfs: tuple[ElfRecord, ...] = ()
    samples: dict[str, Sample] = field(default_factory=dict[str, Sample])


@dataclass(frozen=True, slots=True)
class Trouble:
    """A socket behind which nobody answered as expected."""

    path: str
    kind: TroubleKind
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """All sockets that were found."""

    answers: tuple[Answer, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    closed_folders: tuple[str, ...] = ()
    is_of_one_socket: bool = False
    """Whether the user named a socket, so that no other was looked for."""

    @property
    def boards(self) -> list[BoardRecord]:
        """The boards of all daemons."""
        return [board for answer in self.answers for board in answer.boards]


def survey(machine: Machine, explicit: str | None, board: str | None) -> Survey:
    """Asks the daemons.

    Args:
        machine: Whose environment names the runtime folder.
        explicit: The only socket to try.
        board: The only board to look at.
    """
    places = SocketPaths([explicit], []) if explicit else socket_paths(machine.environment.get("XDG_RUNTIME_DIR"))
    results = [_ask(path, board) for path in places.paths]
    return Survey(
        tuple(result for result in results if isinstance(result, Answer)),
        tuple(result for result in results if isinstance(result, Trouble)),
        tuple(places.closed_folders),
        is_of_one_socket=bool(explicit),
    )


def _ask(path: str, board: str | None) -> Answer | Trouble:
    try:
        with deadline(_CONNECT_S):
            client = connect(path)
    except (EsperctlError, DeadlineError) as error:
        return _trouble(path, error)
    with client:
        try:
            with deadline(_CONNECT_S):
                found = client.request(ListBoards(), Boards)
        except (EsperctlError, DeadlineError) as error:
            return _trouble(path, error)
        boards = tuple(record for record in found.boards if board in (None, record.board))
        return _with_details(client, Answer(path, found.daemon, boards))


def _with_details(client: Client, answer: Answer) -> Answer:
    samples = {
        record.board: _within_deadline(partial(_sample, client, record.board), Sample()) for record in answer.boards
    }
    return Answer(
        answer.path,
        answer.daemon,
        answer.boards,
        tuple(_within_deadline(lambda: stored_coredumps(client, None), [])),
        tuple(_within_deadline(lambda: client.request(ListElfs(), Elfs).elfs, [])),
        samples,
    )


def _within_deadline(ask: Callable[[], _Result], otherwise: _Result) -> _Result:
    """An older daemon, or a busy one, is examined without the detail that it does not give."""
    try:
        with deadline(_DETAIL_S):
            return ask()
    except (EsperctlError, DeadlineError):
        return otherwise


def _sample(client: Client, board: str) -> Sample:
    request = Subscribe(board, last_lines=_SAMPLE_LINES, follow=False)
    subscription = Subscription(board, client.request(request, Subscribed))
    data = bytearray()
    times: list[int] = []
    while not subscription.ended:
        for event in subscription.absorb(client.receive()):
            times.append(event.at)
            if isinstance(event.body, Line):
                data += event.body.data
    return Sample(bytes(data[-_SAMPLE_BYTES:]), tuple(times))


def _trouble(path: str, error: EsperctlError | DeadlineError) -> Trouble:
    if isinstance(error, DeadlineError):
        return Trouble(path, "mute", f"nothing answers within {_CONNECT_S:g} s")
    kind: TroubleKind = "refused"
    if isinstance(error, NoDaemonError):
        kind = "stale"
    elif isinstance(error, NotPermittedError):
        kind = "forbidden"
    elif isinstance(error, TimedOutError):
        kind = "mute"
    return Trouble(path, kind, error.message, error.hint)
