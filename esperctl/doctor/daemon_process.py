"""How a daemon that runs was started, and so which command changes a setting of it.

A flag goes before the file, so what a flag says is changed by starting the daemon again with another one; all else in
its configuration file, which it reads again when it is asked to.
"""

import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from esperctl.doctor.machine import Machine
from esperctl.doctor.processes import Process, process_of, working_folder

SYSTEM_FILE: Final = "/etc/esperd/esperd.toml"
_UNIT: Final = re.compile(r"/(esperd@[^/\n]+\.service)")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class DaemonProcess:
    """A daemon that runs.

    Attributes:
        process: Its process; None where /proc does not show it.
        pid: Its number.
        folder: The folder it was started in, where that may be seen.
        unit: The unit of systemd that it is.
        is_user_unit: Whether that is one of a user's own.
        file: The configuration file that it reads, or would read if it were there.
    """

    process: Process | None
    pid: int
    folder: str | None
    unit: str | None
    is_user_unit: bool
    file: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """Its command line."""
        return () if self.process is None else self.process.arguments

    def option(self, name: str) -> str | None:
        """The value of a flag, in either way to write it."""
        for word, following in pairwise((*self.arguments, "")):
            if word == name:
                return following
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
        return None

    def path(self, text: str) -> str:
        """A path of its command line, as it would be from anywhere."""
        return text if text.startswith("/") or self.folder is None else f"{self.folder}/{text}"


def configuration_places(environment: Mapping[str, str]) -> list[str]:
    """Where a daemon with this environment looks, in this order: the user's file, then the machine's."""
    if environment.get("STATE_DIRECTORY"):
        return [SYSTEM_FILE]
    folder = environment.get("XDG_CONFIG_HOME", "")
    if not folder.startswith("/"):
        folder = f"{environment.get('HOME', '')}/.config"
    return [f"{folder}/esperd/esperd.toml", SYSTEM_FILE]


def find_daemon(machine: Machine, pid: int) -> DaemonProcess:
    """The daemon whose process has this number."""
    process = process_of(machine, pid)
    groups = machine.read(f"/proc/{pid}/cgroup") or ""
    unit = _UNIT.search(groups)
    found = DaemonProcess(
        process, pid, working_folder(machine, pid), unit[1] if unit else None, "/user@" in groups, SYSTEM_FILE
    )
    named = found.option("--config")
    places = [found.path(named)] if named else configuration_places(_environment(machine, found))
    is_system = found.unit is not None and not found.is_user_unit
    unwritten = SYSTEM_FILE if is_system and not named else places[0]
    file = next((place for place in places if machine.exists(place)), unwritten)
    return DaemonProcess(process, pid, found.folder, found.unit, found.is_user_unit, file)


def _environment(machine: Machine, daemon: DaemonProcess) -> Mapping[str, str]:
    variables = (machine.read(f"/proc/{daemon.pid}/environ") or "").split("\0")
    found = {name: value for name, _, value in (variable.partition("=") for variable in variables)}
    uid = machine.uid if daemon.process is None else daemon.process.uid
    if "HOME" in found:
        return found
    return machine.environment if uid == machine.uid else {"HOME": machine.home(uid)}


def reload_command(machine: Machine, daemon: DaemonProcess) -> str:
    """Makes it read its configuration again."""
    return _of_unit("reload", daemon) or f"{_sudo(machine, daemon)}kill -HUP {daemon.pid}"


def restart_command(machine: Machine, daemon: DaemonProcess, arguments: tuple[str, ...] | None = None) -> str:
    """Ends it, waits for its end, and starts it again, with another command line where one is given."""
    if unit := _of_unit("restart", daemon):
        return unit
    stop = f"{_sudo(machine, daemon)}kill {daemon.pid} && tail --pid={daemon.pid} -f /dev/null"
    words = daemon.arguments if arguments is None else arguments
    if not words or daemon.process is None:
        return f"{stop}    # then start it again"
    start = shlex.join(words)
    if daemon.process.uid != machine.uid:
        start = f"sudo -u {machine.user_name(daemon.process.uid)} {start}"
    if daemon.folder not in (None, machine.environment.get("PWD")):
        start = f"(cd {shlex.quote(str(daemon.folder))} && {start})"
    return f"{stop}; {start} &"


def change_baud(machine: Machine, daemon: DaemonProcess, board: str, rates: list[int], *, is_only: bool) -> str:
    """Gives a board another rate, the first of *rates*; ``is_only``: the daemon has no other board."""
    first = str(rates[0])
    others = f", else {' or '.join(map(str, rates[1:]))}" if len(rates) > 1 else ""
    if daemon.option("--baud") is not None:
        words = _with_option(daemon.arguments, "--baud", first)
        if daemon.unit is not None:
            edit = f"{_systemctl(daemon)} edit --full {shlex.quote(daemon.unit)}"
            return f"{edit} && {restart_command(machine, daemon)}    # --baud {first}{others}"
        return f"{restart_command(machine, daemon, words)}    # --baud {first}{others}"
    if is_only and daemon.unit is None and daemon.arguments and not machine.exists(daemon.file):
        words = (*daemon.arguments, "--baud", first)
        return f"{restart_command(machine, daemon, words)}    # --baud {first}{others}"
    return _change_file(machine, daemon, board, f"baud = {first}", others)


def change_port(machine: Machine, daemon: DaemonProcess, board: str, port: str, better: str) -> str:
    """Gives a board, which is at *port*, the other name of its port."""
    names = {board, port, port.removeprefix("/dev/")}
    words = tuple(
        f"{board}={better}" if word in names or word.startswith(f"{board}=") else word for word in daemon.arguments
    )
    is_by_flag = words != daemon.arguments and (board not in daemon.arguments or not machine.exists(daemon.file))
    if is_by_flag and daemon.unit is None:
        return restart_command(machine, daemon, words)
    return _change_file(machine, daemon, board, f'port = "{better}"', "")


def _change_file(machine: Machine, daemon: DaemonProcess, board: str, line: str, others: str) -> str:
    file, reload = shlex.quote(daemon.file), reload_command(machine, daemon)
    header = f"boards.{board}" if _BARE_KEY.fullmatch(board) else f'boards."{board}"'
    if _has_table(machine, daemon.file, board):
        return f"{edit_command(machine, daemon.file)} && {reload}    # in [{header}]: {line}{others}"
    sudo = _sudo_for(machine, daemon.file)
    folder = daemon.file.rpartition("/")[0]
    make = "" if machine.exists(folder) else f"{sudo}mkdir -p {shlex.quote(folder)} && "
    write = f"printf '\\n[{header}]\\n{line}\\n' | {sudo}tee -a {file}"
    return f"{make}{write} && {reload}{f'    # {line}{others}' if others else ''}"


def _has_table(machine: Machine, file: str, board: str) -> bool:
    try:
        boards = tomllib.loads(machine.read(file) or "").get("boards", {})
    except tomllib.TOMLDecodeError:
        return True  # nothing is added to what has to be mended first
    return not isinstance(boards, dict) or board in boards


def edit_command(machine: Machine, file: str) -> str:
    """Opens a configuration file in an editor."""
    return f"{_sudo_for(machine, file)}${{EDITOR:-nano}} {shlex.quote(file)}"


def _sudo_for(machine: Machine, file: str) -> str:
    status = machine.status(file)
    # What is not there yet is made in a home, or by root.
    is_own = file != SYSTEM_FILE if status is None else status.st_uid == machine.uid
    return "" if is_own or machine.uid == 0 else "sudo "


def _with_option(words: tuple[str, ...], name: str, value: str) -> tuple[str, ...]:
    changed = list(words)
    for index, word in enumerate(words):
        if word == name:
            changed[index + 1 : index + 2] = [value]
        elif word.startswith(f"{name}="):
            changed[index] = f"{name}={value}"
    return tuple(changed)


def _of_unit(action: str, daemon: DaemonProcess) -> str | None:
    return None if daemon.unit is None else f"{_systemctl(daemon)} {action} {shlex.quote(daemon.unit)}"


def _systemctl(daemon: DaemonProcess) -> str:
    return "systemctl --user" if daemon.is_user_unit else "sudo systemctl"


def _sudo(machine: Machine, daemon: DaemonProcess) -> str:
    is_own = daemon.process is None or daemon.process.uid == machine.uid
    return "" if is_own or machine.uid == 0 else "sudo "
