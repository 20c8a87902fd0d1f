"""The unit of the system's service: what is installed of it, with its drop-ins, as far as a configuration needs it.

Source: systemd.unit(5), systemd.exec(5), systemd.syntax(7).
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UNIT: Final = "esperd@.service"
# The first that has a file of some name is the one whose file counts.
_FOLDERS: Final = ("etc", "run", "usr/local/lib", "usr/lib", "lib")
_SECTION: Final = "[Service]"
_SPECIFIERS: Final = {"%%": "%", "%S": "/var/lib", "%t": "/run", "%L": "/var/log", "%E": "/etc"}
_YES: Final = frozenset({"1", "yes", "true", "on"})


@dataclass(frozen=True, slots=True)
class Assignment:
    """A value of the unit, and where it stands; line 0: nowhere, it is the one that is shipped."""

    value: str
    path: Path
    line: int


# What the unit says where none is installed yet, which a test compares with the one that is shipped.
SHIPPED: Final[Mapping[str, tuple[str, ...]]] = {
    "User": ("esperd",),
    "Group": ("esperd",),
    "SupplementaryGroups": ("dialout",),
    "StateDirectory": ("esperd",),
    "RuntimeDirectory": ("esperd",),
    "LogsDirectory": ("esperd",),
    "DevicePolicy": ("closed",),
    "DeviceAllow": ("char-ttyUSB rw", "char-ttyACM rw"),
    "PrivateNetwork": ("yes",),
    "RestrictAddressFamilies": ("AF_UNIX",),
    "IPAddressDeny": ("any",),
    "ProtectSystem": ("strict",),
    "ProtectHome": ("yes",),
    "PrivateTmp": ("yes",),
    "ExecStart": ("esperd --instance %i",),
}


@dataclass(frozen=True, slots=True)
class ServiceUnit:
    """What the section [Service] says; ``path`` is None where nothing is installed below ``root``."""

    root: Path
    path: Path | None
    assignments: Mapping[str, tuple[Assignment, ...]]

    def last(self, key: str) -> Assignment | None:
        """The assignment of a key that has one value."""
        return next(reversed(self.assignments.get(key, ())), None)

    def text(self, key: str) -> str:
        """That value; empty when there is none."""
        found = self.last(key)
        return "" if found is None else found.value

    def words(self, key: str) -> list[str]:
        """All values of a key that has many."""
        return [word for assignment in self.assignments.get(key, ()) for word in assignment.value.split()]

    def is_on(self, key: str) -> bool:
        """Of a key that is yes or no."""
        return self.text(key).lower() in _YES

    def of_instance(self, instance: str) -> "ServiceUnit":
        """The same, with the drop-ins of one instance."""
        return read_unit(self.root, instance)

    def flags(self) -> dict[str, list[Assignment]]:
        """The flags that it starts esperd with, such as ``--state-dir``; those of ``ExecStart``."""
        found: dict[str, list[Assignment]] = {}
        start = self.last("ExecStart")
        if start is None:
            return found
        try:
            words = iter(shlex.split(_expanded(start.value))[1:])
        except ValueError:
            return found  # systemd does not start it either
        for word in words:
            name, equals, value = word.partition("=")
            if name.startswith("--"):
                given = Assignment(value if equals else next(words, ""), start.path, start.line)
                found.setdefault(name, []).append(given)
        return found


def read_unit(root: Path, instance: str | None = None) -> ServiceUnit:
    """The unit that is installed below *root*, or the one that would be; with the drop-ins of one *instance*, too."""
    folders = [root / folder / "systemd/system" for folder in _FOLDERS]
    path = next((folder / UNIT for folder in folders if (folder / UNIT).is_file()), None)
    if path is None:
        shipped = {key: tuple(Assignment(value, Path(UNIT), 0) for value in values) for key, values in SHIPPED.items()}
        return ServiceUnit(root, None, shipped)
    drop_ins: dict[str, Path] = {}
    for unit in (UNIT,) if instance is None else (UNIT, UNIT.replace("@", f"@{instance}")):
        for folder in reversed(folders):
            drop_ins |= {file.name: file for file in (folder / f"{unit}.d").glob("*.conf")}
    found: dict[str, tuple[Assignment, ...]] = {}
    for file in (path, *(drop_ins[name] for name in sorted(drop_ins))):
        for key, assignment in _assignments(file):
            # An empty value takes back what was said before.
            found[key] = (*found.get(key, ()), assignment) if assignment.value else ()
    return ServiceUnit(root, path, found)


def _assignments(file: Path) -> Iterator[tuple[str, Assignment]]:
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    section, continued, first = "", "", 0
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith(("#", ";")):
            continue
        first = first if continued else number
        whole, continued = f"{continued}{line.strip()}", ""
        if whole.endswith("\\"):
            continued = f"{whole[:-1]} "
        elif whole.startswith("["):
            section = whole
        elif section == _SECTION and "=" in whole:
            key, _, value = whole.partition("=")
            yield key.rstrip(), Assignment(value.strip(), file, first)


def _expanded(text: str) -> str:
    """With the specifiers of directories put in; others, such as the instance, stay as they are."""
    return re.sub("%.", lambda found: _SPECIFIERS.get(found[0], found[0]), text)
