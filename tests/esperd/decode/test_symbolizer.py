"""The symbolizer: what it answers, and that its owner is rid of it when it does not."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import trio

from esper_protocol.events import Panic
from esperd.decode.elf_store import sha256_of
from esperd.decode.panic import read_panics
from esperd.decode.program_cache import ProgramCache
from esperd.decode.request import KnownElf
from esperd.decode.symbolizer import answer_to
from esperd.decode.symbolizer_process import SYMBOLIZER, Silence, Symbolizer
from esperd.decode.symbolizer_request import HEADER, MAX_ANSWER_BYTES, PanicAnswer, PanicRequest
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS
from esperd.testing.processes import children, is_running

CRASH: Final = (RECORDINGS / "crash.raw").read_bytes()
FIRMWARE: Final = KnownElf(path=str(FIRMWARE_ELF), sha256=sha256_of(FIRMWARE_ELF), machine="riscv")
# A symbolizer of the test: reads a question, then does what `%s` says.
SCRIPT: Final = """
import msgspec, os, struct, sys, time
def answer(number, size=0):
    data = msgspec.msgpack.encode({"number": number, "report": "x" * size})
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()
while head := sys.stdin.buffer.read(4):
    number = msgspec.msgpack.decode(sys.stdin.buffer.read(struct.unpack(">I", head)[0]))["number"]
    %s
"""


def script(action: str) -> tuple[str, ...]:
    return (sys.executable, "-c", SCRIPT % action)


def ask(number: int = 1, **changes: object) -> PanicRequest:
    """The crash of the simulated board."""
    request = PanicRequest(
        number=number,
        panic=read_panics(CRASH)[0].panic,
        stack=CRASH.split(b"Stack memory:")[1].split(b"\n\r\n")[0].splitlines(),
        app_sha256=None,
        elfs=[FIRMWARE],
        report_bytes=64 * 1024,
    )
    return msgspec.structs.replace(request, **changes)


def answer_once(data: bytes) -> PanicAnswer:
    programs = ProgramCache(2)
    try:
        return answer_to(data, programs)
    finally:
        programs.clear()


def explain(request: PanicRequest) -> dict[str, Any]:
    answer = answer_once(msgspec.msgpack.encode(request))
    assert answer.error is None, answer.error
    report: dict[str, Any] = json.loads(answer.report or "")
    return report


def refused(request: PanicRequest) -> str:
    answer = answer_once(msgspec.msgpack.encode(request))
    assert answer.report is None
    assert answer.error is not None
    return f"{answer.error.code}: {answer.error.message}"


def without_sha256(request: PanicRequest) -> PanicRequest:
    return msgspec.structs.replace(request, panic=msgspec.structs.replace(request.panic, app_sha256=None))


def corpus_elf(name: str) -> KnownElf:
    folder = os.environ.get("ESPER_CORPUS")
    if folder is None:
        pytest.skip("ESPER_CORPUS is not set: it names the folder with recorded transcripts and their programs")
    path = Path(folder) / "elf" / f"{name}.elf"
    return KnownElf(path=str(path), sha256=sha256_of(path), machine="riscv" if name.startswith("7d") else "xtensa")


def bare_backtrace(*addresses: int) -> Panic:
    pairs = [(address, 0x3FFB46B0) for address in addresses]
    return Panic("other", "backtrace", False, None, None, {}, pairs, False, None, 5, 5)


# Answers --------------------------------------------------------------------------------------------------


def test_a_panic_gets_functions_lines_and_what_it_was_decoded_with() -> None:
    report = explain(ask())
    assert [frame["function"] for frame in report["frames"]][:2] == ["store_value", "parse_field"]
    assert report["frames"][0]["line"] > 0
    assert (report["elf_match"], report["elf_path"]) == ("sha256", str(FIRMWARE_ELF))
    assert (report["reason"], report["cause"], report["places"]) == ("Store access fault", "exception", [])
    assert report["decoder"]["backend"] == "native"
    assert report["registers"]["MEPC"] == report["frames"][0]["pc"]


def test_the_hash_that_the_boot_log_told_is_as_good() -> None:
    report = explain(msgspec.structs.replace(without_sha256(ask()), app_sha256=FIRMWARE.sha256[:9]))
    assert report["elf_match"] == "sha256"


def test_without_a_hash_the_program_that_fits_is_taken_and_said_to_be_a_guess() -> None:
    report = explain(without_sha256(ask(elfs=[FIRMWARE, corpus_elf("7d946a8e8cd5e419")])))
    assert report["elf_match"] == "unknown"
    assert [frame["function"] for frame in report["frames"]][:2] == ["store_value", "parse_field"]
    assert report["warnings"][0].startswith("elf_guessed: no SHA-256 is known; this is the only ELF file that fits: ")


def test_a_bare_backtrace_finds_its_program_among_others_by_its_return_addresses() -> None:
    elfs = [FIRMWARE, *map(corpus_elf, ("7d946a8e8cd5e419", "ab81a733d2da4ec6", "1b43c5e74f2da138"))]
    report = explain(ask(panic=bare_backtrace(0x400D525D, 0x400D316E, 0x400DAA61), stack=[], elfs=elfs))
    assert [frame["function"] for frame in report["frames"]] == ["app_main", "main_task", "vPortTaskWrapper"]
    assert "2 of 2 return addresses" in report["warnings"][0]


def test_a_program_that_does_not_fit_is_not_taken() -> None:
    answer = refused(ask(panic=bare_backtrace(0x400D525D, 0x400D3170, 0x400DAA63), stack=[], elfs=[FIRMWARE]))
    assert answer.startswith("no_elf: the panic does not say which program it is of")


def test_two_files_that_fit_are_one_too_many() -> None:
    other = msgspec.structs.replace(FIRMWARE, sha256="0" * 64)
    assert refused(without_sha256(ask(elfs=[FIRMWARE, other]))).startswith("ambiguous_elf: ")


def test_a_missing_program_is_named_with_the_command_that_adds_it() -> None:
    assert refused(ask(elfs=[])) == (
        "no_elf: no ELF file is known whose SHA-256 begins with 54bf6313b; `esperctl elf add PATH` adds it"
    )


def test_addresses_that_are_no_code_are_no_report() -> None:
    panic = dataclasses.replace(read_panics(CRASH)[0], panic=bare_backtrace()).panic
    panic = msgspec.structs.replace(panic, reason="at 0x40000000", app_sha256=FIRMWARE.sha256)
    assert refused(ask(panic=panic)).startswith("no_frames: nothing in it is code of ")


def test_an_endless_backtrace_makes_a_short_report() -> None:
    pairs = [(0x8000172C, 0x80021E00)] * 3000
    panic = msgspec.structs.replace(bare_backtrace(), backtrace=pairs, app_sha256=FIRMWARE.sha256)
    report = explain(ask(panic=panic, stack=[]))
    assert len(report["frames"]) == 128
    assert report["unwind_stop"] == "more than 128 frames"
    assert len(explain(ask(panic=panic, stack=[], report_bytes=8192))["frames"]) < 40
    assert refused(ask(panic=panic, stack=[], report_bytes=100)).startswith("too_large: ")


def test_a_report_that_is_too_large_loses_its_arguments_first() -> None:
    whole = len(json.dumps(explain(ask()), separators=(",", ":")))
    report = explain(ask(report_bytes=whole - 100))
    assert [frame["function"] for frame in report["frames"]][:2] == ["store_value", "parse_field"]
    assert [frame["args"] for frame in report["frames"]] == [[]] * len(report["frames"])
    assert report["warnings"] == ["truncated: arguments are not shown"]


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x80", msgspec.msgpack.encode({"number": "x"})])
def test_what_is_no_question_gets_an_answer_all_the_same(data: bytes) -> None:
    answer = answer_once(data)
    assert answer.error is not None
    assert answer.error.code == "unreadable"


def test_a_file_that_is_no_program_any_more_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.elf"
    path.write_bytes(b"\x7fELF")
    elf = KnownElf(path=str(path), sha256=FIRMWARE.sha256, machine="riscv")
    assert refused(ask(elfs=[elf])).startswith("unreadable: ")
    path.unlink()
    assert "can't be read" in refused(ask(elfs=[elf]))


def test_a_program_stays_open_until_others_were_used_more_lately(tmp_path: Path) -> None:
    cache = ProgramCache(1)
    first = cache.open(FIRMWARE)
    assert cache.open(FIRMWARE) is first
    copy = tmp_path / "copy.elf"
    copy.write_bytes(FIRMWARE_ELF.read_bytes())
    other = KnownElf(path=str(copy), sha256="1" * 64, machine="riscv")
    second = cache.open(other)
    assert cache.open(FIRMWARE) is not first
    os.utime(copy, ns=(1, 1))
    assert cache.open(other) is not second
    cache.clear()


# The process ----------------------------------------------------------------------------------------------


async def test_one_process_answers_many_questions() -> None:
    symbolizer = Symbolizer(SYMBOLIZER, 1 << 30)
    assert children() == []
    first = await symbolizer.ask(ask(1), 20)
    pids = children()
    second = await symbolizer.ask(ask(2), 20)
    assert children() == pids
    assert len(pids) == 1
    assert isinstance(first, PanicAnswer)
    assert isinstance(second, PanicAnswer)
    assert (first.number, second.number) == (1, 2)
    assert json.loads(second.report or "")["frames"] == json.loads(first.report or "")["frames"]
    # It knows the program now; without an open one it takes a hundred times as long.
    assert json.loads(second.report or "")["decoder"]["seconds"] < 0.1
    await symbolizer.aclose()
    assert children() == []


async def test_one_that_was_killed_while_it_waited_is_replaced_without_a_word() -> None:
    symbolizer = Symbolizer(SYMBOLIZER, 1 << 30)
    await symbolizer.ask(ask(1), 20)
    os.kill(children()[0], signal.SIGKILL)
    assert isinstance(await symbolizer.ask(ask(2), 20), PanicAnswer)
    await symbolizer.aclose()


async def test_one_that_dies_of_a_second_question_is_tried_once_more(tmp_path: Path) -> None:
    log = tmp_path / "asked"
    action = f"open({str(log)!r}, 'a').write('x'); os.abort() if number == 2 else answer(number)"
    symbolizer = Symbolizer(script(action), 1 << 30)
    assert isinstance(await symbolizer.ask(ask(1), 20), PanicAnswer)
    assert await symbolizer.ask(ask(2), 20) == Silence("failed", "the decoder crashed with SIGABRT")
    assert log.read_text() == "xxx"
    assert isinstance(await symbolizer.ask(ask(3), 20), PanicAnswer)
    await symbolizer.aclose()
    assert children() == []


@pytest.mark.parametrize(
    ("action", "error"),
    [
        pytest.param("os.abort()", "crashed with SIGABRT", id="crashes"),
        pytest.param("os.kill(os.getpid(), 9)", "killed from outside", id="is killed"),
        pytest.param("sys.exit('no luck')", "exit code 1: no luck", id="fails"),
        pytest.param("x = bytearray(1 << 40)", "exit code 1: MemoryError", id="eats memory"),
        pytest.param("sys.exit(0)", "answered with something else than a report", id="says nothing"),
        pytest.param("[print('x' * 100_000) for _ in iter(int, 1)]", "said more than 262144 bytes", id="floods"),
        pytest.param(f"answer(number, {MAX_ANSWER_BYTES})", "said more than 262144 bytes", id="says too much"),
        pytest.param("answer(number + 1)", "something else than an answer", id="answers another question"),
        pytest.param(
            "sys.stdout.buffer.write(b'\\0\\0\\0\\1\\xff'); sys.stdout.buffer.flush()",
            "something else than an answer",
            id="nonsense",
        ),
    ],
)
async def test_one_that_misbehaves_is_told_and_gone(action: str, error: str) -> None:
    symbolizer = Symbolizer(script(action), 1 << 30)
    answer = await symbolizer.ask(ask(), 20)
    assert isinstance(answer, Silence)
    assert (answer.kind, error in answer.error) == ("failed", True), answer
    assert not symbolizer.is_warm
    assert children() == []


async def test_one_that_can_not_be_started_is_told() -> None:
    answer = await Symbolizer(("/nonexistent/symbolizer",), 1 << 30).ask(ask(), 20)
    assert answer == Silence(
        "failed", "the symbolizer can't be started: /nonexistent/symbolizer: No such file or directory"
    )


@pytest.mark.parametrize(
    "action", ["time.sleep(60)", "sum(iter(int, 1))", "os.fork(); os.setsid() if os.fork() == 0 else 0; time.sleep(60)"]
)
async def test_one_that_hangs_is_killed_with_its_children_at_the_deadline(action: str) -> None:
    symbolizer = Symbolizer(script(action), 1 << 30)
    assert await symbolizer.ask(ask(), 0.5) == Silence("timed_out", "no answer within 0.5 s")
    assert children() == []


async def test_a_question_that_is_given_up_leaves_no_process() -> None:
    symbolizer = Symbolizer(script("time.sleep(60)"), 1 << 30)
    with trio.move_on_after(0.3) as scope:
        await symbolizer.ask(ask(), 60)
    assert scope.cancelled_caught
    assert children() == []


def test_it_ends_when_nobody_is_there_to_ask() -> None:
    process = subprocess.Popen(SYMBOLIZER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.communicate(timeout=20)
    assert process.returncode == 0


async def test_it_dies_with_the_daemon_in_the_middle_of_a_question(tmp_path: Path) -> None:
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    symbolizer = script(f"open({str(fifo)!r}, 'w').write(str(os.getpid())); sum(iter(int, 1))")
    daemon = (
        "import sys, trio\n"
        "from esper_protocol.events import Panic\n"
        "from esperd.decode.symbolizer_process import Symbolizer\n"
        "from esperd.decode.symbolizer_request import PanicRequest\n"
        "panic = Panic('other', '', False, None, None, {}, [], False, None, 1, 1)\n"
        "request = PanicRequest(number=1, panic=panic, stack=[], app_sha256=None, elfs=[], report_bytes=1000)\n"
        f"trio.run(Symbolizer({symbolizer!r}, 1 << 30).ask, request, 60)"
    )
    process = await trio.lowlevel.open_process([sys.executable, "-c", daemon])
    with trio.fail_after(20):
        pid = int(await trio.Path(fifo).read_text())
    process.kill()
    await process.wait()
    with trio.fail_after(5):
        while is_running(pid):  # noqa: ASYNC110 - nobody tells of its end
            await trio.sleep(0.01)


def test_a_question_too_large_to_be_one_ends_it() -> None:
    done = subprocess.run(SYMBOLIZER, input=HEADER.pack(1 << 30), capture_output=True, check=False, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
