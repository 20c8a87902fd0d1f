"""Follows one board until the user leaves, over restarts of the daemon; on a terminal, keys go to the board."""

import contextlib
import os
import selectors
from collections.abc import Callable
from typing import Final, NamedTuple

from esper_protocol.codec import ReceivedByClient
from esper_protocol.events import Event, WriterChanged
from esper_protocol.messages import (
    Done,
    ErrorResponse,
    ReleaseWriter,
    Response,
    Send,
    Subscribe,
    Subscribed,
    TakeWriter,
)
from esper_protocol.records import BoardRecord
from esperctl.client import Client
from esperctl.daemons import FoundBoard, open_board
from esperctl.errors import EXIT_DONE, EXIT_INTERRUPTED, EsperctlError, NoDaemonError, RequestError, TimedOutError
from esperctl.log_formats import LogFormat
from esperctl.output import Output
from esperctl.stream_options import subscribe
from esperctl.subscription import Subscription

_STDIN: Final = 0
_KEY_BYTES: Final = 1024
_LEAVE_KEY: Final = b"\x1d"
_INTERRUPT_KEY: Final = b"\x03"
_LAST_LINES: Final = 20
# A daemon that is restarted is back within a second; one that is not should not be asked all the time.
_FIRST_RETRY_S: Final = 0.25
_LAST_RETRY_S: Final = 5.0
# Leaving must feel immediate, also while the port takes nothing.
_LAST_KEYS_TIMEOUT_S: Final = 1.0


class Wishes(NamedTuple):
    """How to attach.

    ``reads_keys``: stdin is a terminal, and its keys are read. ``writes``: ask for the write lease. ``steals``: take
    it from whoever has it. ``after`` and ``since``: where to begin, else with the last lines.
    """

    reads_keys: bool
    writes: bool
    steals: bool
    after: int | None
    since: int | None


class Attachment:
    """One board on this terminal, or in this pipe.

    Args:
        wishes: How to attach.
        make_log: Makes the format once the board is known.
        output: Where it goes.
    """

    def __init__(self, wishes: Wishes, make_log: Callable[[BoardRecord], LogFormat], output: Output) -> None:
        self._wishes = wishes
        self._make_log = make_log
        self._output = output
        self._log: LogFormat | None = None
        self._cursor: int | None = None
        self._is_away = False
        self._is_writer = False
        self._own_name: str | None = None
        self._stole_from: str | None = None
        self._unanswered = 0
        self._has_said_read_only = False

    def run(self, socket: str | None, board: str | None) -> int:
        """Follows the board and returns the exit code.

        Raises:
            EsperctlError: the first connection failed, or something happened that a new one does not mend.
        """
        delay_s = _FIRST_RETRY_S
        try:
            while True:
                try:
                    with open_board(socket, board, self._output) as found:
                        # From now on it is this board of this daemon, even if another one comes up meanwhile.
                        socket, board = found.client.path, found.record.board
                        delay_s = _FIRST_RETRY_S
                        return self._follow(found)
                except (NoDaemonError, TimedOutError) as error:
                    self._note_absence(error)
                code = self._wait(delay_s)
                if code is not None:
                    return code
                delay_s = min(delay_s * 2, _LAST_RETRY_S)
        finally:
            if self._log is not None:
                self._output.write(self._log.finish())
                self._output.flush()

    def _note_absence(self, error: EsperctlError) -> None:
        if self._log is None:
            raise error
        if not self._is_away:
            self._is_away = True
            self._say(f"{error.message}; waiting for it")

    def _wait(self, delay_s: float) -> int | None:
        """Waits for the next try, or for a key that leaves."""
        with selectors.DefaultSelector() as selector:
            if self._wishes.reads_keys:
                selector.register(_STDIN, selectors.EVENT_READ)
            if not selector.select(delay_s):
                return None
        return self._type(os.read(_STDIN, _KEY_BYTES), None)

    def _follow(self, found: FoundBoard) -> int:
        client, record = found.client, found.record
        log = self._log = self._log or self._make_log(record)
        subscription, subscribed = subscribe(client, self._subscribe(record.board))
        self._is_writer = subscribed.is_writer
        self._own_name = subscribed.writer if subscribed.is_writer else None
        self._unanswered = 0
        self._greet(record, subscribed, client)
        self._is_away = False
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ)
            if self._wishes.reads_keys:
                selector.register(_STDIN, selectors.EVENT_READ)
            while True:
                self._show(client.receive() if client.has_pending else [], subscription, log)
                # No deadline: a board may be silent for days, and the user for longer.
                ready = {key.fd for key, _ in selector.select()}
                if client.fileno() in ready:
                    self._show(client.receive(), subscription, log)
                if _STDIN in ready:
                    code = self._type(os.read(_STDIN, _KEY_BYTES), client, record.board)
                    if code is not None:
                        self._finish_typing(client, record.board)
                        return code

    def _finish_typing(self, client: Client, board: str) -> None:
        """Gives the lease back after the last keys: a connection that just ends may take keys with it."""
        if self._unanswered:
            with contextlib.suppress(EsperctlError):
                client.request(ReleaseWriter(board), Done, timeout_s=_LAST_KEYS_TIMEOUT_S)

    def _subscribe(self, board: str) -> Subscribe:
        wishes = self._wishes
        if self._cursor is not None:
            return Subscribe(board, after=self._cursor, interactive=wishes.writes)
        if wishes.after is None and wishes.since is None:
            return Subscribe(board, last_lines=_LAST_LINES, interactive=wishes.writes)
        return Subscribe(board, after=wishes.after, since=wishes.since, interactive=wishes.writes)

    def _greet(self, record: BoardRecord, subscribed: Subscribed, client: Client) -> None:
        if self._is_away:
            self._say(f"attached to {record.board} again")
            return
        if self._wishes.writes and not self._is_writer:
            self._ask_for_lease(record.board, subscribed.writer, client)
        state = f"{record.state}, session {record.generation}, boot {record.boot}"
        if not self._wishes.reads_keys:
            leave = "Ctrl-C leaves"
        elif self._is_writer:
            leave = "Ctrl-] leaves, Ctrl-C goes to the board"
        else:
            leave = "read-only, Ctrl-] or Ctrl-C leaves"
        self._say(f"attached to {record.board} ({state}), {leave}")

    def _ask_for_lease(self, board: str, holder: str | None, client: Client) -> None:
        if not self._wishes.steals:
            self._say(f"{holder or 'somebody else'} types to {board}; `esperctl attach --steal` takes over")
            return
        try:
            client.request(TakeWriter(board, steal=True), Done)
        except RequestError as error:
            self._say(f"the board can't be typed to: {error.message}")
        else:
            self._is_writer = True
            self._stole_from = holder

    def _show(self, messages: list[ReceivedByClient], subscription: Subscription, log: LogFormat) -> None:
        for event in subscription.absorb(messages):
            if isinstance(event, Event) and isinstance(event.body, WriterChanged):
                self._note_writer(event.body)
            self._output.write(log.render(event))
        self._cursor = subscription.cursor
        for message in messages:
            if isinstance(message, Response | ErrorResponse):
                self._unanswered -= 1
            if isinstance(message, ErrorResponse):
                self._say(message.message)
                self._is_writer = self._is_writer and message.code not in ("busy", "permission")
        self._output.flush()

    def _note_writer(self, change: WriterChanged) -> None:
        # The history has changes, too; but the last one of them is the one that gave the lease to this client.
        if change.stolen and change.previous is not None and change.previous == self._stole_from:
            self._own_name = change.writer
        if self._own_name is not None:
            self._is_writer = change.writer == self._own_name

    def _type(self, keys: bytes, client: Client | None, board: str = "") -> int | None:
        """Sends *keys* to the board; an exit code where they mean to leave. Nothing typed: the terminal is gone."""
        typed, leave_key, _ = keys.partition(_LEAVE_KEY)
        if typed and client is not None and self._is_writer:
            client.post(Send(board, typed))
            self._unanswered += 1
        elif _INTERRUPT_KEY in typed:
            return EXIT_INTERRUPTED
        elif typed and client is not None and not self._has_said_read_only:
            self._has_said_read_only = True
            self._say("read-only: keys are not sent; `esperctl attach --steal` takes over, Ctrl-] leaves")
        return EXIT_DONE if leave_key or not keys else None

    def _say(self, text: str) -> None:
        # A prompt without its newline may stand there; talk starts a line of its own.
        if self._log is not None:
            self._output.write(self._log.finish())
        self._output.talk(f"--- {text} ---")
