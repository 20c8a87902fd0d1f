"""Decoding in a whole daemon: by itself, with decoders that misbehave, over stops and kills."""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from esper_protocol.events import (
    CoredumpEnded,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeStarted,
    DecodeTimedOut,
    Event,
    Line,
)
from esper_protocol.messages import (
    AddElf,
    AddElfPart,
    CancelDecode,
    CoredumpDetails,
    CoredumpInfo,
    DecodeCoredump,
    DecodeJob,
    Elfs,
    ElfStored,
    ListElfs,
    RemoveElf,
    Send,
    Subscribe,
)
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS
from esperd.testing.daemon import Bench
from esperd.testing.decoders import configure, processes_of, until
from esperd.testing.dumps import container, printed_dump
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import RefusedError, Viewer

ELF: Final = FIRMWARE_ELF.read_bytes()
SHA256: Final = hashlib.sha256(ELF).hexdigest()
CRASH: Final = RECORDINGS / "crash.raw"
DecodeBody = DecodeFinished | DecodeFailed | DecodeTimedOut | DecodeCancelled
ENDS: Final = (DecodeFinished, DecodeFailed, DecodeTimedOut, DecodeCancelled)


def report_of(event: Event) -> dict[str, Any]:
    assert isinstance(event.body, DecodeFinished)
    report: dict[str, Any] = json.loads(event.body.report or "null")
    assert json.loads(Path(event.body.report_path).read_bytes()) == report
    return report


def is_of(number: int) -> Callable[[DecodeBody], bool]:
    return lambda body: body.target == f"b-{number}"


# By itself ------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_crash_of_the_simulated_board_is_decoded_by_itself(bench: Bench) -> None:
    daemon = await bench.start("b=sim:console")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b"))
        await viewer.wait_for(Line, lambda line: b"esp> " in line.data)
        await viewer.request(Send("b", b"crash\n"))
        await viewer.wait_for(CoredumpEnded)
        report = report_of(await viewer.wait_for(DecodeFinished, is_of(1)))
        details = await viewer.request(CoredumpInfo("b-1"))
    assert report["crashed_task"] == "main"
    assert report["reason"] == "Store access fault"
    frames = [(frame["function"], Path(frame["file"]).name, frame["line"] > 0) for frame in report["frames"][:4]]
    assert frames == [
        ("store_value", "message.c", True),
        ("parse_field", "message.c", True),
        ("process_message", "message.c", True),
        ("command_crash", "console.c", True),
    ]
    arguments = {argument["name"]: argument["value"] for argument in report["frames"][1]["args"]}
    assert arguments["field"].endswith('"gain=2350"')
    assert {task["name"] for task in report["tasks"]} == {"main", "IDLE", "sensor"}
    assert isinstance(details, CoredumpDetails)
    assert (details.record.decode.state, details.record.decode.elf_match) == ("done", "sha256")
    assert details.record.decode.elf_path == str(FIRMWARE_ELF)
    assert {file.name for file in details.files} >= {"report.json", "report.txt"}


@pytest.mark.slow
async def test_a_dump_waits_for_its_program_which_a_client_sends(bench: Bench) -> None:
    daemon = await bench.start(f"b=replay:{CRASH}?speed=0")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        failed = await viewer.wait_for(DecodeFailed, is_of(1))
        assert isinstance(failed.body, DecodeFailed)
        assert SHA256[:9] in failed.body.error
        assert await viewer.request(AddElf(SHA256, len(ELF), "/home/kim/app.elf")) == ElfStored(None)
        assert await viewer.request(AddElfPart(0, ELF[:50_000])) == ElfStored(None)
        stored = await viewer.request(AddElfPart(50_000, ELF[50_000:]))
        assert isinstance(stored, ElfStored)
        assert "b-1" in stored.decoding
        finished = await viewer.wait_for(DecodeFinished, is_of(1))
        assert report_of(finished)["frames"][0]["function"] == "store_value"
        elfs = await viewer.request(ListElfs())
        assert isinstance(elfs, Elfs)
        assert [(elf.sha256, elf.path) for elf in elfs.elfs] == [(SHA256, "/home/kim/app.elf")]
        assert elfs.elfs[0].used_at is not None
        await viewer.request(RemoveElf(SHA256[:8]))
        with pytest.raises(RefusedError, match="unknown_elf"):
            await viewer.request(RemoveElf(SHA256[:8]))


@pytest.mark.slow
async def test_a_program_that_is_built_into_a_watched_folder_is_used(bench: Bench, tmp_path: Path) -> None:
    build = tmp_path / "build"
    build.mkdir()
    daemon = await bench.start(f"b=replay:{CRASH}?speed=0", "--elf", str(build))
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(DecodeFailed, is_of(1))
        (build / "app.elf").write_bytes(ELF)
        await viewer.wait_for(DecodeFinished, is_of(1))


@pytest.mark.slow
async def test_what_a_client_sends_wrongly_is_refused_and_leaves_nothing(bench: Bench) -> None:
    daemon = await bench.start("b=sim:console")
    elfs = daemon.state_dir / "elfs"

    async def refused(viewer: Viewer, request: AddElf | AddElfPart, code: str) -> None:
        with pytest.raises(RefusedError, match=code):
            await viewer.request(request)

    async with daemon.viewer() as viewer:
        await refused(viewer, AddElfPart(0, ELF), "bad_request")
        for sha256 in ("x", SHA256.upper(), "../" + SHA256[3:], SHA256[:63]):
            await refused(viewer, AddElf(sha256, 5, "a"), "bad_request")
        await refused(viewer, AddElf(SHA256, 0, "a"), "bad_request")
        await refused(viewer, AddElf(SHA256, 2**60, "a"), "limit")
        await viewer.request(AddElf(SHA256, len(ELF), "a"))
        await refused(viewer, AddElfPart(1, ELF[1:]), "bad_request")
        await refused(viewer, AddElfPart(0, ELF + b"x"), "bad_request")
        await viewer.request(AddElf(hashlib.sha256(b"text").hexdigest(), 4, "a"))
        await refused(viewer, AddElfPart(0, b"text"), "bad_request: a is not a 32-bit")
        await viewer.request(AddElf(SHA256, len(ELF), "a"))
        await viewer.request(AddElfPart(0, ELF[:1000]))
        assert len(list(elfs.iterdir())) == 1
    # The client is gone, and with it what it had begun; the next one's answer comes after that.
    await until(lambda: not list(elfs.iterdir()), 5)


# On request -----------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_client_decodes_anew_with_a_deadline_and_cancels(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}", *configure(tmp_path, "time.sleep(60)"))
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await terminal.send(printed_dump(container(3000, 1)) + b"rst:0xc (SW),boot:0x13 ()\r\n")
        await viewer.wait_for(DecodeStarted)
        job = await viewer.request(DecodeCoredump("b-1", timeout_s=0.3))
        assert isinstance(job, DecodeJob)
        await viewer.wait_for(DecodeCancelled, lambda body: body.job == 1 and body.reason == "it is decoded anew")
        await viewer.wait_for(DecodeTimedOut, lambda body: body.job == job.job and body.timeout_s == 0.3)
        await viewer.request(DecodeCoredump("b-1"))
        await viewer.request(CancelDecode("b-1"))
        await viewer.wait_for(DecodeCancelled, lambda body: body.reason.startswith("by "))
        for request, code in (
            (CancelDecode("b-1"), "failed"),
            (CancelDecode("b-2"), "unknown_coredump"),
            (DecodeCoredump("b-2"), "unknown_coredump"),
            (DecodeCoredump("b-1", "magic"), "bad_request"),
            (DecodeCoredump("b-1", timeout_s=0.0), "bad_request"),
            (DecodeCoredump("b-1", elf_sha256="12345678"), "unknown_elf"),
        ):
            with pytest.raises(RefusedError, match=code):
                await viewer.request(request)
    assert processes_of(daemon.process.pid) == []


async def run_client(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the client, which needs no daemon here."""
    done = await trio.run_process(
        [sys.executable, "-m", "esperctl", *arguments],
        stdin=stdin,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def test_pasted_panic_text_gets_functions_lines_and_arguments() -> None:
    text = (RECORDINGS / "crash.raw").read_bytes()
    code, answer, _ = await run_client("decode", "--elf", str(FIRMWARE_ELF), stdin=text)
    assert code == 0
    assert "Store access fault" in answer
    assert "store_value (setting=0x0" in answer
    assert "message.c:" in answer


async def test_single_addresses_are_named_and_unknown_text_is_refused() -> None:
    code, answer, _ = await run_client("decode", "--elf", str(FIRMWARE_ELF), stdin=b"at 0x8000172c or 0x00000001\n")
    assert (code, answer.split()[:3]) == (0, ["0x8000172c", "store_value", "at"])
    code, answer, error = await run_client("decode", "--elf", str(FIRMWARE_ELF), stdin=b"all is well\n")
    assert (code, answer) == (1, "")
    assert error.startswith("esperctl: there is no panic in the text")


async def test_a_report_is_written_as_one_html_file(tmp_path: Path) -> None:
    page = tmp_path / "crash.html"
    dump = str(RECORDINGS / "crash.raw")
    code, answer, _ = await run_client("coredumps", "decode", dump, "--elf", str(FIRMWARE_ELF), "--html", str(page))
    assert (code, answer) == (0, "")
    content = await trio.Path(page).read_text("utf-8")
    assert content.startswith("<!doctype html>")
    assert "parse_field" in content
