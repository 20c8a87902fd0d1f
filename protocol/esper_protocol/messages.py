"""Messages: handshake, requests and responses (SPEC.md, "Handshake" and "Requests").

A request is ``["request", id, body]``; the answer is ``["response", id, result]`` or ``["error", id, code,
message, hint]`` with the same id. Bodies and results are arrays that begin with their kind.

One long file for the same reason as the events: it is one vocabulary, all that a client can ask and be told, in the
order of SPEC.md.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from esper_protocol.events import Event, UnknownBody
from esper_protocol.records import BoardRecord, CoredumpRecord, DaemonRecord, ElfRecord

ErrorCode = Literal[
    "bad_request",
    "unsupported",
    "incompatible_version",
    "unknown_board",
    "unknown_coredump",
    "permission",
    "absent",
    "busy",
    "capturing",
    "limit",
    "failed",
    "timed_out",
    "unknown_elf",
]

# Handshake ---------------------------------------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """The first message of a client. ``oldest_protocol`` … ``protocol`` is the range it understands."""

    protocol: int
    oldest_protocol: int
    software: str
    capabilities: list[str] = []


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag="welcome"):
    """The first message of a daemon; ``capabilities`` are the kinds of requests it understands."""

    protocol: int
    oldest_protocol: int
    software: str
    capabilities: list[str] = []


# Requests ----------------------------------------------------------------------------------------------


class ListBoards(msgspec.Struct, frozen=True, array_like=True, tag="list_boards"):
    """Answer: Boards."""


class Subscribe(msgspec.Struct, frozen=True, array_like=True, tag="subscribe"):
    """Asks for events of one board. Answer: Subscribed, then the events, in order.

    Where it starts: after position ``after``; else with the first event at or after ``since`` (ns); else with
    the last ``last_lines`` lines; else at the present. With ``follow`` false it ends at the present, which a
    ``history_end`` message says. ``interactive`` asks for the write lease if nobody has it. ``until`` stands for the
    present: it ends before this position, does not follow, and ``last_lines`` are those before it.
    """

    board: str
    after: int | None = None
    since: int | None = None
    last_lines: int | None = None
    follow: bool = True
    interactive: bool = False
    until: int | None = None


class Unsubscribe(msgspec.Struct, frozen=True, array_like=True, tag="unsubscribe"):
    """Answer: Done."""

    board: str


class TakeWriter(msgspec.Struct, frozen=True, array_like=True, tag="take_writer"):
    """Asks for the write lease, if need be from its holder. Answer: Done, or ``busy`` with the holder's name."""

    board: str
    steal: bool = False


class ReleaseWriter(msgspec.Struct, frozen=True, array_like=True, tag="release_writer"):
    """Gives the write lease back. Answer: Done."""

    board: str


class Send(msgspec.Struct, frozen=True, array_like=True, tag="send"):
    """Writes bytes to the board. Answer: Done once the port took them.

    ``steal``: also while another user holds the write lease, who keeps it. The same in Reset and Break.
    """

    board: str
    data: bytes
    steal: bool = False


class Reset(msgspec.Struct, frozen=True, array_like=True, tag="reset"):
    """Pulses the control lines. Answer: Done."""

    board: str
    bootloader: bool = False
    steal: bool = False


class Break(msgspec.Struct, frozen=True, array_like=True, tag="break"):
    """Sends a break condition. Answer: Done."""

    board: str
    duration_s: float = 0.25
    steal: bool = False


class LendPort(msgspec.Struct, frozen=True, array_like=True, tag="lend_port"):
    """Asks to have the port to oneself until ReturnPort or the end of the connection. Answer: PortLent.

    ``command`` says what for. ``force`` also when a core dump is arriving or another user writes.
    """

    board: str
    command: str = ""
    force: bool = False


class ReturnPort(msgspec.Struct, frozen=True, array_like=True, tag="return_port"):
    """Gives the port back. Answer: Done, once it is open again or could not be opened at once."""

    board: str


class AddNote(msgspec.Struct, frozen=True, array_like=True, tag="add_note"):
    """Writes a remark into the journal. Answer: Done."""

    board: str
    text: str


class ListCoredumps(msgspec.Struct, frozen=True, array_like=True, tag="list_coredumps"):
    """Answer: Coredumps, oldest first; of one board, or (null) of all. ``after`` asks on with ``next`` of an answer."""

    board: str | None = None
    after: str | None = None


class CoredumpInfo(msgspec.Struct, frozen=True, array_like=True, tag="coredump_info"):
    """Answer: CoredumpDetails."""

    id: str


class ReadCoredumpFile(msgspec.Struct, frozen=True, array_like=True, tag="read_coredump_file"):
    """Reads a part of one file of a dump's folder, named as in CoredumpDetails. Answer: FileData."""

    id: str
    name: str
    offset: int


class AbortCapture(msgspec.Struct, frozen=True, array_like=True, tag="abort_capture"):
    """Ends the capture that is under way; what arrived is kept. Answer: Done, or ``failed`` if there is none."""

    board: str


class PinCoredump(msgspec.Struct, frozen=True, array_like=True, tag="pin_coredump"):
    """Keeps a dump out of retention, or (false) gives it back. Answer: Done."""

    id: str
    pinned: bool = True


class RemoveCoredump(msgspec.Struct, frozen=True, array_like=True, tag="remove_coredump"):
    """Deletes a dump's folder; a pinned one needs ``force``. Answer: Done."""

    id: str
    force: bool = False


class PruneCoredumps(msgspec.Struct, frozen=True, array_like=True, tag="prune_coredumps"):
    """Applies retention now; ``keep`` lowers the number kept for each board. Answer: Removed."""

    board: str | None = None
    keep: int | None = None


class DecodeCoredump(msgspec.Struct, frozen=True, array_like=True, tag="decode_coredump"):
    """Queues a decode of a stored dump, in place of one that waits or runs. Answer: DecodeJob; events say how it goes.

    ``backend`` is ``auto``, ``native`` or ``esp-coredump``, and more where the daemon has more. ``elf_sha256`` names a
    stored ELF file, or (null) the daemon looks for the one that the dump was made by.
    ``timeout_s`` lowers the configured deadline; ``force`` takes an ELF file that is not the dump's.
    """

    id: str
    backend: str = "auto"
    elf_sha256: str | None = None
    timeout_s: float | None = None
    force: bool = False
    locals: bool = False


class CancelDecode(msgspec.Struct, frozen=True, array_like=True, tag="cancel_decode"):
    """Stops the decode of a dump, whether it waits or runs. Answer: Done, or ``failed`` if there is none."""

    id: str


class AddElf(msgspec.Struct, frozen=True, array_like=True, tag="add_elf"):
    """Offers an ELF file. Answer: ElfStored; without a record the daemon does not have it, and waits for its parts."""

    sha256: str
    size_bytes: int
    path: str


class AddElfPart(msgspec.Struct, frozen=True, array_like=True, tag="add_elf_part"):
    """The next part of the file that this client offered last. Answer: ElfStored, with a record after the last part."""

    offset: int
    data: bytes


class ListElfs(msgspec.Struct, frozen=True, array_like=True, tag="list_elfs"):
    """Answer: Elfs."""


class RemoveElf(msgspec.Struct, frozen=True, array_like=True, tag="remove_elf"):
    """Deletes a stored ELF file, named by the first digits of its SHA-256. Answer: ElfStored with its record."""

    sha256: str


RequestBody: TypeAlias = (
    ListBoards
    | Subscribe
    | Unsubscribe
    | TakeWriter
    | ReleaseWriter
    | Send
    | Reset
    | Break
    | LendPort
    | ReturnPort
    | AddNote
    | ListCoredumps
    | CoredumpInfo
    | ReadCoredumpFile
    | AbortCapture
    | PinCoredump
    | RemoveCoredump
    | PruneCoredumps
    | DecodeCoredump
    | CancelDecode
    | AddElf
    | AddElfPart
    | ListElfs
    | RemoveElf
)


# Not 0, which in an error means the connection as a whole.
RequestId: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class Request(msgspec.Struct, frozen=True, array_like=True, tag="request"):
    """The envelope of a request; the client chooses ids from 1 up, each of them once in a connection."""

    id: RequestId
    body: RequestBody


# Responses ---------------------------------------------------------------------------------------------


class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """It was done."""


class Boards(msgspec.Struct, frozen=True, array_like=True, tag="boards"):
    """The daemon and its boards."""

    daemon: DaemonRecord
    boards: list[BoardRecord]


class Subscribed(msgspec.Struct, frozen=True, array_like=True, tag="subscribed"):
    """Events follow; ``next_seq`` is the first position that the client lacks, ``viewer`` the number of this client.

    The first event may begin before ``next_seq``, when that is in the middle of a line event, and the last one may
    reach beyond ``until``. ``writer`` holds the write lease now.
    """

    next_seq: int
    viewer: int
    writer: str | None
    is_writer: bool


class Coredumps(msgspec.Struct, frozen=True, array_like=True, tag="coredumps"):
    """Stored core dumps, oldest first; with ``next`` there are more, behind what ``next`` names."""

    coredumps: list[CoredumpRecord]
    next: str | None = None


class CoredumpFile(msgspec.Struct, frozen=True, array_like=True):
    """A file in a dump's folder."""

    name: str
    size_bytes: int


class CoredumpDetails(msgspec.Struct, frozen=True, array_like=True, tag="coredump_details"):
    """Everything about one dump; ``report`` is the decode report as JSON text, when there is one."""

    record: CoredumpRecord
    files: list[CoredumpFile]
    report: str | None = None


class FileData(msgspec.Struct, frozen=True, array_like=True, tag="file_data"):
    """A part of a file; ``last`` when it reaches the end."""

    data: bytes
    last: bool


class Removed(msgspec.Struct, frozen=True, array_like=True, tag="removed"):
    """The dumps that retention deleted."""

    ids: list[str]


class DecodeJob(msgspec.Struct, frozen=True, array_like=True, tag="decode_job"):
    """The number of a job that was queued, which the events about it carry."""

    job: int


class ElfStored(msgspec.Struct, frozen=True, array_like=True, tag="elf_stored"):
    """An ELF file that is in the store (null: not yet), and the core dumps that are decoded now because it came."""

    elf: ElfRecord | None
    decoding: list[str] = []


class Elfs(msgspec.Struct, frozen=True, array_like=True, tag="elfs"):
    """Stored ELF files, oldest first, and how large all of them may be together."""

    elfs: list[ElfRecord]
    limit_bytes: int


class PortLent(msgspec.Struct, frozen=True, array_like=True, tag="port_lent"):
    """The daemon has closed the port: the path of the device to open, or the URL."""

    port: str


Result: TypeAlias = (
    Done
    | Boards
    | Subscribed
    | Coredumps
    | CoredumpDetails
    | FileData
    | Removed
    | DecodeJob
    | ElfStored
    | Elfs
    | PortLent
)


class Response(msgspec.Struct, frozen=True, array_like=True, tag="response"):
    """The answer to the request of this id."""

    id: int
    result: Result


class ErrorResponse(msgspec.Struct, frozen=True, array_like=True, tag="error"):
    """The request of this id failed; id 0 concerns the connection itself, which is closed after it."""

    id: int
    code: ErrorCode | str
    message: str
    hint: str | None = None


class HistoryEnd(msgspec.Struct, frozen=True, array_like=True, tag="history_end"):
    """A subscription has sent all there was before the position ``next_seq``, and is over.

    ``reason`` says why, if it was one that follows: its daemon serves the board no longer.
    """

    board: str
    next_seq: int
    reason: str | None = None


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event of a kind that this side does not know; the envelope is complete."""

    seq: int
    at: int
    board: str
    generation: int
    boot: int
    body: UnknownBody


ClientMessage: TypeAlias = Hello | Request
ServerMessage: TypeAlias = Welcome | Response | ErrorResponse | HistoryEnd | Event
