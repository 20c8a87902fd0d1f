"""Espressif's tool with a GDB for Xtensa that is a script: one that answers, and some that do what no GDB should."""

import json
import os
import shutil
import struct
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import trio

from esperd.testing.made_elf import (
    CODE,
    CODE_BYTES,
    DATA1,
    REF4,
    STACK,
    STRING,
    XTENSA,
    MadeInfo,
    made_core,
    made_elf,
    note,
    prstatus,
    symbol_table,
    xtensa_prstatus,
)
from esperd.testing.processes import is_running

MAIN_TCB, IDLE_TCB = STACK + 0x100, STACK + 0x200
MAIN_PC, IDLE_PC = CODE + 0x10, CODE + 0x40
# What `-thread-info`, `bt` and the rest answer; source: GDB manual, GDB/MI, and recorded sessions of the real one.
GDB: Final = f"""#!{sys.executable}
import os, re, subprocess, signal, sys, time
with open({{pids!r}}, "a") as file: print(os.getpid(), file=file)
def child(*arguments, **options):
    pid = subprocess.Popen(arguments, **options).pid
    with open({{pids!r}}, "a") as file: print(pid, file=file)
{{misbehave}}
TASKS = {{{{"1": ({MAIN_TCB}, {MAIN_PC}, "main"), "2": ({IDLE_TCB}, {IDLE_PC}, "IDLE")}}}}
current = "1"
def say(text): print(text, flush=True)
def console(text):
    for line in text.splitlines(): say('~"' + line.replace('"', '\\\\"') + '\\\\n"')
    say("^done")
assert "--interpreter=mi2" in sys.argv and os.path.exists(sys.argv[-1])
say('=thread-group-added,id="i1"'); say("(gdb) ")
for command in sys.stdin:
    tcb, pc, name = TASKS[current]
    if command.startswith("-data-list-register-values"):
        say('^done,register-values=[{{{{number="0",value="0x%x"}}}}]' % pc)
    elif command.startswith("-thread-info"):
        row = '{{{{id="%s",target-id="process %d",state="stopped"}}}}'
        rows = [row % (key, task[0]) for key, task in TASKS.items()]
        say('^done,threads=[' + ",".join(rows) + '],current-thread-id="1"')
    elif match := re.match(r"-thread-select (\\d)", command):
        current = match[1]; say('^done,new-thread-id="%s"' % current)
    elif match := re.search(r"TCB_t \\*\\)0x([0-9a-f]+)\\)->(\\w+)", command):
        wanted = next(task for task in TASKS.values() if task[0] == int(match[1], 16))
        values = {{{{"pcTaskName": "0x3ffb0000 \\\\\\"%s\\\\\\"" % wanted[2],
                  "uxPriority": "0x5 <x>", "uxBasePriority": "0x4 <x>",
                  "pxEndOfStack": "0x3fc81000", "pxTopOfStack": "0x3fc80800", "pxStack": "0x3fc80000"}}}}
        say('^done,value="%s"' % values[match[2]])
    elif "info registers" in command:
        console("pc  0x%x  0x%x <victim+16>\\na0  0x0  0\\na1  0x3fc80000  1070071808" % (pc, pc))
    elif '"bt"' in command:
        console('#0  0x%08x in %s (text=0x3f400000 "a, (b", n=-1) at /src/my app/main.c:12\\n'
                '#1  0x42000003 in ?? ()' % (pc, name.lower() + "_task"))
    elif "info threads" in command:
        console("* 1    process {MAIN_TCB} main_task ()\\n  2    process {IDLE_TCB} idle_task ()")
    else:
        console("")
    say("(gdb) ")
"""

# How the client ends. The tool notices only after five seconds that its GDB is gone.
TOO_LONG: Final = (124, "was not decoded within 2 s")
FAILED: Final = (1, "esp-coredump failed")


class Bench(NamedTuple):
    """Where everything is; ``pids`` is the file that the GDB writes its process and its children into."""

    folder: Path
    core: Path
    elf: Path
    pids: Path

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    def started(self) -> list[int]:
        return list(map(int, self.pids.read_text("ascii").split())) if self.pids.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = MadeInfo()
    made.function()
    made.end(2)
    sections = {**symbol_table([(1, CODE, CODE_BYTES)], b"\0victim\0"), **made.sections()}
    bench = Bench(tmp_path, tmp_path / "core.elf", tmp_path / "app.elf", tmp_path / "pids")
    bench.elf.write_bytes(made_elf(sections, machine=XTENSA))
    notes = xtensa_prstatus(MAIN_PC, MAIN_TCB) + xtensa_prstatus(IDLE_PC, IDLE_TCB)
    words = b"".join(word.to_bytes(4, "little") for word in (MAIN_TCB, 232, 29, 238, 0x1234))
    notes += note(b"EXTRA_INFO", 677, words.ljust(38 * 4, b"\0"))
    bench.core.write_bytes(made_core(notes, ((STACK, bytes(0x400)),), XTENSA))
    bench.temporary.mkdir()
    (tmp_path / "bin").mkdir()
    return bench


async def decode(bench: Bench, misbehave: str = "", *, timeout_s: float = 30) -> tuple[int, dict[str, Any], str]:
    """What the client says: exit code, the report, the error."""
    gdb = bench.folder / "bin" / "xtensa-esp32-elf-gdb"
    await trio.Path(gdb).write_text(GDB.format(pids=str(bench.pids), misbehave=misbehave), "utf-8")
    gdb.chmod(0o755)
    environment = os.environ | {"PATH": f"{gdb.parent}:{os.environ['PATH']}", "TMPDIR": str(bench.temporary)}
    command = [
        sys.executable,
        "-m",
        "esperctl",
        "--json",
        "coredumps",
        "decode",
        str(bench.core),
        "--elf",
        str(bench.elf),
    ]
    with trio.fail_after(60):
        done = await trio.run_process(
            [*command, "--elf", str(bench.elf), "--backend", "esp-coredump", "--timeout", str(timeout_s)],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment,
        )
    report: dict[str, Any] = json.loads(done.stdout if done.returncode == 0 else "{}")
    return done.returncode, report, done.stderr.decode()


async def assert_nothing_is_left(bench: Bench) -> None:
    assert bench.started()
    with trio.move_on_after(2):
        while any(map(is_running, bench.started())):  # noqa: ASYNC110 - they are nobody's children who could wait
            await trio.sleep(0.02)
    assert [pid for pid in bench.started() if is_running(pid)] == []
    assert list(bench.temporary.iterdir()) == []


async def test_a_dump_of_xtensa_gets_the_report_that_gdb_makes(bench: Bench) -> None:
    code, report, error = await decode(bench)
    assert (code, error) == (0, "")
    assert report["decoder"]["backend"] == "esp-coredump"
    assert report["crashed_task"] == "main"
    tasks = [(task["tcb"], task["name"], task["priority"], task["base_priority"]) for task in report["tasks"]]
    assert tasks == [(MAIN_TCB, "main", 5, 4), (IDLE_TCB, "IDLE", 5, 4)]
    frames = [(frame["pc"], frame["function"], frame["file"], frame["line"]) for frame in report["frames"]]
    assert frames == [(MAIN_PC, "main_task", "/src/my app/main.c", 12), (CODE + 3, None, None, None)]
    arguments = [(argument["name"], argument["value"]) for argument in report["frames"][0]["args"]]
    assert arguments == [("text", '0x3f400000 "a, (b"'), ("n", "-1")]
    assert report["registers"]["exccause"] == 29
    await assert_nothing_is_left(bench)


@pytest.mark.parametrize(
    ("misbehave", "expected", "timeout_s"),
    [
        pytest.param("time.sleep(60)", TOO_LONG, 2, id="hangs"),
        pytest.param(
            "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", TOO_LONG, 2, id="ignores SIGTERM"
        ),
        pytest.param("[child('sleep', '60') for _ in range(5)]; time.sleep(60)", TOO_LONG, 2, id="forks"),
        pytest.param("sys.exit(3)", FAILED, 30, id="dies", marks=pytest.mark.slow),
        pytest.param("os.abort()", TOO_LONG, 2, id="crashes"),
        pytest.param("print('^error,msg=\"no core\"', flush=True); sys.exit(1)", TOO_LONG, 2, id="refuses"),
        pytest.param("eaten = bytearray(1 << 40)", TOO_LONG, 2, id="eats memory"),
        pytest.param("[os.write(1, b'~\"' + b'x' * 10000 + b'\"\\n') for _ in iter(int, 1)]", TOO_LONG, 2, id="floods"),
        pytest.param("print('nonsense ^done', flush=True); time.sleep(60)", TOO_LONG, 2, id="nonsense"),
    ],
)
async def test_a_gdb_that_misbehaves_is_a_clear_error_on_time(
    bench: Bench, misbehave: str, expected: tuple[int, str], timeout_s: float
) -> None:
    started = trio.current_time()
    code, _, error = await decode(bench, misbehave, timeout_s=timeout_s)
    assert trio.current_time() - started < timeout_s + 3
    assert code == expected[0]
    assert expected[1] in error
    assert "Traceback" not in error
    await assert_nothing_is_left(bench)


async def test_children_that_gdb_leaves_behind_are_killed_with_a_good_report(bench: Bench) -> None:
    code, report, _ = await decode(bench, "child('sleep', '60', **dict.fromkeys(('stdin', 'stdout', 'stderr'), -3))")
    assert (code, report["crashed_task"]) == (0, "main")
    assert len(bench.started()) == 2
    await assert_nothing_is_left(bench)


TCB_MEMBERS: Final = {"pxTopOfStack": 0, "uxPriority": 44, "pxStack": 48, "pxEndOfStack": 72, "uxBasePriority": 76}


def riscv_program() -> bytes:
    """With the type that the tool asks GDB for: TCB_t, and its members."""
    made = MadeInfo()
    number = made.die(0x24, (0x03, STRING, b"unsigned int"), (0x0B, DATA1, 4), (0x3E, DATA1, 7))
    letter = made.die(0x24, (0x03, STRING, b"char"), (0x0B, DATA1, 1), (0x3E, DATA1, 8))
    name = made.die(0x01, (0x49, REF4, letter), children=True)
    made.die(0x21, (0x49, REF4, number), (0x2F, DATA1, 15))
    made.end()
    block = made.die(0x13, (0x03, STRING, b"tskTaskControlBlock"), (0x0B, DATA1, 80), children=True)
    made.die(0x0D, (0x03, STRING, b"pcTaskName"), (0x49, REF4, name), (0x38, DATA1, 52))
    for member, offset in TCB_MEMBERS.items():
        made.die(0x0D, (0x03, STRING, member.encode()), (0x49, REF4, number), (0x38, DATA1, offset))
    made.end()
    made.die(0x16, (0x03, STRING, b"TCB_t"), (0x49, REF4, block))
    made.function()
    made.end(2)
    return made_elf({**symbol_table([(1, CODE, CODE_BYTES)], b"\0victim\0"), **made.sections()})


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="gdb-multiarch is not installed")
async def test_a_dump_of_risc_v_gets_the_report_that_debians_gdb_makes(bench: Bench) -> None:
    bench.elf.write_bytes(riscv_program())
    memory = bytearray(0x400)
    for tcb, name, priority in ((MAIN_TCB, b"main", 5), (IDLE_TCB, b"IDLE", 0)):
        block = {"pxTopOfStack": STACK + 64, "uxPriority": priority, "pxStack": STACK, "pxEndOfStack": STACK + 256}
        for member, value in {**block, "uxBasePriority": priority}.items():
            struct.pack_into("<I", memory, tcb - STACK + TCB_MEMBERS[member], value)
        memory[tcb - STACK + 52 : tcb - STACK + 56] = name
    notes = prstatus(MAIN_PC, STACK + 64, MAIN_TCB) + prstatus(IDLE_PC, STACK + 128, IDLE_TCB)
    notes += note(b"EXTRA_INFO", 677, struct.pack("<II", MAIN_TCB, 0))
    bench.core.write_bytes(made_core(notes, ((STACK, bytes(memory)),)))
    gdb = bench.folder / "bin" / "gdb-multiarch"
    await trio.Path(gdb).write_text(
        f'#!/bin/sh\necho $$ >> {bench.pids}\nexec {shutil.which("gdb-multiarch")} "$@"\n', "utf-8"
    )
    gdb.chmod(0o755)
    code, report, error = await decode(bench)
    assert (code, error) == (0, "")
    tasks = [(task["tcb"], task["name"], task["priority"], task["base_priority"]) for task in report["tasks"]]
    assert tasks == [(MAIN_TCB, "main", 5, 5), (IDLE_TCB, "IDLE", 0, 0)]
    assert (report["crashed_task"], report["frames"][0]["function"]) == ("main", "victim")
    assert report["frames"][0]["pc"] == MAIN_PC
    await assert_nothing_is_left(bench)
