"""The names that daemons know: boards, core dumps, ELF files. Whoever does not answer in time has none."""

import os
from collections.abc import Callable, Iterator
from typing import Final

from esper_protocol.codec import EVENT_KINDS
from esper_protocol.messages import Boards, Elfs, ListBoards, ListElfs
from esperctl.client import Client
from esperctl.commands.coredumps_list import stored_coredumps
from esperctl.completion.candidates import Candidate, Source
from esperctl.daemons import connect, socket_paths
from esperctl.deadline import DeadlineError, deadline
from esperctl.errors import EsperctlError
from esperctl.times import local_text

# Of all daemons together: longer than this nobody waits for a Tab.
_DEADLINE_S: Final = 0.8
_ELF_DIGITS: Final = 16


def names_from(source: Source, socket: str | None) -> list[Candidate]:
    """All names of one kind, each once; empty where nobody knows.

    Args:
        source: Of which kind; ``files`` are the shell's business.
        socket: The only daemon to ask.
    """
    if source == "kinds":
        return [Candidate(kind) for kind in sorted(EVENT_KINDS)]
    ask = _QUESTIONS.get(source)
    found: dict[str, Candidate] = {}
    if ask is None:
        return []
    try:
        with deadline(_DEADLINE_S):
            for candidate in _ask_all(ask, socket):
                found.setdefault(candidate.value, candidate)
    except DeadlineError:
        pass  # what came in time is better than nothing
    return list(found.values())


def _ask_all(ask: Callable[[Client], Iterator[Candidate]], socket: str | None) -> Iterator[Candidate]:
    explicit = socket or os.environ.get("ESPER_SOCKET")
    paths = [explicit] if explicit else socket_paths(os.environ.get("XDG_RUNTIME_DIR")).paths
    for path in paths:
        try:
            with connect(path) as client:
                yield from ask(client)
        except EsperctlError:
            continue  # stale, forbidden or of another version: the command itself will say so


def _boards(client: Client) -> Iterator[Candidate]:
    for board in client.request(ListBoards(), Boards).boards:
        yield Candidate(board.board, f"{board.state}, {board.port}")


def _coredumps(client: Client) -> Iterator[Candidate]:
    # The newest are those that somebody wants.
    for dump in reversed(stored_coredumps(client, None)):
        yield Candidate(dump.id, " ".join(filter(None, (local_text(dump.started_at), dump.reason))))


def _elfs(client: Client) -> Iterator[Candidate]:
    for elf in client.request(ListElfs(), Elfs).elfs:
        yield Candidate(elf.sha256[:_ELF_DIGITS], " ".join(filter(None, (elf.project or elf.name, elf.version))))


_QUESTIONS: Final[dict[Source, Callable[[Client], Iterator[Candidate]]]] = {
    "boards": _boards,
    "coredumps": _coredumps,
    "elfs": _elfs,
}
