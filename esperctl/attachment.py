"""Follows one board as a plain stream until the user leaves, over restarts of the daemon."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from esper_protocol.messages import Subscribe, Subscribed
from esper_protocol.records import BoardRecord
from esperctl.daemons import FoundBoard, open_board
from esperctl.errors import EsperctlError, NoDaemonError, TimedOutError
from esperctl.log_formats import LogFormat
from esperctl.output import Output
from esperctl.subscription import Subscription

_LAST_LINES: Final = 20
# A daemon that is restarted is back within a second; one that is not should not be asked all the time.
_FIRST_RETRY_S: Final = 0.25
_LAST_RETRY_S: Final = 5.0


class Beginning(NamedTuple):
    """Behind position ``after``, else from the time ``since_ns`` on, else with the last lines."""

    after: int | None
    since_ns: int | None


class Attachment:
    """One board in this pipe.

    Args:
        beginning: Where to begin.
        make_log: Makes the format once the board is known.
        output: Where it goes.
    """

    def __init__(self, beginning: Beginning, make_log: Callable[[BoardRecord], LogFormat], output: Output) -> None:
        self._beginning = beginning
        self._make_log = make_log
        self._output = output
        self._log: LogFormat | None = None
        self._cursor: int | None = None
        self._is_away = False

    def run(self, socket: str | None, board: str | None) -> NoReturn:
        """Follows the board until Ctrl-C.

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
                        self._follow(found)
                except (NoDaemonError, TimedOutError) as error:
                    self._note_absence(error)
                time.sleep(delay_s)  # noqa: TID251 - there is nothing else to wait for: the daemon is away
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

    def _follow(self, found: FoundBoard) -> NoReturn:
        client, record = found.client, found.record
        log = self._log = self._log or self._make_log(record)
        subscription = Subscription(record.board, client.request(self._subscribe(record.board), Subscribed))
        self._greet(record)
        while True:
            # No deadline: a board may be silent for days.
            for event in subscription.absorb(client.receive()):
                self._output.write(log.render(event))
            self._cursor = subscription.cursor
            self._output.flush()
            subscription.check_served()

    def _subscribe(self, board: str) -> Subscribe:
        if self._cursor is not None:
            return Subscribe(board, after=self._cursor)
        after, since_ns = self._beginning
        if after is None and since_ns is None:
            return Subscribe(board, last_lines=_LAST_LINES)
        return Subscribe(board, after=after, since=since_ns)

    def _greet(self, record: BoardRecord) -> None:
        if self._is_away:
            self._is_away = False
            self._say(f"attached to {record.board} again")
        else:
            state = f"{record.state}, session {record.generation}, boot {record.boot}"
            self._say(f"attached to {record.board} ({state}), Ctrl-C leaves")

    def _say(self, text: str) -> None:
        # A prompt without its newline may stand there; talk starts a line of its own.
        if self._log is not None:
            self._output.write(self._log.finish())
        self._output.talk(f"--- {text} ---")
