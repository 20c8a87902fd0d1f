"""What installing changes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from esperctl.service.instances import instances
from esperctl.service.noting import noted
from esperctl.service.plugged import plugged_chip
from esperctl.service.record import Record, content_of, read_record
from esperctl.service.scope import Scope
from esperctl.service.shipped import File, files_of
from esperctl.service.steps import Leave, RemoveFile, RemoveFolder, Run, Step, WriteFile


def plan_installation(scope: Scope, program: Path, boards: Sequence[str], *, force: bool, restart: bool) -> list[Step]:
    """The steps from what is there to what should be; looks, and changes nothing.

    Args:
        scope: For the system or for a user.
        program: The esperd that the units are to start.
        boards: Instances to start now and at each boot.
        force: Files that somebody changed are replaced, but for the configuration.
        restart: Daemons that run are started anew.

    Raises:
        FailedError: something can't be read.
    """
    before = read_record(scope.record) or Record()
    files = list(files_of(scope, program))
    steps = [_file_step(file, before, force=force) for file in files]
    steps += _obsolete(before, files)
    return [*noted(scope, before, files, steps), *_commands(scope), *_daemons(scope, boards, restart=restart)]


def _file_step(file: File, before: Record, *, force: bool) -> Step:
    there = content_of(file.path)
    if there == file.content:
        return Leave(str(file.path), file.why, "unchanged")
    if there is None or before.has_written(str(file.path), there) or (force and not file.is_settings):
        return WriteFile(file.path, file.content, file.why)
    if file.is_settings:
        return Leave(str(file.path), "your configuration", "kept")
    return Leave(str(file.path), "it was changed here, or is not from us; --force replaces it", "kept")


def _obsolete(before: Record, files: Sequence[File]) -> Iterator[Step]:
    """What an older version wrote and this one has no use for."""
    for name in sorted(before.files.keys() - {str(file.path) for file in files}):
        there = content_of(Path(name))
        if there is None:
            continue
        if before.has_written(name, there):
            yield RemoveFile(Path(name), "this version has no use for it")
            yield RemoveFolder(Path(name).parent, "if nothing else is in it")
        else:
            yield Leave(name, "this version has no use for it, but it was changed here", "kept")


def _commands(scope: Scope) -> Iterator[Step]:
    if not scope.is_user:
        sysusers, tmpfiles = scope.place("/etc/sysusers.d/esperd.conf"), scope.place("/etc/tmpfiles.d/esperd.conf")
        yield Run(("systemd-sysusers", str(sysusers)), "makes the user esperd, who may open serial ports")
        yield Run(("systemd-tmpfiles", "--create", str(tmpfiles)), "makes the folder for sockets")
        yield reload_udev(scope)
    yield Run((*scope.systemctl, "daemon-reload"), "makes systemd read the units")


def reload_udev(scope: Scope) -> Step:
    """Makes udev read its rules, where there is one: containers have none."""
    words = ("udevadm", "control", "--reload")
    if scope.place("/run/udev/control").exists():
        return Run(words, "makes udev read the rules; they are for what is plugged in from now on")
    return Leave(" ".join(words), "udev does not run here", "skipped")


def _daemons(scope: Scope, boards: Sequence[str], *, restart: bool) -> Iterator[Step]:
    reasons = {f"esperd@{name}.service": why for name, why in (_named(scope, board) for board in boards)}
    units = list(reasons)
    there = [name for name in instances(scope) if name.endswith(".service")]
    others = [name for name in there if name not in units]
    if restart and others:
        yield Run((*scope.systemctl, "try-restart", *others), "makes daemons that run be of this version")
    elif there and not restart:
        yield Leave(", ".join(there), "a daemon that runs stays as it is; --restart starts it anew", "unchanged")
    if restart and units:
        yield Run((*scope.systemctl, "try-restart", *units), "makes daemons that run be of this version")
    for unit, why in reasons.items():
        yield Run((*scope.systemctl, "enable", "--now", unit), why)


def _named(scope: Scope, board: str) -> tuple[str, str]:
    """The instance for a board, and what starting it is for."""
    chip = plugged_chip(scope, board)
    if chip is None:
        return board, "starts the daemon, now and at each boot"
    why = f"starts the daemon of the chip that is {board} now, wherever it is plugged in"
    return chip.link, f"{why}; udev starts it, too" if chip.is_started_by_udev else why
