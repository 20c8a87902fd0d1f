"""The record of an installation: which files were written, and as what.

It tells files that are as they were written from files that somebody has changed since, also after an upgrade, when
what is shipped has changed as well.
"""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from esper_protocol.version import PACKAGE_VERSION
from esperctl.errors import FailedError

RECORD_NAME: Final = "installed.json"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What `esperctl service install` wrote, or is about to write: it is noted before, so that no file is forgotten.

    ``files`` has the SHA-256 of each as it is to be; ``replaced``, of those that an installation that did not come to
    its end may have left as they were, that of before; ``folders`` are those that were not there.
    """

    version: str = PACKAGE_VERSION
    files: dict[str, str] = {}
    replaced: dict[str, str] = {}
    folders: list[str] = []

    def has_written(self, name: str, content: bytes) -> bool:
        """Whether the file holds what an installation wrote."""
        return fingerprint(content) in (self.files.get(name), self.replaced.get(name))


def read_record(path: Path) -> Record | None:
    """The record, or None where nothing is installed.

    Raises:
        FailedError: it can't be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FailedError(f"can't read {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        hint = "remove it, and install again to have it made anew"
        raise FailedError(f"{path}, the record of the installation, is damaged: {error}", hint) from error


def encode_record(record: Record) -> bytes:
    """The record as a file that people can read."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def fingerprint(content: bytes) -> str:
    """How a record names what a file holds."""
    return hashlib.sha256(content).hexdigest()


def content_of(path: Path) -> bytes | None:
    """What a file holds, or None where there is none.

    Raises:
        FailedError: it can't be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FailedError(f"can't read {path}: {error.strerror}") from error
