"""What became of effects: pages, scans, lists, dumps; what was done or failed. Another board's answers are ignored."""

from esperctl.safe_text import safe_text
from esperctl.viewer.effects import (
    AddNote,
    CopyText,
    DecodeCoredump,
    Effect,
    FetchCoredump,
    FetchPage,
    ListBoards,
    ListCoredumps,
    PinCoredump,
    SaveCoredump,
    SaveText,
    SendToBoard,
    StartScan,
    SwitchBoard,
    TakeWriter,
)
from esperctl.viewer.messages import (
    BoardsListed,
    CoredumpFetched,
    CoredumpsListed,
    EffectDone,
    EffectFailed,
    PageArrived,
    ScanProgressed,
)
from esperctl.viewer.model.detail import Detail
from esperctl.viewer.model.moves import Moves
from esperctl.viewer.model.picker import Picker
from esperctl.viewer.model.state import State

# The daemon's answers that mean: somebody else holds the lease, or this user never gets it.
_HELD, _FORBIDDEN = "busy", "permission"


class Answers:
    """Takes answers."""

    def __init__(self, state: State, moves: Moves) -> None:
        self._state = state
        self._moves = moves

    def page(self, message: PageArrived) -> None:
        """Takes a page of lines."""
        state = self._state
        if message.request not in state.pages:
            return
        state.pages.discard(message.request)
        state.log.page_arrived(message)
        state.incidents.learn(message.events)

    def scan(self, message: ScanProgressed) -> list[Effect]:
        """Takes what a scan found."""
        state = self._state
        if message.scan == state.incident_scan:
            state.incidents.learn(message.events)
            state.log.learn(message.events)
            if message.is_finished:
                state.incident_scan = None
                state.has_scanned = message.error is None
                state.incident_note = f"the rest was not read: {safe_text(message.error)}" if message.error else ""
            return []
        seq = state.search.progressed(message)
        effects = state.search.enough()
        return effects if seq is None else [*effects, *self._moves.jump(seq)]

    def boards(self, message: BoardsListed) -> list[Effect]:
        """Takes the list of boards."""
        state = self._state
        pickers = [overlay for overlay in state.overlays if isinstance(overlay, Picker)]
        effects = [effect for picker in pickers for effect in picker.listed(message.boards, state.now)]
        state.overlays = [overlay for overlay in state.overlays if not overlay.is_closed]
        return effects

    def coredumps(self, message: CoredumpsListed) -> None:
        """Takes the list of dumps."""
        state = self._state
        records = [
            record for record in message.coredumps if state.board is not None and record.board == state.board.name
        ]
        state.incidents.listed(records, state.next_seq - 1)

    def coredump(self, message: CoredumpFetched) -> None:
        """Takes everything about one dump."""
        state = self._state
        if state.board is None or message.record.board != state.board.name:
            return
        state.incidents.fetched(message.record, state.next_seq - 1)
        for overlay in state.overlays:
            if isinstance(overlay, Detail):
                overlay.fetched(message)

    def done(self, message: EffectDone) -> list[Effect]:
        """Takes that something was done."""
        state = self._state
        effect = message.effect
        match effect:
            case TakeWriter() if state.lease.granted() == "gained":
                state.tell_gained_lease()
            case CopyText() | SaveText() | SaveCoredump():
                word = "copied" if isinstance(effect, CopyText) else "saved"
                state.say(f"{word}: {message.detail}" if message.detail else word, "success", topic="saved")
            case AddNote():
                state.say("the note is in the journal", "success", topic="note")
            case PinCoredump():
                state.say(
                    f"core dump {effect.id} is {'pinned' if effect.pinned else 'not pinned'}", "success", topic="pin"
                )
                return [FetchCoredump(effect.id)]
            case DecodeCoredump():
                state.say(f"core dump {effect.id} is queued to be decoded", topic=f"decode {effect.id}")
            case _:
                pass
        return []

    def failed(self, message: EffectFailed) -> None:
        """Takes that something failed, and says why."""
        state = self._state
        effect = message.effect
        match effect:
            case FetchPage():
                self._page_failed(effect)
            case StartScan():
                self._scan_failed(effect, message.error)
                return
            case SendToBoard() | TakeWriter() if message.code == _FORBIDDEN:
                state.lease.refused(is_forbidden=True)
            case SendToBoard() | TakeWriter() if message.code == _HELD:
                state.lease.refused(is_forbidden=False)
            case ListBoards() | SwitchBoard():
                if self._tell_picker(message.error):
                    return
            case ListCoredumps():
                state.incident_note = f"the stored core dumps are not known: {safe_text(message.error)}"
                return
            case _:
                pass
        # Of a board that is away the error itself says what to do.
        hint = f"; {message.hint}" if message.hint and message.hint not in message.error else ""
        # The daemon's hint names a command line; here there is a key for it.
        if isinstance(effect, SendToBoard | TakeWriter) and message.code == _HELD:
            state.refresh_modes()
            hint = f"; {state.how_to('writer')} takes the write lease"
        state.say(f"{message.error}{hint}", "error", topic=type(effect).__name__)

    def _page_failed(self, request: FetchPage) -> None:
        if request in self._state.pages:
            self._state.pages.discard(request)
            self._state.log.page_failed(request)

    def _scan_failed(self, scan: StartScan, error: str) -> None:
        self.scan(ScanProgressed(scan.scan, is_finished=True, error=error))

    def _tell_picker(self, error: str) -> bool:
        pickers = [overlay for overlay in self._state.overlays if isinstance(overlay, Picker)]
        for picker in pickers:
            picker.failed(error, self._state.now)
        return bool(pickers)
