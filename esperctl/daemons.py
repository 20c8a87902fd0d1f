"""Finds daemons by their sockets, boards by their names, and core dumps by their ids."""

import grp
import os
import socket
import stat
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import msgspec

from esper_protocol.messages import Boards, CoredumpDetails, CoredumpInfo, ListBoards
from esper_protocol.records import BoardRecord, DaemonRecord
from esperctl.client import Client
from esperctl.errors import (
    EsperctlError,
    NoDaemonError,
    NotPermittedError,
    RequestError,
    UnknownNameError,
    UsageError,
)
from esperctl.output import Output

_SYSTEM_FOLDER: Final = "/run/esperd"
_START_HINT: Final = "start one with `esperd ttyUSB0`, or `systemctl start esperd@ttyUSB0`"


class Daemon(msgspec.Struct, frozen=True):
    """A daemon that answered, and what it serves."""

    client: Client
    record: DaemonRecord
    boards: list[BoardRecord]


class FoundBoard(msgspec.Struct, frozen=True):
    """A board and the connection to its daemon."""

    client: Client
    record: BoardRecord
    daemon: DaemonRecord


class SocketPaths(msgspec.Struct, frozen=True):
    """Where daemons may listen, and the folders that this user may not look into."""

    paths: list[str]
    closed_folders: list[str]


def socket_paths(runtime_dir: str | None, system_folder: str = _SYSTEM_FOLDER) -> SocketPaths:
    """The sockets of this user's daemons and of the system's.

    Args:
        runtime_dir: ``$XDG_RUNTIME_DIR``, or None where it is unset.
        system_folder: The folder of system services.
    """
    paths: list[str] = []
    closed: list[str] = []
    for folder in (f"{runtime_dir or f'/run/user/{os.getuid()}'}/esperd", system_folder):
        try:
            with os.scandir(folder) as entries:
                paths += sorted(entry.path for entry in entries if entry.name.endswith(".sock"))
        except PermissionError:
            closed.append(folder)
        except OSError:
            continue  # absent: no daemon of this kind was ever started
    return SocketPaths(paths, closed)


def _permission_error(path: str) -> NotPermittedError:
    try:
        status = os.stat(path)  # noqa: PTH116 - pathlib would be imported for this alone
        group = grp.getgrgid(status.st_gid).gr_name if status.st_mode & stat.S_IWGRP else None
    except (OSError, KeyError):
        group = None
    hint = f"join its group: `sudo usermod -aG {group} $USER`, then log in again" if group else "run it as its owner"
    return NotPermittedError(f"you may not use {path}", hint)


def connection_error(path: str, error: OSError) -> EsperctlError:
    """Why a daemon can't be connected to, and what to do."""
    if isinstance(error, PermissionError):
        return _permission_error(path)
    return NoDaemonError(f"no daemon listens on {path}: {error.strerror or error}", _START_HINT)


def connect(path: str) -> Client:
    """A connection to the daemon that listens on *path*, after the handshake. The caller closes it.

    Raises:
        NoDaemonError: nobody listens there.
        NotPermittedError: the user may not use the socket.
        TimedOutError: no answer to the handshake.
        FailedError: another version.
    """
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client = Client(connected, path)
    try:
        connected.connect(path)
        client.shake_hands()
    except OSError as error:
        client.close()
        raise connection_error(path, error) from error
    except BaseException:
        client.close()
        raise
    return client


class Daemons:
    """All daemons within reach; owns their connections until ``close``."""

    def __init__(self, explicit: str | None, output: Output) -> None:
        self._explicit = explicit
        self._output = output
        self.found: list[Daemon] = []
        self.troubles: list[EsperctlError] = []

    def survey(self) -> None:
        """Connects to every daemon and asks for its boards.

        Raises:
            EsperctlError: the socket that was named does not work, or none does.
        """
        if self._explicit:
            places = SocketPaths([self._explicit], [])
        else:
            places = socket_paths(os.environ.get("XDG_RUNTIME_DIR"))
        for path in places.paths:
            try:
                client = connect(path)
            except NoDaemonError as error:
                if self._explicit:
                    raise
                del error  # a socket that its daemon left behind
            except EsperctlError as error:
                self.troubles.append(error)
            else:
                self._ask(client)
        if not self.found:
            troubles = self.troubles + [_permission_error(folder) for folder in places.closed_folders]
            raise troubles[0] if troubles else NoDaemonError("no esperd is running", _START_HINT)
        for trouble in self.troubles:
            self._output.warn(trouble)

    def _ask(self, client: Client) -> None:
        try:
            boards = client.request(ListBoards(), Boards)
        except EsperctlError as error:
            client.close()
            self.troubles.append(error)
        except BaseException:
            client.close()
            raise
        else:
            self.found.append(Daemon(client, boards.daemon, boards.boards))

    def close(self, *, but: Client | None = None) -> None:
        """Closes the connections, except the one that is still of use."""
        for daemon in self.found:
            if daemon.client is not but:
                daemon.client.close()

    def board(self, name: str | None) -> FoundBoard:
        """The board called *name*, or the only one.

        Raises:
            UnknownNameError: there is none.
            UsageError: there are several to choose from.
        """
        candidates = [
            FoundBoard(daemon.client, record, daemon.record)
            for daemon in self.found
            for record in daemon.boards
            if name is None or record.board == name
        ]
        if len(candidates) == 1:
            return candidates[0]
        names = ", ".join(sorted(record.board for daemon in self.found for record in daemon.boards)) or "none"
        if not candidates:
            if name is None:
                raise UnknownNameError("no daemon has a board", f"boards: {names}")
            hints = [f"boards: {names}", *self._kept_journals(name)]
            raise UnknownNameError(f"no daemon has a board called '{name}'", "; ".join(hints))
        if name is None:
            raise UsageError("there are several boards; say which", f"--board NAME or ESPER_BOARD; boards: {names}")
        sockets = " and ".join(candidate.client.path for candidate in candidates)
        raise UsageError(f"several daemons have a board called '{name}': {sockets}", "choose one with --socket")

    def _kept_journals(self, name: str) -> list[str]:
        """Where journals of a board that no daemon has lie, as far as this user may look, and how to read them."""
        if "/" in name:
            return []
        folders = sorted({daemon.record.state_dir for daemon in self.found})
        return [
            f"its journal is kept in {folder}/boards/{name}/journal: to read it, configure the board again, or run"
            f" `esperd --state-dir '{folder}' '{name}=PORT'`, where PORT need not be there"
            for folder in folders
            if os.path.isdir(f"{folder}/boards/{name}/journal")  # noqa: PTH112 - pathlib would be imported for this alone
        ]

    def coredump(self, coredump_id: str) -> tuple[Client, CoredumpDetails]:
        """The core dump of this id, wherever it is stored.

        Raises:
            UnknownNameError: no daemon has it.
            UsageError: several daemons have it.
        """
        candidates: list[tuple[Client, CoredumpDetails]] = []
        for daemon in self.found:
            try:
                details = daemon.client.request(CoredumpInfo(coredump_id), CoredumpDetails)
            except RequestError as error:
                if error.code != "unknown_coredump":
                    raise
                continue
            # A dump whose board nobody runs is known to each daemon of its state directory; any of them will do.
            if all(details.record.raw_path != known.record.raw_path for _, known in candidates):
                candidates.append((daemon.client, details))
        if len(candidates) == 1:
            return candidates[0]
        if not candidates:
            raise UnknownNameError(
                f"no core dump is called '{coredump_id}'", "`esperctl coredumps list` shows them all"
            )
        sockets = " and ".join(client.path for client, _ in candidates)
        raise UsageError(f"several daemons have a core dump called '{coredump_id}': {sockets}", "choose with --socket")


@contextmanager
def open_daemons(explicit: str | None, output: Output) -> Generator[Daemons]:
    """All daemons within reach, connected; see ``Daemons.survey`` for the errors."""
    daemons = Daemons(explicit, output)
    try:
        daemons.survey()
        yield daemons
    finally:
        daemons.close()


@contextmanager
def open_board(explicit: str | None, name: str | None, output: Output) -> Generator[FoundBoard]:
    """The board called *name* (or the only one), with the connection to its daemon."""
    with open_daemons(explicit, output) as daemons:
        found = daemons.board(name)
        daemons.close(but=found.client)
        yield found
