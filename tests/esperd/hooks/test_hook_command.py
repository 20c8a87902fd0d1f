"""Commands for a crash, and what they leave behind."""

import os
import sys
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


async def test_no_file_and_no_child_is_left(tmp_path: Path) -> None:
    await run(tmp_path, "pass")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a folder of the kernel
    for program in ("pass", "subprocess.Popen(['sleep', '60'])"):
        await run(tmp_path, program)
    await run_command(["/nonexistent"], b"", 5.0, {})
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above
    assert children() == []
