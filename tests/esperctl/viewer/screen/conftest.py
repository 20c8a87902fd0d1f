"""A view with everything in it, at any size."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from esperctl.viewer.style import Span, Style
from esperctl.viewer.view import (
    CheckBox,
    ConfirmView,
    DetailSection,
    DetailView,
    FormView,
    HelpView,
    InspectorView,
    ListItem,
    LogView,
    Overlay,
    PaletteView,
    PickerView,
    Row,
    Segment,
    Severity,
    Status,
    TextInput,
    Title,
    View,
)


def _base(columns: int, rows: int) -> View:
    lines = tuple(
        Row((Span(f"I ({number}) wifi: line {number}", Style(foreground=2)),), f"08:00:{number % 60:02}")
        for number in range(max(rows - 3, 1))
    )
    segments = (
        Segment("filter", "*:W wifi:D", "*:W wifi:D", 3),
        Segment("", "follow", "", 5),
        Segment("writer", "alice@workstation", "alice", 4, "warning"),
        Segment("", "12 new lines", "+12", 6),
    )
    return View(
        columns=columns,
        rows=rows,
        title=Title("sim-crash", "/dev/ttyUSB0", 115200, "connected", True, "blink 1.2.3", "elf 1a2b3c4d"),
        log=LogView(lines, 8, above=True, below=False, cursor=(2, 5)),
        status=Status("DEVICE", segments, "Ctrl-T commands, Ctrl-T h help, Ctrl-] leaves; everything else goes on"),
    )


@pytest.fixture
def make_view() -> Callable[..., View]:
    """Makes a view of a size; what is given by name takes the place of what is usual."""

    def make(columns: int, rows: int, **changes: Any) -> View:  # noqa: ANN401 - any field of View
        return replace(_base(columns, rows), **changes)

    return make


def incidents(count: int) -> tuple[ListItem, ...]:
    severities: tuple[Severity, ...] = ("info", "success", "warning", "error")
    return tuple(
        ListItem(f"panic {number} at app_main", f"decoded {number}", "08:00:11", severities[number % 4])
        for number in range(count)
    )


@pytest.fixture
def inspector() -> InspectorView:
    return InspectorView(incidents(30), 14, has_focus=True, note="Since 3 days ago.")


@pytest.fixture
def overlays() -> dict[str, tuple[Overlay, str, str, str]]:
    """Overlays by name; with each its title, a key of its keys line and what must be seen of it."""
    commands = tuple(ListItem(f"Command {number}", "Ctrl-T r") for number in range(50))
    groups = tuple((f"Group {g}", tuple((f"Ctrl-T {k}", f"does {k}") for k in "abcdefgh")) for g in range(4))
    frames = tuple((Span(f"#{number} 0x400d1234 in crash_me at /home/user/main.c:1"),) for number in range(40))
    fields = (
        TextInput("Levels and tags", "*:W", 3, is_focused=False),
        TextInput("Include", "[", 1, is_focused=False, error="unterminated character set"),
        TextInput("Exclude", "noise", 5, is_focused=False),
        CheckBox("ignore case", is_checked=True, is_focused=True),
    )
    boards = tuple(ListItem(f"board{number}", "/dev/ttyUSB0  connected") for number in range(40))
    return {
        "palette": (PaletteView(TextInput("", "com", 3, True), commands, 40), "Commands", "Enter", "Command 40"),
        "help": (HelpView(groups, 0), "Help", "Esc", "Group 0"),
        "confirm": (
            ConfirmView("Reset the board sim-crash?", "The capture will be lost.", is_yes_selected=False),
            "Confirm",
            "y yes",
            "▸ No",
        ),
        "form": (FormView("Filter", fields, "Levels are E W I D V."), "Filter", "Enter", "[x] ignore case"),
        "detail": (
            DetailView(
                "Core dump 7", "decoded", "success", (DetailSection("Frames", frames),), 0, (("Esc", "closes"),)
            ),
            "Core dump 7",
            "Esc",
            "✓ decoded",
        ),
        "picker": (PickerView(boards, 33, "Start one with: esperd"), "Boards", "Enter", "board33"),
        "prompt": (TextInput("Note", "hello", 5, is_focused=True), "Note", "Enter", "hello"),
    }
