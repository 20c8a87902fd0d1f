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

from esperd.ports.endpoint_kinds import DeviceEndpoint, Endpoint
from esperd.ports.names import default_board_name
from esperd.ports.port import PortBusy
from esperd.storage.board_lock import board_directory, keep_board_idle, owner_of
from esperd.storage.files import Access, replace_file

_FILE: Final = "device"
_BY_ID: Final = "/by-id/"


@dataclass(frozen=True, slots=True)
class Rival:
    """Another board that runs and is to have the same device.

    ``text`` is for people, such as ``left (pid 4242)``; ``goes_first``: the device is left to it.
    """

    text: str
    goes_first: bool


class DeviceClaims:
    """Those of one board. All of it blocks, for as long as small files of the state directory take.

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

    def note(self, endpoint: Endpoint) -> None:
        """Tells the others which device the board is to have; its folder is there. Where that fails they don't know."""
        file = board_directory(self._state_dir, self._board) / _FILE
        with contextlib.suppress(OSError):
            if isinstance(endpoint, DeviceEndpoint):
                replace_file(file, os.fsencode(endpoint.path), self._access.file_mode)
            else:
                file.unlink(missing_ok=True)

    def check_is_ours(self, endpoint: Endpoint) -> None:
        """Raises PortBusy where the device is to be left to another board."""
        rival = self.rival(endpoint)
        self.served_by = rival if rival is not None and rival.goes_first else None
        if self.served_by is not None:
            raise PortBusy(
                endpoint.text, f"{endpoint.text} is served as {self.served_by.text}: one of the two is not needed"
            )

    def explain(self, error: PortBusy, endpoint: Endpoint) -> PortBusy:
        """Says that it will be ours, where it is another board that still has the device."""
        rival = self.rival(endpoint)
        if rival is None or rival.goes_first:
            return error
        return PortBusy(error.path, f"{error.path} is served as {rival.text}, which lets go of it within a minute")

    def rival(self, endpoint: Endpoint) -> Rival | None:
        """Of several, the one that goes before all others."""
        if not isinstance(endpoint, DeviceEndpoint) or not os.path.exists(endpoint.path):  # noqa: PTH110 - as realpath
            return None
        others = list(self._others(os.path.realpath(endpoint.path)))
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
