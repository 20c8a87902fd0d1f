"""A configuration as the system's service sees it: another user, other directories, and less of the machine.

Who asks need not be that user, so what the user may do is reckoned from modes and groups, not tried.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esperd.configuration.file import SettingsFile
from esperd.configuration.service_unit import ServiceUnit
from esperd.errors import ConfigurationError

# Source: systemd.exec(5), "Environment Variables in Spawned Processes".
_SEARCH_PATH: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_HOMES: Final = ("/home", "/root", "/run/user")
_TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - named, not used
_BASES: Final = {"StateDirectory": "/var/lib", "RuntimeDirectory": "/run", "LogsDirectory": "/var/log"}
_READ: Final = 4
_EXECUTE: Final = 1


@dataclass(frozen=True, slots=True)
class ServiceViewpoint:
    """The service's user and what the unit lets it see.

    ``account`` is None where there is no such user yet; then its groups are those that the installation gives it.
    """

    unit: ServiceUnit
    account: pwd.struct_passwd | None
    groups: frozenset[int]

    @property
    def user(self) -> str:
        """Of the unit; without one it is root's."""
        return self.unit.text("User") or "root"

    def may_give_to(self, group: int) -> bool:
        """Whether the unit or the user's own groups have it."""
        return self._is_root or group in self.groups

    def will_have_group(self, name: str) -> bool:
        """The user's own group is made with the user."""
        return self.account is None and name == self.unit.text("Group")

    def obstacle(self, program: str) -> str | None:
        """As the service would find it, with systemd's own search path."""
        places = [program] if "/" in program else [f"{folder}/{program}" for folder in _SEARCH_PATH]
        if any(self.hidden_by(place) is None and self._may_run(place) for place in places):
            return None
        if key := self.hidden_by(places[0]):
            return f"the service does not see it ({key}): put it elsewhere, such as /usr/local/bin"
        there = next((place for place in places if Path(place).is_file()), None)
        if there is None:
            return "write where it is, as `command -v NAME` says"
        return f"the user {self.user} may not run it: `sudo chmod a+rx {there}`, and a+x on the folders above"

    def hidden_by(self, path: str) -> str | None:
        """The setting of the unit that keeps *path* from the service, such as ``ProtectHome=yes``."""
        real = Path(path).resolve()
        home = self.unit.text("ProtectHome").lower()
        is_home_hidden = home == "tmpfs" or self.unit.is_on("ProtectHome")
        if is_home_hidden and any(real.is_relative_to(folder) for folder in _HOMES):
            return f"ProtectHome={home}"
        if self.unit.is_on("PrivateTmp") and any(real.is_relative_to(folder) for folder in _TEMPORARY):
            return "PrivateTmp=yes"
        return None

    def may_read(self, path: Path) -> bool:
        """Whether the user may read this file."""
        return self._reaches(path, _READ)

    def directories(self) -> dict[str, tuple[Path, ...]]:
        """What systemd makes for the service, by the keys of the unit."""
        return {
            key: tuple(Path(base, name.partition(":")[0]) for name in self.unit.words(key))
            for key, base in _BASES.items()
        }

    def may_write_below(self, path: str) -> bool:
        """Whether the unit leaves *path* writable; whether the user may write there is found out when it is tried."""
        if self.unit.text("ProtectSystem").lower() != "strict":
            return True
        open_to_it = [folder for folders in self.directories().values() for folder in folders]
        open_to_it += [Path(word.lstrip("-+")) for word in self.unit.words("ReadWritePaths")]
        return any(Path(os.path.abspath(path)).is_relative_to(folder) for folder in open_to_it)  # noqa: PTH100 - links are the service's matter

    @property
    def _is_root(self) -> bool:
        return self.account is not None and self.account.pw_uid == 0

    def _may_run(self, place: str) -> bool:
        return Path(place).is_file() and self._reaches(Path(place), _EXECUTE)

    def _reaches(self, path: Path, right: int) -> bool:
        real = path.resolve()
        return self._may(real, right) and all(self._may(folder, _EXECUTE) for folder in real.parents)

    def _may(self, path: Path, right: int) -> bool:
        try:
            status = path.stat()
        except OSError:
            return True  # hidden from who asks, which says nothing of the service
        mode = stat.S_IMODE(status.st_mode)
        if self._is_root:
            return right != _EXECUTE or stat.S_ISDIR(status.st_mode) or mode & 0o111 != 0
        is_owner = self.account is not None and status.st_uid == self.account.pw_uid
        shift = 6 if is_owner else 3 if status.st_gid in self.groups else 0
        return bool(mode >> shift & right) or _has_access_list(path)


def service_viewpoint(unit: ServiceUnit) -> ServiceViewpoint:
    """Looks the unit's user and groups up on this machine."""
    user, names = unit.text("User") or "root", [unit.text("Group"), *unit.words("SupplementaryGroups")]
    groups = {group for name in names if (group := _group(name)) is not None}
    try:
        account = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        return ServiceViewpoint(unit, None, frozenset(groups))
    primary = groups & {_group(unit.text("Group"))} or {account.pw_gid}
    own = os.getgrouplist(account.pw_name, next(iter(primary)) or account.pw_gid)
    return ServiceViewpoint(unit, account, frozenset([*groups, *own]))


def _group(name: str) -> int | None:
    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def _has_access_list(path: Path) -> bool:
    """Such a list may let the user in where the mode does not; it is not read here. Source: acl(5)."""
    try:
        return "system.posix_acl_access" in os.listxattr(path)
    except OSError:
        return False


def service_problems(viewpoint: ServiceViewpoint, file: SettingsFile) -> Iterator[ConfigurationError]:
    """What keeps the service from starting with a file that is right in itself."""
    settings = file.settings
    for key, path in (
        ("state_dir", settings.state_dir),
        ("runtime_dir", settings.runtime_dir),
        ("socket", settings.socket),
    ):
        if path and not viewpoint.may_write_below(path):
            yield file.located(
                ConfigurationError(
                    f"{key} is {path!r}; the service may not write there (ProtectSystem=strict)",
                    f"`sudo systemctl edit esperd@.service`: [Service], ReadWritePaths={path}",
                    key=(key,),
                )
            )


def service_warnings(viewpoint: ServiceViewpoint, file: SettingsFile | None) -> Iterator[ConfigurationError]:
    """What the service would do without."""
    if viewpoint.account is None:
        yield ConfigurationError(
            f"there is no user {viewpoint.user}, whom the service runs as",
            "`sudo esperctl service install` makes it",
        )
    for path in () if file is None else file.settings.elf:
        if file is not None and (key := viewpoint.hidden_by(path)):
            opening = "ProtectHome=read-only" if key.startswith("ProtectHome") else "PrivateTmp=no"
            yield file.located(
                ConfigurationError(
                    f"elf names {path!r}, which the service does not see ({key})",
                    f"`sudo systemctl edit esperd@.service`: [Service], {opening}; `esperctl elf add` needs nothing",
                    key=("elf",),
                )
            )


def unreadable(viewpoint: ServiceViewpoint, path: Path) -> ConfigurationError | None:
    """What is wrong when the service may not read its own file; None when it may."""
    if viewpoint.may_read(path):
        return None
    return ConfigurationError(
        f"the user {viewpoint.user}, whom the service runs as, may not read it",
        f"`sudo chmod a+r {path}`",
        place=str(path),
    )
