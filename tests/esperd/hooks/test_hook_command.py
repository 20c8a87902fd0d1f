"""Commands for a crash, and what they leave behind."""

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from esperd.hooks.command import CommandResult, run_command
from esperd.testing.decoders import ended, processes_with
from esperd.testing.processes import children

SLEEP = "subprocess.Popen(['sleep', '60'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL"


async def run(folder: Path, program: str, timeout_s: float = 20.0) -> CommandResult:
    """Runs a Python program, which all that comes of it can be told by its environment."""
    text = f"import os, signal, subprocess, sys, time\ndocument = sys.stdin.read()\n{program}"
    with trio.fail_after(20):
        return await run_command([sys.executable, "-c", text], b"{}\n", timeout_s, {"TEST_HOOK": str(folder)})


async def assert_nothing_left(folder: Path) -> None:
    await ended(processes_with(f"TEST_HOOK={folder}"))


async def test_a_command_gets_its_document_and_what_it_says_is_kept(tmp_path: Path) -> None:
    assert await run(tmp_path, "print(document)") == CommandResult("", "{}")
    failed = CommandResult("it ended with exit code 1", "no such host")
    assert await run(tmp_path, "sys.exit('no such host')") == failed


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(f"{SLEEP}, stderr=subprocess.DEVNULL)", id="that closed all it inherited"),
        pytest.param(f"{SLEEP}, stderr=subprocess.DEVNULL, close_fds=False)", id="with the lifeline"),
        pytest.param(f"{SLEEP}, stderr=subprocess.DEVNULL, start_new_session=True)", id="in a session of its own"),
        pytest.param("subprocess.Popen(['sleep', '60'])", id="that holds the output"),
        pytest.param("os.system('(setsid sleep 60 >/dev/null 2>&1 &)')", id="without a parent"),
        pytest.param("os.system('trap \"\" TERM HUP; nohup sleep 60 >/dev/null 2>&1 &')", id="that ignores signals"),
    ],
)
@pytest.mark.parametrize(
    ("last", "timeout_s", "error"),
    [
        pytest.param("pass", 20.0, "", id="ends"),
        pytest.param("time.sleep(60)", 1.0, "it was killed after 1 s", id="hangs"),
        pytest.param("os.abort()", 20.0, "it was killed by signal 6", id="crashes"),
    ],
)
async def test_nothing_that_a_command_has_started_outlives_it(
    tmp_path: Path, program: str, last: str, timeout_s: float, error: str
) -> None:
    started = trio.current_time()
    result = await run(tmp_path, f"{program}\nprint('started', flush=True)\n{last}", timeout_s)
    assert trio.current_time() - started < 5
    assert result.tail.startswith("started")
    assert result.error == error
    await assert_nothing_left(tmp_path)


async def test_a_command_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    with trio.move_on_after(1):
        await run(tmp_path, "os.system('(setsid sleep 60 >/dev/null 2>&1 &)')\ntime.sleep(60)")
    await assert_nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (["/nonexistent"], "it can't be started: No such file or directory"),
        (["/"], "it can't be started: Permission denied"),
        (["/bin/true", "a\0b"], "it can't be started: embedded null byte"),
    ],
)
async def test_what_can_not_be_started_is_told(command: list[str], error: str) -> None:
    assert await run_command(command, b"", 5.0, {}) == CommandResult(error, "")


@pytest.mark.parametrize(("name", "code"), [("a=b", 0), ("b: c", 0), ("d", 3)])
async def test_a_program_may_have_any_name(tmp_path: Path, name: str, code: int) -> None:
    program = tmp_path / name
    program.write_text(f"#!/bin/sh\ncat\nexit {code}\n", "utf-8")
    program.chmod(0o700)
    result = await run_command([str(program)], b"{}\n", 5.0, {})
    assert result == CommandResult(f"it ended with exit code {code}" if code else "", "{}")


async def test_a_program_that_misses_another_says_which(tmp_path: Path) -> None:
    program = tmp_path / "script"
    program.write_text("#!/usr/bin/env no-such-interpreter\n", "utf-8")
    program.chmod(0o700)
    result = await run_command([str(program)], b"", 5.0, {})
    assert result.error == "it ended with exit code 127"
    assert "no-such-interpreter" in result.tail


@pytest.fixture
def never_loaded(tmp_path: Path) -> Iterator[str]:
    """A program that the system waits for, as on a network folder that does not answer: somebody has a lease of it."""
    program = tmp_path / "program"
    shutil.copy("/bin/true", program)
    descriptor = os.open(program, os.O_RDONLY)
    # Whoever wants it makes the kernel send us a signal, which is one that does nothing.
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    yield str(program)
    os.close(descriptor)


async def _took(program: str, timeout_s: float, patience_s: float) -> tuple[CommandResult | None, float]:
    began, result = trio.current_time(), None
    with trio.move_on_after(patience_s):
        result = await run_command([program], b"", timeout_s, {"TEST_HOOK": program})
    return result, trio.current_time() - began


async def test_a_program_that_is_never_loaded_is_given_up_at_its_deadline(never_loaded: str) -> None:
    result, took_s = await _took(never_loaded, 0.5, 20)
    assert result == CommandResult("it was killed after 0.5 s", "")
    assert took_s < 3
    await ended(processes_with(f"TEST_HOOK={never_loaded}"))


async def test_a_program_that_is_never_loaded_does_not_hold_who_stops(never_loaded: str) -> None:
    result, took_s = await _took(never_loaded, 20, 0.3)
    assert result is None
    assert took_s < 3


async def test_no_file_and_no_child_is_left(tmp_path: Path) -> None:
    await run(tmp_path, "pass")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a folder of the kernel
    for program in ("pass", "subprocess.Popen(['sleep', '60'])"):
        await run(tmp_path, program)
    await run_command(["/nonexistent"], b"", 5.0, {})
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above
    assert children() == []
