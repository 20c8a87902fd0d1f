"""Panics of the log, decoded by the daemon, as viewers see them."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import trio

from esper_protocol.events import DecodeCancelled, DecodeFailed, DecodeFinished, Event
from esper_protocol.messages import Subscribe
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.processes import children, is_running
from esperd.testing.terminal import BoardTerminal
from esperd.testing.transcripts import Transcript
from esperd.testing.viewer import bodies

ENDINGS = {"decode_finished", "decode_failed", "decode_timed_out", "decode_cancelled"}


async def esperctl(
    *arguments: str, stdin: bytes = b"", code: int = 0, environment: Mapping[str, str] | None = None
) -> str:
    """What the client says on standard output, or where it fails on standard error."""
    done = await trio.run_process(
        [sys.executable, "-m", "esperctl", *arguments],
        stdin=stdin,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == code, done.stderr
    return (done.stderr if code else done.stdout).decode()


async def wait_for_panics(daemon: Daemon, count: int, board: str = "b") -> list[Event]:
    """All events up to the *count*-th panic that was decoded."""
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe(board, after=0))
        await viewer.wait_for(DecodeFinished, lambda body: body.target.startswith("panic:"), count=count)
        return viewer.events


def corpus_elf(digits: str) -> str:
    return str(Path(os.environ["ESPER_CORPUS"]) / "elf" / f"{digits}.elf")


def transcript_named(name: str, transcripts: Sequence[Transcript]) -> Transcript:
    return next(transcript for transcript in transcripts if transcript.name == name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "elf", "count", "shown"),
    [
        pytest.param(
            "x01",
            "ab81a733d2da4ec6",
            4,
            [
                "#0  0x400d525d in app_main at .*/hello_world_main.c:17",
                "#1  0x400d316e in main_task at .*/app_startup.c:199",
                "#2  0x400daa61 in vPortTaskWrapper at .*/port.c:143",
            ],
            id="x01",
        ),
        pytest.param(
            "x10",
            "ab81a733d2da4ec6",
            2,
            [
                "#0  0x400d6642 in task_wdt_timeout_handling at .*/task_wdt.c:436",
                "#1  0x400d6a14 in task_wdt_isr at .*/task_wdt.c:509",
                "#4  0x400d316e in main_task at .*/app_startup.c:199",
            ],
            id="x10",
        ),
        pytest.param(
            "r01",
            "7d946a8e8cd5e419",
            4,
            [
                "0x42009351 is in fail_once at .*/test_core_dump.c:14",
                "#2  0x403887b8 in abort at .*/abort.c:38",
                r"#3  0x42009354 in fail_once \(unused=<optimized out>\) at .*/test_core_dump.c:14",
            ],
            id="r01",
        ),
    ],
)
async def test_the_log_shows_the_functions_of_recorded_panics(
    bench: Bench, transcripts: list[Transcript], name: str, elf: str, count: int, shown: list[str]
) -> None:
    transcript = transcript_named(name, transcripts)
    daemon = await bench.start(f"b=replay:{transcript.path}?speed=0", "--elf", corpus_elf(elf))
    await wait_for_panics(daemon, count)
    log = await esperctl("--socket", str(daemon.socket), "logs", "--dump", "hide")
    assert " decoding in background ---" in log
    for line in shown:
        assert len(re.findall(f"^--- {line}$", log, re.MULTILINE)) >= count, line
    without = await esperctl("--socket", str(daemon.socket), "logs", "--no-decode")
    assert "decod" not in without
    assert "--- #0" not in without
    assert await esperctl("--socket", str(daemon.socket), "logs", "-o", "raw") == transcript.data.decode()


@pytest.mark.slow
async def test_a_simulated_crash_shows_the_function_the_file_and_the_line(bench: Bench) -> None:
    daemon = await bench.start("b=sim:crash?speed=5")
    events = await wait_for_panics(daemon, 1)
    log = await esperctl("--socket", str(daemon.socket), "logs")
    _, _, shown = log.partition(" decoding in background ---")
    assert "--- #0  0x8000172c in store_value (setting=0x0, value=value@entry=2350) at " in shown
    assert "/message.c:30\n" in shown
    kinds = [json.loads(line) for line in (await esperctl("--socket", str(daemon.socket), "events")).splitlines()]
    targets = {event["target"] for event in kinds if event["kind"] == "decode_finished"}
    assert {body.target for body in bodies(events, DecodeFinished)} <= targets
    queued = [event["job"] for event in kinds if event["kind"] == "decode_queued" and event["target"] in targets]
    assert queued == [event["job"] for event in kinds if event["kind"] in ENDINGS and event["target"] in targets]


@pytest.mark.slow
async def test_a_panic_without_its_program_says_what_is_wanted_and_is_decoded_when_that_is_added(
    bench: Bench,
) -> None:
    daemon = await bench.start(f"b=replay:{RECORDINGS / 'crash.raw'}?speed=0")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        socket = ("--socket", str(daemon.socket))
        await viewer.wait_for(DecodeFailed, lambda body: body.target.startswith("panic:"))
        wanted = "begins with 54bf6313b; `esperctl elf add PATH` adds it ---"
        assert wanted in await esperctl(*socket, "logs")
        await esperctl(*socket, "elf", "add", str(FIRMWARE_ELF))
        await viewer.wait_for(DecodeFinished, lambda body: body.target.startswith("panic:"))
        assert "--- #0  0x8000172c in store_value" in await esperctl(*socket, "logs")


@pytest.mark.slow
async def test_a_stop_with_a_symbolizer_running_leaves_no_process(bench: Bench, terminal: BoardTerminal) -> None:
    daemon = await bench.start(f"b={terminal.path}", "--elf", str(FIRMWARE_ELF))
    text = (RECORDINGS / "crash.raw").read_bytes()
    panic = text[text.index(b"Guru Meditation") : text.index(b"================= CORE DUMP START")]
    await terminal.send(panic + b"rst:0xc (SW),boot:0x13 ()\r\n")
    await wait_for_panics(daemon, 1)
    symbolizers = children(daemon.process.pid)
    assert len(symbolizers) == 1
    stopped = trio.current_time()
    assert await daemon.stop() == 0
    assert trio.current_time() - stopped < 2
    assert not any(map(is_running, symbolizers))
    again = await bench.start(f"b={terminal.path}")
    assert bodies(await again.history("b"), DecodeCancelled) == []


# Pasted ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_pasted_text_is_explained_by_the_program_that_a_daemon_has(bench: Bench, tmp_path: Path) -> None:
    text = (RECORDINGS / "crash.raw").read_bytes()
    nowhere = {"XDG_STATE_HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "none")}
    refusal = await esperctl("decode", stdin=text, code=1, environment=nowhere)
    assert refusal == (
        "esperctl: no ELF file is known whose SHA-256 begins with 54bf6313b; `esperctl elf add PATH` adds it\n"
    )
    daemon = await bench.start("b=sim:console", "--elf", str(FIRMWARE_ELF))
    await daemon.wait_for_log("ELF file added")
    answer = await esperctl("--socket", str(daemon.socket), "decode", stdin=text, environment=nowhere)
    assert "store_value (setting=0x0" in answer
    assert await daemon.stop() == 0
    # What it leaves is found without it.
    home = tmp_path / "home"
    home.mkdir()
    (home / "esperd").symlink_to(daemon.state_dir)
    assert "store_value (setting=0x0" in await esperctl("decode", stdin=text, environment=nowhere)
    refusal = await esperctl("decode", stdin=b"at 0x8000172c\n", code=1, environment=nowhere)
    assert refusal.endswith("single addresses need the program: --elf ELF\n")


async def test_the_daemon_that_is_named_must_be_there_for_its_programs(tmp_path: Path) -> None:
    said = await esperctl("--socket", str(tmp_path / "no.sock"), "decode", stdin=b"Guru\n", code=3)
    assert said.startswith("esperctl: no daemon listens on ")
