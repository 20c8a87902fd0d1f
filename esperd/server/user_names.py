"""What users are called, for events, messages and the log. Rights go by numbers, and never wait for a name."""

import logging
import pwd
from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from esperd.daemon_log.limited_log import LimitedLog
from esperd.system.name_service import DEADLINE_S, ask_in_time

_log: Final = LimitedLog(logging.getLogger(__name__))

# How long a name holds, and when it is asked for again that did not come in time.
_KEPT_S: Final = 300.0
_RETRY_S: Final = 30.0
# A user may own a range of numbers (subuid(5)), and connect as each of them.
_MOST_NAMES: Final = 1000


def name_in_database(user: int) -> str:
    """The name of a user, or ``uid 1234`` if there is no such user. Blocks."""
    try:
        return pwd.getpwuid(user).pw_name
    except (KeyError, OSError):
        return unnamed(user)


def unnamed(user: int) -> str:
    """What a user is called without a name."""
    return f"uid {user}"


class UserNames:
    """Names that were asked for lately.

    Args:
        look_up: Gives a name; blocks.
    """

    def __init__(self, look_up: Callable[[int], str] = name_in_database) -> None:
        self._look_up = look_up
        self._known: dict[int, tuple[float, str]] = {}

    async def name(self, user: int) -> str:
        """The name of a user; ``uid 1234`` also when it does not come in time. Takes a second at most."""
        known = self._known.get(user)
        if known is not None and trio.current_time() < known[0]:
            return known[1]
        found = await ask_in_time(partial(self._look_up, user), None)
        if found is None:
            _log.write(logging.WARNING, "name of a user not found within %g s uid=%d", DEADLINE_S, user)
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        name, kept_s = (unnamed(user), _RETRY_S) if found is None else (found, _KEPT_S)
        self._known[user] = trio.current_time() + kept_s, name
        return name
