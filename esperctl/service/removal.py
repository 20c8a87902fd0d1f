"""What removing the service changes."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from esperctl.service.installation import reload_udev
from esperctl.service.instances import instances
from esperctl.service.record import Record, content_of, read_record
from esperctl.service.scope import Scope
from esperctl.service.steps import CheckIdle, Leave, RemoveFile, RemoveFolder, RemoveTree, Run, Step

# Exit code of userdel and groupdel where there is none of that name.
_NO_SUCH_NAME: Final = frozenset({6})


def plan_removal(scope: Scope, *, purge: bool) -> list[Step]:
    """The steps that undo an installation; looks, and changes nothing.

    Args:
        scope: For the system or for a user.
        purge: What the daemons wrote goes, too, and the user whom it belongs to.

    Raises:
        FailedError: something can't be read, or systemd does not answer.
    """
    record = read_record(scope.record)
    if record is not None:
        installed = _installed(scope, record, purge=purge)
        return [*installed, *_state(scope, purge=purge), *_record(scope, record)]
    # Whatever installed them, daemons are not to write what is being removed.
    stopped = [*_stop(scope, instances(scope)), *_check_idle(scope)] if purge else []
    return [*stopped, *_state(scope, purge=purge)]


def _installed(scope: Scope, record: Record, *, purge: bool) -> Iterator[Step]:
    removed = [_file_step(name, record) for name in sorted(record.files) if content_of(Path(name)) is not None]
    # First what would start a daemon again while they are stopped.
    rules = [step for step in removed if isinstance(step, RemoveFile) and step.path.suffix == ".rules"]
    if rules:
        yield from rules
        yield reload_udev(scope)
    units = instances(scope)
    yield from _stop(scope, units)
    if purge:
        yield from _check_idle(scope)
    yield from (step for step in removed if step not in rules)
    yield from _folders(folder for folder in record.folders if not scope.record.is_relative_to(folder))
    yield Run((*scope.systemctl, "daemon-reload"), "makes systemd forget the units")
    if units:
        # Of a unit that was stopped in order it knows nothing any more, and says so.
        yield Run((*scope.systemctl, "reset-failed", *units), "and how they ended", frozenset({1, 5}))
    if not scope.is_user:
        yield RemoveTree(scope.runtime, "the folder for sockets")
    yield from _not_ours(scope, record)


def _record(scope: Scope, record: Record) -> Iterator[Step]:
    """Last, so that after a failure a second time goes on."""
    yield RemoveFile(scope.record, "the record of the installation")
    yield from _folders(folder for folder in record.folders if scope.record.is_relative_to(folder))


def _folders(folders: Iterable[str]) -> Iterator[Step]:
    for folder in sorted(map(Path, folders), key=lambda path: len(path.parts), reverse=True):
        yield RemoveFolder(folder, "made by the installation; only if nothing else is in it")


def _stop(scope: Scope, units: list[str]) -> Iterator[Step]:
    if units:
        yield Run((*scope.systemctl, "disable", "--now", *units), "stops the daemons; they write what they still hold")


def _check_idle(scope: Scope) -> Iterator[Step]:
    for path in scope.state:
        if path.exists():
            yield CheckIdle(path, "no daemon writes to it; one that was started otherwise is not stopped")


def _file_step(name: str, record: Record) -> Step:
    if record.has_written(name, content_of(Path(name)) or b""):
        return RemoveFile(Path(name), "as it was installed")
    return Leave(name, "it was changed since it was installed", "kept")


def _not_ours(scope: Scope, record: Record) -> Iterator[Step]:
    found = [*scope.units.glob("esperd@*.d/*"), *scope.configuration.glob("*"), *_other_names(scope)]
    if not scope.is_user:
        found += scope.place("/etc/udev/rules.d").glob("*esperd*")
    for path in sorted(found):
        if str(path) not in record.files and path != scope.record:
            yield Leave(str(path), "not from us", "kept")


def _other_names(scope: Scope) -> Iterator[Path]:
    """Links by which somebody gave our units other names."""
    # Not iterdir(), which fails where the folder is gone.
    for path in scope.units.glob("*"):
        if path.is_symlink() and path.readlink().name.startswith("esperd@"):
            yield path


def _state(scope: Scope, *, purge: bool) -> Iterator[Step]:
    for path in scope.state:
        if path.exists() and purge:
            yield RemoveTree(path, "what the daemons wrote")
        elif path.exists():
            yield Leave(str(path), "what the daemons wrote; --purge removes it", "kept")
    if scope.is_user:
        return
    user = scope.place("/etc/passwd")
    if any(line.startswith("esperd:") for line in (content_of(user) or b"").decode("utf-8", "replace").splitlines()):
        if purge:
            yield Run(("userdel", "esperd"), "the user that daemons ran as", _NO_SUCH_NAME)
            yield Run(("groupdel", "esperd"), "its group, which userdel leaves where it has members", _NO_SUCH_NAME)
        else:
            yield Leave("user esperd", "whom the state belongs to; --purge removes it", "kept")
