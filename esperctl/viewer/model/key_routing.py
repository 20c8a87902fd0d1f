"""A key to whoever has the keys: leaving first, then what stands above the log, then as the mode says.

Rules: only here, and only in DEVICE, does a key become bytes for the board; the one exception is the prefix twice.
"""

from collections.abc import Sequence
from typing import Final

from esperctl.viewer.effects import Effect, Leave, SendToBoard
from esperctl.viewer.keys import Key
from esperctl.viewer.model.actions import ABORT_CAPTURE, BY_ID, SEND_PREFIX, WRITER
from esperctl.viewer.model.commands import Commands
from esperctl.viewer.model.keymap import key_text
from esperctl.viewer.model.line_input import is_edit
from esperctl.viewer.model.modes import DESTINATIONS
from esperctl.viewer.model.state import State

_INTERRUPT: Final = "ctrl-c"


class KeyRouting:
    """Takes keys in order."""

    def __init__(self, state: State, commands: Commands) -> None:
        self._state = state
        self._commands = commands

    def press(self, keys: Sequence[Key]) -> list[Effect]:
        """Takes keys; what goes to the board at once goes in one piece."""
        effects: list[Effect] = []
        for key in keys:
            self._state.refresh_modes()
            for effect in self._press(key):
                last = effects[-1] if effects else None
                if isinstance(effect, SendToBoard) and isinstance(last, SendToBoard):
                    effects[-1] = SendToBoard(last.data + effect.data)
                else:
                    effects.append(effect)
        return effects

    def _press(self, key: Key) -> list[Effect]:
        state = self._state
        if key.name == state.keymap.detach:
            return [Leave()]
        if state.mode != "DEVICE":
            state.device_input.forget_paste()
        if (overlay := state.overlay) is not None:
            effects = overlay.press(key)
            state.overlays = [overlay for overlay in state.overlays if not overlay.is_closed]
            return effects
        if state.search.is_typing:
            return self._press_in_search(key)
        if state.inspector.has_focus and (done := self._press_in_inspector(key)) is not None:
            return done
        match DESTINATIONS[state.mode]:
            case "board":
                return self._press_to_board(key)
            case "nowhere":
                return self._press_to_nobody(key)
            case "commands":
                return self._press_command(key)

    def _press_to_board(self, key: Key) -> list[Effect]:
        state = self._state
        if key.name == state.keymap.prefix:
            self._take_prefix(key)
            return []
        data = state.device_input.press(key)
        if (refusal := state.device_input.take_refusal()) is not None:
            state.say(refusal, "error", topic="paste")
        return [SendToBoard(data)] if data else []

    def _press_to_nobody(self, key: Key) -> list[Effect]:
        state = self._state
        if key.name == state.keymap.prefix:
            self._take_prefix(key)
        elif state.mode == "NO-PORT":
            lack = state.board.port_lack if state.board is not None else None
            state.say(f"{lack}: keys are not sent", "warning", topic="port")
        elif key.name == _INTERRUPT:
            return self._commands.run(BY_ID[ABORT_CAPTURE])
        else:
            state.say("input is off while a core dump arrives; Ctrl-C asks whether to abort it", topic="capture")
        return []

    def _press_command(self, key: Key) -> list[Effect]:
        state = self._state
        if state.modes.is_muted:
            return self._press_muted(key)
        action = state.keymap.action(key.name)
        if action is not None and action.id == SEND_PREFIX:
            if state.mode == "READ-ONLY":
                # Fingers that always begin with the prefix are right, too.
                return []
            if not state.modes.has_prefix:
                self._take_prefix(key)
                return []
            state.prefix_data = key.data
        # Who only watches must not be asked about a capture by the key that he means to leave with.
        is_leaving = state.mode == "READ-ONLY" or action is None or state.lacks(action) is not None
        if key.name == _INTERRUPT and is_leaving:
            state.say(f"{key_text(state.keymap.detach)} leaves", topic="lack")
            return []
        if action is not None:
            return self._commands.run(action)
        if state.search.is_open and is_edit(key):
            # What is seen to stand there can be edited.
            state.search.open()
            return self._press_in_search(key)
        help_keys = state.keymap.keys_text("help")
        if key.name == "paste":
            state.say("nothing is pasted: keys are commands now", topic="lack")
        else:
            name = "this key" if key.name == "unknown" else key_text(key.name)
            state.say(f"{name} is no command" + (f"; {help_keys} lists them" if help_keys else ""), topic="lack")
        return []

    def _press_muted(self, key: Key) -> list[Effect]:
        """The lease was lost in the middle of a word: what follows of it is neither typed nor a command."""
        state = self._state
        prefix = key_text(state.keymap.prefix)
        action = state.keymap.action(key.name)
        if action is not None and action.id == WRITER:
            # It is what the toast offers; and it asks, where somebody types.
            return self._commands.run(action)
        if key.name in (state.keymap.prefix, "escape"):
            state.modes = state.modes.with_keys_to_board()
            state.say("keys are commands now", topic="lack")
        else:
            state.say(f"read-only now: nothing is typed; {prefix} or Esc makes keys commands", "warning", topic="lack")
        return []

    def _press_in_search(self, key: Key) -> list[Effect]:
        state, search = self._state, self._state.search
        if key.name in ("escape", _INTERRUPT) or (key.name == "enter" and search.is_empty):
            effects = search.stop()
            search.close()
            state.log.set_search(None)
            return effects
        if key.name == "enter":
            position = self._commands.moves.position
            effects = search.start(state.next_scan(), state.next_seq, position, state.log.shown_events)
            state.log.set_search(search.pattern or search.typed)
            return effects
        if search.edit(key):
            state.log.set_search(search.typed)
            return search.stop()
        return []

    def _press_in_inspector(self, key: Key) -> list[Effect] | None:
        """What the list does with a key; None: it is a command."""
        state, inspector = self._state, self._state.inspector
        if key.name == "escape":
            inspector.has_focus = False
            state.modes = state.modes.with_keys_to_board()
        elif key.name == "tab":
            inspector.has_focus = False
        elif key.name == "enter":
            return [] if inspector.selected is None else self._commands.moves.open(inspector.selected)
        elif not inspector.press(key):
            return None
        return []

    def _take_prefix(self, key: Key) -> None:
        self._state.prefix_data = key.data
        self._state.modes = self._state.modes.with_prefix()
