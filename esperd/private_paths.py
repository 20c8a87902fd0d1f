"""Directories that the daemon keeps things in are its own: those of other users are never followed."""

import os
import pwd
import stat
from pathlib import Path

from esperd.errors import StartError


def check_owner(directory: Path, flag: str) -> None:
    """Lets through a directory of our own or root's, reached over no other user's links, or one that is not there yet.

    Another user could put what we write elsewhere, or read it.

    Args:
        directory: An absolute path.
        flag: What names another one, for the error.

    Raises:
        StartError: it, or a link on the way to it, belongs to somebody else.
    """
    for path in (*reversed(directory.parents), directory):
        try:
            status = path.lstat()
        except OSError:
            return  # it is made, or refused, by whoever uses it
        if stat.S_ISLNK(status.st_mode) and not _is_trusted(status.st_uid):
            raise _refusal(f"{path}, a link on the way to {directory},", status.st_uid, flag)
    try:
        owner = directory.stat().st_uid
    except OSError:
        return
    if not _is_trusted(owner):
        raise _refusal(str(directory), owner, flag)


def _is_trusted(owner: int) -> bool:
    return owner in (0, os.geteuid())


def _refusal(what: str, owner: int, flag: str) -> StartError:
    return StartError(
        f"{what} belongs to {_name(owner)}, and esperd runs as {_name(os.geteuid())}",
        f"run it as {_name(owner)}, or choose another directory: {flag}",
    )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"
