"""What is known of the board that is followed: the title line. Pure."""

from esper_protocol.events import (
    App,
    Body,
    Failure,
    FailureOver,
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
# How the daemon's word for a port that is lent begins, which goes on with to whom and what for.
_LENT = "lent"


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
        self._port_state: str = (board.state_detail or _LENT) if board.state == "released" else board.state
        self._disk_refuses = board.disk is not None
        self._connection_state = self._absence = ""
        self._firmware = _firmware(board.project, board.app_version, board.chip)
        self._sha256 = board.app_sha256 or ""
        self.is_attached = True

    def detached(self, reason: str, *, is_served: bool = True) -> None:
        """The connection was lost, or the daemon serves the board no longer."""
        self.is_attached = False
        self._connection_state = f"reconnecting: {reason}" if is_served else "no longer served by esperd"
        self._absence = "esperd is away" if is_served else f"{self.name} is no longer served by esperd"

    def left(self, name: str) -> None:
        """It is not followed any more; another board is waited for."""
        self.is_attached = False
        self.left_for = name
        self._connection_state = f"not followed: waiting for {name}"
        self._absence = f"{self.name} is not followed"

    def follow(self, body: Body) -> None:
        """Takes note of a live event."""
        match body:
            case SessionOpened():
                self.has_port, self._port_state = True, "connected"
                self._port, self._baud = body.port, body.baud
            case SessionReleased():
                command = f": {body.command}" if body.command else ""
                self.has_port, self._port_state = False, f"lent to {body.who}{command}"
            case SessionLost() | SessionFailed():
                self.has_port, self._port_state = False, "absent"
            case SessionClosed():
                self.has_port, self._port_state = False, "closed"
            case App():
                self._firmware = _firmware(body.project, body.version, body.chip)
                self._sha256 = body.elf_sha256 or ""
            case Failure(part="disk"):
                self._disk_refuses = True
            case FailureOver(part="disk"):
                self._disk_refuses = False
            case _:
                pass

    @property
    def port_lack(self) -> str | None:
        """Why nothing can be sent to the board, in a few words; None: it is connected."""
        if not self.is_attached:
            return self._absence
        if self.has_port:
            return None
        if self._port_state.startswith(_LENT):
            return f"{self._port} is {self._port_state}"
        return f"{self.name} is not connected"

    def view(self) -> Title:
        """What is to be seen."""
        disk = ", disk refuses" if self._disk_refuses else ""
        return Title(
            board=safe_text(self.name),
            port=safe_text(self._port),
            baud=self._baud,
            state=safe_text(self._connection_state or self._port_state + disk),
            is_well=self.is_attached and self.has_port and not self._disk_refuses,
            firmware=safe_text(self._firmware),
            elf=f"ELF {safe_text(self._sha256[:_SHA_DIGITS])}" if self._sha256 else "",
        )


def _firmware(project: str | None, version: str | None, chip: str | None) -> str:
    words = " ".join(word for word in (project, version) if word)
    return f"{words} ({chip})" if words and chip else words or chip or ""
