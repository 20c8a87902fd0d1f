"""For whom a service is installed, the system or one user, and where its files are then."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from esperctl.service.record import RECORD_NAME


@dataclass(frozen=True, slots=True)
class Scope:
    """Paths are complete; ``root`` is where the system's tree begins, which is ``/`` but for tests."""

    is_user: bool
    root: Path
    units: Path
    configuration: Path
    runtime: Path
    state: tuple[Path, ...]

    @property
    def record(self) -> Path:
        return self.configuration / RECORD_NAME

    @property
    def systemctl(self) -> tuple[str, ...]:
        return ("systemctl", "--user") if self.is_user else ("systemctl",)

    @property
    def command(self) -> str:
        """How the commands of the scope begin, for people."""
        return "systemctl --user" if self.is_user else "sudo systemctl"

    @property
    def is_run_by_systemd(self) -> bool:
        """Whether there is a manager that answers. Source: sd_booted(3)."""
        return self.place("/run/systemd/system").is_dir()

    def place(self, path: str) -> Path:
        """Where an absolute path of the system is in this tree."""
        return self.root / path.lstrip("/")


def system_scope(root: Path) -> Scope:
    """The scope of the system's own manager."""
    return Scope(
        is_user=False,
        root=root,
        units=root / "etc/systemd/system",
        configuration=root / "etc/esperd",
        runtime=root / "run/esperd",
        state=(root / "var/lib/esperd", root / "var/log/esperd"),
    )


def user_scope(root: Path, environment: Mapping[str, str]) -> Scope:
    """The scope of a user's manager. The home directory is not looked for in *root*."""
    home = Path(environment.get("HOME") or Path.home())

    def folder(variable: str, fallback: Path) -> Path:
        """Source: XDG Base Directory Specification: a path that is not absolute is ignored."""
        named = environment.get(variable, "")
        return Path(named) if named.startswith("/") else fallback

    configuration = folder("XDG_CONFIG_HOME", home / ".config")
    return Scope(
        is_user=True,
        root=root,
        units=configuration / "systemd/user",
        configuration=configuration / "esperd",
        runtime=folder("XDG_RUNTIME_DIR", Path("/nonexistent")) / "esperd",
        state=(folder("XDG_STATE_HOME", home / ".local/state") / "esperd",),
    )
