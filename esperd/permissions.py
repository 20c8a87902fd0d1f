"""Who may do what over the socket: users and groups of the configuration, and what the kernel says of a peer."""

import grp
import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from esperd.errors import ConfigurationError
from esperd.settings import AccessSettings

Right = Literal["view", "write", "administer"]

_GROUP_PREFIX: Final = "@"


@dataclass(frozen=True, slots=True)
class Members:
    """Users and groups, by number, and as they were written."""

    users: frozenset[int]
    groups: frozenset[int]
    text: str

    def hold(self, user: int, groups: frozenset[int]) -> bool:
        """Whether a user with these groups is one of them."""
        return user in self.users or not self.groups.isdisjoint(groups)


@dataclass(frozen=True, slots=True)
class Permissions:
    """Who has each right; None where nobody is named, see ``AccessSettings``."""

    view: Members | None = None
    write: Members | None = None
    administer: Members | None = None

    def allow(self, right: Right, user: int, groups: frozenset[int]) -> bool:
        """Whether a user with these groups has *right*; root and our own user have all."""
        if user in (0, os.geteuid()):
            return True
        deciding = self._deciding(right)
        return not deciding or any(members.hold(user, groups) for members in deciding)

    def name_administrator(self, user: int, groups: frozenset[int]) -> bool:
        """Whether it is root, our own user, or somebody who is named; that everybody may administer names nobody."""
        if user in (0, os.geteuid()):
            return True
        return self.administer is not None and self.administer.hold(user, groups)

    def who_may(self, right: Right) -> str:
        """For a message: ``alice, @lab and root``."""
        named = [members.text for members in self._deciding(right) if members.text]
        return f"{', '.join(named)} and root" if named else "root"

    def _deciding(self, right: Right) -> tuple[Members, ...]:
        """Whoever is in one of these has *right*; without any, everybody has it."""
        ranks = (self.administer, self.write, self.view)
        own = {"administer": 0, "write": 1, "view": 2}[right]
        # The right itself, or the next lower one that is given at all; and all the higher ones, which hold it.
        base = next((rank for rank in range(own, len(ranks)) if ranks[rank] is not None), None)
        if base is None:
            return ()
        return tuple(members for members in ranks[: base + 1] if members is not None)


def read_permissions(settings: AccessSettings) -> Permissions:
    """Looks the names up.

    Raises:
        ConfigurationError: this machine does not know one of them.
    """
    return Permissions(
        _members("view", settings.view), _members("write", settings.write), _members("administer", settings.administer)
    )


def _members(key: Right, names: Sequence[str] | None) -> Members | None:
    if names is None:
        return None
    groups = [name.removeprefix(_GROUP_PREFIX) for name in names if name.startswith(_GROUP_PREFIX)]
    users = [name for name in names if not name.startswith(_GROUP_PREFIX)]
    return Members(
        frozenset(_number(key, "user", name, lambda name: pwd.getpwnam(name).pw_uid) for name in users),
        frozenset(_number(key, "group", name, lambda name: grp.getgrnam(name).gr_gid) for name in groups),
        ", ".join(names),
    )


def _number(key: Right, kind: str, name: str, look_up: Callable[[str], int]) -> int:
    try:
        return look_up(name)
    except (KeyError, ValueError):
        raise ConfigurationError(
            f"access.{key} names the {kind} {name!r}; it must be one that this machine knows",
            "write users as they are, and groups with @ before them",
            key=("access", key),
            may_heal=True,
        ) from None
