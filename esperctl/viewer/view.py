"""What is to be seen, before it is drawn: the model makes it, the screen draws it. Pure values.

All text in it is printable (see ``Span``). The log's rows are already cut or wrapped to the width that the model was
given; everything else is laid out by the screen, which may shorten it.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from esperctl.viewer.style import Span

Mode = Literal["DEVICE", "HOST", "CAPTURE", "NO-PORT", "READ-ONLY"]
Severity = Literal["info", "success", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the log on the screen, at most as wide as the log.

    ``time`` is shown before it (empty on continuation rows of a wrapped line). ``is_match`` marks the row of the
    search match that was jumped to; other matches are styled in their spans already.
    """

    spans: tuple[Span, ...]
    time: str = ""
    is_match: bool = False
    cut_left: bool = False
    cut_right: bool = False


@dataclass(frozen=True, slots=True)
class LogView:
    """The log: exactly as many rows as there is room for, or fewer when the log is shorter (the rest is empty).

    ``note`` stands in place of rows that are being fetched or that a filter leaves none of. ``above`` and ``below``:
    whether more can be scrolled to. ``cursor`` is where typed text appears (row, column in the log), if visible.
    ``time_width`` columns at the left are for the times (0: none), with one more as a gap behind them; rows are at most
    as wide as what is left, and the cursor's column counts from there.
    """

    rows: tuple[Row, ...]
    time_width: int
    above: bool
    below: bool
    cursor: tuple[int, int] | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Title:
    """``state`` is the board's: connected, absent, lent, or what the connection to the daemon is at."""

    board: str
    port: str
    baud: int
    state: str
    is_well: bool
    firmware: str
    elf: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of the status line; ``weight`` says how long it is kept when there is little room (higher: longer)."""

    name: str
    value: str
    short: str
    weight: int
    severity: Severity = "info"


@dataclass(frozen=True, slots=True)
class Status:
    """The status line: the mode, always in words, then the segments; ``hint`` is the line of help below it."""

    mode: Mode
    segments: tuple[Segment, ...]
    hint: str


@dataclass(frozen=True, slots=True)
class CaptureProgress:
    """A core dump is arriving. ``total_bytes`` is from the dump's own header."""

    id: str
    decoded_bytes: int
    total_bytes: int | None
    bytes_per_s: float
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class ListItem:
    """An entry of a list: ``title`` and, dimmed, ``detail``; ``time`` in front of it."""

    title: str
    detail: str = ""
    time: str = ""
    severity: Severity = "info"


@dataclass(frozen=True, slots=True)
class InspectorView:
    """What happened, newest last.

    ``selected`` is an index into ``items`` (None: empty). ``note`` says how far back it reaches.
    """

    items: tuple[ListItem, ...]
    selected: int | None
    has_focus: bool
    note: str


@dataclass(frozen=True, slots=True)
class TextInput:
    """A line that is typed; ``cursor`` is an index into ``text``."""

    label: str
    text: str
    cursor: int
    is_focused: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PaletteView:
    """Every action by name; ``items`` are those that ``query`` leaves, title and keys."""

    query: TextInput
    items: tuple[ListItem, ...]
    selected: int | None


@dataclass(frozen=True, slots=True)
class HelpView:
    """Groups of (keys, what they do)."""

    groups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    scroll: int


@dataclass(frozen=True, slots=True)
class ConfirmView:
    """A question; the answer that Enter gives is ``default`` (No where it is disruptive)."""

    question: str
    detail: str
    is_yes_selected: bool


@dataclass(frozen=True, slots=True)
class FormView:
    """Fields to fill in (filters, highlight rules); ``fields`` are text inputs or checkboxes, in order of focus."""

    title: str
    fields: tuple["TextInput | CheckBox", ...]
    hint: str


@dataclass(frozen=True, slots=True)
class CheckBox:
    """A choice of a form."""

    label: str
    is_checked: bool
    is_focused: bool


@dataclass(frozen=True, slots=True)
class SearchView:
    """The search bar, below the log. ``count`` says what was found so far: ``match 3/17``, ``12 so far, 40 % read``."""

    input: TextInput
    is_regex: bool
    count: str


@dataclass(frozen=True, slots=True)
class DetailSection:
    """A part of the detail view; a line is spans."""

    title: str
    lines: tuple[tuple[Span, ...], ...]


@dataclass(frozen=True, slots=True)
class DetailView:
    """Everything about one incident, scrolled by ``scroll`` lines; ``keys`` are what can be done with it.

    ``state`` is empty where there is nothing to be in a state, as of a boot.
    """

    title: str
    state: str
    severity: Severity
    sections: tuple[DetailSection, ...]
    scroll: int
    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PickerView:
    """The boards: name, port, live state. ``note`` says what is wrong or how to start one."""

    items: tuple[ListItem, ...]
    selected: int | None
    note: str


@dataclass(frozen=True, slots=True)
class Toast:
    """Something the eye may have missed, for some seconds."""

    text: str
    severity: Severity


Overlay: TypeAlias = PaletteView | HelpView | ConfirmView | FormView | DetailView | PickerView | TextInput


@dataclass(frozen=True, slots=True)
class View:
    """The whole screen.

    ``inspector`` is a panel at the right from 100 columns on; below that it is shown alone in place of the log while it
    has the focus. ``input`` is the line that is typed in line mode. ``overlay`` is above all of it, ``toasts`` above
    that.
    """

    columns: int
    rows: int
    title: Title | None
    log: LogView | None
    status: Status | None
    inspector: InspectorView | None = None
    search: SearchView | None = None
    input: TextInput | None = None
    capture: CaptureProgress | None = None
    overlay: Overlay | None = None
    toasts: tuple[Toast, ...] = ()
