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
    DecodeQueued,
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
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.dumps import container, printed_dump
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import RefusedError, Viewer, bodies, joined_lines

ELF: Final = FIRMWARE_ELF.read_bytes()
SHA256: Final = hashlib.sha256(ELF).hexdigest()
CRASH: Final = RECORDINGS / "crash.raw"
DecodeBody = DecodeFinished | DecodeFailed | DecodeTimedOut | DecodeCancelled
ENDS: Final = (DecodeFinished, DecodeFailed, DecodeTimedOut, DecodeCancelled)
# By the number of the dump: what a decoder does, and how its job ends.
HOSTILE: Final[dict[int, tuple[str, type[DecodeBody]]]] = {
    1: ("time.sleep(60)", DecodeTimedOut),
    2: ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", DecodeTimedOut),
    3: ("[subprocess.Popen(['sleep', '60']) for _ in range(9)]; time.sleep(60)", DecodeTimedOut),
    4: ("eaten = [b'x' * 2**20 for _ in iter(int, 1)]", DecodeFailed),
    5: ("[print('x' * 10**6) for _ in iter(int, 1)]", DecodeFailed),
    6: ("os.abort()", DecodeFailed),
    7: ("sum(iter(int, 1))", DecodeTimedOut),
    8: ("print(json.dumps({'report': {'reason': 'fine'}, 'text': 'fine'}))", DecodeFinished),
}


def configure(tmp_path: Path, program: str) -> tuple[str, str]:
    """A decoder of ours in place of the real one."""
    script = tmp_path / "decoder.py"
    start = "import json, os, re, signal, subprocess, sys, time\nrequest = json.loads(sys.stdin.readline())\n"
    number = "number = int(re.search(r'-(\\d+)/core', request['dump'])[1])\n"
    script.write_text(start + number + program, "utf-8")
    path = tmp_path / "esperd.toml"
    path.write_text(f"[decode]\ncommand = {json.dumps([sys.executable, str(script)])}\n", "utf-8")
    return "--config", str(path)


def states(daemon: Daemon) -> list[str]:
    """What the records on disk say of the decodes, by the number of the dump."""
    folders = (daemon.state_dir / "coredumps").glob("b-*")
    records = [json.loads((folder / "record.json").read_bytes()) for folder in folders]
    return [record["decode"]["state"] for record in sorted(records, key=lambda record: int(record["id"][2:]))]


def processes_of(pid: int) -> list[int]:
    """The descendants of a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text("ascii").split()):
            found += [child, *processes_of(child)]
    return found


def is_running(pid: int) -> bool:
    """Whether a process is there, and is not one that only waits to be reaped by whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Waits for what nobody tells us: the children of other processes, and files."""
    with trio.fail_after(timeout_s):
        while not condition():  # noqa: ASYNC110 - see above
            await trio.sleep(0.01)


async def ended(pids: list[int]) -> None:
    """Waits for the end of processes that were killed."""
    await until(lambda: not any(map(is_running, pids)), 1)


def report_of(event: Event) -> dict[str, Any]:
    assert isinstance(event.body, DecodeFinished)
    report: dict[str, Any] = json.loads(event.body.report or "null")
    assert json.loads(Path(event.body.report_path).read_bytes()) == report
    return report


def is_of(number: int) -> Callable[[DecodeBody], bool]:
    return lambda body: body.target == f"b-{number}"


def check_each_job_ends_once(events: list[Event]) -> None:
    queued = [body.job for body in bodies(events, DecodeQueued)]
    assert len(queued) == len(set(queued))
    assert sorted(event.body.job for event in events if isinstance(event.body, ENDS)) == queued


# By itself ------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_crash_of_the_simulated_board_is_decoded_by_itself(bench: Bench) -> None:
    daemon = await bench.start("b=sim:console")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b"))
        await viewer.wait_for(Line, lambda line: b"esp> " in line.data)
        await viewer.request(Send("b", b"crash\n"))
        await viewer.wait_for(CoredumpEnded)
        report = report_of(await viewer.wait_for(DecodeFinished))
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
        failed = await viewer.wait_for(DecodeFailed)
        assert isinstance(failed.body, DecodeFailed)
        assert SHA256[:9] in failed.body.error
        assert await viewer.request(AddElf(SHA256, len(ELF), "/home/kim/app.elf")) == ElfStored(None)
        assert await viewer.request(AddElfPart(0, ELF[:50_000])) == ElfStored(None)
        stored = await viewer.request(AddElfPart(50_000, ELF[50_000:]))
        assert isinstance(stored, ElfStored)
        assert "b-1" in stored.decoding
        finished = await viewer.wait_for(DecodeFinished)
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
        await viewer.wait_for(DecodeFailed)
        (build / "app.elf").write_bytes(ELF)
        await viewer.wait_for(DecodeFinished)


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


# Decoders that misbehave ----------------------------------------------------------------------------------


@pytest.mark.slow
async def test_hostile_decoders_end_on_time_and_the_port_loses_nothing(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    program = "\n".join(f"if number == {number}: {act}" for number, (act, _) in HOSTILE.items())
    daemon = await bench.start(
        f"b={terminal.path}",
        *configure(tmp_path, program),
        *("--decode-coredumps", "8", "--decode-timeout-s", "2", "--decode-memory-bytes", "256MiB"),
    )
    said = bytearray()
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        for number in HOSTILE:
            said += (
                b"line before %d\r\n" % number
                + printed_dump(container(3000, number))
                + b"rst:0xc (SW),boot:0x13 ()\r\n"
            )
        await terminal.send(bytes(said))
        await viewer.wait_for(DecodeStarted, count=len(HOSTILE))
        started_at = trio.current_time()
        numbered = b"".join(b"numbered line %06d of the board\r\n" % number for number in range(30_000))
        await terminal.send(numbered)
        said += numbered
        await viewer.wait_for_bytes(len(said), timeout_s=60)
        for number, (_, kind) in HOSTILE.items():
            await viewer.wait_for(kind, is_of(number))
        assert trio.current_time() - started_at < 10
        assert joined_lines(viewer.events) == bytes(said)
    events = await daemon.history("b")
    check_each_job_ends_once(events)
    began = {event.body.job: event.at for event in events if isinstance(event.body, DecodeStarted)}
    for event in events:
        if isinstance(event.body, DecodeTimedOut):
            assert 1.9e9 < event.at - began[event.body.job] < 3.5e9
    assert processes_of(daemon.process.pid) == []
    assert not list((daemon.state_dir / "coredumps").glob("*/work-*"))


@pytest.mark.slow
async def test_a_stop_with_ten_decodes_takes_a_second_and_the_next_start_finishes_them(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    hang = configure(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN); subprocess.run(['sleep', '60'])")
    arguments = (f"b={terminal.path}", *hang, "--decode-coredumps", "10")
    daemon = await bench.start(*arguments)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        for number in range(10):
            await terminal.send(printed_dump(container(3000, number)) + b"rst:0xc (SW),boot:0x13 ()\r\n")
        await viewer.wait_for(DecodeStarted, count=10)
        await until(lambda: len(processes_of(daemon.process.pid)) == 20, 10)
        pids = processes_of(daemon.process.pid)
        stopped = trio.current_time()
        assert await daemon.stop() == 0
        assert trio.current_time() - stopped < 1
        await viewer.receive_to_end()
    await ended(pids)
    check_each_job_ends_once(viewer.events)
    assert len(bodies(viewer.events, DecodeCancelled)) == 10
    assert states(daemon) == ["queued"] * 10

    done = "print(json.dumps({'report': {'reason': 'fine'}, 'text': 'fine'}))"
    again = await bench.start(f"b={terminal.path}", *configure(tmp_path, done))
    async with again.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(DecodeFinished, count=10)
    assert await again.stop() == 0
    assert states(again) == ["done"] * 10


@pytest.mark.slow
async def test_a_kill_while_decoding_leaves_no_decoder_and_the_next_start_finishes(
    bench: Bench, terminal: BoardTerminal
) -> None:
    # Deep enough in the queue of our own decoder that one runs at any moment; each takes a fraction of a second.
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        text = CRASH.read_bytes()
        dump = text[text.index(b"================= CORE DUMP START") :].partition(
            b"CORE DUMP END =================\r\n"
        )
        for _ in range(6):
            await terminal.send(b"".join(dump[:2]) + b"rst:0xc (SW),boot:0x13 ()\r\n")
        await viewer.wait_for(DecodeStarted, count=2)
        pids = processes_of(daemon.process.pid)
        await daemon.kill()
    await ended(pids)
    again = await bench.start(f"b={terminal.path}", "--elf", str(FIRMWARE_ELF))
    async with again.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        for number in range(1, 7):
            await viewer.wait_for(DecodeFinished, is_of(number))
    assert await again.stop() == 0
    assert states(again) == ["done"] * 6


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
