"""Who owns a board's journal and core dumps: the daemon that holds ``boards/NAME/lock``.

A daemon holds it exclusively for as long as it runs the board. Other daemons of the same state directory look after
core dumps whose board nobody runs; while they do, they share the lock, so that no daemon starts to run it.
"""

import fcntl
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import trio

from esperd.storage.files import Access, make_directory

# Another daemon that looks at a dump has the lock for milliseconds; one that runs the board has it for days.
_PATIENCE_S: Final = 0.3
_PAUSE_S: Final = 0.02


def board_directory(state_dir: Path, board: str) -> Path:
    """Where a board's journal and lock are."""
    return state_dir / "boards" / board


def owner_of(state_dir: Path, board: str) -> str:
    """The process that runs a board, for a message: ``pid 4242``."""
    try:
        pid = (board_directory(state_dir, board) / "lock").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        pid = ""
    return f"pid {pid}" if pid.isdecimal() else "its pid is not known"


@asynccontextmanager
async def hold_board(state_dir: Path, board: str, access: Access) -> AsyncGenerator[None]:
    """Runs *board*, as the only one.

    Raises:
        BlockingIOError: another daemon runs it.
        OSError: the directory can't be written.
    """
    # In threads, because other boards are being read while one is added.
    descriptor = await trio.to_thread.run_sync(_open_lock, board_directory(state_dir, board), access)
    try:
        await _lock(descriptor)
        await trio.to_thread.run_sync(_write_owner, descriptor)
        yield
    finally:
        os.close(descriptor)


def _open_lock(directory: Path, access: Access) -> int:
    make_directory(directory, access)
    return os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, access.file_mode)


def _write_owner(descriptor: int) -> None:
    """For whoever wonders who it is; the lock itself is what counts, and a full disk keeps nobody from starting."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())


async def _lock(descriptor: int) -> None:
    give_up_at = trio.current_time() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if trio.current_time() >= give_up_at:
                raise
            await trio.sleep(_PAUSE_S)
        else:
            return


@contextmanager
def keep_board_idle(state_dir: Path, board: str) -> Generator[bool]:
    """Whether no daemon runs *board*; if so, none begins to before the end of the block. Does not wait."""
    try:
        descriptor = os.open(board_directory(state_dir, board) / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield True  # its journal was deleted by hand
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            is_idle = False
        else:
            is_idle = True
        yield is_idle
    finally:
        os.close(descriptor)
