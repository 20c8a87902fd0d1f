"""Boards that send garbage: most likely at another baud rate, and which one the garbage speaks for.

Looks at the end of the journal only; a port is never opened.

A receiver that is much faster than its sender sees each bit several times, so that its bytes have few changes between
neighbouring bits; one that is slower sees every few bits, in bytes that look random. Resampling text at pairs of usual
rates gives, in changes for each byte (of 7): 0 to 0.6 at an eighth of the rate and below, 2.3 at half of it, 2.8 at
74880 for 115200, and 3.1 to 3.9 at a higher rate.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from esper_protocol.records import BoardRecord
from esperctl.doctor.daemon_process import change_baud, find_daemon
from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.survey import Sample, Survey

_FEWEST_BYTES: Final = 256
# Text at another rate is garbage by half at the least; a binary log line now and then is not.
_GARBAGE: Final = 0.3
_NOISE: Final = 0.03
_FAR_SLOWER: Final = 1.3
_HALF: Final = 2.55
_LITTLE_SLOWER: Final = 3.0
# In the order in which firmware uses them. 74880 is the ROM of the ESP8266 (26 MHz crystal, 115200 meant for 40 MHz).
_USUAL: Final = (115200, 921600, 460800, 230400, 74880, 9600, 57600, 1_500_000, 2_000_000, 38400, 19200, 1_000_000)
_SHOWN: Final = 3
_TEXT: Final = re.compile(rb"[\t\r\n\x08\x1b\x20-\x7e]+|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
_ROM_LINE: Final = re.compile(rb"rst:0x[0-9a-f]|ESP-ROM:esp|ets J[a-z]{2} ")
# Where a baud rate means nothing, or the other end sets it.
_NO_BAUD: Final = ("socket:", "rfc2217:", "sim:", "replay:")


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each board that said enough."""
    for answer in survey.answers:
        daemon = find_daemon(machine, answer.daemon.pid)
        for board in answer.boards:
            change = partial(change_baud, machine, daemon, board.board, is_only=len(answer.boards) == 1)
            found = judge(board, answer.samples.get(board.board, Sample()), change)
            if found is not None:
                yield found


def judge(board: BoardRecord, sample: Sample, change: Callable[[list[int]], str]) -> Finding | None:
    """What the end of a board's journal says of its baud rate; None where it says too little.

    Args:
        board: The board.
        sample: The end of its journal.
        change: The command that gives it the first of some rates.
    """
    data = sample.data
    if len(data) < _FEWEST_BYTES or board.port.startswith(_NO_BAUD):
        return None
    garbage = 1 - sum(len(part) for part in _TEXT.findall(data)) / len(data)
    if garbage < _NOISE:
        return fine("readable", board.board, f"what it says at {board.baud} baud is text")
    if garbage < _GARBAGE:
        return Finding(
            code="some_garbage",
            severity="note",
            subject=board.board,
            what=f"{garbage:.0%} of what it said last is not text; an ESP8266 boots at 74880 baud, and some firmware"
            " changes its rate when it starts",
        )
    likely, why = likely_rates(data, board.baud)
    rom = (
        "; its ROM's boot lines are readable, so only the application has another rate"
        if _ROM_LINE.search(data)
        else ""
    )
    return Finding(
        code="wrong_baud",
        severity="warning",
        subject=board.board,
        what=f"{garbage:.0%} of what it said last is not text: {board.baud} baud is probably wrong ({why});"
        f" try {', '.join(map(str, likely))}{rom}",
        mend=change(likely),
    )


def likely_rates(data: bytes, baud: int) -> tuple[list[int], str]:
    """The rates that garbage received at *baud* may have been sent at, likeliest first, and why those."""
    changes = sum(((byte ^ (byte >> 1)) & 0x7F).bit_count() for byte in data) / len(data)
    if changes < _FAR_SLOWER:
        rates, why = [rate for rate in _USUAL if rate * 3 < baud], "the bytes look stretched, the board is far slower"
    elif changes < _HALF:
        near = sorted((rate for rate in _USUAL if rate < baud), key=lambda rate: abs(rate * 2 - baud))
        rates, why = near, "the bytes look stretched, the board is about half as fast"
    elif changes < _LITTLE_SLOWER:
        near = sorted((rate for rate in _USUAL if rate < baud), key=lambda rate: abs(rate * 1.5 - baud))
        rates, why = near, "the bytes look a little stretched, the board is slower"
    else:
        rates, why = [rate for rate in _USUAL if rate > baud], "the bytes look random, the board is faster"
    return (rates or [rate for rate in _USUAL if rate != baud])[:_SHOWN], why
