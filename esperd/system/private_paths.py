"""Directories that the daemon keeps things in are its own: nobody but its user and root can write to or replace them.

The rule is that of sshd's StrictModes, for each directory on the way: ours or root's, and written by nobody else.
"""

import errno
import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esperd.errors import StartError

# As the kernel does. Source: path_resolution(7).
_MOST_LINKS: Final = 40


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who else has a hand in a path: the owner of *path*, or those who may write to it (*writers*).

    ``is_for_all``: they are meant to, as in /tmp, which has the sticky bit.
    """

    path: Path
    is_link: bool
    owner: int
    writers: str = ""
    is_for_all: bool = False

    @property
    def text(self) -> str:
        """For an error message, such as ``/srv/x belongs to bob, and esperd runs as alice``."""
        if self.writers:
            return f"{self.path} may be written to by {self.writers}"
        return f"{self.path} belongs to {_user_name(self.owner)}, and esperd runs as {_user_name(os.geteuid())}"


def find_stranger(directory: Path) -> Stranger | None:
    """The first on the way to *directory*, from the root on, or None. Where nothing is yet counts as safe.

    Links are followed if they are ours or root's, and what they lead over is looked at as well. A directory that has
    the sticky bit, such as /tmp, may be written to by others if there is another one on the way behind it: nobody can
    rename that.

    Args:
        directory: An absolute path.
    """
    place, rest, links = Path("/"), list(directory.parts), 0
    while rest:
        part = rest.pop(0)
        place = place.parent if part == ".." else place / part
        try:
            status = place.lstat()
        except OSError:
            return None  # it is made, or refused, by whoever uses it
        is_link = stat.S_ISLNK(status.st_mode)
        if status.st_uid not in (0, os.geteuid()):
            return Stranger(place, is_link, status.st_uid)
        if is_link:
            links += 1
            if links > _MOST_LINKS:
                return None
            rest = [*place.readlink().parts, *rest]
            place = place.parent
        elif writers := _other_writers(status, is_passed=bool(rest)):
            return Stranger(place, False, status.st_uid, writers, bool(status.st_mode & stat.S_ISVTX))
    return None


def check_owner(directory: Path, flag: str) -> None:
    """Lets through a directory that only we and root can write to or replace, or one that is not there yet.

    Another user could put what we write elsewhere, or read it.

    Args:
        directory: An absolute path.
        flag: What names another one, for the error.

    Raises:
        StartError: it, or a directory or link on the way to it, belongs to somebody else, or may be written by others.
    """
    stranger = find_stranger(directory)
    if stranger is None:
        return
    place = stranger.path
    is_it = place == directory and not stranger.is_link
    on_the_way = "" if is_it else f", {'a link ' if stranger.is_link else ''}on the way to {directory},"
    text = stranger.text.replace(str(place), f"{place}{on_the_way}", 1)
    if stranger.writers and stranger.owner == os.geteuid() and not stranger.is_for_all:
        raise StartError(text, f"`chmod go-w {place}`, or choose another directory: {flag}")
    if stranger.writers:
        raise StartError(text, f"choose a directory of your own, which may be in it: {flag}")
    raise StartError(text, f"run it as {_user_name(stranger.owner)}, or choose another directory: {flag}")


def check_safe(directory: Path) -> None:
    """Lets through a directory that is ours alone.

    Raises:
        OSError: it is not.
    """
    stranger = find_stranger(directory)
    if stranger is not None:
        raise PermissionError(errno.EPERM, stranger.text, str(directory))


def _user_name(user: int) -> str:
    """For messages."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"


def _other_writers(status: os.stat_result, *, is_passed: bool) -> str:
    mode = status.st_mode
    if not stat.S_ISDIR(mode) or (is_passed and mode & stat.S_ISVTX):
        return ""
    if mode & stat.S_IWOTH:
        return "everybody"
    if mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid):
        return f"the group {_group_name(status.st_gid)}"
    return ""


def _is_private(group: int, user: int) -> bool:
    """Whether a group is the one that many systems make for each user, and nobody else is in."""
    try:
        account = pwd.getpwuid(user)
    except KeyError:
        return False
    return group == account.pw_gid and (group == user or _group_name(group) == account.pw_name)


def _group_name(group: int) -> str:
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)
