"""A machine in a folder: a system's tree, and programs that note how they were called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.esperctl.conftest import Esperctl, Finished

PROGRAM = "opt/esperd/bin/esperd"
NOTING = '#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n'
# Does to the tree what systemctl does, as far as it is looked at.
SYSTEMCTL = (
    NOTING
    + r"""
units=$UNITS
[ "$1" = --user ] && shift && units=$HOME/.config/systemd/user
wants=$units/multi-user.target.wants
if [ "$1" = "$FAILS" ]; then
    echo "Job for esperd@ttyUSB0.service failed." >&2
    exit 1
fi
case $1 in
list-units) cat "$LOADED" ;;
enable)
    mkdir -p "$wants"
    ln -sf ../esperd@.service "$wants/$3"
    echo "$3 loaded active running esperd, the owner of a board" >>"$LOADED"
    ;;
disable)
    shift 2
    for unit; do rm -f "$wants/$unit"; done
    rmdir "$wants" 2>/dev/null
    : >"$LOADED"
    ;;
esac
"""
)


@dataclass(frozen=True)
class Machine:
    """The tree, and what is run on it."""

    root: Path
    home: Path
    calls_file: Path
    loaded_file: Path
    esperctl: Esperctl
    environment: dict[str, str]

    async def service(self, *words: str, **environment: str) -> Finished:
        return await self.esperctl("service", *words, "--root", str(self.root), env={**self.environment, **environment})

    async def install(self, *words: str, **environment: str) -> Finished:
        # The system's own is looked for in the tree, a user's where it is.
        program = str(self.root / PROGRAM) if "--user" in words else f"/{PROGRAM}"
        return await self.service("install", "--program", program, *words, **environment)

    async def uninstall(self, *words: str, **environment: str) -> Finished:
        return await self.service("uninstall", *words, **environment)

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    @property
    def calls(self) -> list[str]:
        """The command lines so far, without questions; the tree is left out of paths."""
        lines = self.calls_file.read_text().replace(str(self.root), "").splitlines()
        return [line for line in lines if "list-units" not in line]

    def forget_calls(self) -> None:
        self.calls_file.write_text("")

    def files(self, *folders: Path) -> list[str]:
        """Everything below the tree, or below *folders*, but what the machine began with."""
        return sorted(
            str(path.relative_to(self.root.parent))
            for folder in folders or (self.root / "etc", self.root / "var")
            for path in folder.rglob("*")
        )


@pytest.fixture
def machine(tmp_path: Path, esperctl: Esperctl) -> Machine:
    root = tmp_path / "tree"
    home = tmp_path / "home"
    programs = tmp_path / "programs"
    for folder in ("etc", "var/lib", "run/systemd/system", "run/udev"):
        (root / folder).mkdir(parents=True)
    (root / "run/udev/control").touch()
    make_program(root / PROGRAM, "#!/bin/sh\n")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    home.mkdir()
    for name in ("systemd-sysusers", "systemd-tmpfiles", "udevadm", "userdel", "groupdel"):
        make_program(programs / name, NOTING)
    make_program(programs / "systemctl", SYSTEMCTL)
    calls, loaded = tmp_path / "calls", tmp_path / "loaded"
    for file in (calls, loaded):
        file.touch()
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "CALLS": str(calls),
        "LOADED": str(loaded),
        "UNITS": str(root / "etc/systemd/system"),
    }
    return Machine(root, home, calls, loaded, esperctl, environment)


def make_program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)
