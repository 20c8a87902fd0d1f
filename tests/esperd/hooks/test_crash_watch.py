from esper_protocol.events import (
    App,
    Body,
    Boot,
    CoredumpEnded,
    CoredumpStarted,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    Event,
    Panic,
    SessionLost,
)
from esperd.hooks.crash_watch import SETTLE_S, Crash, CrashWatch

WAIT_S = 100.0
PANIC = Panic("exception", "LoadProhibited", True, 0, "main", {}, [(1, 2)], False, None, 9, 10)
REPORT = Panic("task_watchdog", "Task watchdog got triggered", False, 0, None, {}, [], False, None, 1, 2)
APP = App("greenhouse", "1.0", None, "ab12", 1, 2)
BOOT = Boot(1, "POWERON", None, 20)


class Play:
    """Events one after another, each a second later."""

    def __init__(self) -> None:
        self.watch = CrashWatch(WAIT_S)
        self.now = 0.0
        self.seq = 10
        self.boot = 1
        self.told: list[Crash] = []

    def say(self, *bodies: Body) -> None:
        for body in bodies:
            if isinstance(body, Boot):
                self.boot += 1
            self._keep(self.watch.receive(Event(self.seq, 5, "b", 1, self.boot, body), self.now))
            self.seq += 1

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self._keep(self.watch.on_deadline(self.now))

    def _keep(self, crash: Crash | None) -> None:
        if crash is not None:
            self.told.append(crash)


def ended(decoded_bytes: int = 100) -> CoredumpEnded:
    return CoredumpEnded("b-1", "captured", "end_marker", 200, 3, 0, decoded_bytes, 100, "ok", 11, 12, "/x")


def test_a_report_after_which_the_program_runs_on_is_no_crash() -> None:
    play = Play()
    play.say(REPORT, BOOT)
    assert play.watch.deadline is None


def test_a_panic_alone_is_told_at_the_next_start_or_after_some_silence() -> None:
    booted, silent = Play(), Play()
    booted.say(APP, PANIC, BOOT)
    booted.wait(0)
    assert [(crash.panic, crash.seq, crash.boot, crash.app) for crash in booted.told] == [(PANIC, 11, 1, APP)]
    silent.say(PANIC)
    silent.wait(SETTLE_S - 0.1)
    assert silent.told == []
    silent.wait(0.1)
    assert len(silent.told) == 1
    assert silent.watch.deadline is None


def test_it_waits_for_what_was_decoded_of_the_panic() -> None:
    play = Play()
    play.say(PANIC, DecodeQueued("panic:10", 1), DecodeQueued("panic:3", 2), BOOT)
    play.wait(SETTLE_S * 2)
    assert play.told == []
    play.say(DecodeFinished("panic:10", "native", 0.1, "", "{}", 1))
    play.wait(0)
    assert [crash.report for crash in play.told] == ["{}"]


def test_it_waits_for_the_dump_and_its_decode_also_when_the_port_is_lost() -> None:
    play = Play()
    play.say(PANIC, CoredumpStarted("b-1", 20))
    play.wait(SETTLE_S * 2)
    play.say(ended(), SessionLost("/dev/x", "gone"))
    play.wait(SETTLE_S)
    play.say(DecodeQueued("b-1", 1))
    play.wait(SETTLE_S)
    assert play.told == []
    play.say(DecodeFailed("b-1", "native", "no ELF file", 1))
    play.wait(0)
    assert [crash.coredump for crash in play.told] == ["b-1"]


def test_a_dump_that_is_decoded_anew_is_waited_for_again() -> None:
    play = Play()
    play.say(PANIC, CoredumpStarted("b-1", 20), ended(), DecodeQueued("b-1", 1))
    play.say(DecodeCancelled("b-1", "it is decoded anew", 1), DecodeQueued("b-1", 2))
    play.wait(SETTLE_S * 2)
    assert play.told == []


def test_nothing_is_decoded_of_an_empty_dump() -> None:
    play = Play()
    play.say(PANIC, CoredumpStarted("b-1", 20), ended(decoded_bytes=0), BOOT)
    play.wait(0)
    assert len(play.told) == 1


def test_a_dump_without_a_panic_is_a_crash_and_one_of_a_crash_is_none_of_its_own() -> None:
    play = Play()
    play.say(CoredumpStarted("b-1", 20), ended(decoded_bytes=0))
    play.wait(SETTLE_S)
    assert [(crash.panic, crash.coredump) for crash in play.told] == [(None, "b-1")]
    play.say(PANIC, PANIC, CoredumpStarted("b-2", 20))
    assert len(play.told) == 1


def test_another_crash_ends_the_wait_for_the_one_before() -> None:
    play = Play()
    play.say(PANIC, DecodeQueued("panic:10", 1), BOOT, PANIC)
    assert [crash.boot for crash in play.told] == [1]
    play.say(BOOT)
    play.wait(0)
    assert [crash.boot for crash in play.told] == [1, 2]


def test_nothing_is_waited_for_longer_than_the_limit() -> None:
    play = Play()
    play.say(PANIC, CoredumpStarted("b-1", 20))
    play.wait(WAIT_S - 1)
    assert play.told == []
    play.wait(1)
    assert len(play.told) == 1
