"""The model: messages in, effects and views out. Pure: no I/O, no clock, no task; time is passed in.

Order of things in ``handle``: the size first, then the message, then the mode and the log's area that follow from it,
then what the log lacks. Events go to the log and the list whatever stands above them.
"""

from typing import Literal, assert_never

from esperctl.units import bytes_text
from esperctl.viewer import layout
from esperctl.viewer.effects import Effect, Leave, ListBoards, SwitchBoard
from esperctl.viewer.messages import (
    Attached,
    BoardsListed,
    CoredumpFetched,
    CoredumpsListed,
    Detached,
    EffectDone,
    EffectFailed,
    EventsArrived,
    KeysPressed,
    Message,
    PageArrived,
    Resized,
    ScanProgressed,
    Ticked,
)
from esperctl.viewer.model.answers import Answers
from esperctl.viewer.model.attachments import INCIDENT_SCAN_BYTES, Attachments
from esperctl.viewer.model.commands import Commands
from esperctl.viewer.model.happenings import Happenings
from esperctl.viewer.model.key_routing import KeyRouting
from esperctl.viewer.model.picker import Picker
from esperctl.viewer.model.slow_patterns import tell_slow_patterns
from esperctl.viewer.model.state import State
from esperctl.viewer.model.status import status
from esperctl.viewer.settings import Settings
from esperctl.viewer.view import TextInput, View


class Model:
    """The viewer without its terminal and its connection.

    Args:
        settings: What the user chose.
        read_only: Nothing reaches the board, whatever happens (``--read-only``).
        steals: The write lease is taken from its holder at the first attachment (``--steal``).
        dump: Whether the base64 of core dumps is folded at first.
        show_decode: Whether decodes are told (``--no-decode``).
        wants_picker: Whether it begins with the choice of a board, because several run and none was named.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        read_only: bool = False,
        steals: bool = False,
        dump: Literal["fold", "show"] = "fold",
        show_decode: bool = True,
        wants_picker: bool = False,
    ) -> None:
        state = self._state = State(settings, read_only=read_only, folds_dumps=dump == "fold", shows_decode=show_decode)
        commands = Commands(state)
        self._routing = KeyRouting(state, commands)
        self._happenings = Happenings(state)
        self._answers = Answers(state, commands.moves)
        self._attachments = Attachments(state, steals=steals)
        self._wants_picker = wants_picker
        self._log_size: tuple[int, int] | None = None

    def handle(self, message: Message, now: float) -> list[Effect]:
        """Takes a message; what to do now.

        Args:
            message: What happened.
            now: Monotonic seconds, never less than before.
        """
        state = self._state
        state.now = now
        if isinstance(message, Resized):
            state.columns, state.rows = message.columns, message.rows
        effects = self._begin()
        effects += self._handle(message)
        state.going_to = next((effect.board for effect in effects if isinstance(effect, SwitchBoard)), state.going_to)
        state.toasts.expire(now)
        state.refresh_modes()
        self._fit_log()
        tell_slow_patterns(state)
        if state.board is not None:
            wanted = state.log.wanted()
            state.pages.update(wanted)
            effects += wanted
        return effects

    @property
    def next_tick_at(self) -> float | None:
        """When Ticked is to come, in the terms of ``now``; None: nothing is due, however long nothing happens."""
        pickers = (overlay.refresh_at for overlay in self._state.overlays if isinstance(overlay, Picker))
        moments = (self._state.toasts.next_at, self._state.capture.next_at, *pickers)
        return min((moment for moment in moments if moment is not None), default=None)

    def view(self) -> View:
        """What is to be seen now."""
        state = self._state
        board = state.board
        shows_list = state.has_panel or state.inspector.has_focus
        log = None if board is None else state.log.view()
        # Of lines that are drawn for the first time some were searched only now.
        tell_slow_patterns(state)
        return View(
            columns=state.columns,
            rows=state.rows,
            title=None if board is None else board.view(),
            log=log,
            status=status(state),
            inspector=state.inspector.view(self._incident_note()) if shows_list and board is not None else None,
            search=state.search.view(),
            input=self._input(),
            capture=state.capture.view(state.now),
            overlay=state.overlay.view() if state.overlay is not None else None,
            toasts=state.toasts.view(),
        )

    def _begin(self) -> list[Effect]:
        if not self._wants_picker:
            return []
        self._wants_picker = False
        self._state.overlays.append(Picker(None, lambda: [Leave()]))
        return [ListBoards()]

    def _handle(self, message: Message) -> list[Effect]:
        match message:
            case KeysPressed():
                return self._routing.press(message.keys)
            case EventsArrived():
                return self._happenings.came(message.events)
            case Attached():
                return self._attachments.attached(message)
            case Detached():
                return self._attachments.detached(message)
            case PageArrived():
                self._answers.page(message)
            case ScanProgressed():
                return self._answers.scan(message)
            case BoardsListed():
                return self._answers.boards(message)
            case CoredumpsListed():
                self._answers.coredumps(message)
            case CoredumpFetched():
                self._answers.coredump(message)
            case EffectDone():
                return self._answers.done(message)
            case EffectFailed():
                self._answers.failed(message)
            case Ticked():
                return self._tick()
            case Resized():
                pass
            case _:
                assert_never(message)
        return []

    def _tick(self) -> list[Effect]:
        state = self._state
        state.capture.tick(state.now)
        pickers = [overlay for overlay in state.overlays if isinstance(overlay, Picker)]
        return [effect for picker in pickers for effect in picker.tick(state.now)]

    def _fit_log(self) -> None:
        state = self._state
        if state.is_too_small:
            return
        bars = (state.capture.id is not None) + state.search.is_open + (self._input() is not None)
        area = layout.lay_out(state.columns, state.rows, with_panel=state.has_panel, bars=bars).log
        if self._log_size != (area.columns, area.rows):
            self._log_size = (area.columns, area.rows)
            state.log.resize(area.columns, area.rows)

    def _input(self) -> TextInput | None:
        """The line that is typed; none where nothing can be typed to the board."""
        state = self._state
        if not state.may_type:
            return None
        return state.device_input.view(is_focused=state.mode == "DEVICE")

    def _incident_note(self) -> str:
        state = self._state
        if state.incident_scan is not None:
            return "looking through the journal…"
        return state.incident_note or f"from the last {bytes_text(INCIDENT_SCAN_BYTES)} of the journal"
