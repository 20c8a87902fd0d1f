"""The simulated board as a value machine: board time and typed bytes in, what the UART says out.

It has the states below and, at any time, a timeline of recorded lines that are still to begin, and at most one alarm.

``PLAYING``   a boot, a panic or a core dump is being said; typed bytes wait, as in a UART's FIFO
``READY``     the prompt is shown, the sensor logs now and then, typed bytes are echoed and commands are run
``ENTER``     the core dump waits half a second for Enter
``HUNG``      nothing happens any more

Log lines get the time stamp of the moment at which they are said, but for those of a boot, which have the right one.
"""

from __future__ import annotations

import re
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING

from esperd.simulation.scenarios import (
    AFTER_PANIC,
    AFTER_RESET,
    AFTER_RESTART,
    ANSWERS,
    CRASHES,
    POWER_ON,
    RESTART,
    SELF_CRASH,
    After,
    Crash,
    Line,
    Scenario,
    segment,
)
from esperd.simulation.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    Action = Callable[[float], None]

ENTER_WAIT_S = 0.5
FIFO_BYTES = 128
MAX_TYPED_BYTES = 79
STAMP = re.compile(rb"^((?:\x1b\[[0-9;]*m)?[EWIDV] \()\d+(?=\) )")
BACKSPACES = (0x08, 0x7F)


class State(Enum):
    """See the module."""

    PLAYING = auto()
    READY = auto()
    ENTER = auto()
    HUNG = auto()


class BoardScript:
    """A board that is powered on at time 0; it implements ``Player`` in board time."""

    def __init__(self, scenario: Scenario, *, baud: int) -> None:
        self._scenario = scenario
        self._wire = Wire(baud=baud)
        self._timeline: deque[Line] = deque()
        self._alarm: tuple[float, Action] | None = None
        self._after_segment: Action = self._hang
        self._fifo = bytearray()
        self._typed = bytearray()
        self._last_typed = 0
        self._special_crash = scenario.first_crash
        self._boot(POWER_ON, 0.0)

    # --- Player ---

    @property
    def deadline(self) -> float | None:
        event_at = self._event_at()
        wire_at = self._wire.deadline
        if event_at is None or wire_at is None:
            return wire_at if event_at is None else event_at
        return min(event_at, wire_at)

    def on_deadline(self, now: float) -> bytes:
        while (at := self._event_at()) is not None and at <= now:
            if self._alarm is not None and self._alarm[0] == at:
                action = self._alarm[1]
                self._alarm = None
                action(at)
            else:
                self._begin_line(self._timeline.popleft())
        return self._wire.take(now)

    def on_input(self, data: bytes, now: float) -> None:
        if self._state is State.HUNG:
            return
        self._fifo += data
        if self._state is State.READY:
            self._read_fifo(now)
        elif self._state is State.ENTER and self._enter_in_fifo():
            self._dump(now)
        del self._fifo[FIFO_BYTES:]

    def _event_at(self) -> float | None:
        times = [self._timeline[0].at_s] if self._timeline else []
        if self._alarm is not None:
            times.append(self._alarm[0])
        return min(times, default=None)

    # --- segments ---

    def _play(self, name: tuple[str, str], at: float, *, after: Action) -> None:
        self._state = State.PLAYING
        self._timeline = deque(Line(at + line.at_s, line.data) for line in segment(name))
        self._alarm = None
        self._after_segment = after

    def _begin_line(self, line: Line) -> None:
        if self._state is State.READY:
            self._say_above_prompt(self._stamped(line.data, line.at_s), line.at_s)
            if not self._timeline:
                self._idle(line.at_s)
            return
        data = line.data if self._booting else self._stamped(line.data, line.at_s)
        self._wire.push(data, line.at_s)
        if not self._timeline:
            self._alarm = (max(self._wire.idle_at, line.at_s), self._after_segment)

    def _stamped(self, data: bytes, at: float) -> bytes:
        stamp = b"%d" % round((at - self._booted_at) * 1000)
        return STAMP.sub(lambda match: match[1] + stamp, data)

    def _boot(self, name: tuple[str, str], at: float) -> None:
        self._booting = True
        self._booted_at = at
        self._fifo.clear()
        again = name == AFTER_PANIC
        self._play(name, at, after=lambda ready_at: self._become_ready(ready_at, again=again))

    # --- ready ---

    def _become_ready(self, at: float, *, again: bool) -> None:
        self._booting = False
        self._state = State.READY
        self._idle(at)
        if self._scenario.crashes_after_s is not None:
            wait_s = self._scenario.crashes_after_s[again]
            self._alarm = (at + wait_s, self._crash_by_itself)
        self._show_prompt(at)
        self._read_fifo(at)

    def _idle(self, at: float) -> None:
        lines = segment(self._scenario.idle)
        self._timeline.extend(Line(at + line.at_s, line.data) for line in lines)

    def _show_prompt(self, at: float) -> None:
        self._typed.clear()
        self._wire.push(self._scenario.prompt, at)

    def _say_above_prompt(self, data: bytes, at: float) -> None:
        shown = self._scenario.prompt + self._typed
        self._wire.push((b"\r\n" if shown else b"") + data + shown, at)

    def _read_fifo(self, now: float) -> None:
        while self._fifo and self._state is State.READY:
            self._alarm = None  # somebody is there: it does not crash by itself
            self._type(self._fifo.pop(0), now)

    def _type(self, byte: int, now: float) -> None:
        if byte == ord("\r") or (byte == ord("\n") and self._last_typed != ord("\r")):
            self._wire.push(b"\r\n", now)
            self._run(bytes(self._typed), now)
        elif byte in BACKSPACES and self._typed:
            del self._typed[-1]
            self._wire.push(b"\b \b", now)
        elif byte >= ord(" ") and byte not in BACKSPACES and len(self._typed) < MAX_TYPED_BYTES:
            self._typed.append(byte)
            self._wire.push(bytes([byte]), now)
        self._last_typed = byte

    def _run(self, text: bytes, now: float) -> None:
        command, _, argument = text.partition(b" ")
        if command in CRASHES:
            self._crash((self._special_crash if command == b"crash" else None) or CRASHES[command], now)
        elif command == b"restart":
            self._play(RESTART, now, after=lambda at: self._boot(AFTER_RESTART, at))
        else:
            self._wire.push(self._answer(command, argument), now)
            self._show_prompt(now)

    def _answer(self, command: bytes, argument: bytes) -> bytes:
        if command in ANSWERS:
            return b"".join(line.data for line in segment(ANSWERS[command]))
        if command == b"echo":
            return argument + b"\r\n"
        return b"Unrecognized command: " + command + b"\r\n" if command else b""

    # --- crashes ---

    def _crash_by_itself(self, at: float) -> None:
        self._wire.push(b"\r\n", at)
        self._crash(self._special_crash or SELF_CRASH, at)

    def _crash(self, crash: Crash, at: float) -> None:
        self._dying_of = crash
        self._special_crash = None
        self._play(crash.panic, at, after=self._wait_for_enter)

    def _wait_for_enter(self, at: float) -> None:
        self._state = State.ENTER
        self._alarm = (at + ENTER_WAIT_S, self._dump)
        if self._enter_in_fifo():
            self._dump(at)

    def _enter_in_fifo(self) -> bool:
        pressed = b"\r" in self._fifo or b"\n" in self._fifo
        self._fifo.clear()
        return pressed

    def _dump(self, at: float) -> None:
        after: dict[After, Action] = {
            After.REBOOT: lambda ended_at: self._boot(AFTER_PANIC, ended_at),
            After.RESET: lambda ended_at: self._boot(AFTER_RESET, ended_at),
            After.HANG: self._hang,
        }
        self._play(self._dying_of.dump, at, after=after[self._dying_of.after])

    def _hang(self, _at: float) -> None:
        self._state = State.HUNG
