"""The clock: whether somebody keeps it, whether it can be right, whether it was set back under the journals."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.survey import Survey
from esperctl.times import rfc3339

_NS_IN_S: Final = 1_000_000_000
# This program is younger than that: a clock that says less was never set, as on a computer without a battery.
_EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
# Events of one batch may be a little out of order; a step of the clock is more.
_BACKWARDS_NS: Final = 2 * _NS_IN_S
_AHEAD_NS: Final = 60 * _NS_IN_S
_SET_CLOCK: Final = "sudo timedatectl set-ntp true"


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for the clock, one for each journal that it left marks in."""
    now = rfc3339(machine.now_ns)
    is_kept = machine.clock_is_synchronised()
    # Elsewhere the clock is kept from outside, as that of a container is.
    mend = _SET_CLOCK if machine.exists("/run/systemd/system") else None
    if machine.now_ns < _EARLIEST.timestamp() * _NS_IN_S:
        yield Finding(
            code="clock_not_set",
            severity="serious",
            subject="clock",
            what=f"it says {now}, which is before this program was written: the times in the journals are wrong",
            mend=mend,
        )
    elif is_kept is False:
        yield Finding(
            code="clock_not_synchronised",
            severity="note",
            subject="clock",
            what="it is not synchronised, as far as the kernel knows: times of several machines may not agree",
            mend=mend,
        )
    else:
        yield fine("clock", "clock", f"{now}{', and synchronised' if is_kept else ''}")
    for answer in survey.answers:
        for board, sample in answer.samples.items():
            yield from _journal(machine, board, sample.times, mend)


def _journal(machine: Machine, board: str, times: tuple[int, ...], mend: str | None) -> Iterator[Finding]:
    if any(later < earlier - _BACKWARDS_NS for earlier, later in pairwise(times)):
        yield Finding(
            code="time_ran_backwards",
            severity="warning",
            subject=board,
            what="the times in its journal run backwards: the clock was set back, so -S and -U may miss lines",
            mend=f"esperctl logs {board} --after 0    # by position, not by time",
        )
    if times and max(times) > machine.now_ns + _AHEAD_NS:
        yield Finding(
            code="journal_ahead",
            severity="warning",
            subject=board,
            what=f"its journal has events of {rfc3339(max(times))}, which is yet to come",
            mend=mend,
        )
