"""``coredumps decode`` of what is not stored: pipes, pasted text, logs with several dumps, the wrong program."""

from __future__ import annotations

import os
import pty
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from esperd.testing.elf_files import MadeSection, program_file

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.esperctl.conftest import Esperctl, FakeDaemon

RECORDINGS = Path(__file__).resolve().parents[2] / "esperd" / "simulation" / "recordings"
FIRMWARE = RECORDINGS / "greenhouse.elf"
CRASH = (RECORDINGS / "crash.raw").read_bytes()
END = b"================= CORE DUMP END =================\r\n"
FIRST_END = CRASH.index(END) + len(END)
ONE = CRASH[:FIRST_END]
EMPTY = b"================= CORE DUMP START =================\r\n" + END
HINT = "name it with --elf"


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A log of three dumps, of which the second has nothing between its markers."""
    path = tmp_path / "three.log"
    path.write_bytes(CRASH[:FIRST_END] + EMPTY + CRASH[FIRST_END:])
    return path


@pytest.fixture
def xtensa_elf(tmp_path: Path) -> Path:
    path = tmp_path / "xtensa.elf"
    path.write_bytes(
        program_file("xtensa", [MadeSection(".flash.text", 0x400D0020, bytes(64))], [("f", 0x400D0020, 64)])
    )
    return path


# Pipes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
async def test_a_dump_is_piped_in(esperctl: Esperctl, name: str) -> None:
    done = await esperctl("coredumps", "decode", name, "--elf", str(FIRMWARE), stdin=ONE)
    assert (done.code, done.err) == (0, "")
    assert "#0  store_value (setting=0x0, value=" in done.out


async def test_a_file_may_be_standard_input_and_any_pipe_the_dump(
    command: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "crash.log"
    log.write_bytes(ONE)
    for words in ('"$@" /dev/stdin < crash.log', '"$@" <(cat crash.log)', '"$@" - < crash.log'):
        done = await trio.run_process(
            ["bash", "-c", words, "bash", *command, "coredumps", "decode", "--elf", str(FIRMWARE)],
            capture_stdout=True,
            env={**environment, "PYTHONPATH": str(RECORDINGS.parents[2])},
            cwd=tmp_path,
        )
        assert b"#0  store_value (setting=0x0, value=" in done.stdout


async def test_on_a_terminal_a_dump_is_pasted_and_ctrl_d_ends_it(
    command: list[str], environment: dict[str, str]
) -> None:
    parent, child = pty.openpty()
    settings = termios.tcgetattr(child)
    # Nobody reads what would be echoed.
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(child, termios.TCSANOW, settings)
    done: list[subprocess.CompletedProcess[bytes]] = []

    async def decode() -> None:
        words = [*command, "coredumps", "decode", "-"]
        done.append(
            await trio.run_process(words, stdin=child, capture_stdout=True, capture_stderr=True, env=environment)
        )

    pasted = ONE[ONE.index(b"=====") :].replace(b"\r\n", b"\n") + b"\x04"
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(decode)
            await trio.to_thread.run_sync(os.write, parent, pasted, abandon_on_cancel=True)
    os.close(parent)
    os.close(child)
    asked, *_ = done[0].stderr.splitlines()
    assert asked == b"paste the core dump, then press Ctrl-D on a line of its own"
    assert b"Panic reason: Store access fault" in done[0].stdout


async def test_what_is_piped_in_and_is_no_dump_is_told_without_a_hint(esperctl: Esperctl) -> None:
    for text in (b"", b"all is well\n"):
        done = await esperctl("coredumps", "decode", "-", stdin=text)
        assert (done.code, done.out) == (1, "")
        assert done.err == (
            "esperctl: standard input can't be decoded: there is no core dump in it: no line is base64\n"
        )


async def test_a_pipe_without_end_is_refused(command: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    endless = os.open("/dev/zero", os.O_RDONLY)
    words = [*command, "coredumps", "decode", "-"]
    variables = {**environment, "TMPDIR": str(tmp_path)}
    done = await trio.run_process(words, stdin=endless, capture_stderr=True, check=False, env=variables)
    os.close(endless)
    assert done.returncode == 1
    assert b"standard input has more than 256.0 MiB" in done.stderr
    assert not list(await trio.Path(tmp_path).glob("esperctl-*"))


async def test_a_device_is_not_opened(esperctl: Esperctl) -> None:
    parent, child = pty.openpty()
    done = await esperctl("coredumps", "decode", os.ttyname(child))
    assert (done.code, done.err) == (1, f"esperctl: {os.ttyname(child)} is neither a file nor a pipe\n")
    os.close(parent)
    os.close(child)


# What may not be read -------------------------------------------------------------------------------------


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody may look into, beside a file and a pipe that nobody may read."""
    folder = tmp_path / "secrets"
    (folder / "closed").mkdir(parents=True)
    (folder / "closed" / "crash.elf").write_bytes(FIRMWARE.read_bytes())
    (folder / "crash.log").write_bytes(ONE)
    os.mkfifo(folder / "pipe")
    for path in folder.iterdir():
        path.chmod(0)
    yield folder
    (folder / "closed").chmod(0o700)


@pytest.fixture
def powerless(command: list[str]) -> list[str]:
    """The command, without root's right to read everything."""
    return command if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]


@pytest.mark.parametrize(
    ("words", "name", "code", "text"),
    [
        ("coredumps decode", "closed/crash.elf", 4, "you may not read {}"),
        ("coredumps decode", "crash.log", 4, "you may not read {}"),
        ("coredumps decode", "pipe", 4, "you may not read {}"),
        ("coredumps decode", "x" * 300, 1, "{} can't be read: File name too long"),
        ("coredumps decode", "crash.log/x", 1, "there is no file {}"),
        ("elf add", "closed/crash.elf", 4, "you may not read {}"),
        ("elf add", "closed", 4, "you may not read {}"),
        ("elf add", "x" * 300, 1, "{} can't be read: File name too long"),
    ],
)
async def test_what_can_not_be_read_is_told_as_that(
    daemon: FakeDaemon,
    powerless: list[str],
    environment: dict[str, str],
    secrets: Path,
    words: str,
    name: str,
    code: int,
    text: str,
) -> None:
    path = f"{secrets}/{name}"
    done = await trio.run_process([*powerless, *words.split(), path], capture_stderr=True, check=False, env=environment)
    assert (done.returncode, done.stderr.decode()) == (code, f"esperctl: {text.format(path)}\n")


async def test_a_closed_folder_among_others_is_told(
    daemon: FakeDaemon, powerless: list[str], environment: dict[str, str], secrets: Path
) -> None:
    done = await trio.run_process(
        [*powerless, "elf", "add", str(secrets)], capture_stderr=True, check=False, env=environment
    )
    assert (done.returncode, done.stderr.decode()) == (4, f"esperctl: you may not read {secrets}/closed\n")


# Several dumps --------------------------------------------------------------------------------------------


async def test_all_dumps_of_a_log_are_printed_and_one_that_is_none_is_told(esperctl: Esperctl, three: Path) -> None:
    done = await esperctl("coredumps", "decode", str(three), "--elf", str(FIRMWARE))
    headings = [line for line in done.out.splitlines() if line.startswith("core dump ")]
    text = await trio.Path(three).read_bytes()
    lines = [number for number, line in enumerate(text.split(b"\n"), 1) if b"CORE DUMP START" in line]
    assert headings == [f"core dump 1 of 3 (line {lines[0]})", f"core dump 3 of 3 (line {lines[2]})"]
    assert done.out.count("Panic reason: Store access fault") == 2
    assert done.code == 1
    assert done.err == (
        f"esperctl: core dump 2 (line {lines[1]}) of {three} can't be decoded: "
        "there is no core dump in it: no line is base64\n"
    )


async def test_one_dump_has_no_heading(esperctl: Esperctl) -> None:
    done = await esperctl("coredumps", "decode", "-", "--elf", str(FIRMWARE), stdin=ONE)
    assert done.out.startswith("=====")


async def test_one_of_several_is_picked(esperctl: Esperctl, three: Path) -> None:
    done = await esperctl("coredumps", "decode", str(three), "--number", "1", "--elf", str(FIRMWARE))
    assert (done.code, done.err) == (0, "")
    assert done.out.count("Panic reason: ") == 1
    assert not done.out.startswith("core dump")
    done = await esperctl("coredumps", "decode", str(three), "--number", "2", "--json")
    assert (done.code, done.out) == (1, "")
    assert "core dump 2 " in done.err


async def test_the_document_is_of_the_last_and_says_so(esperctl: Esperctl, three: Path) -> None:
    done = await esperctl("coredumps", "decode", str(three), "--json", "--elf", str(FIRMWARE))
    report: dict[str, Any] = msgspec.json.decode(done.raw)
    assert (done.code, report["reason"]) == (0, "Store access fault")
    assert f"3 core dumps in {three}; this is the last (3, at line " in done.err
    assert done.err.endswith("; --number picks another\n")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["-", "--number", "2"], 1, "there is 1 core dump in it, and no number 2"),
        (["-", "--number", "0"], 2, "'0' is not the number of a core dump"),
        (["-", "--number", "x"], 2, "'x' is not the number of a core dump"),
        (["bench1-17", "--number", "1"], 2, "bench1-17 is one core dump: --number is for a file with several"),
    ],
    ids=str,
)
async def test_a_number_that_is_none_is_told(esperctl: Esperctl, words: list[str], code: int, text: str) -> None:
    done = await esperctl("coredumps", "decode", *words, stdin=ONE)
    assert (done.code, done.out) == (code, "")
    assert text in done.err


async def test_what_is_wrong_with_the_question_is_told_once(esperctl: Esperctl, three: Path) -> None:
    done = await esperctl("coredumps", "decode", str(three), "--elf", "/nonexistent.elf")
    assert (done.code, done.out) == (1, "")
    assert done.err.count("/nonexistent.elf") == 1


# Programs -------------------------------------------------------------------------------------------------


async def test_the_missing_program_is_mentioned_only_below_a_report(esperctl: Esperctl) -> None:
    done = await esperctl("coredumps", "decode", "-", stdin=ONE)
    assert done.code == 0
    assert HINT in done.err
    assert HINT not in (await esperctl("coredumps", "decode", str(FIRMWARE))).err


@pytest.mark.parametrize("force", [[], ["--force"]])
async def test_a_program_for_another_chip_is_refused_also_by_force(
    esperctl: Esperctl, xtensa_elf: Path, force: list[str]
) -> None:
    done = await esperctl("coredumps", "decode", "-", "--elf", str(xtensa_elf), *force, stdin=ONE)
    assert (done.code, done.out) == (1, "")
    assert f"{xtensa_elf} is a program for Xtensa chips, and the core dump is of a RISC-V chip" in done.err
