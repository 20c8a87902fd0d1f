"""The connection comes and goes: what is forgotten, what stays, what is asked for then."""

from typing import Final

from esperctl.viewer.effects import AskForLease, Effect, ListCoredumps, StartScan, TakeWriter
from esperctl.viewer.messages import Attached, Detached
from esperctl.viewer.model.board_state import BoardState
from esperctl.viewer.model.picker import Picker
from esperctl.viewer.model.state import State

# How much of the journal is looked through for boots, panics and dumps: some hours of a busy board, read in a second.
INCIDENT_SCAN_BYTES: Final = 16 * 1024 * 1024


class Attachments:
    """Takes what the connection tells.

    Args:
        state: The parts.
        steals: Whether the lease is taken from its holder at the first attachment.
    """

    def __init__(self, state: State, *, steals: bool) -> None:
        self._state = state
        self._steals = steals and not state.read_only

    def attached(self, message: Attached) -> list[Effect]:
        """The viewer follows a board."""
        state = self._state
        state.going_to = None
        if message.again and state.board is not None:
            self._resume(state.board, message)
            # Who only watched does not come to type because he was the first who came back.
            asks = state.lease.is_awaited
        else:
            self._begin(message)
            asks = not state.read_only
        state.lease.attached(message.subscribed, was_asked_for=asks)
        state.log.set_own_name(state.lease.own_name)
        effects: list[Effect] = [ListCoredumps()]
        if not message.again or not state.has_scanned:
            effects.append(self._scan())
        if self._steals and not state.lease.is_own:
            effects.append(TakeWriter(steal=True))
        elif asks:
            self._tell_holder()
        self._steals = False
        return effects

    def detached(self, message: Detached) -> list[Effect]:
        """The connection was lost, or is not made yet."""
        state = self._state
        if state.going_to is not None and message.board in ("", state.going_to):
            self._not_there(state.going_to, message.reason)
            return []
        if state.board is not None and message.board not in ("", state.board.name):
            # A board that was left.
            return []
        if state.board is None:
            state.say(f"not attached yet: {message.reason}; it is tried again", "warning", topic="connection")
            return []
        if state.board.is_attached:
            # Said once; the title shows how it goes on.
            lost = f"the connection is lost ({message.reason}); reconnecting"
            text = lost if message.is_served else f"{message.reason}; it is waited for"
            state.say(text, "warning", topic="connection")
        state.board.detached(message.reason, is_served=message.is_served)
        state.lease.detached()
        state.capture.start(None, state.now)
        return [AskForLease(state.lease.is_awaited)]

    def _not_there(self, name: str, reason: str) -> None:
        """The board that was chosen is not there; the one that is shown was left for it."""
        state = self._state
        for overlay in state.overlays:
            if isinstance(overlay, Picker):
                overlay.failed(f"{name}: {reason}; it is tried again", state.now)
                overlay.left()
        if state.board is None or state.board.left_for == name:
            return
        state.say(f"{name} is not there: {reason}; it is tried again", "warning", topic="connection")
        state.board.left(name)
        state.lease.detached()
        state.capture.start(None, state.now)

    def _begin(self, message: Attached) -> None:
        state, board = self._state, message.board
        state.forget_board()
        state.board = BoardState(message.daemon, board)
        next_seq = message.subscribed.next_seq
        state.next_seq = next_seq
        state.live_from = state.news_from = max(board.next_seq, next_seq)
        # The last lines come first, which may begin in the middle of the dump.
        state.log.start(next_seq, capture=board.capture)
        state.log.set_search(None)
        if message.show_from is not None:
            state.log.go_to(message.show_from)
        state.capture.start(board.capture, state.now)

    def _resume(self, known: BoardState, message: Attached) -> None:
        state, board = self._state, message.board
        known.update(message.daemon, board)
        state.live_from = max(board.next_seq, message.subscribed.next_seq)
        # What happened in the absence is news, although it is history.
        state.news_from = message.subscribed.next_seq
        state.capture.start(board.capture, state.now)
        state.say(f"attached to {known.name} again", "success", topic="connection")

    def _scan(self) -> Effect:
        state = self._state
        state.incident_scan = state.next_scan()
        state.incident_note = ""
        return StartScan(
            state.incident_scan, "incidents", state.next_seq, wants_events=True, limit_bytes=INCIDENT_SCAN_BYTES
        )

    def _tell_holder(self) -> None:
        state = self._state
        if state.read_only or state.lease.is_own:
            return
        if state.lease.is_forbidden:
            state.tell_forbidden()
            return
        holder = state.lease.holder
        state.refresh_modes()
        who = f"{holder} types: read-only here" if holder else "nobody types: read-only here"
        state.say(f"{who}; {state.how_to('writer')} takes the write lease", "warning", topic="writer")
