"""Who looks at a configuration: whose groups, directories and programs are meant."""

import os
import pwd
import shutil
from typing import Protocol


class Viewpoint(Protocol):
    """The user that a daemon runs as, and what holds for it on this machine."""

    @property
    def user(self) -> str:
        """For messages: the name of the user."""
        ...

    def may_give_to(self, group: int) -> bool:
        """Whether the user may give its files to this group."""
        ...

    def will_have_group(self, name: str) -> bool:
        """Whether a group that is not there yet comes with the user."""
        ...

    def obstacle(self, program: str) -> str | None:
        """What to do about a program that can't be run; None when it can."""
        ...


class OwnProcess:
    """The daemon that this process is, or that its user would start."""

    @property
    def user(self) -> str:
        """A name may come from a network, so it is asked for only when it is told."""
        return _user_name(os.geteuid())

    def may_give_to(self, group: int) -> bool:
        """Root may give to any."""
        return os.geteuid() == 0 or group in {os.getegid(), *os.getgroups()}

    def will_have_group(self, name: str) -> bool:
        """Nobody is going to make one."""
        del name
        return False

    def obstacle(self, program: str) -> str | None:
        """As this process would find it."""
        return None if shutil.which(program) else "write where it is, as `command -v NAME` says"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
