"""What is kept of an error that nobody expected: its traceback in a file, one sentence for the user."""

import os
import time
import traceback
from pathlib import Path
from typing import Final, TypeGuard

from esper_protocol.version import PACKAGE_VERSION
from esperctl.errors import FailedError

_NAME: Final = "viewer-crash.txt"


def crashed(error: BaseException) -> FailedError:
    """Writes the traceback of *error* to a file, over that of the last time; what the user is told."""
    cause = _cause(error)
    what = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    path = _folder() / _NAME
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(_text(error), "utf-8", "backslashreplace")
    except OSError as failure:
        hint = f"its traceback can't be kept in {path}: {failure.strerror or failure}"
    else:
        hint = f"{path} has the traceback; please report it"
    return FailedError(f"the viewer ended by a defect of its own: {what}", hint)


def _cause(error: BaseException) -> BaseException:
    """The first error of a group of groups."""
    return _cause(error.exceptions[0]) if _is_group(error) else error


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)


def _folder() -> Path:
    # The XDG Base Directory Specification has relative paths ignored.
    state = os.environ.get("XDG_STATE_HOME", "")
    return Path(state if Path(state).is_absolute() else Path("~/.local/state").expanduser()) / "esperctl"


def _text(error: BaseException) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return f"esperctl {PACKAGE_VERSION}, {when}\n\n{''.join(traceback.format_exception(error))}"
