"""What is known of the board that is followed: the title line. Pure."""

from esper_protocol.events import (
    App,
    Body,
    SessionClosed,
    SessionFailed,
    SessionLost,
    SessionOpened,
    SessionReleased,
)
from esper_protocol.records import BoardRecord, DaemonRecord
from esperctl.safe_text import safe_text
from esperctl.viewer.view import Title

_SHA_DIGITS = 8


class BoardState:
    """The board, its port and its firmware, as of the newest event.

    Attributes:
        name: The board's.
        socket: The daemon's.
        has_port: Whether the daemon has the port open.
        is_attached: Whether the connection to the daemon stands.
        left_for: The board that is waited for in its place.
    """

    def __init__(self, daemon: DaemonRecord, board: BoardRecord) -> None:
        self.name = board.board
        self.is_attached = True
        self.left_for: str | None = None
        self.update(daemon, board)

    def update(self, daemon: DaemonRecord, board: BoardRecord) -> None:
        """Takes the records of a new connection."""
        self.socket = daemon.socket
        self.has_port = board.state == "connected"
        self._port, self._baud = board.port, board.baud
        self._port_state: str = (board.state_detail or "lent") if board.state == "released" else board.state
        self._connection_state = ""
        self._firmware = _firmware(board.project, board.app_version, board.chip)
        self._sha256 = board.app_sha256 or ""
        self.is_attached = True

    def detached(self, reason: str) -> None:
        """The connection was lost."""
        self.is_attached = False
        self._connection_state = f"reconnecting: {reason}"

    def left(self, name: str) -> None:
        """It is not followed any more; another board is waited for."""
        self.is_attached = False
        self.left_for = name
        self._connection_state = f"not followed: waiting for {name}"

    def follow(self, body: Body) -> None:
        """Takes note of a live event."""
        match body:
            case SessionOpened():
                self.has_port, self._port_state = True, "connected"
                self._port, self._baud = body.port, body.baud
            case SessionReleased():
                self.has_port, self._port_state = False, f"lent to {body.who}"
            case SessionLost() | SessionFailed():
                self.has_port, self._port_state = False, "absent"
            case SessionClosed():
                self.has_port, self._port_state = False, "closed"
            case App():
                self._firmware = _firmware(body.project, body.version, body.chip)
                self._sha256 = body.elf_sha256 or ""
            case _:
                pass

    def view(self) -> Title:
        """What is to be seen."""
        return Title(
            board=safe_text(self.name),
            port=safe_text(self._port),
            baud=self._baud,
            state=safe_text(self._connection_state or self._port_state),
            is_well=self.is_attached and self.has_port,
            firmware=safe_text(self._firmware),
            elf=f"ELF {safe_text(self._sha256[:_SHA_DIGITS])}" if self._sha256 else "",
        )


def _firmware(project: str | None, version: str | None, chip: str | None) -> str:
    words = " ".join(word for word in (project, version) if word)
    return f"{words} ({chip})" if words and chip else words or chip or ""
