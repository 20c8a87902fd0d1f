"""Commands of ``on_crash``, run by real daemons for boards that crash."""

import json
import signal
import sys
from pathlib import Path

import trio

from esper_protocol.events import CoredumpEnded, DecodeFinished, Failure, Panic
from esper_protocol.messages import Subscribe
from esperd.testing.daemon import Bench
from esperd.testing.processes import is_running
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import bodies

PANIC = (
    b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.\r\n\r\n"
    b"Core  0 register dump:\r\nPC      : 0x400d1234  PS      : 0x00060030  A0      : 0x800d5678\r\n"
    b"\r\nBacktrace: 0x400d1231:0x3ffb1234 0x400d5675:0x3ffb1250\r\n\r\n\r\n"
)
BOOT = b"rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"


def script(folder: Path, text: str) -> Path:
    """A program that appends what it is told to a file, and then does *text*."""
    path = folder / "hook.py"
    path.write_text(
        f"#!{sys.executable}\nimport os, sys, time\n"
        f"with open({str(folder / 'told')!r}, 'ab') as file:\n    file.write(sys.stdin.buffer.read())\n{text}\n",
        "utf-8",
    )
    path.chmod(0o700)
    return path


def configuration(folder: Path, hook: Path, more: str = "") -> tuple[str, ...]:
    path = folder / "esperd.toml"
    path.write_text(f"{more}\n[[on_crash]]\ncommand = ['{hook}', 'an argument']\ntimeout_s = 1\n", "utf-8")
    return "--config", str(path), "--hook-wait-s", "20"


def told(folder: Path) -> list[dict[str, object]]:
    path = folder / "told"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


async def test_a_crash_is_told_once_with_its_dump_and_its_functions(bench: Bench, tmp_path: Path) -> None:
    hook = script(tmp_path, "print('sent')")
    daemon = await bench.start(*configuration(tmp_path, hook), "b=sim:crash")
    await daemon.wait_for_log("crash told board=b")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0, follow=False))
        await viewer.receive_history()
        assert len(bodies(viewer.events, DecodeFinished)) >= 2
        ended = bodies(viewer.events, CoredumpEnded)[0]
        panic = next(event for event in viewer.events if isinstance(event.body, Panic))

    crash = told(tmp_path)[0]

    assert (crash["version"], crash["board"], crash["port"], crash["untold"]) == (1, "b", "sim:crash", 0)
    assert (crash["cause"], crash["seq"], crash["boot"]) == ("exception", panic.seq, panic.boot)
    assert crash["project"] == "greenhouse"
    frames = crash["frames"]
    assert isinstance(frames, list)
    assert frames[0]["function"] == "store_value"
    coredump = crash["coredump"]
    assert isinstance(coredump, dict)
    assert (coredump["id"], coredump["capture"], coredump["decode"]["state"]) == (ended.id, "captured", "done")
    assert crash["socket"] == str(daemon.socket)
    await daemon.wait_for_log(f"program={hook} said='sent'")


async def test_a_panic_without_a_dump_is_told_when_the_board_has_booted_again(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    daemon = await bench.start(*configuration(tmp_path, script(tmp_path, "")), f"b={terminal.path}")
    await daemon.wait_for_log("session opened")
    await terminal.send(PANIC + BOOT)
    await daemon.wait_for_log("crash told board=b", timeout_s=4)

    (crash,) = told(tmp_path)
    assert (crash["reason"], crash["coredump"], crash["frames"]) == ("LoadProhibited", None, [])


async def test_a_hook_that_hangs_is_killed_with_its_children_and_is_a_failure(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    pids = tmp_path / "pids"
    hook = script(
        tmp_path,
        "child = os.fork()\n"
        f"with open({str(pids)!r}, 'a') as file:\n    file.write(f'{{os.getpid()}}\\n')\n"
        "if child:\n    print('waits for the mail server', flush=True)\ntime.sleep(600)",
    )
    daemon = await bench.start(*configuration(tmp_path, hook), f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await daemon.wait_for_log("session opened")
        await terminal.send(PANIC + BOOT)
        await viewer.wait_for(Failure)

        assert bodies(viewer.events, Failure)[0] == Failure(
            "hook", f"{hook}: it was killed after 1 s", "waits for the mail server", None
        )
    assert [pid for pid in pids.read_text().split() if is_running(int(pid))] == []


async def test_commands_that_hang_do_not_let_crashes_add_up(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    (tmp_path / "hang").touch()
    hook = script(tmp_path, f"while os.path.exists({str(tmp_path / 'hang')!r}): time.sleep(0.01)")
    path = tmp_path / "esperd.toml"
    path.write_text(
        f"[limits]\nhooks_at_once = 1\nhooks_per_hour = 100\n[[on_crash]]\ncommand = ['{hook}']\ntimeout_s = 600\n"
    )
    daemon = await bench.start("--config", str(path), f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await daemon.wait_for_log("session opened")
        for _ in range(20):
            await terminal.send(PANIC + BOOT)
        await daemon.wait_for_log("crash not told, others wait board=b untold=4")
        (tmp_path / "hang").unlink()
        with trio.fail_after(20):
            while daemon.text.count("crash told board=b") < 16:  # noqa: ASYNC110 - the log is all that tells
                await trio.sleep(0.01)
        await terminal.send(PANIC + BOOT)
        with trio.fail_after(20):
            while len(told(tmp_path)) < 17:  # noqa: ASYNC110 - as above
                await trio.sleep(0.01)
        await viewer.wait_for(Failure)

        assert bodies(viewer.events, Failure) == [
            Failure(
                "hook",
                "a crash is not told: the commands of 16 before it have not ended",
                "the next one that is told says how many",
                None,
            )
        ]
    assert [crash["untold"] for crash in told(tmp_path)] == [0] * 16 + [4]


async def test_a_hook_that_fails_or_is_not_there_says_so(bench: Bench, tmp_path: Path, terminal: BoardTerminal) -> None:
    hook = script(tmp_path, "sys.exit('no such host')")
    more = "[[on_crash]]\ncommand = ['/nonexistent/program']\n[[on_crash]]\ncommand = ['/bin/true']\nboards = ['c']"
    daemon = await bench.start(*configuration(tmp_path, hook, more), f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await daemon.wait_for_log("session opened")
        await terminal.send(PANIC + BOOT)
        await viewer.wait_for(Failure, count=2)

        failures = {failure.error: failure.context for failure in bodies(viewer.events, Failure)}
        assert failures == {
            f"{hook}: it ended with exit code 1": "no such host",
            "/nonexistent/program: it can't be started: No such file or directory": "",
        }
    assert "/bin/true" not in daemon.text


async def test_a_boot_loop_is_told_a_few_times_and_then_counted(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    arguments = configuration(tmp_path, script(tmp_path, ""), "[limits]\nhooks_per_hour = 2")
    daemon = await bench.start(*arguments, f"b={terminal.path}")
    await daemon.wait_for_log("session opened")
    for _ in range(5):
        await terminal.send(PANIC + BOOT)
    await daemon.wait_for_log("crash not told, too many board=b untold=3")
    await daemon.wait_for_log("crash told board=b")
    await daemon.wait_for_log("crash told board=b", after=daemon.log.index(b"crash told board=b") + 1)

    assert len(told(tmp_path)) == 2


async def test_a_stop_does_not_wait_for_a_hook(bench: Bench, tmp_path: Path, terminal: BoardTerminal) -> None:
    hook = script(tmp_path, f"open({str(tmp_path / 'runs')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    path = tmp_path / "esperd.toml"
    path.write_text(f"[[on_crash]]\ncommand = ['{hook}']\ntimeout_s = 600\n", "utf-8")
    daemon = await bench.start("--config", str(path), f"b={terminal.path}")
    await daemon.wait_for_log("session opened")
    await terminal.send(PANIC + BOOT)
    runs = tmp_path / "runs"
    with trio.fail_after(20):
        while not (runs.exists() and runs.read_text()):  # noqa: ASYNC110 - nobody tells of its start
            await trio.sleep(0.01)
    daemon.process.send_signal(signal.SIGTERM)
    with trio.fail_after(5):
        assert await daemon.process.wait() == 0
    assert not is_running(int(runs.read_text()))


async def test_nothing_of_the_board_is_in_the_arguments_or_the_environment(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    hook = script(tmp_path, f"open({str(tmp_path / 'seen')!r}, 'w').write(repr((sys.argv[1:], dict(os.environ))))")
    daemon = await bench.start(*configuration(tmp_path, hook), f"b={terminal.path}")
    await daemon.wait_for_log("session opened")
    await terminal.send(PANIC.replace(b"LoadProhibited", b"`touch /evil`") + BOOT)
    await daemon.wait_for_log("crash told board=b")

    seen = (tmp_path / "seen").read_text()
    assert "(['an argument'], {" in seen
    assert "evil" not in seen
    assert f"'ESPER_BOARD': 'b', 'ESPER_SOCKET': '{daemon.socket}'" in seen
    assert told(tmp_path)[0]["reason"] == "`touch /evil`"
