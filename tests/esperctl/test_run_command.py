"""``esperctl run``: what it asks of the daemon, what the command gets, and what is passed on."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.messages import Done, LendPort, PortLent, ReturnPort
from esperctl.times import parse_duration
from esperd.testing.decoders import until
from esperd.testing.processes import is_running

if TYPE_CHECKING:
    from tests.esperctl.conftest import Esperctl, FakeDaemon, Refusal

PORT = PortLent("/dev/ttyUSB0")


@pytest.fixture
def lender(daemon: FakeDaemon) -> FakeDaemon:
    daemon.answers[LendPort] = PORT
    return daemon


async def test_the_command_finds_the_port_in_its_environment(
    lender: FakeDaemon, esperctl: Esperctl, tmp_path: Path
) -> None:
    names = ["ESPPORT", "ESPTOOL_PORT", "ESPFLASH_PORT", "PLATFORMIO_UPLOAD_PORT", "ESPER_BOARD", "HOME"]
    done = await esperctl("run", "--", "sh", "-c", "; ".join(f"echo ${name}" for name in names))
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["/dev/ttyUSB0"] * 4 + ["bench1", str(tmp_path)]


async def test_it_asks_for_the_port_says_what_for_and_gives_it_back(lender: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("run", "bench1", "--force", "--", "echo", "two words", "-x", "--help")
    assert done.out == "two words -x --help\n"
    asked = [body for body in lender.requests if isinstance(body, LendPort | ReturnPort)]
    assert asked == [LendPort("bench1", "echo 'two words' -x --help", force=True), ReturnPort("bench1")]


async def test_a_second_pair_of_dashes_is_the_commands_own(lender: FakeDaemon, esperctl: Esperctl) -> None:
    assert (await esperctl("run", "--", "echo", "--", "x")).out == "-- x\n"


async def test_a_command_line_without_end_is_told_shortened(lender: FakeDaemon, esperctl: Esperctl) -> None:
    assert (await esperctl("run", "--", "true", "x" * 50_000)).code == 0
    (asked,) = await lender.requested(LendPort)
    assert isinstance(asked, LendPort)
    assert len(asked.command) == 1000
    assert asked.command.endswith("x…")


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137), ("kill -2 $$", 130)])
async def test_its_exit_code_is_passed_on_as_by_a_shell(
    lender: FakeDaemon, esperctl: Esperctl, script: str, code: int
) -> None:
    done = await esperctl("run", "--", "sh", "-c", script)
    assert (done.code, done.err) == (code, "")


async def test_its_input_is_ours(lender: FakeDaemon, esperctl: Esperctl) -> None:
    assert (await esperctl("run", "--", "cat", stdin=b"through")).out == "through"


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        ("busy", 75),
        ("capturing", 75),
        ("absent", 3),
        ("permission", 4),
        ("unknown_board", 4),
        ("timed_out", 125),
        ("failed", 125),
        ("unsupported", 125),
    ],
)
async def test_a_port_that_is_not_to_be_had_is_explained_and_nothing_is_run(
    lender: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal], refused: str, code: int
) -> None:
    lender.answers[LendPort] = refuse(refused, "bench1: no", "wait")
    done = await esperctl("run", "--", "echo", "it ran")
    assert (done.code, done.out, done.err) == (code, "", "esperctl: bench1: no\nhint: wait\n")


async def test_an_answer_that_is_none_is_a_failed_hand_over(lender: FakeDaemon, esperctl: Esperctl) -> None:
    lender.answers[LendPort] = Done()
    assert (await esperctl("run", "--", "true")).code == 125


@pytest.fixture
def text_file(tmp_path: Path) -> str:
    path = tmp_path / "notes.txt"
    path.write_text("words\n", "utf-8")
    return str(path)


@pytest.fixture
def no_program(text_file: str) -> str:
    """What the system takes for a program until it looks into it."""
    Path(text_file).chmod(0o700)
    return text_file


async def test_a_command_that_is_not_there_disturbs_no_board(lender: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("run", "--", "no-such-program")
    assert (done.code, done.err) == (127, "esperctl: the command no-such-program is not there\n")
    assert lender.requests == []


async def test_a_command_that_is_no_program_disturbs_no_board(
    lender: FakeDaemon, esperctl: Esperctl, text_file: str
) -> None:
    done = await esperctl("run", "--", text_file)
    assert (done.code, done.err) == (126, f"esperctl: the command {text_file} may not be run, or is no program\n")
    assert lender.requests == []


async def test_a_program_that_turns_out_to_be_none_gives_the_port_back(
    lender: FakeDaemon, esperctl: Esperctl, no_program: str
) -> None:
    done = await esperctl("run", "--", no_program)
    assert done.code == 126
    assert "Exec format error" in done.err
    await lender.requested(ReturnPort)


async def test_a_daemon_that_can_not_take_it_back_is_told_and_the_code_stays(
    lender: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]
) -> None:
    lender.answers[ReturnPort] = refuse("unknown_board", "there is no board bench1")
    done = await esperctl("run", "--", "sh", "-c", "exit 5")
    assert (done.code, done.err) == (5, "esperctl: there is no board bench1\n")


async def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(
    lender: FakeDaemon, esperctl: Esperctl, tmp_path: Path
) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/pid; wait"
    done = await esperctl("run", "--timeout", "0.5", "--", "sh", "-c", script)
    assert done.code == 124
    assert done.err == "esperctl: sh was not done after 0.5 s, and was ended\n"
    pid = int((tmp_path / "pid").read_text("ascii"))
    assert not is_running(pid)
    await lender.requested(ReturnPort)


@pytest.mark.slow
async def test_a_command_that_does_not_want_to_end_is_made_to(lender: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("run", "--timeout", "0.3", "--", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    assert done.code == 124
    await lender.requested(ReturnPort)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_to_end_is_passed_on(
    lender: FakeDaemon, command: list[str], environment: dict[str, str], number: int, code: int
) -> None:
    words = [*command, "run", "--", "sh", "-c", "echo up; exec sleep 60"]
    process = await trio.lowlevel.open_process(words, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    with trio.fail_after(20):
        assert await process.stdout.receive_some() == b"up\n"
        process.send_signal(number)
        assert await process.wait() == code
    await process.stdout.aclose()
    await lender.requested(ReturnPort)


async def test_a_command_does_not_outlive_us_even_if_we_are_killed(
    lender: FakeDaemon, command: list[str], environment: dict[str, str]
) -> None:
    words = [*command, "run", "--", "sh", "-c", "sh -c 'echo up; exec sleep 60'; true"]
    process = await trio.lowlevel.open_process(words, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    async with process.stdout:
        with trio.fail_after(20):
            assert await process.stdout.receive_some() == b"up\n"
            process.kill()
            # It ends when the last one that has it open has ended.
            assert await process.stdout.receive_some() == b""
            await process.wait()


# Each leaves `sleep`, which tells its number in `pid`, with another parent than it had.
_LOST = [
    pytest.param("(sleep 60 >/dev/null 2>&1 & echo $! > pid)", id="without a parent"),
    pytest.param("setsid -f sh -c 'echo $$ > pid; exec sleep 60' >/dev/null 2>&1", id="in a session of its own"),
    pytest.param('(exec $RUN sh -c "(sleep 60 >/dev/null 2>&1 & echo \\$! > pid)")', id="of one within one"),
]
_TOLD = "until [ -s pid ]; do sleep 0.05; done"


@pytest.mark.parametrize("script", _LOST)
async def test_what_lost_its_parent_does_not_outlive_the_deadline(
    lender: FakeDaemon, command: list[str], environment: dict[str, str], tmp_path: Path, script: str
) -> None:
    variables = {**environment, "RUN": shlex.join([*command, "run", "--"])}
    words = [*command, "run", "--timeout", "2", "--", "sh", "-c", f"{script}; {_TOLD}; sleep 60"]
    with trio.fail_after(20):
        done = await trio.run_process(words, capture_stderr=True, check=False, env=variables, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (124, b"esperctl: sh was not done after 2 s, and was ended\n")
    assert not is_running(int((tmp_path / "pid").read_text("ascii")))


@pytest.mark.parametrize("script", _LOST)
async def test_what_lost_its_parent_does_not_outlive_us_even_if_we_are_killed(
    lender: FakeDaemon, command: list[str], environment: dict[str, str], tmp_path: Path, script: str
) -> None:
    variables = {**environment, "RUN": shlex.join([*command, "run", "--"])}
    words = [*command, "run", "--", "sh", "-c", f"{script}; {_TOLD}; echo up; exec sleep 60"]
    process = await trio.lowlevel.open_process(words, stdout=subprocess.PIPE, env=variables, cwd=tmp_path)
    assert process.stdout is not None
    async with process.stdout:
        with trio.fail_after(20):
            assert await process.stdout.receive_some() == b"up\n"
            pid = int((tmp_path / "pid").read_text("ascii"))
            assert is_running(pid)
            process.kill()
            await process.wait()
    await until(lambda: not is_running(pid), 10)


async def test_what_a_command_leaves_behind_on_purpose_is_left_alone(
    lender: FakeDaemon, esperctl: Esperctl, tmp_path: Path
) -> None:
    script = f"sleep 60 >/dev/null 2>&1 & echo $! > {tmp_path}/pid"
    assert (await esperctl("run", "--", "sh", "-c", script)).code == 0
    pid = int((tmp_path / "pid").read_text("ascii"))
    assert is_running(pid)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5", 1.5), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1d", 86400)]
)
def test_how_long_something_may_take(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-1", "nan", "inf", "soon", "5m ago", "5 m", "1e300", "99999999999999h"]
)
async def test_what_is_no_duration_is_refused(esperctl: Esperctl, text: str) -> None:
    done = await esperctl("run", f"--timeout={text}", "--", "true")
    assert done.code == 2
    assert f"'{text}' is no time such as 90s, 5m or 1h30m" in done.err


@pytest.mark.parametrize("words", [[], ["bench1"], ["bench1", "echo"], ["bench1", "--"], ["--"]], ids=str)
async def test_a_command_is_needed(esperctl: Esperctl, words: list[str]) -> None:
    done = await esperctl("run", *words)
    assert (done.code, done.err.splitlines()[0]) == (2, "esperctl: run: say the command, behind `--`")
