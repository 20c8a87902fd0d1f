"""What a board does, live: into the log, the list of what happened, the title; and said where the eye may miss it."""

from collections.abc import Sequence
from typing import Final

from esper_protocol.events import (
    Body,
    CoredumpEnded,
    CoredumpStarted,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeTimedOut,
    Event,
    GdbStub,
    Line,
    Panic,
    SessionLost,
    SessionOpened,
    SessionReleased,
    seq_count,
)
from esperctl.markers import PANIC_TARGET
from esperctl.report import parse_report
from esperctl.subscription import AnyEvent
from esperctl.units import bytes_text
from esperctl.viewer.effects import Effect, FetchCoredump, SendToBoard
from esperctl.viewer.model.detail import Detail
from esperctl.viewer.model.state import State
from esperctl.viewer.view import Severity

# The board boots again within a second, and the crash is out of sight.
_CRASH_S: Final = 10.0


class Happenings:
    """Takes the events of the board that is followed, in order."""

    def __init__(self, state: State) -> None:
        self._state = state

    def came(self, events: Sequence[AnyEvent]) -> list[Effect]:
        """Takes live events; those of another board are ignored."""
        state = self._state
        if state.board is None:
            return []
        name = state.board.name
        events = [event for event in events if event.board == name]
        state.log.append(events)
        state.incidents.learn(events)
        effects: list[Effect] = []
        if state.search.pattern is not None:
            state.search.came(state.log.matching(events))
            effects += state.search.enough()
        for event in events:
            state.next_seq = max(state.next_seq, event.seq + seq_count(event.body))
            if isinstance(event, Event):
                effects += self._came(event, event.body)
        return effects

    def _came(self, event: Event, body: Body) -> list[Effect]:
        state = self._state
        is_live = event.seq >= state.live_from
        if isinstance(body, Line):
            return self._answer_query(body) if is_live else []
        if event.seq >= state.news_from:
            self._tell(body)
        if is_live:
            self._follow(body)
        return self._fetch_again(body)

    def _answer_query(self, line: Line) -> list[Effect]:
        state = self._state
        may_answer = state.mode == "DEVICE" and not state.device_input.is_line
        answer = state.status_query.find(line, state.now, may_answer=may_answer)
        return [SendToBoard(answer)] if answer else []

    def _follow(self, body: Body) -> None:
        state = self._state
        state.capture.follow(body, state.now)
        if state.board is not None:
            state.board.follow(body)
        change = state.lease.follow(body)
        if change == "gained":
            state.tell_gained_lease()
        elif change == "lost":
            self._tell_lost_lease(state.lease.holder)
        state.log.set_own_name(state.lease.own_name)
        state.refresh_modes()

    def _tell_lost_lease(self, holder: str | None) -> None:
        state = self._state
        if holder is None:
            state.say(f"you type no more; {state.how_to('writer')} takes the write lease", topic="writer")
            return
        state.refresh_modes()
        again = state.how_to("writer")
        state.say(f"{holder} took over: read-only now; {again} takes it back", "warning", topic="writer")

    def _tell(self, body: Body) -> None:
        """Says what the eye may have missed."""
        state = self._state
        match body:
            case Panic(fatal=True):
                where = f" in {body.task}" if body.task else ""
                self._say_of_crash(f"panic{where}: {body.reason}", "error", counts=True)
            case Panic():
                state.say(f"{body.cause.replace('_', ' ')}: {body.reason}", "warning", topic="report", counts=True)
            case CoredumpStarted():
                self._say_of_crash(f"core dump {body.id} arrives", "info")
            case CoredumpEnded():
                self._tell_dump(body)
            case GdbStub():
                state.say("the firmware waits in its GDB stub", "warning", topic="stub")
            case SessionLost():
                state.say(f"{body.port} is gone: {body.error}", "warning", topic="port")
            case SessionReleased():
                command = f": {body.command}" if body.command else ""
                state.say(f"{body.port} is lent to {body.who}{command}", "warning", topic="port")
            case SessionOpened():
                state.say(f"{body.port} is there", "success", topic="port")
            case DecodeFinished() | DecodeFailed() | DecodeTimedOut() | DecodeCancelled() if state.shows_decode:
                self._tell_decode(body)
            case _:
                pass

    def _tell_dump(self, body: CoredumpEnded) -> None:
        size = bytes_text(body.decoded_bytes)
        if body.capture == "captured":
            self._say_of_crash(f"core dump {body.id} captured ({size}); decoding…", "success")
        else:
            self._say_of_crash(f"core dump {body.id} is {body.capture} ({body.end_reason}), {size}", "warning")

    def _tell_decode(self, body: DecodeFinished | DecodeFailed | DecodeTimedOut | DecodeCancelled) -> None:
        target = self._name_of(body.target)
        match body:
            case DecodeFinished():
                report = parse_report(body.report) if body.report else None
                frame = next(iter(report.crash_frames), None) if report is not None else None
                place = f": {frame.place}" if frame is not None else ""
                self._say_of_crash(f"{target} decoded{place}", "success")
            case DecodeFailed():
                self._say_of_crash(f"{target} was not decoded: {body.error}", "warning")
            case DecodeTimedOut():
                self._say_of_crash(f"{target} was not decoded within {body.timeout_s:g} s", "warning")
            case DecodeCancelled():
                self._say_of_crash(f"decoding of {target} was cancelled: {body.reason}", "info")

    def _say_of_crash(self, text: str, severity: Severity, *, counts: bool = False) -> None:
        """A crash is one story: each of its chapters takes the place of the one before, and says how to read it all."""
        state = self._state
        text = f"{text}; {state.how_to('latest')} shows it"
        state.say(text, severity, topic="crash", counts=counts, at_least_s=_CRASH_S)

    def _name_of(self, target: str) -> str:
        if not target.startswith(PANIC_TARGET):
            return f"core dump {target}"
        incident = self._state.incidents.get(target)
        return "panic" if incident is not None and incident.body is not None else "backtrace"

    def _fetch_again(self, body: Body) -> list[Effect]:
        """What an open detail view needs anew."""
        match body:
            case DecodeFinished() | DecodeFailed() | DecodeTimedOut() | DecodeCancelled():
                changed = body.target
            case CoredumpEnded():
                changed = body.id
            case _:
                return []
        is_shown = any(
            isinstance(overlay, Detail) and overlay.incident.key == changed and overlay.incident.kind == "dump"
            for overlay in self._state.overlays
        )
        return [FetchCoredump(changed)] if is_shown else []
