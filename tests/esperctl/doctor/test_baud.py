from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from esperctl.doctor import baud
from esperctl.doctor.survey import Sample

if TYPE_CHECKING:
    from tests.esperctl.doctor.conftest import Daemons

LOG = b"".join(
    b"I (%d) wifi: sta connected, rssi -%d, channel %d\r\n" % (n * 37, n % 60 + 30, n % 13) for n in range(60)
)


def received(data: bytes, sent: int, receiver: int) -> bytes:
    """What a UART at *receiver* baud makes of what one at *sent* baud sends: 8 data bits, no parity, one stop bit."""
    levels = [level for byte in data for level in (0, *(byte >> bit & 1 for bit in range(8)), 1)]

    def level_at(moment: float) -> int:
        index = int(moment * sent)
        return levels[index] if index < len(levels) else 1

    out = bytearray()
    bit, moment, end = 1 / receiver, 0.0, len(levels) / sent
    while moment < end:
        if level_at(moment) or level_at(moment + bit / 2):
            moment += bit / 16
            continue
        out.append(sum(level_at(moment + bit * (1.5 + number)) << number for number in range(8)))
        moment += bit * 9.5
        while moment < end and not level_at(moment):
            moment += bit / 16
    return bytes(out)


def change(rates: list[int]) -> str:
    return f"to {', '.join(map(str, rates))}"


def test_the_simulated_line_gives_back_what_was_sent_at_the_same_rate() -> None:
    assert received(LOG, 115200, 115200) == LOG


@pytest.mark.parametrize("rate", [74880, 115200, 921600])
def test_text_is_fine(daemons: Daemons, rate: int) -> None:
    found = baud.judge(daemons.changed_board(baud=rate), Sample(received(LOG, rate, rate)), change)
    assert found is not None
    assert found.severity == "ok"


@pytest.mark.parametrize(
    ("sent", "at"),
    [
        (74880, 115200),
        (57600, 115200),
        (230400, 115200),
        (460800, 115200),
        (921600, 115200),
        (115200, 921600),
        (460800, 921600),
        (115200, 74880),
        (9600, 115200),
    ],
)
def test_garbage_is_told_and_the_right_rate_is_among_the_guesses(daemons: Daemons, sent: int, at: int) -> None:
    board = daemons.changed_board(baud=at)
    found = baud.judge(board, Sample(received(LOG * 4, sent, at)), change)
    assert found is not None
    assert (found.code, found.severity, found.subject) == ("wrong_baud", "warning", "bench1")
    guesses = found.what.partition("try ")[2].partition(";")[0].split(", ")
    assert str(sent) in guesses
    assert 1 < len(guesses) <= 3
    assert found.mend == f"to {', '.join(guesses)}"


@pytest.mark.parametrize(("sent", "at"), [(74880, 115200), (921600, 115200), (115200, 921600), (460800, 921600)])
def test_the_usual_mistakes_are_the_first_guess(sent: int, at: int) -> None:
    assert baud.likely_rates(received(LOG, sent, at), at)[0][0] == sent


def test_readable_lines_of_the_rom_say_that_the_application_has_another_rate(daemons: Daemons) -> None:
    boot = b"ESP-ROM:esp32c3-api1-20210207\r\nrst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)\r\n"
    found = baud.judge(daemons.board, Sample(boot + received(LOG * 4, 921600, 115200)), change)
    assert found is not None
    assert "only the application has another rate" in found.what


def test_some_garbage_at_boot_is_a_note(daemons: Daemons) -> None:
    found = baud.judge(daemons.board, Sample(received(LOG[:300], 74880, 115200) + LOG), change)
    assert found is not None
    assert (found.code, found.severity) == ("some_garbage", "note")


def test_text_in_other_scripts_is_text(daemons: Daemons) -> None:
    found = baud.judge(daemons.board, Sample("Temperatur: 21 °C, 温度 21 度\r\n".encode() * 40), change)
    assert found is not None
    assert found.severity == "ok"


@pytest.mark.parametrize("port", ["socket://10.0.0.5:3333", "rfc2217://host:4000", "sim:chatty", "replay:a.log"])
def test_where_a_baud_rate_means_nothing_nothing_is_said(daemons: Daemons, port: str) -> None:
    assert baud.judge(daemons.changed_board(port=port), Sample(b"\xff\x00" * 1000), change) is None


def test_a_few_bytes_say_nothing(daemons: Daemons) -> None:
    assert baud.judge(daemons.board, Sample(b"\xff" * 200), change) is None


def test_there_is_a_guess_whatever_the_rate(daemons: Daemons) -> None:
    for rate in (50, 9600, 20_000_000):
        for noise in (b"\x00", b"\x55", b"\x80\xf0\xcc"):
            found = baud.judge(daemons.changed_board(baud=rate), Sample(b"\xff\x80" * 1000 + noise * 1000), change)
            assert found is not None
            assert re.match(r"to \d+", found.mend or "")
