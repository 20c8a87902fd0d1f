"""The model, driven through handle and view; its time is a number that a test moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest

from esper_protocol.events import Body, Boot, CoredumpStarted, Event, Line, seq_count
from esper_protocol.messages import Subscribed
from esperctl.viewer.effects import Effect, SendToBoard
from esperctl.viewer.keys import Key
from esperctl.viewer.messages import Attached, EventsArrived, KeysPressed, Message, Resized, Ticked
from esperctl.viewer.model.model import Model
from esperctl.viewer.settings import read_table
from esperctl.viewer.view import DetailView
from esperd.testing.crash_events import ended, panic

if TYPE_CHECKING:
    from esper_protocol.records import BoardRecord
    from esperctl.viewer.view import View
    from tests.esperctl.conftest import MakeBoard, MakeDaemon

# 2026-01-31 08:30:00 UTC
START_NS = 1_769_848_200 * 1_000_000_000
OWN_NAME = "me (pid 1)"
_DATA = {
    "enter": b"\r",
    "escape": b"\x1b",
    "tab": b"\t",
    "backspace": b"\x7f",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "pageup": b"\x1b[5~",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "f1": b"\x1bOP",
    "ctrl-]": b"\x1d",
    "ctrl-\\": b"\x1c",
}


def key(name: str) -> Key:
    """The key of a name, with what a terminal sends for it."""
    if name in _DATA:
        return Key(name, _DATA[name])
    if name.startswith("ctrl-") and len(name) == len("ctrl-x"):
        return Key(name, bytes([ord(name[-1]) & 0x1F]))
    return Key(name, name.encode())


@dataclass
class Viewer:
    """A model and what happened to it; ``effects`` are all that it asked for."""

    model: Model
    make_board: MakeBoard
    make_daemon: MakeDaemon
    now: float = 1000.0
    next_seq: int = 1
    board: str = "bench1"
    effects: list[Effect] = field(default_factory=list[Effect])

    def tell(self, message: Message) -> list[Effect]:
        """Hands over a message; its effects."""
        effects = self.model.handle(message, self.now)
        self.effects += effects
        return effects

    def size(self, columns: int, rows: int) -> None:
        self.tell(Resized(columns, rows))

    def attach(
        self,
        *,
        is_writer: bool = True,
        writer: str | None = None,
        again: bool = False,
        board: BoardRecord | None = None,
        socket: str = "/run/esperd/a.sock",
        next_seq: int | None = None,
    ) -> list[Effect]:
        """Follows a board, by default as the one who types."""
        record = board or self.make_board(next_seq=self.next_seq, app_sha256="0123456789abcdef")
        self.board = record.board
        self.next_seq = record.next_seq if next_seq is None else next_seq
        holder = OWN_NAME if is_writer else writer
        subscribed = Subscribed(self.next_seq, 7, holder, is_writer)
        return self.tell(Attached(self.make_daemon(socket), record, subscribed, again))

    def press(self, *names: str) -> list[Effect]:
        """Presses keys, each in a message of its own."""
        effects: list[Effect] = []
        for name in names:
            effects += self.tell(KeysPressed((key(name),)))
        return effects

    def press_at_once(self, *names: str) -> list[Effect]:
        return self.tell(KeysPressed(tuple(key(name) for name in names)))

    def type(self, text: str) -> list[Effect]:
        return self.press(*text)

    def happen(self, *bodies: Body, boot: int = 12, board: str | None = None) -> list[Effect]:
        """Live events, in one message."""
        events: list[Event] = []
        for body in bodies:
            events.append(
                Event(self.next_seq, START_NS + self.next_seq * 1_000_000, board or self.board, 3, boot, body)
            )
            self.next_seq += seq_count(body)
        return self.tell(EventsArrived(tuple(events)))

    def say(self, *lines: str) -> list[Effect]:
        """Live lines of the board."""
        return self.happen(*(Line(f"{line}\n".encode(), 1) for line in lines))

    def crash(self) -> int:
        """A boot, a panic and its dump; the panic's position."""
        self.happen(Boot(12, "SW_CPU_RESET", None, self.next_seq))
        self.say("Guru Meditation Error")
        seq = self.next_seq
        self.happen(panic(seq - 1))
        start = self.next_seq
        self.happen(CoredumpStarted("bench1-17", start))
        self.happen(ended("bench1-17", start))
        return seq

    def wait(self, seconds: float) -> list[Effect]:
        """Lets time pass, with the ticks that the model asks for."""
        end = self.now + seconds
        effects: list[Effect] = []
        while (due := self.model.next_tick_at) is not None and due <= end:
            assert due > self.now - 1, "the model asks for ticks that do nothing"
            self.now = max(due, self.now)
            effects += self.tell(Ticked())
        self.now = end
        return effects

    @property
    def view(self) -> View:
        return self.model.view()

    @property
    def mode(self) -> str:
        status = self.view.status
        assert status is not None
        return status.mode

    @property
    def toasts(self) -> list[str]:
        return [toast.text for toast in self.view.toasts]

    @property
    def log_text(self) -> str:
        log = self.view.log
        assert log is not None
        return "\n".join("".join(span.text for span in row.spans) for row in log.rows)

    @property
    def detail(self) -> DetailView:
        """The detail that is open."""
        detail = self.view.overlay
        assert isinstance(detail, DetailView)
        return detail

    @property
    def detail_text(self) -> str:
        lines = (line for section in self.detail.sections for line in section.lines)
        return "\n".join("".join(span.text for span in line) for line in lines)

    def segment(self, name: str) -> str | None:
        status = self.view.status
        assert status is not None
        return next((segment.value for segment in status.segments if segment.name == name), None)

    @property
    def sent(self) -> bytes:
        """All that went to the board."""
        return b"".join(effect.data for effect in self.effects if isinstance(effect, SendToBoard))


class MakeViewer(Protocol):
    """A viewer of this size; ``settings`` as in the settings file, the rest as for the model."""

    def __call__(
        self, columns: int = 80, rows: int = 24, *, settings: dict[str, object] | None = None, **options: object
    ) -> Viewer: ...


@pytest.fixture
def make_viewer(make_board: MakeBoard, make_daemon: MakeDaemon) -> MakeViewer:
    def make(
        columns: int = 80, rows: int = 24, *, settings: dict[str, object] | None = None, **options: object
    ) -> Viewer:
        chosen, problems = read_table(settings or {})
        assert problems == []
        model = Model(chosen, **options)  # type: ignore[arg-type]  # options are the model's own, by name
        viewer = Viewer(model, make_board, make_daemon)
        viewer.size(columns, rows)
        return viewer

    return make


@pytest.fixture
def viewer(make_viewer: MakeViewer) -> Viewer:
    """80x24, attached, the one who types."""
    made = make_viewer()
    made.attach()
    return made


@pytest.fixture
def reader(make_viewer: MakeViewer) -> Viewer:
    """80x24, attached, while bob types."""
    made = make_viewer()
    made.attach(is_writer=False, writer="bob (pid 2)")
    return made
