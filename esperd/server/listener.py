"""The listening socket: its path, its mode, and what an older daemon may have left there."""

import os
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import trio

from esperd.errors import StartError
from esperd.storage.files import Access, make_directory
from esperd.system.private_paths import check_owner

_BACKLOG: Final = 64
# sun_path holds 108 bytes with its final zero. Source: unix(7).
_MAX_PATH_BYTES: Final = 107
# Out of descriptors or memory: an accept that fails at once would be tried again at once.
_ACCEPT_PAUSE_S: Final = 0.5


@contextmanager
def open_listener(path: Path, access: Access, *, makes_directory: bool = True) -> Generator[socket.socket]:
    """Binds and listens; removes the socket's file in the end, whatever ends it.

    Args:
        path: Where; a socket that nobody listens on is replaced.
        access: Who may connect; also holds for a folder that has to be made, while one that exists stays as it is.
        makes_directory: Whether the folder is made where it is missing; the one that it is in never is.

    Raises:
        StartError: somebody listens there, it is something else than a socket, or the directory can't be written.
    """
    if len(os.fsencode(path)) > _MAX_PATH_BYTES:
        raise StartError(f"the socket's path is too long for the system: {path}", "choose a shorter --socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.setblocking(False)
        needed = path.parent.parent if makes_directory else path.parent
        if not needed.is_dir():
            raise StartError(f"can't make the socket {path}: there is no directory {needed}", "make it first")
        check_owner(path.parent, "--socket")
        try:
            _make_directory(path.parent, access)
            _remove_stale(path)
            _bind(listener, path)
        except OSError as error:
            raise _start_error(path, error) from error
        identity = path.stat().st_ino
        try:
            _give_access(path, access)
            listener.listen(_BACKLOG)
            yield listener
        finally:
            # Another daemon may have replaced it meanwhile.
            if path.exists() and path.stat().st_ino == identity:
                path.unlink()


@contextmanager
def serve_on(inherited: socket.socket) -> Generator[socket.socket]:
    """A listening socket that the service manager made: it also removes it, and decides who may connect."""
    with closing(inherited):
        inherited.setblocking(False)
        yield inherited


def _make_directory(path: Path, access: Access) -> None:
    is_new = not path.is_dir()
    make_directory(path, access)
    if is_new and access.socket_mode & 0o006:
        # Whoever may connect has to get there; what is kept is in other folders.
        path.chmod(access.directory_mode | 0o011)


def _bind(listener: socket.socket, path: Path) -> None:
    # Made without any permission, so that nobody connects before the mode is right.
    before = os.umask(0o777)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)


def _give_access(path: Path, access: Access) -> None:
    try:
        if access.group is not None:
            os.chown(path, -1, access.group)
        path.chmod(access.socket_mode)
    except OSError as error:
        raise _start_error(path, error) from error


def _start_error(path: Path, error: OSError) -> StartError:
    return StartError(f"can't make the socket {path}: {error.strerror}", "choose another --socket")


def _remove_stale(path: Path) -> None:
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_socket():
        raise StartError(f"{path} exists and is no socket", "move it away, or choose another --socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # its backlog is full: somebody is there
    raise StartError(f"another esperd listens on {path}", "stop it, or choose another --socket", is_busy=True)


async def accept_clients(listener: socket.socket) -> AsyncGenerator[socket.socket]:
    """Yields non-blocking sockets, each to be closed by the caller, until cancelled."""
    while True:
        # Without a deadline: nobody has to connect.
        await trio.lowlevel.wait_readable(listener)
        try:
            client, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            continue
        except OSError:
            await trio.sleep(_ACCEPT_PAUSE_S)
            continue
        client.setblocking(False)
        yield client
