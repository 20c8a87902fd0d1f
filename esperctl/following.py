"""Follows one board until the user leaves, over restarts of its daemon."""

import time
from typing import Final, NoReturn, Protocol

from esper_protocol.messages import Subscribe
from esperctl.daemons import FoundBoard, open_board
from esperctl.errors import (
    EsperctlError,
    NoDaemonError,
    NotPermittedError,
    NotServedError,
    TimedOutError,
    UnknownNameError,
)
from esperctl.output import Output
from esperctl.stream_options import subscribe
from esperctl.subscription import AnyEvent, Subscription

# A daemon that is restarted is back within a second; one that is not should not be asked all the time.
_FIRST_RETRY_S: Final = 0.25
_LAST_RETRY_S: Final = 5.0


class Stream(Protocol):
    """What is done with the events of the board."""

    def begin(self, found: FoundBoard) -> Subscription:
        """Makes the first subscription; each later one goes on behind the last event that was shown."""
        ...

    def show(self, events: list[AnyEvent]) -> None:
        """Prints the next events."""
        ...

    def pause(self) -> None:
        """Ends a line that is open: something else is said now, or nothing any more."""
        ...


class Following:
    """Follows one board.

    Args:
        stream: Takes the events.
        output: Where they go, and where it is said that the daemon went away, and came back.
    """

    def __init__(self, stream: Stream, output: Output) -> None:
        self._stream = stream
        self._output = output
        self._subscription: Subscription | None = None
        self._is_away = False

    def run(self, socket: str | None, board: str | None) -> NoReturn:
        """Follows the board until Ctrl-C.

        Raises:
            NotServedError: the daemon serves the board no longer.
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
                except (NoDaemonError, NotPermittedError, TimedOutError, UnknownNameError) as error:
                    self._note_absence(error)
                time.sleep(delay_s)  # noqa: TID251 - there is nothing else to wait for: the daemon is away
                delay_s = min(delay_s * 2, _LAST_RETRY_S)
        finally:
            self._stream.pause()
            self._output.flush()

    def _note_absence(self, error: EsperctlError) -> None:
        # A socket is closed to others for a moment after it is made.
        if self._subscription is None:
            raise error
        if isinstance(error, UnknownNameError):
            raise NotServedError(self._subscription.board) from error
        if not self._is_away:
            self._is_away = True
            self._say(f"{error.message}; waiting for it")

    def _follow(self, found: FoundBoard) -> NoReturn:
        subscription = self._subscription = self._subscribe(found)
        while True:
            # No deadline: a board may be silent for days.
            self._stream.show(subscription.absorb(found.client.receive()))
            self._output.flush()
            subscription.check_served()

    def _subscribe(self, found: FoundBoard) -> Subscription:
        if self._subscription is None:
            return self._stream.begin(found)
        subscription, _ = subscribe(found.client, Subscribe(found.record.board, after=self._subscription.cursor))
        if self._is_away:
            self._is_away = False
            self._say(f"attached to {found.record.board} again")
        return subscription

    def _say(self, text: str) -> None:
        # A prompt without its newline may stand there; talk starts a line of its own.
        self._stream.pause()
        self._output.talk(f"--- {text} ---")
