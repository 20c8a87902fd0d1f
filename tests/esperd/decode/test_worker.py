"""The decoder process, as the daemon and the client start it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from esperd.decode.backends.gdb_text import parse_gdb_text
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS
from esperd.testing.elf_builds import silent_file

SHA256: Final = hashlib.sha256(FIRMWARE_ELF.read_bytes()).hexdigest()
CRASH: Final = RECORDINGS / "crash.raw"
CALL_CHAIN: Final = ["store_value", "parse_field", "process_message"]
KNOWN: Final = {"path": str(FIRMWARE_ELF), "sha256": SHA256, "machine": "riscv"}


async def ask(request: object, environment: dict[str, str] | None = None) -> dict[str, Any]:
    line = request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n"
    with trio.fail_after(60):
        done = await trio.run_process(
            [sys.executable, "-m", "esperd.decode.worker"],
            stdin=line,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=os.environ | (environment or {}),
        )
    assert done.stderr == b""
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == ("error" in answer)
    return answer


def functions(answer: dict[str, Any]) -> list[str]:
    return [frame["function"] for frame in answer["report"]["frames"]]


def other_firmware(tmp_path: Path) -> tuple[Path, str]:
    """The same program with another hash, as of another build."""
    path = tmp_path / "other.elf"
    path.write_bytes(FIRMWARE_ELF.read_bytes() + b"\0")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def without_notes(tmp_path: Path) -> Path:
    """The dump cut before its last note, which names the program; as when a watchdog resets the chip."""
    lines = CRASH.read_bytes().split(b"CORE DUMP START")[-1].split(b"=================")[1].splitlines()
    path = tmp_path / "cut.b64"
    path.write_bytes(b"\n".join(line for line in lines if line)[:-1400])
    return path


# The native backend ---------------------------------------------------------------------------------------


async def test_a_log_with_a_dump_is_decoded_with_the_program_that_it_is_given() -> None:
    answer = await ask({"dump": str(CRASH), "elf": str(FIRMWARE_ELF)})
    report = answer["report"]
    assert functions(answer)[:3] == CALL_CHAIN
    assert report["crashed_task"] == "main"
    assert report["elf_match"] == "sha256"
    assert report["decoder"]["backend"] == "native"
    assert "#0  store_value (setting=0x0, value=" in answer["text"]


async def test_without_a_program_there_are_registers_and_tasks() -> None:
    report = (await ask({"dump": str(CRASH)}))["report"]
    assert report["elf_path"] is None
    assert report["registers"]["mcause"] == 7
    assert len(report["tasks"]) == 3


async def test_local_variables_are_told_when_they_are_asked_for() -> None:
    request = {"dump": str(CRASH), "elf": str(FIRMWARE_ELF)}
    assert not any(frame["locals"] for frame in (await ask(request))["report"]["frames"])
    assert any(frame["locals"] for frame in (await ask({**request, "locals": True}))["report"]["frames"])


# Which program --------------------------------------------------------------------------------------------


async def test_the_program_is_found_by_the_hash_in_the_dump(tmp_path: Path) -> None:
    other, other_sha256 = other_firmware(tmp_path)
    elfs = [{"path": str(other), "sha256": other_sha256, "machine": "riscv"}, KNOWN]
    report = (await ask({"dump": str(CRASH), "elfs": elfs, "needs_elf": True}))["report"]
    assert (report["elf_path"], report["elf_match"]) == (str(FIRMWARE_ELF), "sha256")


async def test_a_program_that_is_not_known_is_asked_for_by_its_hash() -> None:
    error = (await ask({"dump": str(CRASH), "needs_elf": True}))["error"]
    assert error["code"] == "no_elf"
    assert error["app_sha256"] == SHA256[:9]
    assert SHA256[:9] in error["message"]
    assert "esperctl elf add" in error["message"]


async def test_two_programs_with_the_same_beginning_are_ambiguous() -> None:
    elfs = [KNOWN, {**KNOWN, "sha256": SHA256[:20] + "0" * 44}]
    error = (await ask({"dump": str(CRASH), "elfs": elfs, "needs_elf": True}))["error"]
    assert error["code"] == "ambiguous_elf"
    assert "2 ELF files" in error["message"]


async def test_a_program_whose_hash_contains_the_digits_is_not_it() -> None:
    elfs = [{**KNOWN, "sha256": "00" + SHA256[:62]}]
    assert (await ask({"dump": str(CRASH), "elfs": elfs, "needs_elf": True}))["error"]["code"] == "no_elf"


async def test_a_dump_that_lost_its_hash_is_decoded_by_what_the_log_said(tmp_path: Path) -> None:
    other, other_sha256 = other_firmware(tmp_path)
    elfs = [{"path": str(other), "sha256": other_sha256, "machine": "riscv"}, KNOWN]
    request = {"dump": str(without_notes(tmp_path)), "elfs": elfs, "needs_elf": True}
    answer = await ask({**request, "app_sha256": SHA256[:9].upper()})
    assert answer["report"]["app_sha256"] is None
    assert (answer["report"]["elf_path"], answer["report"]["elf_match"]) == (str(FIRMWARE_ELF), "sha256")
    assert functions(answer)[:3] == CALL_CHAIN


async def test_a_dump_without_any_hash_is_decoded_with_the_only_program_that_fits(tmp_path: Path) -> None:
    xtensa = {**KNOWN, "sha256": "1" * 64, "machine": "xtensa"}
    request = {"dump": str(without_notes(tmp_path)), "needs_elf": True}
    answer = await ask({**request, "elfs": [xtensa, KNOWN], "app_sha256": "000000000"})
    assert (answer["report"]["elf_path"], answer["report"]["elf_match"]) == (str(FIRMWARE_ELF), "unknown")
    assert (await ask({**request, "elfs": [xtensa]}))["error"]["code"] == "no_elf"
    twice = [KNOWN, {**KNOWN, "sha256": "2" * 64}]
    assert (await ask({**request, "elfs": twice}))["error"]["code"] == "ambiguous_elf"


async def test_a_wrong_program_is_refused_with_both_hashes_unless_it_is_forced(tmp_path: Path) -> None:
    other, other_sha256 = other_firmware(tmp_path)
    request = {"dump": str(CRASH), "elf": str(other)}
    error = (await ask(request))["error"]
    assert error["code"] == "elf_mismatch"
    assert other_sha256 in error["message"]
    assert SHA256[:9] in error["message"]
    assert "--force" in error["message"]
    answer = await ask({**request, "force": True})
    assert answer["report"]["elf_match"] == "forced"
    assert functions(answer)[:3] == CALL_CHAIN


# What goes wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{\n", b"[]\n", b'{"dump": 5}\n', b"\xff\n", b'{"elf": "x"}\n'], ids=repr
)
async def test_a_request_that_is_none_is_an_answer(line: bytes) -> None:
    assert (await ask(line))["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"dump": "/nonexistent"}, "unreadable"),
        ({"dump": "/"}, "unreadable"),
        ({"dump": str(FIRMWARE_ELF)}, "no_dump"),
        ({"dump": "/dev/zero"}, "unreadable"),
        ({"elf": "/nonexistent"}, "bad_elf"),
        ({"elf": str(CRASH)}, "bad_elf"),
        ({"backend": "magic"}, "bad_request"),
    ],
    ids=str,
)
async def test_what_can_not_be_decoded_is_told_in_a_sentence(change: dict[str, object], code: str) -> None:
    error = (await ask({"dump": str(CRASH), "elf": str(FIRMWARE_ELF), **change}))["error"]
    assert error["code"] == code
    assert "Traceback" not in error["message"]


async def test_a_file_that_is_empty_or_larger_than_any_dump_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.touch()
    assert (await ask({"dump": str(path)}))["error"]["code"] == "no_dump"
    os.truncate(path, 1 << 40)
    assert (await ask({"dump": str(path)}))["error"]["code"] == "too_large"


@pytest.mark.parametrize("backend", ["native", "esp-coredump"])
async def test_a_fifo_in_the_place_of_a_program_is_not_waited_for(tmp_path: Path, backend: str) -> None:
    fifo = tmp_path / "app.elf"
    os.mkfifo(fifo)
    with trio.fail_after(20):
        # Any program will do for GDB: it does not come to that.
        request = {"dump": str(CRASH), "elf": str(fifo), "backend": backend, "work_dir": str(tmp_path)}
        answer = await ask({**request, "gdb": {"riscv": "/bin/true"}})
    assert "it is no regular file" in answer["error"]["message"]


async def test_too_little_memory_is_an_answer_or_a_crash_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(CRASH.read_bytes() + b"A" * 200 * 1024**2)
    error = (await ask({"dump": str(path), "memory_bytes": 128 * 1024**2}))["error"]
    assert error["code"] == "memory"


def test_it_dies_with_whoever_holds_its_input(tmp_path: Path) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "esperd.decode.worker"], stdin=subprocess.PIPE, start_new_session=True
    )
    assert worker.stdin is not None
    dump = Path(shutil.copy(CRASH, tmp_path))
    # A dump that does not come, so that it can't be done before.
    with silent_file(dump):
        worker.stdin.write(json.dumps({"dump": str(dump), "watch_stdin": True}).encode() + b"\n")
        worker.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(0.5)
        worker.stdin.close()
        assert worker.wait(5) == -9


# Espressif's tool -----------------------------------------------------------------------------------------


@pytest.fixture
def corpus() -> Path:
    folder = os.environ.get("ESPER_CORPUS")
    if folder is None:
        pytest.skip("ESPER_CORPUS is not set: it names the folder that holds dumps/ and elf/")
    return Path(folder)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="gdb-multiarch is not installed")
@pytest.mark.parametrize("name", ["esp32c3_elf12", "r01_d0"])
async def test_espressifs_tool_with_debians_gdb_agrees_with_ours(tmp_path: Path, corpus: Path, name: str) -> None:
    programs = json.loads((corpus / "dumps" / "index.json").read_bytes())
    request = {"dump": str(corpus / "dumps" / f"{name}.b64"), "work_dir": str(tmp_path)}
    request["elf"] = str(corpus / "elf" / f"{programs[name]}.elf")
    answer = await ask({**request, "backend": "esp-coredump"})
    theirs, ours = answer["report"], (await ask(request))["report"]
    assert theirs["decoder"]["backend"] == "esp-coredump"
    assert (theirs["crashed_task"], theirs["elf_match"]) == ("main", "sha256")
    for field in ("tcb", "name", "priority", "base_priority"):
        assert [task[field] for task in theirs["tasks"]] == [task[field] for task in ours["tasks"]]
    # GDB stops at a function of the ROM that our own stack scan goes on from.
    assert len(theirs["frames"]) >= 4
    for frame, own in zip(theirs["frames"], ours["frames"], strict=False):
        assert [frame[key] for key in ("pc", "function", "file", "line")] == [
            own[key] for key in ("pc", "function", "file", "line")
        ]
    assert "CURRENT THREAD STACK" in answer["text"]


async def ask_scripted_tool(tmp_path: Path, program: str) -> dict[str, Any]:
    """The answer with a tool of our own in the place of Espressif's."""
    tool, work_dir = tmp_path / "tools" / "esp_coredump", tmp_path / "work"
    tool.mkdir(parents=True)
    work_dir.mkdir()
    (tool / "__init__.py").touch()
    (tool / "__main__.py").write_text(program, "utf-8")
    request = {"dump": str(CRASH), "elf": str(FIRMWARE_ELF), "backend": "esp-coredump", "work_dir": str(work_dir)}
    return await ask({**request, "gdb": {"riscv": "/bin/true"}}, {"PYTHONPATH": str(tmp_path / "tools")})


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        pytest.param("", "names no thread", id="nothing"),
        pytest.param("all is well", "names no thread", id="something else"),
        pytest.param("THREAD", "2 of 3 tasks are missing", id="one thread of three"),
        pytest.param("OTHER PC", "program counter is not the dump's", id="another architecture"),
    ],
)
async def test_a_wrong_report_with_exit_code_0_is_found_out(tmp_path: Path, text: str, doubt: str) -> None:
    threads = [
        f"==== THREAD {number} (TCB: 0x{tcb:08x}, name: 'x') ====\n#0  x () at x.c:1\n"
        for number, tcb in enumerate((0x80020228, 0x80021E90, 0x800201D0), 1)
    ]
    printed = {"THREAD": threads[0], "OTHER PC": "".join(threads)}.get(text, text)
    error = (await ask_scripted_tool(tmp_path, f"print({printed!r})"))["error"]
    assert error["code"] == "wrong_report"
    assert doubt in error["message"]


async def test_a_tool_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    error = (await ask_scripted_tool(tmp_path, "import sys; sys.exit('construct.core.StreamError: too short')"))[
        "error"
    ]
    assert error["message"] == "esp-coredump failed: construct.core.StreamError: too short"


async def test_the_tool_gets_an_assembled_core_and_a_folder_of_its_own(tmp_path: Path) -> None:
    program = (
        "import os, sys, tempfile\ncore = sys.argv[sys.argv.index('--core') + 1]\n"
        "magic, chip = open(core, 'rb').read(4), sys.argv[sys.argv.index('--chip') + 1]\n"
        "sys.exit(f'{magic} {chip} {tempfile.gettempdir() == os.getcwd() == os.path.dirname(core)}')"
    )
    error = (await ask_scripted_tool(tmp_path, program))["error"]
    assert error["message"] == "esp-coredump failed: b'\\x7fELF' esp32c3 True"


async def test_without_a_gdb_it_says_which_one(tmp_path: Path) -> None:
    request = {"dump": str(CRASH), "elf": str(FIRMWARE_ELF), "backend": "esp-coredump", "work_dir": str(tmp_path)}
    error = (await ask(request, {"PATH": str(tmp_path)}))["error"]
    assert error["code"] == "unavailable"
    assert "riscv32-esp-elf-gdb" in error["message"]


GDB_TEXT: Final = """\
================== CURRENT THREAD REGISTERS ===================
pc             0x40380698	0x40380698 <panic_abort+18>
ra             0x4038368e	0x4038368e <__ubsan_include>

======================== THREADS INFO =========================
* 1    process 1070132272 panic_abort (details=0x0) at /a b/panic.c:472

       TCB             NAME PRIO C/B  STACK USED/FREE
---------- ---------------- -------- ----------------
0x3fc8ec30          my task    21/19         160/3924

==================== THREAD 1 (TCB: 0x3fc8ec30, name: 'my task') =====================
#0  panic_abort (details=details@entry=0x3fc8ea9c "a, \\"(b", flags=true) at /a b/panic.c:472
#1  0x4038368e in esp_system_abort (point={x = 1, y = 2}, c=44 ',') at /idf/chip.c:93
#2  0x400485e4 in ?? ()
Backtrace stopped: frame did not save the PC
"""


def test_the_text_of_espressifs_tool_is_understood() -> None:
    found = parse_gdb_text(GDB_TEXT)
    assert found.registers == {"pc": 0x40380698, "ra": 0x4038368E}
    (thread,) = found.threads
    assert (thread.tcb, thread.name, thread.priority, thread.base_priority) == (0x3FC8EC30, "my task", 21, 19)
    first, second, third = thread.frames
    assert (first.function, first.file, first.line) == ("panic_abort", "/a b/panic.c", 472)
    assert [(argument.name, argument.value) for argument in first.args] == [
        ("details", 'details@entry=0x3fc8ea9c "a, \\"(b"'),
        ("flags", "true"),
    ]
    assert [argument.value for argument in second.args] == ["{x = 1, y = 2}", "44 ','"]
    assert (second.pc, second.shows_address) == (0x4038368E, True)
    assert (third.function, third.file, third.pc) == (None, None, 0x400485E4)
