"""Every action of the viewer, in one table: the key map, the help and the palette are made from it.

A *command* is done once and the keys go back to where they went before; a *navigation* keeps them in HOST. ``needs``
says what has to be so for it to have any effect; what lacks is said in words.
"""

from dataclasses import dataclass
from enum import Flag, auto
from typing import Final


class Need(Flag):
    """What an action needs."""

    NOTHING = 0
    CONNECTION = auto()
    LEASE = auto()
    MAY_WRITE = auto()
    CAPTURE = auto()
    SEARCH = auto()
    BOARD_PORT = auto()


@dataclass(frozen=True, slots=True)
class Action:
    """One action.

    Attributes:
        id: Its name in the settings file.
        title: Its name for people.
        group: Its heading in the help.
        keys: By default; key names as in ``Key.name``.
        is_navigation: Whether the keys stay in HOST after it.
        needs: What has to be so.
        question: Asked before it is done, default No; empty where nothing is asked or the answer depends on more.
    """

    id: str
    title: str
    group: str
    keys: tuple[str, ...]
    is_navigation: bool = False
    needs: Need = Need.NOTHING
    question: str = ""


_TO_BOARD: Final = Need.CONNECTION | Need.LEASE | Need.BOARD_PORT
_SEARCHED: Final = Need.SEARCH

BOARD: Final = "Board"
CRASHES: Final = "Crashes"
MOVE: Final = "Move"
LOOK: Final = "Look"
VIEWER: Final = "Viewer"
GROUPS: Final = (BOARD, CRASHES, LOOK, MOVE, VIEWER)

# Keys that are set by the settings `prefix` and `detach`.
SEND_PREFIX: Final = "send_prefix"
WRITER: Final = "writer"
DETACH: Final = "detach"
BACK: Final = "back"
ABORT_CAPTURE: Final = "abort_capture"

ACTIONS: Final = (
    Action("reset", "Reset the board", BOARD, ("r",), needs=_TO_BOARD, question="Reset the board?"),
    Action(
        "bootloader",
        "Reset the board into its bootloader",
        BOARD,
        ("p",),
        needs=_TO_BOARD,
        question="Reset the board into its bootloader? The program does not run there.",
    ),
    Action("break", "Send a break", BOARD, ("b",), needs=_TO_BOARD, question="Send a break condition to the board?"),
    Action(SEND_PREFIX, "Send the prefix key to the board", BOARD, (), needs=_TO_BOARD),
    Action(WRITER, "Take the write lease, or give it back", BOARD, ("w",), needs=Need.CONNECTION | Need.MAY_WRITE),
    Action("line_input", "Type whole lines with history, or single keys", BOARD, ("m",), needs=Need.MAY_WRITE),
    Action("note", "Write a note into the journal", BOARD, ("l",), needs=Need.CONNECTION),
    Action("inspector", "What happened: boots, panics, core dumps", CRASHES, ("c", "tab"), is_navigation=True),
    Action("latest", "Everything about the latest crash", CRASHES, ("v",)),
    Action("panel", "Show or hide the list of what happened beside the log", CRASHES, ("o",)),
    Action("fold", "Fold or unfold the base64 of core dumps", CRASHES, ("d",)),
    Action("decodes", "Show or hide decodes in the log", CRASHES, ("D",)),
    Action(
        ABORT_CAPTURE,
        "Abort the capture of a core dump",
        CRASHES,
        ("ctrl-c",),
        needs=Need.CONNECTION | Need.CAPTURE | Need.MAY_WRITE,
        question="Abort the capture of the core dump? What arrived is kept, the rest is lost.",
    ),
    Action("search", "Search the whole journal", LOOK, ("/",), is_navigation=True),
    Action("next_match", "Next match", LOOK, ("n",), is_navigation=True, needs=_SEARCHED),
    Action("previous_match", "Previous match", LOOK, ("N",), is_navigation=True, needs=_SEARCHED),
    Action("filter", "Filter by level, tag or pattern", LOOK, ("f",), is_navigation=True),
    Action("highlight", "Highlight rules", LOOK, ("e",), is_navigation=True),
    Action("timestamps", "Timestamps: off, wall clock, since boot, delta", LOOK, ("i",)),
    Action("wrap", "Wrap long lines, or cut them", LOOK, ("z",)),
    Action("pause", "Pause the view (nothing is lost), or go on", LOOK, ("y",)),
    Action("copy", "Copy the visible lines", LOOK, ("Y",)),
    Action("save", "Save the lines in memory to a file", LOOK, ("s",)),
    Action("follow", "Follow the newest line", MOVE, ("F", "G", "end"), is_navigation=True),
    Action("oldest", "To the oldest line", MOVE, ("home",), is_navigation=True),
    Action("page_up", "A page up", MOVE, ("pageup",), is_navigation=True),
    Action("page_down", "A page down", MOVE, ("pagedown",), is_navigation=True),
    Action("up", "A line up", MOVE, ("up", "k"), is_navigation=True),
    Action("down", "A line down", MOVE, ("down", "j"), is_navigation=True),
    Action("left", "To the left, where lines are cut", MOVE, ("left",), is_navigation=True),
    Action("right", "To the right, where lines are cut", MOVE, ("right",), is_navigation=True),
    Action("previous_boot", "Previous boot", MOVE, ("[",), is_navigation=True),
    Action("next_boot", "Next boot", MOVE, ("]",), is_navigation=True),
    Action("previous_panic", "Previous panic", MOVE, ("{",), is_navigation=True),
    Action("next_panic", "Next panic", MOVE, ("}",), is_navigation=True),
    Action("previous_dump", "Previous core dump", MOVE, ("(",), is_navigation=True),
    Action("next_dump", "Next core dump", MOVE, (")",), is_navigation=True),
    Action("palette", "Every action by name", VIEWER, ("t", "f1")),
    Action("help", "Help", VIEWER, ("h", "?")),
    Action("boards", "Another board", VIEWER, ("g",)),
    Action(BACK, "Keys to the board again", VIEWER, ("escape", "enter")),
    Action(DETACH, "Leave the viewer; board and daemon go on", VIEWER, ("x",)),
)
BY_ID: Final = {action.id: action for action in ACTIONS}
