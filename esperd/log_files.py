"""Logging of the daemon itself: to standard error (the service manager keeps it) and to a file that is rotated.

What boards say is never logged here; it is data, in the journal.
"""

import faulthandler
import logging
import logging.handlers
from pathlib import Path
from typing import Final

from esperd.storage.files import Access, make_directory

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"
_FILE_BYTES: Final = 1024 * 1024
_FILES_KEPT: Final = 5


def log_path(log_dir: Path, name: str) -> Path:
    """Where the log of the daemon whose socket is called *name* is."""
    return log_dir / f"{name}.log"


def fault_log_path(log_dir: Path, name: str) -> Path:
    """Where the interpreter writes the stacks of a native crash."""
    return log_dir / f"{name}.fault.log"


def set_up_logging(log_dir: Path, name: str, level: str, access: Access) -> None:
    """Starts logging, and the record of native crashes.

    Raises:
        OSError: the log's directory can't be written.
    """
    make_directory(log_dir, access)
    file = logging.handlers.RotatingFileHandler(
        log_path(log_dir, name), maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8"
    )
    logging.basicConfig(level=level.upper(), format=_FORMAT, handlers=[logging.StreamHandler(), file], force=True)
    # Open for as long as the process lives: it must be there at a moment when nothing can be opened any more.
    fault_log = fault_log_path(log_dir, name).open("a", encoding="utf-8")
    faulthandler.enable(fault_log)
