"""The parts of the model, and the few facts that need more than one of them."""

from typing import TYPE_CHECKING

from esperctl.viewer.layout import PANEL_FROM_COLUMNS, SMALLEST_COLUMNS, SMALLEST_ROWS
from esperctl.viewer.log.log import Log
from esperctl.viewer.model.actions import Action, Need
from esperctl.viewer.model.capture import Capture
from esperctl.viewer.model.device_input import DeviceInput, StatusQuery
from esperctl.viewer.model.incidents import Incidents
from esperctl.viewer.model.inspector import Inspector
from esperctl.viewer.model.keymap import key_text
from esperctl.viewer.model.lease import Lease
from esperctl.viewer.model.modes import Modes
from esperctl.viewer.model.overlay import Overlay
from esperctl.viewer.model.search import Search
from esperctl.viewer.model.toasts import Toasts
from esperctl.viewer.settings import LINE_ENDS, Settings
from esperctl.viewer.view import Mode, Severity

if TYPE_CHECKING:
    from esperctl.viewer.effects import FetchPage
    from esperctl.viewer.log.highlighting import HighlightRule
    from esperctl.viewer.log.line_filter import LineFilter
    from esperctl.viewer.log.timestamps import Timestamps
    from esperctl.viewer.model.board_state import BoardState

_FIRST_COLUMNS = 80
_FIRST_ROWS = 24
# Title, status and hint, the frame of a dialog, its first line; two lines stay when a page is turned.
_DIALOG_ROWS = 8


class State:
    """Everything that changes. What belongs to a board is made anew by ``forget_board``; what was chosen stays."""

    def __init__(self, settings: Settings, *, read_only: bool, folds_dumps: bool, shows_decode: bool) -> None:
        self.keymap = settings.keymap
        self.read_only = read_only
        self.columns, self.rows = _FIRST_COLUMNS, _FIRST_ROWS
        self.now = 0.0
        # Looks and choices, which stay when boards are switched.
        self.timestamps: Timestamps = settings.timestamps
        self.wraps = settings.wrap
        self.folds_dumps = folds_dumps
        self.shows_decode = shows_decode
        self.shows_panel = settings.panel
        self.line_filter: LineFilter | None = settings.line_filter
        self.highlights: tuple[HighlightRule, ...] = settings.highlights
        self.device_input = DeviceInput(is_line=settings.input == "line", line_end=LINE_ENDS[settings.line_end])
        self.toasts = Toasts()
        self.overlays: list[Overlay] = []
        self.log = Log()
        self._last_scan = 0
        self.prefix_data = b""
        self.board: BoardState | None = None
        # The board that was chosen and is not there yet.
        self.going_to: str | None = None
        self.forget_board()

    def forget_board(self) -> None:
        """Nothing is known of a board any more."""
        self.modes = Modes()
        self.lease = Lease()
        self.capture = Capture()
        self.incidents = Incidents()
        self.inspector = Inspector(self.incidents)
        self.search = Search()
        self.status_query = StatusQuery()
        self.next_seq = 0
        # From this position on events tell the present; before it they are history.
        self.live_from = 0
        # From this position on nobody here saw what happened.
        self.news_from = 0
        # What was asked for and did not come yet; else it is another board's.
        self.pages: set[FetchPage] = set()
        self.incident_scan: int | None = None
        self.incident_note = ""
        self.has_scanned = False
        # Of a board that is left, questions and views make no sense any more.
        self.overlays = []

    def next_scan(self) -> int:
        """A number that no scan had before, of whatever board."""
        self._last_scan += 1
        return self._last_scan

    def say(
        self,
        text: str,
        severity: Severity = "info",
        *,
        topic: str = "",
        counts: bool = False,
        at_least_s: float = 0.0,
    ) -> None:
        """Shows a toast."""
        self.toasts.say(text, severity, self.now, topic=topic, counts=counts, at_least_s=at_least_s)

    def tell_gained_lease(self) -> None:
        """The write lease came: keys go to the board."""
        self.modes = self.modes.with_keys_to_board()
        self.say("you type to the board now", "success", topic="writer")

    def tell_forbidden(self) -> None:
        """The daemon does not let this user type."""
        text = "you may only read here: access.write in the configuration of esperd says who may type"
        self.say(text, "warning", topic="writer")

    @property
    def overlay(self) -> Overlay | None:
        """The one that takes the keys."""
        return self.overlays[-1] if self.overlays else None

    @property
    def mode(self) -> Mode:
        """Where keys go."""
        elsewhere = bool(self.overlays) or self.search.is_typing or self.inspector.has_focus
        return self.modes.mode(has_focus_elsewhere=elsewhere)

    @property
    def may_type(self) -> bool:
        """Whether this viewer holds the lease and a daemon is there to take the keys."""
        return self.lease.is_own and not self.read_only and self.is_attached

    @property
    def may_ask_for_lease(self) -> bool:
        """Whether the lease may be given to this viewer, as far as is known."""
        return not self.read_only and not self.lease.is_forbidden

    @property
    def is_attached(self) -> bool:
        """Whether a board is followed and the connection stands."""
        return self.board is not None and self.board.is_attached

    @property
    def has_panel_room(self) -> bool:
        """Whether the list of what happened fits beside the log."""
        return self.columns >= PANEL_FROM_COLUMNS

    @property
    def has_panel(self) -> bool:
        """Whether the list stands beside the log."""
        return self.has_panel_room and (self.shows_panel or self.inspector.has_focus)

    @property
    def is_too_small(self) -> bool:
        """Whether nothing useful fits."""
        return self.columns < SMALLEST_COLUMNS or self.rows < SMALLEST_ROWS

    @property
    def page_lines(self) -> int:
        """How far a page of a dialog is: what is seen of it at once, less what stays."""
        return max(self.rows - _DIALOG_ROWS, 1)

    def how_to(self, action: str) -> str:
        """The keys that lead to an action from here, e.g. ``Ctrl-T v``; in READ-ONLY just ``v``."""
        if self.modes.mode() == "READ-ONLY" and (keys := self.keymap.keys(action)):
            return key_text(keys[0])
        return self.keymap.path_text(action)

    def refresh_modes(self) -> None:
        """Makes the facts of the mode those of the parts."""
        # Whose lease is to come back types to nobody until then: that is another thing than to watch.
        is_writer = self.may_type or self.lease.is_awaited
        modes = self.modes.with_writer(is_writer).with_capture(self.capture.id is not None)
        self.modes = modes.with_port(self.board is None or self.board.port_lack is None)

    def lacks(self, action: Action) -> str | None:
        """What an action lacks to have an effect now, in a few words; None: nothing."""
        board = self.board
        reasons = {
            Need.MAY_WRITE: "not with --read-only" if self.read_only else None,
            Need.CONNECTION: None if self.is_attached else "no connection",
            Need.LEASE: None if self.may_type else "you may only read here" if self.lease.is_forbidden else "read-only",
            Need.BOARD_PORT: "no board is followed" if board is None else board.port_lack,
            Need.CAPTURE: None if self.capture.id is not None else "no core dump is arriving",
            Need.SEARCH: None if self.search.pattern is not None else "nothing was searched for",
        }
        return next((reason for need, reason in reasons.items() if need in action.needs and reason), None)
