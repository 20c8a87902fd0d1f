"""What each action does: the functions behind the table in ``actions``."""

from collections.abc import Callable
from typing import Final

from esperctl.safe_text import safe_text
from esperctl.viewer.dialogs import last_help_scroll
from esperctl.viewer.effects import (
    AbortCapture,
    AddNote,
    CopyText,
    Effect,
    Leave,
    ListBoards,
    ReleaseWriter,
    ResetBoard,
    SaveText,
    SendBreak,
    SendToBoard,
    TakeWriter,
)
from esperctl.viewer.model.actions import ABORT_CAPTURE, BACK, BY_ID, DETACH, SEND_PREFIX, Action
from esperctl.viewer.model.confirmation import Confirmation
from esperctl.viewer.model.help import Help
from esperctl.viewer.model.looks import Looks
from esperctl.viewer.model.moves import Moves
from esperctl.viewer.model.palette import Palette
from esperctl.viewer.model.picker import Picker
from esperctl.viewer.model.prompt import Prompt
from esperctl.viewer.model.state import State
from esperctl.viewer.view import HelpView

_LAST_SEQ: Final = 2**63
_Doing = Callable[[], list[Effect]]


class Commands:
    """Does actions, and asks before where that is wanted."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.moves = Moves(state)
        self._looks = Looks(state)
        self._doings: Final[dict[str, _Doing]] = {
            "reset": lambda: [ResetBoard()],
            "bootloader": lambda: [ResetBoard(bootloader=True)],
            "break": lambda: [SendBreak()],
            SEND_PREFIX: self._send_prefix,
            "writer": self._writer,
            "line_input": self._line_input,
            "note": self._note,
            ABORT_CAPTURE: lambda: [AbortCapture()],
            "copy": self._copy,
            "save": self._save,
            "palette": self._palette,
            "help": self._help,
            "boards": self._boards,
            BACK: self._back,
            DETACH: lambda: [Leave()],
            **self.moves.doings,
            **self._looks.doings,
        }

    def run(self, action: Action) -> list[Effect]:
        """Does an action, or says what it lacks, or asks; the mode afterwards is as the table says."""
        state = self._state
        if action.is_navigation:
            state.modes = state.modes.with_navigation()
        else:
            state.modes = state.modes.with_command_done()
        if action.question:
            return self._ask(action, action.question, self._doings[action.id])
        return self._do(action, self._doings[action.id])

    def _do(self, action: Action, doing: _Doing) -> list[Effect]:
        lack = self._state.lacks(action)
        if lack is None:
            return doing()
        if lack == "read-only":
            lack = f"read-only; {self._state.how_to('writer')} takes the write lease"
        self._state.say(f"{action.title}: {lack}", topic="lack")
        return []

    def _ask(self, action: Action, question: str, doing: _Doing, detail: str = "") -> list[Effect]:
        state = self._state
        if state.lacks(action) is None:
            # What it needs may be gone by the time of the answer, so it is looked at again then.
            state.overlays.append(Confirmation(question, detail, lambda: self._do(action, doing)))
            return []
        return self._do(action, doing)

    # Board --------------------------------------------------------------------------------------------

    def _send_prefix(self) -> list[Effect]:
        state = self._state
        state.modes = state.modes.with_keys_to_board()
        state.inspector.has_focus = False
        return [SendToBoard(state.prefix_data)]

    def _writer(self) -> list[Effect]:
        state = self._state
        holder = state.lease.holder
        if state.lease.is_own:
            return [ReleaseWriter()]
        if holder is None:
            return [TakeWriter(steal=False)]
        question = f"{safe_text(holder)} types to the board. Take over?"
        return self._ask(
            BY_ID["writer"], question, lambda: [TakeWriter(steal=True)], "Everybody who follows it sees that."
        )

    def _line_input(self) -> list[Effect]:
        device = self._state.device_input
        device.is_line = not device.is_line
        self._state.say(
            "whole lines are typed, with history" if device.is_line else "single keys are typed", topic="input"
        )
        return []

    def _note(self) -> list[Effect]:
        self._state.overlays.append(Prompt("Note", lambda text: [AddNote(text)]))
        return []

    # Viewer -------------------------------------------------------------------------------------------

    def _palette(self) -> list[Effect]:
        self._state.overlays.append(Palette(self._state.keymap, self._state.lacks, self.run))
        return []

    def _help(self) -> list[Effect]:
        state = self._state

        def last_scroll(view: HelpView) -> int:
            return last_help_scroll(view, state.columns, state.rows)

        state.overlays.append(Help(state.keymap, state.page_lines, last_scroll))
        return []

    def _boards(self) -> list[Effect]:
        board = self._state.board
        is_left = board is None or board.left_for is not None or self._state.going_to is not None
        current = None if board is None or is_left else (board.socket, board.name)
        self._state.overlays.append(Picker(current, list))
        return [ListBoards()]

    def _back(self) -> list[Effect]:
        state = self._state
        state.modes = state.modes.with_keys_to_board()
        state.search.close()
        return []

    def _copy(self) -> list[Effect]:
        rows = self._state.log.view().rows
        text = "".join("".join(span.text for span in row.spans).rstrip() + "\n" for row in rows)
        return self._with_text(text, CopyText(text, self._file_name()))

    def _save(self) -> list[Effect]:
        text = self._state.log.text_of(0, _LAST_SEQ)
        return self._with_text(text, SaveText(text, self._file_name()))

    def _with_text(self, text: str, effect: Effect) -> list[Effect]:
        if text.strip():
            return [effect]
        self._state.say("there are no lines", topic="lack")
        return []

    def _file_name(self) -> str:
        board = self._state.board
        return f"{board.name if board is not None else 'board'}.log"
