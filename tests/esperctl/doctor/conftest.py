"""A made-up machine: a tree of files in a temporary folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import msgspec
import pytest

from esper_protocol.records import BoardRecord, CoredumpRecord, DaemonRecord
from esperctl.doctor.machine import DiskSpace, Machine
from esperctl.doctor.survey import Answer, Sample, Survey
from esperctl.local_configuration import Configuration, Problem, SeenBy, Setting

if TYPE_CHECKING:
    from pathlib import Path

    from esperctl.doctor.examination import Check
    from esperctl.doctor.findings import Finding
    from tests.esperctl.conftest import MakeBoard, MakeCoredump

GIB = 1024**3
ANNA = 1000
DIALOUT = 20
# 2026-06-01 00:00:00 UTC
NOW_NS = 1_780_272_000 * 1_000_000_000


@dataclass
class Tree:
    """Writes the files that a check looks at; the user is anna."""

    root: Path
    groups: frozenset[int] = frozenset({ANNA})
    environment: dict[str, str] = field(default_factory=lambda: {"HOME": "/home/anna", "PATH": "/usr/bin"})
    space: DiskSpace = field(default_factory=lambda: DiskSpace(100 * GIB, 50 * GIB))
    synchronised: bool | None = True
    now_ns: int = NOW_NS
    settings: dict[str, object] = field(default_factory=lambda: {"limits.free_disk_percent": 5.0})
    settings_of_files: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    problems: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Problem] = field(default_factory=list[Problem])
    uid: int = ANNA

    def write(self, name: str, text: str = "", mode: int = 0o644) -> Path:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def link(self, name: str, target: str) -> None:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def process(
        self,
        pid: int,
        *arguments: str,
        opens: tuple[str, ...] = (),
        name: str | None = None,
        unit: str | None = None,
        masters: tuple[int, ...] = (),
    ) -> None:
        """A process; of ``masters`` it has the other ends, ``unit`` is its unit of systemd, with the slices above."""
        self.write(f"/proc/{pid}/comm", f"{name or arguments[0].rpartition('/')[2]}\n")
        self.write(f"/proc/{pid}/cmdline", "".join(f"{argument}\0" for argument in arguments))
        (self.root / f"proc/{pid}/fd").mkdir(exist_ok=True)
        for number, device in enumerate(opens):
            self.link(f"/proc/{pid}/fd/{number}", device)
        for index in masters:
            self.link(f"/proc/{pid}/fd/{100 + index}", "/dev/ptmx")
            self.write(f"/proc/{pid}/fdinfo/{100 + index}", f"pos:\t0\nflags:\t02\ntty-index:\t{index}\n")
        if unit is not None:
            self.write(f"/proc/{pid}/cgroup", f"0::/{unit}\n")

    def usb(
        self,
        name: str,
        vendor: str,
        product: str,
        *,
        serial: str | None = None,
        label: str | None = None,
        classes: tuple[str, ...] = (),
    ) -> None:
        """A device, with an interface of each of the classes."""
        folder = f"/sys/devices/pci/usb1/{name}"
        self.write(f"{folder}/idVendor", f"{vendor}\n")
        self.write(f"{folder}/idProduct", f"{product}\n")
        for file, text in (("serial", serial), ("product", label)):
            if text is not None:
                self.write(f"{folder}/{file}", f"{text}\n")
        for number, interface_class in enumerate(classes):
            self.write(f"{folder}/{name}:1.{number}/bInterfaceClass", f"{interface_class}\n")
        self.link(f"/sys/bus/usb/devices/{name}", f"../../../devices/pci/usb1/{name}")

    def port(self, name: str, usb: str, *, link: str | None = None, mode: int = 0o660) -> None:
        """A port of a USB device that was made before."""
        folder = f"/sys/devices/pci/usb1/{usb}/{usb}:1.0/tty/{name}"
        self.write(f"{folder}/uevent")
        self.link(f"/sys/class/tty/{name}", f"../../devices/pci/usb1/{usb}/{usb}:1.0/tty/{name}")
        self.write(f"/dev/{name}", mode=mode)
        if link is not None:
            self.link(f"/dev/serial/by-id/{link}", f"../../{name}")

    def adapter(self, name: str = "ttyUSB0", usb: str = "1-1", *, mode: int = 0o660) -> None:
        """The usual one, with its port."""
        self.usb(usb, "10c4", "ea60", serial=f"S{usb}", label="CP2102N")
        self.port(name, usb, link=f"usb-Silicon_Labs_CP2102N_S{usb}-if00-port0", mode=mode)

    @property
    def machine(self) -> Machine:
        return Machine(
            root=self.root,
            environment=self.environment,
            uid=self.uid,
            groups=self.groups,
            now_ns=self.now_ns,
            disk_space=lambda folder: self.space,
            clock_is_synchronised=lambda: self.synchronised,
            configuration=self._configuration,
        )

    def _configuration(self, file: str) -> Configuration:
        values = self.settings | self.settings_of_files.get(file, {})
        settings = [Setting(key, value, "default") for key, value in values.items()]
        problems, seen_by = self.problems if file else [], SeenBy("user", "anna")
        return Configuration(file or None, seen_by, problems, self.warnings, [] if problems else settings)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "root")
    made.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n")
    made.write("/etc/group", "root:x:0:\ndialout:x:20:\nanna:x:1000:\n")
    (made.root / "run/udev").mkdir(parents=True)
    return made


@dataclass(frozen=True)
class Daemons:
    """Makes what a daemon would answer."""

    board: BoardRecord
    coredump: CoredumpRecord

    def survey(
        self,
        *boards: BoardRecord,
        coredumps: tuple[CoredumpRecord, ...] = (),
        sample: Sample | None = None,
        version: str = "0.1.0",
    ) -> Survey:
        chosen = boards or (self.board,)
        daemon = DaemonRecord(
            version=version,
            pid=4242,
            started_at="2026-01-31T08:00:00Z",
            socket="/run/esperd/bench1.sock",
            state_dir="/var/lib/esperd",
            log_path="/var/lib/esperd/log/esperd.log",
            fault_log_path="/var/lib/esperd/log/fault.log",
        )
        samples = {} if sample is None else {board.board: sample for board in chosen}
        return Survey((Answer(daemon.socket, daemon, chosen, coredumps, (), samples),))

    def changed_board(self, **changes: object) -> BoardRecord:
        return msgspec.structs.replace(self.board, **changes)

    def changed_coredump(self, **changes: object) -> CoredumpRecord:
        return msgspec.structs.replace(self.coredump, **changes)


@pytest.fixture
def daemons(make_board: MakeBoard, make_coredump: MakeCoredump) -> Daemons:
    return Daemons(make_board(), make_coredump())


@pytest.fixture
def stranger(tree: Tree) -> Tree:
    """The same tree, seen by somebody who is in no group."""
    return replace(tree, uid=1001, groups=frozenset({1001}))


class Examine(Protocol):
    """Runs one check; its findings by their codes, of which each may be there once."""

    def __call__(self, check: Check, tree: Tree, survey: Survey | None = None) -> dict[str, Finding]: ...


@pytest.fixture
def examine() -> Examine:
    def run(check: Check, tree: Tree, survey: Survey | None = None) -> dict[str, Finding]:
        findings = list(check(tree.machine, survey or Survey()))
        found = {finding.code: finding for finding in findings}
        assert len(found) == len(findings), findings
        return found

    return run
