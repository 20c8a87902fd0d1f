"""What the model asks for. Values; none of them is carried out by the model itself.

Every effect ends in one message at least: what it fetched, or EffectDone, or EffectFailed. But: SendToBoard is answered
only when it fails; AskForLease, StopScan and Leave never, nor a scan that was ended by another one or by StopScan;
SwitchBoard by Attached, or Detached again and again; a FetchPage not when the board was switched meanwhile. What else
concerns a board that is switched away from is answered by EffectFailed. Once the viewer ends nothing is answered.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class SendToBoard:
    """Bytes for the board, as they were typed. Answered by EffectFailed only."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AskForLease:
    """Says whether the next connection to the board asks for the write lease, if it is free. Not answered."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class TakeWriter:
    """Asks for the write lease; with ``steal`` from its holder."""

    steal: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseWriter:
    """Gives the write lease back."""


@dataclass(frozen=True, slots=True)
class ResetBoard:
    """Pulses the control lines."""

    bootloader: bool = False


@dataclass(frozen=True, slots=True)
class SendBreak:
    """Sends a break condition."""


@dataclass(frozen=True, slots=True)
class AddNote:
    """Writes a remark into the journal."""

    text: str


@dataclass(frozen=True, slots=True)
class AbortCapture:
    """Ends the capture that is under way."""


@dataclass(frozen=True, slots=True)
class DecodeCoredump:
    """Queues a decode of a stored dump."""

    id: str


@dataclass(frozen=True, slots=True)
class CancelDecode:
    """Stops the decode of a dump."""

    id: str


@dataclass(frozen=True, slots=True)
class PinCoredump:
    """Keeps a dump out of retention, or gives it back."""

    id: str
    pinned: bool


@dataclass(frozen=True, slots=True)
class FetchPage:
    """Asks for lines of the journal that the window lacks.

    ``older``: the last ``lines`` lines before position ``position`` (and what stands between them);
    ``newer``: the first ``lines`` lines after position ``position``. ``token`` tells pages of one window from those
    of another: a page of an old token is ignored.
    """

    direction: Literal["older", "newer"]
    position: int
    lines: int
    token: int


@dataclass(frozen=True, slots=True)
class ShownEvents:
    """Which events the log shows: what is not typed by ``own_name``, whether ``decodes``; and whether dumps fold."""

    own_name: str | None = None
    decodes: bool = True
    folds_dumps: bool = True


@dataclass(frozen=True, slots=True)
class StartScan:
    """Reads the journal before position ``before`` backwards, in a process of its own.

    ``pattern`` is looked for in the visible text of the lines and of the ``shown`` events (None: it is not); with
    ``wants_events`` what is not a line is told too. ``limit_bytes`` bounds how much of the journal is read, the newest
    first (None: all). Ends any scan of the same ``purpose``.
    """

    scan: int
    purpose: Literal["search", "incidents"]
    before: int
    pattern: str | None = None
    is_regex: bool = False
    ignore_case: bool = True
    shown: ShownEvents = ShownEvents()
    wants_events: bool = False
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class StopScan:
    """Ends a scan. Not answered."""

    scan: int


@dataclass(frozen=True, slots=True)
class ListBoards:
    """Asks for all boards of all daemons: BoardsListed."""


@dataclass(frozen=True, slots=True)
class SwitchBoard:
    """Follows another board instead: Attached, or Detached with its name until it can be."""

    socket: str
    board: str


@dataclass(frozen=True, slots=True)
class ListCoredumps:
    """Asks for the board's dumps: CoredumpsListed."""


@dataclass(frozen=True, slots=True)
class FetchCoredump:
    """Asks for everything about one dump: CoredumpFetched."""

    id: str


@dataclass(frozen=True, slots=True)
class CopyText:
    """Puts text on the user's clipboard (OSC 52), or into a file when it is too large; ``name`` is the file's."""

    text: str
    name: str


@dataclass(frozen=True, slots=True)
class SaveText:
    """Writes text to a new file in the working directory; ``name`` gets a number when it is taken."""

    text: str
    name: str


@dataclass(frozen=True, slots=True)
class SaveCoredump:
    """Writes the raw dump of a stored core dump to a new file in the working directory."""

    id: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Ends the viewer. Not answered."""

    exit_code: int = 0


Effect: TypeAlias = (
    SendToBoard
    | AskForLease
    | TakeWriter
    | ReleaseWriter
    | ResetBoard
    | SendBreak
    | AddNote
    | AbortCapture
    | DecodeCoredump
    | CancelDecode
    | PinCoredump
    | FetchPage
    | StartScan
    | StopScan
    | ListBoards
    | SwitchBoard
    | ListCoredumps
    | FetchCoredump
    | CopyText
    | SaveText
    | SaveCoredump
    | Leave
)
