"""Programs that do everything a decoder must not do."""

import os
import signal
import sys
from pathlib import Path
from typing import Final

import pytest
import trio

from esperd.decode.process import ProcessLimits, ProcessResult, run_limited

LIMITS: Final = ProcessLimits(timeout_s=20.0, output_bytes=100_000, memory_bytes=512 * 1024**2, cpu_s=30)
SOON: Final = ProcessLimits(timeout_s=0.5, output_bytes=100_000, memory_bytes=512 * 1024**2, cpu_s=30)
SAY_PIDS: Final = "import os, signal, subprocess, sys, time\ndef say(pid): print(pid, flush=True)\nsay(os.getpid())\n"


async def run(program: str, limits: ProcessLimits = LIMITS, request: bytes = b"{}\n") -> ProcessResult:
    return await run_limited([sys.executable, "-c", program], request, limits)


async def assert_gone(pids: list[int]) -> None:
    """Waits for the end of what was killed, which is not always over when kill() returns."""
    assert pids
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            with trio.fail_after(1):
                await trio.lowlevel.wait_readable(descriptor)
        finally:
            os.close(descriptor)


def assert_no_children() -> None:
    tasks = Path("/proc/self/task").glob("*/children")
    assert [task.read_text("ascii") for task in tasks if task.read_text("ascii").strip()] == []


async def test_a_program_gets_its_request_and_its_answer_comes_back() -> None:
    result = await run("import sys; print(sys.stdin.readline().upper(), end='')", request=b"hello\n")
    assert result == ProcessResult("exited", 0, b"HELLO\n", b"")
    assert_no_children()


async def test_a_large_request_is_not_cut() -> None:
    result = await run("import sys; print(len(sys.stdin.readline()))", request=b"x" * 1_000_000 + b"\n")
    assert result.output == b"1000001\n"


async def test_a_program_that_does_not_read_its_request_is_no_failure() -> None:
    assert (await run("print('done')", request=b"x" * 1_000_000)).output == b"done\n"


async def test_what_a_program_said_last_is_kept() -> None:
    result = await run("import sys; sys.stderr.write('x' * 10000 + '\\nno such dump\\n'); sys.exit(3)")
    assert (result.ending, result.exit_code) == ("exited", 3)
    assert result.errors.endswith(b"x\nno such dump\n")
    assert len(result.errors) <= 4096


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("time.sleep(60)", id="hangs"),
        pytest.param("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", id="ignores SIGTERM"),
        pytest.param("[say(subprocess.Popen(['sleep', '60']).pid) for _ in range(5)]; time.sleep(60)", id="children"),
        pytest.param(
            "say(subprocess.Popen(['sleep', '60'], start_new_session=True).pid); time.sleep(60)", id="new session"
        ),
        pytest.param("say(subprocess.Popen(['sleep', '60'], process_group=0).pid); time.sleep(60)", id="new group"),
        pytest.param("os.close(1); os.close(2); time.sleep(60)", id="closes its output"),
        pytest.param("os.kill(os.getpid(), signal.SIGSTOP)", id="stops itself"),
    ],
)
async def test_a_program_that_does_not_end_is_killed_on_time_with_all_its_children(program: str) -> None:
    started = trio.current_time()
    result = await run(SAY_PIDS + program, SOON)
    assert 0.4 < trio.current_time() - started < 1.5
    assert result.ending == "timed_out"
    await assert_gone(list(map(int, result.output.split())))
    assert_no_children()


async def test_children_that_are_left_behind_do_not_keep_us_waiting() -> None:
    started = trio.current_time()
    result = await run(SAY_PIDS + "say(subprocess.Popen(['sleep', '60']).pid)")
    assert trio.current_time() - started < 5
    assert result.ending == "exited"
    pids = list(map(int, result.output.split()))
    assert len(pids) == 2
    await assert_gone(pids)


async def test_memory_is_limited() -> None:
    result = await run("x = bytearray(1024**3)")
    assert (result.ending, result.exit_code) == ("exited", 1)
    assert result.errors.endswith(b"MemoryError\n")


async def test_processor_time_is_limited() -> None:
    limits = ProcessLimits(timeout_s=20.0, output_bytes=1000, memory_bytes=512 * 1024**2, cpu_s=1)
    assert (await run("while True: pass", limits)).exit_code in (-signal.SIGXCPU, -signal.SIGKILL)


async def test_the_priority_is_low() -> None:
    # Until the limits are set from outside, which a program that has just begun may overtake.
    program = "import os\nwhile os.getpriority(os.PRIO_PROCESS, 0) < 10: pass\nprint('low')"
    assert (await run(program)).output == b"low\n"


async def test_a_flood_is_stopped_and_not_kept() -> None:
    result = await run("while True: print('x' * 1000)")
    assert (result.ending, result.output) == ("flooded", b"")
    assert_no_children()


async def test_a_crash_is_told_by_its_signal() -> None:
    result = await run("import os; os.abort()")
    assert (result.ending, result.exit_code) == ("exited", -signal.SIGABRT)


async def test_what_can_not_be_started_is_told() -> None:
    result = await run_limited(["/nonexistent/decoder"], b"", LIMITS)
    assert (result.ending, result.errors) == ("unstarted", b"/nonexistent/decoder: No such file or directory")


async def test_cancellation_kills_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "pids"
    os.mkfifo(fifo)
    pids = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    program = SAY_PIDS + (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nchild = subprocess.Popen(['sleep', '60']).pid\n"
        f"os.write(os.open({str(fifo)!r}, os.O_WRONLY), f'{{os.getpid()}} {{child}}'.encode())\ntime.sleep(60)"
    )
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, program)
            with trio.fail_after(10):
                await trio.lowlevel.wait_readable(pids)
            cancelled = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - cancelled < 1
        await assert_gone(list(map(int, os.read(pids, 1000).split())))
    finally:
        os.close(pids)
    assert_no_children()


async def test_the_input_stays_open_while_the_program_runs() -> None:
    program = "import os, select, sys; sys.stdin.readline(); print(bool(select.select([0], [], [], 0.2)[0]))"
    assert (await run(program)).output == b"False\n"


async def test_children_that_left_the_session_and_lost_their_parent_are_killed() -> None:
    # Orphans of the system, in sessions of their own, of a program that ended well.
    program = SAY_PIDS + (
        "if not os.fork():\n"
        "    os.setsid()\n"
        "    if not os.fork():\n"
        "        signal.signal(signal.SIGTERM, signal.SIG_IGN); say(os.getpid()); time.sleep(60)\n"
        "    os._exit(0)\n"
        "os.wait(); time.sleep(0.3)"
    )
    result = await run(program)
    pids = list(map(int, result.output.split()))
    assert (result.ending, len(pids)) == ("exited", 2)
    await assert_gone(pids)


async def test_a_fork_bomb_is_defused() -> None:
    program = SAY_PIDS + "[os.fork() for _ in range(6)]\nos.write(1, b'%d\\n' % os.getpid())\ntime.sleep(60)"
    result = await run(program, SOON)
    assert result.ending == "timed_out"
    await assert_gone(list(map(int, result.output.split())))
    assert_no_children()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("time.sleep(60)", id="hangs"),
        pytest.param("os.close(0); time.sleep(60)", id="closes its input"),
        pytest.param("signal.signal(signal.SIGIO, signal.SIG_IGN); time.sleep(60)", id="ignores signals"),
        pytest.param("say(subprocess.Popen(['sleep', '60']).pid); time.sleep(60)", id="has a child"),
    ],
)
async def test_a_program_does_not_outlive_one_that_was_killed(tmp_path: Path, program: str) -> None:
    fifo = tmp_path / "pids"
    os.mkfifo(fifo)
    pids = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    decoder = SAY_PIDS.replace("print(pid, flush=True)", f"os.write(os.open({str(fifo)!r}, os.O_WRONLY), b'%d ' % pid)")
    # It is held when its request comes.
    decoder = f"import sys; sys.stdin.readline()\n{decoder}{program}"
    daemon = (
        "import sys, trio\nfrom esperd.decode.process import ProcessLimits, run_limited\n"
        f"limits, command = ProcessLimits(60.0, 1000, 1 << 30, 60), [sys.executable, '-c', {decoder!r}]\n"
        "trio.run(run_limited, command, b'{}\\n', limits)"
    )
    process = await trio.lowlevel.open_process([sys.executable, "-c", daemon])
    try:
        said = b""
        wanted = 2 if "Popen" in program else 1
        with trio.fail_after(10):
            while len(said.split()) < wanted:
                await trio.lowlevel.wait_readable(pids)
                said += os.read(pids, 1000)
        process.kill()
        await process.wait()
        await assert_gone(list(map(int, said.split())))
    finally:
        os.close(pids)
        process.kill()
        await process.wait()


async def test_no_file_stays_open() -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a folder of the kernel, which takes no time
    await run("pass")
    await run_limited(["/nonexistent/decoder"], b"", LIMITS)
    await run("time.sleep(60)", SOON)
    assert len(os.listdir("/proc/self/fd")) <= len(before)  # noqa: PTH208 - as above
