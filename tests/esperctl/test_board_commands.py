from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from esper_protocol.messages import AbortCapture, AddNote, Break, Reset, Send

if TYPE_CHECKING:
    from tests.esperctl.conftest import Esperctl, FakeDaemon, MakeBoard, Refusal


async def test_boards_is_a_table_with_the_last_crash(
    daemon: FakeDaemon, esperctl: Esperctl, make_board: MakeBoard
) -> None:
    crash = {
        "at": "2026-01-31T08:30:00Z",
        "cause": "abort",
        "reason": "x\x1b[2J",
        "boot": 11,
        "seq": 5,
        "coredump": "b-1",
    }
    daemon.boards = [make_board(last_crash=crash, viewers=2, writer="alice"), make_board("b", capture="b-1")]
    for word in ("boards", "list"):
        done = await esperctl(word)
        assert done.out.splitlines() == [
            "BOARD   PORT          STATE      SESSION  BOOT  VIEWERS  WRITER  LAST CRASH",
            "bench1  /dev/ttyUSB0  connected  3        12    2        alice   2026-01-31 08:30:00 abort: x␛[2J (b-1)",
            "b       /dev/ttyUSB0  capturing  3        12    0        -       -",
        ]


async def test_boards_as_json_is_one_array_of_records(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    (board,) = msgspec.json.decode((await esperctl("boards", "--json")).raw)
    assert board["board"] == "bench1"
    assert board["generation"] == 3
    assert board["last_crash"] is None
    assert board["socket"] == daemon.path


async def test_a_disk_that_refuses_is_shown_with_the_board(
    daemon: FakeDaemon, esperctl: Esperctl, make_board: MakeBoard
) -> None:
    assert "disk: " not in (await esperctl("status")).out
    full, failing = "full: less than 5 % of the disk is free", "failing: Input/output error"
    daemon.boards = [make_board(disk=full), make_board("b", capture="b-1", disk=failing)]

    table = (await esperctl("boards")).out.splitlines()

    assert "  connected, disk full     3 " in table[1]
    assert "  capturing, disk failing  3 " in table[2]
    assert f"disk: {full}; what can't be written waits in memory\n" in (await esperctl("status", "bench1")).out
    assert msgspec.json.decode((await esperctl("boards", "--json")).raw)[1]["disk"] == failing


@pytest.mark.parametrize(("state", "code"), [("connected", 0), ("absent", 3), ("released", 3)])
async def test_status_says_by_its_exit_code_whether_a_board_is_connected(
    daemon: FakeDaemon, esperctl: Esperctl, make_board: MakeBoard, state: str, code: int
) -> None:
    daemon.boards = [make_board(state=state, state_detail="because")]
    done = await esperctl("status")
    assert done.code == code
    assert f"state: {state}: because" in done.out
    assert (await esperctl("status", "--json")).code == code


async def test_status_as_json_has_the_daemon_too(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    status = msgspec.json.decode((await esperctl("status", "--json")).raw)
    assert status["board"] == "bench1"
    assert status["daemon"]["pid"] == 4242


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (["help"], b"help\r"),
        (["bench1", "help"], b"help\r"),
        (["help", "--eol", "lf"], b"help\n"),
        (["bench1", "--eol", "crlf", "help"], b"help\r\n"),
        (["help", "--eol", "none"], b"help"),
        (["", "--eol", "cr"], b"\r"),
        (["--", "--version"], b"--version\r"),
        (["ä"], b"\xc3\xa4\r"),
    ],
)
async def test_send_writes_the_text_and_its_end(
    daemon: FakeDaemon, esperctl: Esperctl, words: list[str], sent: bytes
) -> None:
    done = await esperctl("send", *words)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert daemon.requests[-1] == Send("bench1", sent)


async def test_send_takes_standard_input_line_by_line(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    assert (await esperctl("send", "-", stdin=b"one\ntwo")).code == 0
    assert daemon.requests[-1] == Send("bench1", b"one\rtwo")
    assert (await esperctl("send", "bench1", "-", "--eol", "none", stdin=b"\x00\n\xff")).code == 0
    assert daemon.requests[-1] == Send("bench1", b"\x00\n\xff")


async def test_send_cuts_what_is_long(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    data = bytes(range(256)) * 40
    assert (await esperctl("send", "-", "--eol", "none", stdin=data)).code == 0
    pieces = [body.data for body in daemon.requests if isinstance(body, Send)]
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 1024


async def test_send_to_a_board_that_somebody_types_to_is_busy(
    daemon: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]
) -> None:
    daemon.answers[Send] = refuse("busy", "bench1: bob is writing", "wait")
    done = await esperctl("send", "x")
    assert done.code == 75
    assert done.err.splitlines() == ["esperctl: bench1: bob is writing", "hint: wait"]


@pytest.mark.parametrize(
    ("words", "request_body"),
    [
        (["reset"], Reset("bench1", bootloader=False)),
        (["reset", "bench1", "--bootloader"], Reset("bench1", bootloader=True)),
        (["break", "bench1"], Break("bench1")),
        (["reset", "--steal"], Reset("bench1", steal=True)),
        (["break", "--steal"], Break("bench1", steal=True)),
        (["send", "--steal", "x"], Send("bench1", b"x\r", steal=True)),
        (["note", "swapped the antenna"], AddNote("bench1", "swapped the antenna")),
        (["note", "bench1", "ok"], AddNote("bench1", "ok")),
        (["coredumps", "abort"], AbortCapture("bench1")),
    ],
    ids=str,
)
async def test_commands_ask_for_what_they_say(
    daemon: FakeDaemon, esperctl: Esperctl, words: list[str], request_body: object
) -> None:
    done = await esperctl(*words)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert daemon.requests[-1] == request_body


async def test_a_note_that_the_disk_refuses_is_said_to_wait(
    daemon: FakeDaemon, esperctl: Esperctl, make_board: MakeBoard
) -> None:
    daemon.boards = [make_board(disk="full: No space left on device")]
    done = await esperctl("note", "hello")
    assert (done.code, done.out) == (0, "")
    assert done.err == (
        "bench1: the disk is full: No space left on device; the note waits in memory until there is room\n"
    )
    assert daemon.requests[-1] == AddNote("bench1", "hello")


async def test_an_abort_without_a_capture_is_a_no(
    daemon: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]
) -> None:
    daemon.answers[AbortCapture] = refuse("failed", "bench1: no core dump is arriving")
    assert (await esperctl("coredumps", "abort")).code == 1


async def test_what_a_daemon_says_is_safe_on_stderr(
    daemon: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]
) -> None:
    daemon.answers[Reset] = refuse("failed", "\x1b]0;evil\x07\nsecond line")
    assert (await esperctl("reset")).err == "esperctl: ␛]0;evil\\x07\\x0asecond line\n"
