"""``coredumps decode``, ``coredumps debug`` and ``elf …``."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from esper_protocol.events import DecodeCancelled, DecodeFailed, DecodeFinished, DecodeStarted, DecodeTimedOut
from esper_protocol.messages import (
    AddElf,
    AddElfPart,
    CancelDecode,
    DecodeCoredump,
    DecodeJob,
    Elfs,
    ElfStored,
    ListElfs,
    RemoveElf,
)
from esper_protocol.records import ElfRecord
from esperctl.command_line import ELF_COMMANDS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from esper_protocol.events import Body
    from tests.esperctl.conftest import Esperctl, FakeDaemon, Finished, MakeCoredump, Refusal

RECORDINGS = Path(__file__).resolve().parents[2] / "esperd" / "simulation" / "recordings"
CRASH, FIRMWARE = RECORDINGS / "crash.raw", RECORDINGS / "greenhouse.elf"
SHA256 = hashlib.sha256(FIRMWARE.read_bytes()).hexdigest()
CORE_ELF = b"\x7fELF" + bytes(range(256))
CONTAINER = struct.pack("<II", 24 + len(CORE_ELF) + 4, 5 << 16 | 0x0102).ljust(24, b"\x00") + CORE_ELF + b"sum!"
ELF_RECORD = ElfRecord(
    sha256=SHA256,
    name="app.elf",
    path="/home/kim/app.elf",
    size_bytes=91056,
    added_at="2026-01-31T08:30:00Z",
    used_at="2026-01-31T09:30:00Z",
    machine="riscv",
    project="green\x1bhouse",
    version="1.0.0",
)


@pytest.fixture
def store(daemon: FakeDaemon, make_coredump: MakeCoredump) -> FakeDaemon:
    daemon.dumps = [make_coredump("bench1-17", chip="esp32c3")]
    daemon.files = {
        "core.bin": CONTAINER,
        "report.json": b'{"reason": "abort", "crashed_task": "main"}',
        "report.txt": b"Panic reason: abort \x1b]0;title\x07\n#0  app_main () at main.c:5\n",
    }
    daemon.answers[DecodeCoredump] = DecodeJob(7)
    return daemon


async def decode(daemon: FakeDaemon, esperctl: Esperctl, *words: str, ends: Body) -> Finished:
    """Runs ``coredumps decode bench1-17``, whose job 7 ends so."""
    done: list[Finished] = []

    async def run() -> None:
        done.append(await esperctl("coredumps", "decode", "bench1-17", *words))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await daemon.requested(DecodeCoredump)
        # Of others: an earlier job for the same dump, and one for another dump.
        await daemon.publish(DecodeCancelled("bench1-17", "it is decoded anew", 6))
        await daemon.publish(DecodeFailed("bench1-3", "native", "another one", 8))
        await daemon.publish(DecodeStarted("bench1-17", "native", 7))
        await daemon.publish(ends)
    return done[0]


# A stored dump --------------------------------------------------------------------------------------------


async def test_a_stored_dump_is_decoded_by_its_daemon(store: FakeDaemon, esperctl: Esperctl) -> None:
    finished = DecodeFinished("bench1-17", "native", 0.2, "/r.json", None, 7)
    done = await decode(store, esperctl, ends=finished)
    assert done.code == 0
    assert done.out == "Panic reason: abort ␛]0;title\\x07\n#0  app_main () at main.c:5\n"
    assert DecodeCoredump("bench1-17") in store.requests


async def test_its_report_as_json_is_the_document(store: FakeDaemon, esperctl: Esperctl) -> None:
    done = await decode(store, esperctl, "--json", ends=DecodeFinished("bench1-17", "native", 0.2, "/r.json", None, 7))
    assert msgspec.json.decode(done.raw) == {"reason": "abort", "crashed_task": "main"}


async def test_the_options_go_to_the_daemon(store: FakeDaemon, esperctl: Esperctl) -> None:
    store.answers[AddElf] = ElfStored(ELF_RECORD)
    words = ("--elf", str(FIRMWARE), "--backend", "esp-coredump", "--timeout", "2.5", "--force", "-v")
    done = await decode(
        store, esperctl, *words, ends=DecodeFinished("bench1-17", "esp-coredump", 2.0, "/r.json", None, 7)
    )
    assert done.code == 0
    (request,) = await store.requested(DecodeCoredump)
    assert request == DecodeCoredump("bench1-17", "esp-coredump", SHA256, 2.5, force=True, locals=True)
    assert AddElf(SHA256, FIRMWARE.stat().st_size, str(FIRMWARE)) in store.requests


@pytest.mark.parametrize(
    ("ends", "code", "text"),
    [
        (DecodeFailed("bench1-17", "native", "no ELF file is known", 7), 1, "no ELF file is known"),
        (DecodeTimedOut("bench1-17", "native", 2.5, 7), 124, "not decoded within 2.5 s"),
        (DecodeCancelled("bench1-17", "the daemon stops", 7), 1, "cancelled: the daemon stops"),
    ],
    ids=["failed", "timed out", "cancelled"],
)
async def test_a_job_that_ends_badly_is_told(
    store: FakeDaemon, esperctl: Esperctl, ends: Body, code: int, text: str
) -> None:
    done = await decode(store, esperctl, ends=ends)
    assert (done.code, done.out) == (code, "")
    assert text in done.err


async def test_ctrl_c_cancels_the_job(store: FakeDaemon, follower: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = follower("coredumps", "decode", "bench1-17")
    await store.requested(DecodeCoredump)
    # Until the answer was read, there is no job to cancel.
    await store.publish(DecodeStarted("bench1-17", "native", 7))
    with trio.fail_after(20):
        while not any(isinstance(request, CancelDecode) for request in store.requests):
            process.send_signal(signal.SIGINT)
            # Longer than it takes to cancel on a busy machine: a second one would cut that short.
            await trio.sleep(1.0)
        assert await trio.to_thread.run_sync(process.wait) == 130
    assert store.requests[-1] == CancelDecode("bench1-17")


async def test_an_unknown_dump_and_an_older_daemon_are_told(
    store: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]
) -> None:
    assert (await esperctl("coredumps", "decode", "bench1-99")).code == 4
    store.answers[DecodeCoredump] = refuse("unsupported", "esperd 0.0 does not know the request")
    assert (await esperctl("coredumps", "decode", "bench1-17")).code == 1


# A file ---------------------------------------------------------------------------------------------------


async def test_a_file_is_decoded_without_a_daemon(esperctl: Esperctl) -> None:
    done = await esperctl("coredumps", "decode", str(CRASH), "--elf", str(FIRMWARE))
    assert (done.code, done.err) == (0, "")
    assert "#0  store_value (setting=0x0, value=" in done.out
    assert "Panic reason: Store access fault" in done.out


async def test_the_report_of_a_file_as_json_is_one_document(esperctl: Esperctl) -> None:
    done = await esperctl("coredumps", "decode", str(CRASH), "--elf", str(FIRMWARE), "--json")
    report: dict[str, Any] = msgspec.json.decode(done.raw)
    assert [frame["function"] for frame in report["frames"]][:2] == ["store_value", "parse_field"]
    assert set(report) == {
        *("chip", "format", "checksum", "app_sha256", "elf_path", "elf_match", "reason", "crashed_task", "in_isr"),
        *("registers", "tasks", "frames", "memory", "warnings", "decoder"),
    }


async def test_a_file_without_its_program_has_registers_and_a_word_about_it(esperctl: Esperctl) -> None:
    done = await esperctl("coredumps", "decode", str(CRASH))
    assert done.code == 0
    assert "CURRENT THREAD REGISTERS" in done.out
    assert "--elf" in done.err


async def test_a_file_finds_its_program_among_those_that_were_added_to_a_daemon(
    esperctl: Esperctl, environment: dict[str, str]
) -> None:
    elfs = Path(environment["HOME"]) / ".local/state/esperd/elfs"
    elfs.mkdir(parents=True)
    (elfs / f"{SHA256}.elf").write_bytes(FIRMWARE.read_bytes())
    (elfs / f"{SHA256}.json").write_bytes(msgspec.json.encode(ELF_RECORD))
    done = await esperctl("coredumps", "decode", str(CRASH))
    assert (done.code, done.err) == (0, "")
    assert "#0  store_value (setting=0x0, value=" in done.out


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["./nonexistent"], 1, "there is no file ./nonexistent"),
        ([str(FIRMWARE)], 1, "can't be decoded: it is no core of an ESP chip"),
        ([str(CRASH), "--elf", "/nonexistent"], 1, "/nonexistent can't be opened"),
        ([str(CRASH), "--timeout", "0.001"], 124, "not decoded within 0.001 s"),
        ([str(CRASH), "--timeout", "soon"], 2, "'soon' is not a number of seconds"),
        ([str(CRASH), "--timeout", "-1"], 2, "'-1' is not a number of seconds"),
        ([str(CRASH), "--timeout", "1e10"], 2, "'1e10' is more than 1000000 seconds"),
        ([str(CRASH), "--timeout", "1e300"], 2, "'1e300' is more than 1000000 seconds"),
        ([str(CRASH), "--backend", "magic"], 2, "invalid choice: 'magic'"),
        ([str(CRASH), "--backend", "esp-coredump"], 1, "name it with --elf"),
    ],
    ids=str,
)
async def test_a_file_that_can_not_be_decoded_is_told(
    esperctl: Esperctl, words: list[str], code: int, text: str
) -> None:
    done = await esperctl("coredumps", "decode", *words)
    assert (done.code, done.out) == (code, "")
    assert text in done.err
    assert "Traceback" not in done.err


async def test_a_wrong_program_is_refused_unless_it_is_forced(esperctl: Esperctl, tmp_path: Path) -> None:
    other = tmp_path / "other.elf"
    other.write_bytes(FIRMWARE.read_bytes() + b"\0")
    done = await esperctl("coredumps", "decode", str(CRASH), "--elf", str(other))
    assert done.code == 1
    assert SHA256[:9] in done.err
    assert "--force" in done.err
    assert "store_value" in (await esperctl("coredumps", "decode", str(CRASH), "--elf", str(other), "--force")).out


# GDB ------------------------------------------------------------------------------------------------------


@pytest.fixture
def gdb(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A GDB for RISC-V on an otherwise empty PATH, that says what it was given."""
    path = tmp_path / "bin" / "riscv32-esp-elf-gdb"
    path.parent.mkdir()
    path.write_text('#!/bin/sh\nfor word; do echo "$word"; done; /bin/cat *.core | /usr/bin/wc -c; pwd\n', "ascii")
    path.chmod(0o755)
    environment["PATH"] = str(path.parent)
    return path


@pytest.mark.usefixtures("gdb")
async def test_gdb_is_started_on_a_copy_that_is_removed(store: FakeDaemon, esperctl: Esperctl) -> None:
    store.dumps[0].decode.elf_path = str(FIRMWARE)
    done = await esperctl("coredumps", "debug", "bench1-17")
    assert done.code == 0
    *options, program, core, size, folder = done.out.splitlines()
    assert options == ["--nx", "--quiet"]
    assert (program, core) == (f"{folder}/greenhouse.elf", f"{folder}/bench1-17.core")
    assert int(size) == len(CORE_ELF)
    assert not await trio.Path(folder).exists()


@pytest.mark.usefixtures("gdb")
async def test_what_gdb_lacks_is_told(store: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("coredumps", "debug", "bench1-17")
    assert done.code == 1
    assert "the program of bench1-17 is not known" in done.err
    done = await esperctl("coredumps", "debug", "bench1-17", "--elf", "/nonexistent.elf")
    assert "/nonexistent.elf can't be read" in done.err
    store.files["core.bin"] = struct.pack("<II", 500, 3).ljust(100, b"x")
    done = await esperctl("coredumps", "debug", "bench1-17", "--elf", str(FIRMWARE))
    assert "GDB can't read bench1-17: its format is binary 0.3" in done.err
    store.dumps[0].chip = "esp32s3"
    done = await esperctl("coredumps", "debug", "bench1-17", "--elf", str(FIRMWARE))
    assert done.code == 1
    assert "there is no GDB for esp32s3: xtensa-esp32-elf-gdb is not on the PATH" in done.err


@pytest.mark.parametrize(
    ("chip", "machine", "text"),
    [
        ("esp32c3", 94, "is a program for Xtensa chips, and the core dump is of a RISC-V chip"),
        ("esp32s3", 243, "is a program for RISC-V chips, and the core dump is of an Xtensa chip"),
        ("esp32c3", 62, "is no program of an ESP chip"),
        (None, 62, "is no program of an ESP chip"),
    ],
)
async def test_gdb_gets_no_program_for_another_chip(
    store: FakeDaemon, esperctl: Esperctl, gdb: Path, chip: str | None, machine: int, text: str
) -> None:
    store.dumps[0].chip = chip
    other = gdb.parent / "other.elf"
    await trio.Path(other).write_bytes(b"\x7fELF".ljust(18, b"\0") + struct.pack("<H", machine))
    done = await esperctl("coredumps", "debug", "bench1-17", "--gdb", str(gdb), "--elf", str(other))
    assert (done.code, done.out) == (1, "")
    assert done.err == f"esperctl: {other} {text}\nhint: name the program with --elf\n"


# ELF files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], *([name] for name in ELF_COMMANDS)], ids=" ".join)
async def test_help_fits_a_screen_and_has_an_example(esperctl: Esperctl, words: list[str]) -> None:
    done = await esperctl("elf", *words, "--help")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    assert "  esperctl elf " in done.out


async def test_files_of_folders_are_sent_in_parts(store: FakeDaemon, esperctl: Esperctl, tmp_path: Path) -> None:
    store.answers |= {AddElf: ElfStored(None), AddElfPart: ElfStored(ELF_RECORD, ["bench1-17"])}
    build = tmp_path / "build"
    build.mkdir()
    content = FIRMWARE.read_bytes() * 8
    (build / "app.elf").write_bytes(content)
    (build / "app.bin").touch()
    done = await esperctl("elf", "add", str(build))
    assert done.code == 0
    assert done.out == f"{SHA256[:16]}  green␛house  1.0.0  added; decoding bench1-17\n"
    sha256 = hashlib.sha256(content).hexdigest()
    assert AddElf(sha256, len(content), str(build / "app.elf")) in store.requests
    parts = [request for request in store.requests if isinstance(request, AddElfPart)]
    assert [part.offset for part in parts] == [0, 512 * 1024]
    assert b"".join(part.data for part in parts) == content


async def test_a_file_that_is_known_is_not_sent(store: FakeDaemon, esperctl: Esperctl) -> None:
    store.answers[AddElf] = ElfStored(ELF_RECORD)
    done = await esperctl("elf", "add", str(FIRMWARE), "--json")
    assert not any(isinstance(request, AddElfPart) for request in store.requests)
    (added,) = msgspec.json.decode(done.raw)
    assert (added["sha256"], added["added"], added["decoding"]) == (SHA256, False, [])


async def test_what_is_not_taken_decides_the_exit_code_only_if_it_was_named(
    store: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal], tmp_path: Path
) -> None:
    store.answers[AddElf] = refuse("bad_request", "it is no ELF file")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "x.elf").touch()
    done = await esperctl("elf", "add", str(tmp_path / "build" / "x.elf"))
    assert (done.code, done.err) == (1, "esperctl: it is no ELF file\n")
    done = await esperctl("elf", "add", str(tmp_path / "build"))
    assert done.code == 1
    assert "not taken: it is no ELF file" in done.err
    assert "there is no ELF file of an ESP chip" in done.err
    store.answers[AddElf] = refuse("limit", "too large")
    assert (await esperctl("elf", "add", str(FIRMWARE))).code == 75
    assert (await esperctl("elf", "add", "/nonexistent.elf")).code == 4


async def test_a_pipe_in_a_folder_is_no_elf_file(store: FakeDaemon, esperctl: Esperctl, tmp_path: Path) -> None:
    # Nobody writes into it, so to read it would never end.
    os.mkfifo(tmp_path / "pipe.elf")
    done = await esperctl("elf", "add", str(tmp_path))
    assert (done.code, "there is no ELF file of an ESP chip" in done.err) == (1, True)


async def test_the_list_is_a_table(store: FakeDaemon, esperctl: Esperctl) -> None:
    store.answers[ListElfs] = Elfs([ELF_RECORD], 2 * 1024**3)
    header, row = (await esperctl("elf", "list")).out.splitlines()
    assert header.split() == ["SHA-256", "PROJECT", "VERSION", "FOR", "SIZE", "ADDED", "USED", "FROM"]
    assert row.startswith(f"{SHA256[:16]}  green␛house  1.0.0    riscv  88.9 KiB  2026-01-31 08:30:00")
    assert msgspec.json.decode((await esperctl("elf", "list", "--json")).raw)[0]["sha256"] == SHA256
    store.answers[ListElfs] = Elfs([], 2 * 1024**3)
    done = await esperctl("elf", "list")
    assert (done.code, done.out) == (0, "")


async def test_files_are_removed_one_by_one(store: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]) -> None:
    store.answers[RemoveElf] = ElfStored(ELF_RECORD)
    assert (await esperctl("elf", "rm", "54bf6313", "1b43")).code == 0
    assert [request for request in store.requests if isinstance(request, RemoveElf)] == [
        RemoveElf("54bf6313"),
        RemoveElf("1b43"),
    ]
    store.answers[RemoveElf] = refuse("unknown_elf", "no stored ELF file begins with 0000")
    done = await esperctl("elf", "rm", "0000")
    assert done.code == 4
    assert "no stored ELF file begins with 0000" in done.err


async def test_a_file_that_one_of_two_daemons_has_is_removed(
    store: FakeDaemon, second_daemon: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]
) -> None:
    store.answers[RemoveElf] = refuse("unknown_elf", "no")
    second_daemon.answers[RemoveElf] = ElfStored(ELF_RECORD)
    done = await esperctl("elf", "rm", "54bf6313")
    assert (done.code, done.err) == (0, "")
