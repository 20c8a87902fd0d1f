"""Which key does what in HOST: the table of actions, with what the settings change. Pure.

Ctrl with a letter means the letter, where nothing else is bound to it: after the prefix the finger may be on Ctrl yet.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final, NamedTuple

from esperctl.viewer.model.actions import ACTIONS, BY_ID, DETACH, SEND_PREFIX, Action

DEFAULT_PREFIX: Final = "ctrl-t"
DEFAULT_DETACH: Final = "ctrl-]"

# fmt: off
_NAMED: Final = frozenset({
    "enter", "escape", "tab", "shift-tab", "backspace", "delete", "insert", "up", "down", "left", "right", "home",
    "end", "pageup", "pagedown",
})
# fmt: on
# Ctrl-I and Ctrl-M are Tab and Enter, in every terminal; so they have no names of their own.
_CONTROL: Final = re.compile(r"ctrl-[a-hj-ln-z\]\\]")
_FUNCTION: Final = re.compile(r"f([1-9]|1[0-2])")
_KEYS_TEXT: Final = (
    "a character such as r, G or ?, ctrl-a to ctrl-z (but not ctrl-i and ctrl-m, which are tab and enter), ctrl-], "
    "ctrl-\\, f1 to f12, or " + ", ".join(sorted(_NAMED))
)
_GUARD_TEXT: Final = "ctrl-a to ctrl-z (but not ctrl-c, ctrl-i and ctrl-m), ctrl-], ctrl-\\ or f1 to f12"
_TITLES: Final = {
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "escape": "Esc",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    " ": "Space",
}


class KeyMap:
    """From keys to actions.

    Args:
        changes: Action id to the keys that replace its own; no keys: it is reached by the palette only.
        prefix: The key that leads from the board to the commands.
        detach: The key that leaves the viewer, whatever it shows.

    Raises:
        ValueError: a sentence that names what is wrong and what is allowed.
    """

    def __init__(
        self,
        changes: Mapping[str, tuple[str, ...]] | None = None,
        *,
        prefix: str = DEFAULT_PREFIX,
        detach: str = DEFAULT_DETACH,
    ) -> None:
        changes = changes or {}
        for problem in key_problems(changes, prefix, detach):
            raise ValueError(problem.text)
        self.prefix, self.detach = prefix, detach
        # What the user chose goes before a default of another action on the same key.
        taken = {prefix, detach, *(key for keys in changes.values() for key in keys)}
        self._keys: dict[str, tuple[str, ...]] = {}
        self._actions: dict[str, Action] = {}
        for action in ACTIONS:
            default = tuple(key for key in action.keys if key not in taken)
            self._keys[action.id] = changes.get(action.id, default)
            self._actions |= dict.fromkeys(self._keys[action.id], action)
        self._bind(SEND_PREFIX, prefix)
        self._bind(DETACH, detach)

    def action(self, key: str) -> Action | None:
        """What *key* does in HOST."""
        if key in self._actions:
            return self._actions[key]
        # Ctrl-C means to end something everywhere; it must not turn into the letter's action.
        if key.startswith("ctrl-") and len(key) == len("ctrl-x") and key != "ctrl-c":
            return self._actions.get(key[-1])
        return None

    def keys(self, action: str) -> tuple[str, ...]:
        """The keys of an action, as in ``Key.name``."""
        return self._keys[action]

    def keys_text(self, action: str) -> str:
        """The keys of an action for people, e.g. ``F, G, End``."""
        return ", ".join(key_text(key) for key in self._keys[action])

    def path_text(self, action: str) -> str:
        """How to get at an action from the board, e.g. ``Ctrl-T r``."""
        keys = self._keys[action]
        if action == DETACH:
            return key_text(self.detach)
        prefix = key_text(self.prefix)
        return f"{prefix} {key_text(keys[0])}" if keys else f"{prefix} {self.keys_text('palette') or 'palette'}"

    def _bind(self, action: str, key: str) -> None:
        self._keys[action] = (key, *self._keys[action])
        self._actions[key] = BY_ID[action]


def is_key(name: str) -> bool:
    """Whether a key can have this name."""
    if len(name) == 1:
        return name.isprintable()
    return name in _NAMED or _CONTROL.fullmatch(name) is not None or _FUNCTION.fullmatch(name) is not None


def key_text(name: str) -> str:
    """A key's name for people, e.g. ``Ctrl-T``, ``PgUp``, ``r``."""
    if len(name) == 1 and name != " ":
        return name
    if name in _TITLES:
        return _TITLES[name]
    return "-".join(
        part.upper() if len(part) <= 1 or _FUNCTION.fullmatch(part) else part.title() for part in name.split("-")
    )


class KeyProblem(NamedTuple):
    """What is wrong, in a sentence, and the setting that says it, with the table it is in."""

    setting: tuple[str, ...]
    text: str


def key_problems(changes: Mapping[str, tuple[str, ...]], prefix: str, detach: str) -> Iterator[KeyProblem]:
    """All that is wrong with a map of keys; the arguments are those of ``KeyMap``."""
    for setting, name in (("prefix", prefix), ("detach", detach)):
        # A key that can be typed as text would make that text impossible to type to the board.
        if name == "ctrl-c" or not (_CONTROL.fullmatch(name) or _FUNCTION.fullmatch(name)):
            yield KeyProblem((setting,), f"{setting} is '{name}'; it must be {_GUARD_TEXT}")
    if prefix == detach:
        yield KeyProblem(("detach",), f"prefix and detach are both '{prefix}'; they must be different keys")
    guards = {detach: "taken by detach", prefix: "taken by prefix"}
    owners: dict[str, str] = {}
    for name in (*(action.id for action in ACTIONS if action.id in changes), *(set(changes) - set(BY_ID))):
        if name not in BY_ID or name == SEND_PREFIX:
            yield KeyProblem(("keys", name), _unknown_action(name))
            continue
        for key in changes[name]:
            wrong = guards.get(key) or (f"{owners[key]} already" if key in owners else "")
            if not is_key(key):
                wrong = f"not a key; allowed is {_KEYS_TEXT}"
            if wrong:
                yield KeyProblem(("keys", name), f"keys.{name}: '{key}' is {wrong}")
            owners.setdefault(key, name)


def _unknown_action(name: str) -> str:
    known = [action.id for action in ACTIONS if action.id != SEND_PREFIX]
    nearest = get_close_matches(name, known, 1)
    return f"keys.{name} is not an action; " + (
        f"did you mean {nearest[0]}?" if nearest else f"actions are {', '.join(known)}"
    )
