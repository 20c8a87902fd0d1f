from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from esperd.simulation.board_script import BoardScript
from esperd.simulation.errors import SimulationError
from esperd.simulation.scenarios import RECORDINGS, SCENARIOS
from esperd.simulation.simulated_board import simulated_board_player

if TYPE_CHECKING:
    from collections.abc import Callable

BAUD = 115200
BANNER = b"ESP-ROM:esp32c3"
START = b"CORE DUMP START"
END = b"CORE DUMP END"


class Board:
    """A board and its clock; ``run`` lets board time pass."""

    def __init__(self, scenario: str) -> None:
        self.script = BoardScript(SCENARIOS[scenario], baud=BAUD)
        self.now = 0.0
        self.log: list[tuple[float, bytes]] = []

    def run(self, until: float) -> bytes:
        said = b""
        while (deadline := self.script.deadline) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            piece = self.script.on_deadline(self.now)
            self.log.append((self.now, piece))
            said += piece
        self.now = until
        return said

    def type(self, text: bytes, *, wait_s: float = 0.5) -> bytes:
        self.script.on_input(text, self.now)
        return self.run(self.now + wait_s)


def ready(scenario: str) -> Board:
    board = Board(scenario)
    assert board.run(1.0).endswith(b"esp> ")
    return board


def test_crash_boots_then_crashes_after_four_seconds_then_again_and_again(
    core_dumps: Callable[[bytes], list[bytes]],
) -> None:
    board = Board("crash")
    assert b"panic'ed" not in board.run(4.0)
    first = board.run(12.0)
    assert b"Guru Meditation Error: Core  0 panic'ed (Store access fault). Exception was unhandled.\r\n" in first
    assert b"rst:0xc (RTC_SW_CPU_RST)" in first
    later = board.run(100.0)
    assert later.count(START) == later.count(END) == 2
    assert len(core_dumps(first + later)) == 3


def test_bytes_leave_no_faster_than_the_baud_rate() -> None:
    board = Board("crash")
    board.run(60.0)
    for (before, _), (at, piece) in zip(board.log, board.log[1:], strict=False):
        assert len(piece) <= (at - before) * BAUD / 10 + 1


def test_what_is_typed_is_echoed_and_answered() -> None:
    board = ready("console")
    assert board.type(b"he") == b"he"
    assert board.type(b"lx\x7fp") == b"lx\b \bp"
    answer = board.type(b"\r")
    assert answer.startswith(b"\r\nhelp      Print the list of commands\r\n")
    assert answer.endswith(b"Restart the board\r\nesp> ")
    assert board.type(b"tasks\n").count(b"\r\n") == 5
    assert b"ELF SHA256: " in board.type(b"status\r\n")
    assert board.type(b"echo  a b\r") == b"echo  a b\r\n a b\r\nesp> "
    assert board.type(b"\r\n") == b"\r\nesp> "


def test_unknown_commands_and_echo_answer_as_the_firmware_does() -> None:
    recorded = (RECORDINGS / "console.raw").read_bytes()
    board = ready("console")
    for command in (b"unheard_of", b"echo spoken to"):
        assert b"esp> " + board.type(command + b"\r") in recorded


def test_backspace_stops_at_the_prompt_and_lines_have_an_end() -> None:
    board = ready("console")
    assert board.type(b"\b\b") == b""
    assert board.type(b"x" * 500) == b"x" * 79
    assert board.type(b"\r").endswith(b"esp> ")


def test_log_lines_go_above_what_is_being_typed() -> None:
    board = ready("console")
    board.type(b"stat")
    said = board.run(7.0)
    assert re.fullmatch(rb"\r\n\x1b\[0;32mI \(\d+\) sensor: [^\n]*\n" + rb"esp> stat", said)
    assert b"ELF SHA256" in board.type(b"us\r")


def test_log_lines_carry_the_time_they_are_said_at() -> None:
    board = ready("console")
    said = board.run(300.0)
    stamps = [int(stamp) for stamp in re.findall(rb"I \((\d+)\) sensor", said)]
    assert len(stamps) > 50
    assert stamps == sorted(stamps)
    assert 290_000 < stamps[-1] < 300_000


@pytest.mark.parametrize("scenario", ["console", "crash", "reset-in-dump", "no-end"])
@pytest.mark.parametrize("command", [b"abort", b"assert"])
def test_told_to_abort_or_assert_it_does(
    scenario: str, command: bytes, core_dumps: Callable[[bytes], list[bytes]]
) -> None:
    said = ready(scenario).type(command + b"\r", wait_s=8)
    reason = {b"abort": b"\r\nabort() was called at PC 0x", b"assert": b"\r\nassert failed: command_assert "}
    assert reason[command] in said
    assert len(core_dumps(said)) == 1
    assert said.endswith((b"esp> ", b"esp> \r\n")) or b"sensor: temperature" in said


def test_told_to_crash_while_a_sensor_line_is_on_its_way_it_crashes() -> None:
    board = ready("console")
    board.run(board.script.deadline or 0.0)
    assert START in board.type(b"crash\r", wait_s=5)


def test_somebody_who_types_keeps_the_board_from_crashing_by_itself() -> None:
    board = ready("crash")
    board.type(b"help\r")
    assert START not in board.run(120.0)
    assert START in board.type(b"crash\r", wait_s=5)


def test_restart_boots_with_its_own_reset_reason() -> None:
    said = ready("console").type(b"restart\r", wait_s=2)
    assert b"console: Restarting" in said
    assert b"rst:0x3 (RTC_SW_SYS_RST)" in said
    assert said.endswith(b"esp> ")


def test_enter_starts_the_dump_before_the_half_second_is_over() -> None:
    board = ready("console")
    said = board.type(b"crash\r", wait_s=0)
    while not said.endswith(b"UART...\x1b[0m\r\n"):
        said += board.run(board.now + 0.001)
    assert board.run(board.now + 0.3) == b""
    assert START in board.type(b"\n", wait_s=0.1)


def test_a_line_feed_typed_after_the_command_counts_as_enter() -> None:
    board = ready("console")
    said = board.type(b"crash\r\n", wait_s=0)
    while START not in said:
        said += board.run(board.now + 0.01)
    assert board.now < 1.6


def test_typed_during_the_boot_it_is_read_when_the_prompt_comes() -> None:
    board = Board("console")
    board.run(0.05)
    board.type(b"echo early\r", wait_s=0)
    assert board.run(1.0).endswith(b"esp> echo early\r\nearly\r\nesp> ")


def test_a_dump_without_end_leaves_a_board_that_does_not_hear() -> None:
    board = Board("no-end")
    said = board.run(30.0)
    assert said.count(START) == 1
    assert END not in said
    assert board.type(b"restart\r", wait_s=60) == b""
    assert board.script.deadline is None


def test_a_reset_comes_in_the_middle_of_a_line_of_the_dump(core_dumps: Callable[[bytes], list[bytes]]) -> None:
    board = Board("reset-in-dump")
    said = board.run(20.0)
    assert said.count(START) == 2
    assert said.count(END) == 1
    assert re.search(rb"\n[A-Za-z0-9+/=]+" + BANNER, said)
    assert len(core_dumps(said)) == 1


def test_chatty_never_stops_and_its_time_goes_on() -> None:
    board = Board("chatty")
    said = board.run(100.0)
    stamps = [int(stamp) for stamp in re.findall(rb"\n(?:\x1b\[0;3\dm)?[EWID] \((\d+)\)", said)]
    assert len(stamps) > 1000
    assert stamps == sorted(stamps)
    assert b"esp> " not in said
    assert board.type(b"help\r").count(b"Restart the board\r\n") == 1


@settings(max_examples=60, deadline=None)
@given(
    scenario=st.sampled_from(sorted(SCENARIOS)),
    typed=st.lists(
        st.tuples(
            st.floats(0, 6),
            st.one_of(st.binary(max_size=300), st.sampled_from([b"crash\r", b"restart\n", b"abort\r\n"])),
        ),
        max_size=8,
    ),
)
def test_any_input_at_any_time_leaves_a_board_whose_time_goes_on(
    scenario: str, typed: list[tuple[float, bytes]]
) -> None:
    board = Board(scenario)
    for wait_s, text in typed:
        board.type(text, wait_s=wait_s)
        assert board.script.deadline is None or board.script.deadline > board.now
    before = len(board.log)
    said = board.run(board.now + 20)
    assert said or scenario == "no-end"
    assert b"".join(piece for _, piece in board.log).startswith(BANNER)
    assert b"".join(piece for _, piece in board.log[before:]) == said


def test_unknown_scenario_lists_the_known_ones() -> None:
    known = r"no simulated board 'crsh'.*chatty, console, crash, no-end, reset"
    with pytest.raises(SimulationError, match=known):
        simulated_board_player("crsh", baud=BAUD, speed=1, now=0.0)
