"""One device by several names: which of the boards that are to have it opens it.

`esperd@ttyACM0`, a board of the configuration and `esperd@usb-…`, which udev starts, may all mean one chip. Its journal
is to be in one place, and not where chance has it at each plug. So each board notes its device beside its lock, and
leaves a device to a board that runs, has the same state directory, and goes first.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from esperd.ports.endpoint_kinds import DeviceEndpoint, Endpoint
from esperd.ports.names import default_board_name
from esperd.ports.port import PortBusy
from esperd.storage.board_lock import board_directory, keep_board_idle, owner_of
from esperd.storage.files import Access, replace_file

_FILE: Final = "device"
_BY_ID: Final = "/by-id/"
# Small files are read within milliseconds.
_DISK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Rival:
    """Another board that runs and is to have the same device.

    ``text`` is for people, such as ``left (pid 4242)``; ``goes_first``: the device is left to it.
    """

    text: str
    goes_first: bool


class DeviceClaims:
    """Those of one board.

    ``served_by`` has the device, if it is another board, since it was last asked whether it is ours.

    Args:
        state_dir: Whose boards are looked at.
        board: Whose claim it is.
        access: Who may read what is noted.
    """

    def __init__(self, state_dir: Path, board: str, access: Access) -> None:
        self.served_by: Rival | None = None
        self._state_dir = state_dir
        self._board = board
        self._access = access
        # A thread that hangs in it can't be ended: at most one does.
        self._looking = trio.CapacityLimiter(1)

    def note(self, endpoint: Endpoint | None) -> None:
        """Tells the others which device the board is to have; its folder is there. Where that fails they don't know.

        None when it is to have none any more, though it still runs. Blocks for as long as small files of the state
        directory take.
        """
        file = board_directory(self._state_dir, self._board) / _FILE
        wanted = os.fsencode(endpoint.path) if isinstance(endpoint, DeviceEndpoint) else None
        with contextlib.suppress(OSError):
            if file.exists() and file.read_bytes() == wanted:
                return
            # First, because a full disk takes no other: nobody is to leave a device to a board that has gone from it.
            file.unlink(missing_ok=True)
            if wanted is not None:
                replace_file(file, wanted, self._access.file_mode)

    async def check_is_ours(self, endpoint: Endpoint) -> None:
        """Raises PortBusy where the device is to be left to another board."""
        rival = await self.rival(endpoint)
        self.served_by = rival if rival is not None and rival.goes_first else None
        if self.served_by is not None:
            raise PortBusy(
                endpoint.text, f"{endpoint.text} is served as {self.served_by.text}: one of the two is not needed"
            )

    async def explain(self, error: PortBusy, endpoint: Endpoint) -> PortBusy:
        """Says that it will be ours, where it is another board that still has the device."""
        rival = await self.rival(endpoint)
        if rival is None or rival.goes_first:
            return error
        return PortBusy(error.path, f"{error.path} is served as {rival.text}, which lets go of it within a minute")

    async def rival(self, endpoint: Endpoint) -> Rival | None:
        """Of several, the one that goes before all others; none where the disk does not say within two seconds."""
        if not isinstance(endpoint, DeviceEndpoint):
            return None
        with trio.move_on_after(_DISK_S):
            return await trio.to_thread.run_sync(self._find, endpoint, abandon_on_cancel=True, limiter=self._looking)
        # Then the port is opened: that two boards never have one device is not promised here, but by its lock.
        return None

    def _find(self, endpoint: DeviceEndpoint) -> Rival | None:
        """In a thread."""
        if not os.path.exists(endpoint.path):  # noqa: PTH110 - as realpath
            return None
        try:
            others = list(self._others(os.path.realpath(endpoint.path)))
        except OSError:
            return None  # as above: too many open files, or a disk that fails
        if not others:
            return None
        first = min(others)
        board = first[1]
        return Rival(f"{board} ({owner_of(self._state_dir, board)})", first < _precedence(self._board, endpoint.path))

    def _others(self, device: str) -> Iterator[tuple[int, str]]:
        """The precedence of each other board that runs and is to have *device*."""
        for file in (self._state_dir / "boards").glob(f"*/{_FILE}"):
            board = file.parent.name
            try:
                path = os.fsdecode(file.read_bytes())
                if board == self._board or os.path.realpath(path) != device:
                    continue
                with keep_board_idle(self._state_dir, board) as is_idle:
                    pass
            except (OSError, ValueError):
                continue  # it was just removed, or is none of ours
            if not is_idle:
                yield _precedence(board, path)


def _precedence(board: str, path: str) -> tuple[int, str]:
    """What goes first is less: a name that was given, a device's own, the link by which udev starts daemons unasked."""
    if board != default_board_name(path):
        return 0, board
    return 2 if _BY_ID in path else 1, board
