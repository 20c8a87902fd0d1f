"""Carries out steps, one after the other, up to the first that fails."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, assert_never

from esperctl.errors import FailedError, TimedOutError
from esperctl.service.record import encode_record
from esperctl.service.running import check_idle
from esperctl.service.steps import (
    CheckIdle,
    Leave,
    RemoveFile,
    RemoveFolder,
    RemoveTree,
    Run,
    Step,
    WriteFile,
    WriteRecord,
)

# Longer than a dozen daemons take to stop, of which each has 30 s.
_TIMEOUT_S: Final = 600


def perform(steps: Sequence[Step], announce: Callable[[Step], None]) -> None:
    """Carries out *steps*; each is announced when it is done.

    Raises:
        FailedError: a file or a program failed. What comes after is left undone; doing all again does no harm.
        BusyError: a daemon runs that was not to; the same holds.
        TimedOutError: a program did not end.
    """
    for step in steps:
        try:
            is_done = _perform(step)
        except OSError as error:
            name = error.filename or getattr(step, "path", "it")
            raise FailedError(f"can't change {name}: {error.strerror or error}", _AGAIN) from error
        if is_done:
            announce(step)


_AGAIN: Final = "what was done so far stays; when it is mended, run this again"


def _perform(step: Step) -> bool:
    """Returns False where there was nothing to do."""
    match step:
        case WriteFile():
            _write(step.path, step.content)
        case WriteRecord():
            _write(step.path, encode_record(step.record))
        case RemoveFile():
            step.path.unlink(missing_ok=True)
        case RemoveFolder():
            return _remove_folder(step.path)
        case RemoveTree():
            return _remove_tree(step.path)
        case CheckIdle():
            check_idle(step.path)
        case Run():
            _run(step)
        case Leave():
            pass
        case _:
            assert_never(step)
    return True


def _write(path: Path, content: bytes) -> None:
    _make_folder(path.parent)
    # Whole or not at all: systemd and udev read these whenever they like.
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(content)
        # For all to read, whatever the umask of whoever installs.
        new.chmod(0o644)
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def _remove_folder(folder: Path) -> bool:
    # Somebody gave it another place: that is theirs, and can't be removed like a folder.
    if not folder.is_dir() or folder.is_symlink() or folder.is_mount() or any(folder.iterdir()):
        return False
    folder.rmdir()
    return True


def _remove_tree(folder: Path) -> bool:
    if not folder.exists():
        return False
    if folder.is_symlink() or os.path.ismount(folder):
        # Somebody gave it a disk of its own: that stays, and what is on it goes.
        for child in folder.iterdir():
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
        return True
    shutil.rmtree(folder)
    return True


def _run(step: Run) -> None:
    command = " ".join(step.words)
    try:
        done = subprocess.run(
            step.words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
        )
    except FileNotFoundError as error:
        raise FailedError(f"there is no program {step.words[0]}, for `{command}`", _AGAIN) from error
    except subprocess.TimeoutExpired as error:
        raise TimedOutError(f"`{command}` did not end within {_TIMEOUT_S} s", _AGAIN) from error
    if done.returncode not in (0, *step.accepted):
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise FailedError(f"`{command}` failed: {said}", _AGAIN)
