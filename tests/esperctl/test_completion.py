from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.messages import Elfs, ListBoards, ListElfs
from esper_protocol.records import ElfRecord
from esperctl.command_line import COMMANDS, GROUPS, group_parser, parser_of, top_parser
from esperctl.completion.candidates import NO_SOURCES, SOURCES, wanted
from esperctl.completion.command_words import CommandWords, from_bash
from esperctl.completion.scripts import SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path

    from esperctl.arguments import Parser
    from tests.esperctl.conftest import Esperctl, FakeDaemon, MakeBoard, MakeCoredump, Refusal

# The default of bash 5.
BREAKS = " \t\n\"'><=;|&(:"


def all_parsers() -> list[Parser]:
    found = [top_parser(), *(parser_of(command, name) for name, command in COMMANDS.items())]
    for group, commands in GROUPS.items():
        found += [group_parser(group), *(parser_of(command, name) for name, command in commands.items())]
    return found


def known(*words: str) -> list[str]:
    return [candidate.value for candidate in wanted(list(words[:-1]), words[-1]).known]


def test_it_is_known_of_every_value_of_every_command_where_it_comes_from() -> None:
    unknown = {
        (parser.prog, action.metavar)
        for parser in all_parsers()
        for action in parser.declared
        if action.nargs != 0 and action.choices is None and action.metavar not in {*SOURCES, *NO_SOURCES}
    }
    assert unknown == set()


def test_every_command_and_group_is_offered() -> None:
    assert known("") == [*COMMANDS, *GROUPS]
    for group, commands in GROUPS.items():
        assert known(group, "") == [*commands]


def test_the_hidden_command_is_not_offered() -> None:
    assert not any(name.startswith("_") for name in known(""))


@pytest.mark.parametrize("words", [("config", "check"), ("service", "install"), ("service", "uninstall")])
def test_a_hidden_option_is_not_offered_and_those_of_all_commands_are(words: tuple[str, str]) -> None:
    offered = known(*words, "--")
    assert "--root" not in offered
    assert {"--help", "--socket", "--board", "--json", "--color"} <= {*offered}


def test_every_option_of_every_command_is_offered() -> None:
    for name, command in COMMANDS.items():
        flags = [flag for action in parser_of(command, name).declared for flag in action.option_strings]
        assert known(name, "-") == flags
        assert {"--board", "--json", "--help"} <= set(flags)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["logs", "-o", ""], ["short", "raw", "json"]),
        (["logs", "--output=ra"], ["--output=short", "--output=raw", "--output=json"]),
        (["--color", ""], ["auto", "always", "never"]),
        (
            ["--json", "coredumps", "--color", "never", "decode", "x", "--backend", ""],
            ["auto", "native", "esp-coredump"],
        ),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["logs", "-f", "--", "-"], []),
        (["logs", "bench1", ""], []),
        (["frobnicate", ""], []),
        (["coredumps", "frobnicate", "--"], ["--help"]),
    ],
    ids=str,
)
def test_values_that_the_parsers_know(words: list[str], values: list[str]) -> None:
    assert [value for value in known(*words) if value != "-h"] == values


@pytest.mark.parametrize(
    ("words", "sources"),
    [
        (["status", ""], ("boards",)),
        (["--board", ""], ("boards",)),
        (["--board=b"], ("boards",)),
        (["logs", "-f", "-S", "10m", ""], ("boards",)),
        (["logs", "-S", ""], ()),
        (["send", ""], ("boards",)),
        (["send", "bench1", ""], ()),
        (["coredumps", "pin", "a-1", "a-2", ""], ("coredumps",)),
        (["coredumps", "decode", ""], ("coredumps", "files")),
        (["coredumps", "decode", "a-1", "--elf", ""], ("files",)),
        (["elf", "rm", ""], ("elfs",)),
        (["elf", "add", "a", ""], ("files",)),
        (["events", "--kind", ""], ("kinds",)),
        (["run", ""], ("boards",)),
        (["run", "bench1", "--", ""], ("files",)),
        (["run", "--", "idf.py", "--port", ""], ("files",)),
    ],
    ids=str,
)
def test_values_that_somebody_else_knows(words: list[str], sources: tuple[str, ...]) -> None:
    assert wanted(words[:-1], words[-1]).sources == sources


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("esperctl", CommandWords([], "")),
        ("esperctl lo", CommandWords([], "lo")),
        ("esperctl logs ", CommandWords(["logs"], "")),
        ("esperctl --board=be", CommandWords([], "--board=be", 8)),
        ("esperctl status lab:be", CommandWords(["status"], "lab:be", 4)),
        ("esperctl note 'two words' 'and a", CommandWords(["note", "two words"], "and a")),
        ("esperctl note \"it's ", CommandWords(["note", "it's "], "")),
    ],
    ids=str,
)
def test_a_line_of_bash_is_taken_apart(line: str, expected: CommandWords) -> None:
    assert from_bash(line, BREAKS) == expected


async def test_the_names_of_boards_dumps_and_elf_files_come_from_the_daemons(
    daemon: FakeDaemon, second_daemon: FakeDaemon, esperctl: Esperctl, make_coredump: MakeCoredump
) -> None:
    daemon.dumps = [make_coredump("bench1-17"), make_coredump("bench1-18")]
    daemon.dumps_in_an_answer = 1
    elf = ElfRecord(
        sha256="1b43c5e7" * 8,
        name="app.elf",
        path="/app.elf",
        size_bytes=1,
        added_at="",
        machine="riscv",
        version="2.0",
    )
    daemon.answers[ListElfs] = Elfs([elf], 1000)
    second_daemon.answers[ListElfs] = Elfs([elf], 1000)
    boards = await esperctl("__complete", "fish", "status", "")
    assert boards.out.splitlines() == ["bench1\tconnected, /dev/ttyUSB0", "bench2\tconnected, /dev/ttyUSB0"]
    dumps = await esperctl("__complete", "bash", BREAKS, "esperctl coredumps info b")
    assert dumps.out.splitlines() == ["bench1-18", "bench1-17"]
    elfs = await esperctl("__complete", "zsh", "elf", "rm", "1")
    assert elfs.out == "1b43c5e71b43c5e7\tapp.elf 2.0\n"


async def test_only_the_daemon_that_was_named_is_asked(
    daemon: FakeDaemon, second_daemon: FakeDaemon, esperctl: Esperctl
) -> None:
    done = await esperctl("__complete", "bash", BREAKS, f"esperctl --socket {second_daemon.path} status ")
    assert done.out == "bench2\n"
    assert daemon.requests == []


async def test_without_a_daemon_nothing_is_said(esperctl: Esperctl) -> None:
    done = await esperctl("__complete", "zsh", "status", "")
    assert (done.code, done.out, done.err) == (0, "", "")


async def test_a_daemon_that_is_mute_costs_less_than_two_seconds(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    daemon.says_welcome = False
    with trio.fail_after(2.0):
        done = await esperctl("__complete", "zsh", "status", "")
    assert (done.code, done.out, done.err) == (0, "", "")


async def test_what_a_daemon_says_is_safe_in_a_terminal(
    daemon: FakeDaemon, esperctl: Esperctl, make_board: MakeBoard
) -> None:
    daemon.boards = [make_board("bench1", port="\x1b]0;evil\x07\nbench2\t")]
    done = await esperctl("__complete", "fish", "status", "")
    assert done.out == "bench1\tconnected, ␛]0;evil\\x07\\x0abench2\\x09\n"


async def test_a_refusal_is_no_candidate(daemon: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]) -> None:
    daemon.answers[ListBoards] = refuse("failed", "no")
    done = await esperctl("__complete", "fish", "status", "")
    assert (done.out, done.err) == ("", "")


async def test_the_scripts_are_printed(esperctl: Esperctl) -> None:
    for shell, script in SCRIPTS.items():
        assert (await esperctl("completion", shell)).out == script


# Real shells ------------------------------------------------------------------------------------------------


@pytest.fixture
def shell_environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """With ``esperctl`` on the path."""
    program = tmp_path / "bin" / "esperctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m esperctl "$@"\n')
    program.chmod(0o755)
    return {**environment, "PATH": f"{program.parent}:{environment['PATH']}", "TERM": "xterm", "PS1": "> "}


Typed = Callable[[bytes, bytes], Awaitable[None]]


@asynccontextmanager
async def terminal_of(command: list[str], environment: dict[str, str], folder: Path) -> AsyncGenerator[Typed]:
    """A shell in a pseudo-terminal; what is yielded types, and waits for an output."""
    ours, theirs = os.openpty()
    process = await trio.lowlevel.open_process(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=folder, start_new_session=True
    )
    os.close(theirs)
    seen = bytearray()

    async def type_keys(keys: bytes, expected: bytes) -> None:
        os.write(ours, keys)
        try:
            with trio.fail_after(20):
                while expected not in seen:
                    await trio.lowlevel.wait_readable(ours)
                    seen.extend(os.read(ours, 65536))
        except trio.TooSlowError:
            pytest.fail(f"{expected!r} did not come, but {bytes(seen)!r}")
        seen.clear()

    try:
        yield type_keys
    finally:
        process.kill()
        await process.wait()
        os.close(ours)


def shell(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture(params=["bash", "zsh"])
def interactive(request: pytest.FixtureRequest) -> tuple[list[str], bytes]:
    """A shell without anybody's settings, and what makes it complete esperctl."""
    if request.param == "bash":
        return [shell("bash"), "--norc", "--noprofile", "-i"], b"source <(esperctl completion bash)"
    return [shell("zsh"), "-f", "-i"], b"autoload -Uz compinit && compinit -D -u && source <(esperctl completion zsh)"


async def test_a_shell_completes_what_is_typed(
    daemon: FakeDaemon,
    make_board: MakeBoard,
    make_coredump: MakeCoredump,
    shell_environment: dict[str, str],
    interactive: tuple[list[str], bytes],
    tmp_path: Path,
) -> None:
    daemon.boards = [make_board("lab:bench@1")]
    daemon.dumps = [make_coredump("bench1-17")]
    (tmp_path / "firmware one.elf").touch()
    command, set_up = interactive
    # The line that was completed goes through `printf`, which shows the words that the shell made of it.
    show = b"\x01printf '<%s>' \n"
    async with terminal_of(command, shell_environment, tmp_path) as type_keys:
        await type_keys(set_up + b"; echo rea''dy\n", b"ready\r\n")
        for keys, words in [
            (b"esperctl statu\t", b"<esperctl><status>"),
            (b"esperctl coredumps ex\t", b"<esperctl><coredumps><export>"),
            (b"esperctl status l\t", b"<esperctl><status><lab:bench@1>"),
            (b"esperctl status lab:b\t", b"<esperctl><status><lab:bench@1>"),
            (b"esperctl logs --board=la\t", b"<esperctl><logs><--board=lab:bench@1>"),
            (b"esperctl --color ne\tlogs -o r\t", b"<esperctl><--color><never><logs><-o><raw>"),
            (b"esperctl logs --no-d\t", b"<esperctl><logs><--no-decode>"),
            (b"esperctl coredumps info b\t", b"<esperctl><coredumps><info><bench1-17>"),
            (b"esperctl elf add fi\t", b"<esperctl><elf><add><firmware one.elf>"),
        ]:
            await type_keys(keys + show, words)


async def test_fish_completes(
    daemon: FakeDaemon, shell_environment: dict[str, str], make_coredump: MakeCoredump, tmp_path: Path
) -> None:
    daemon.dumps = [make_coredump("bench1-17", reason="abort() was called")]
    (tmp_path / "firmware.elf").touch()
    lines = "; ".join(
        f"complete -C '{line}'; echo"
        for line in [
            "esperctl statu",
            "esperctl status ",
            "esperctl coredumps info b",
            "esperctl logs --no-d",
            "esperctl elf add fi",
        ]
    )
    done = await trio.run_process(
        [shell("fish"), "--no-config", "-c", f"esperctl completion fish | source; {lines}"],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env=shell_environment,
        cwd=tmp_path,
    )
    assert done.stderr == b""
    assert [block.split("\t")[0] for block in done.stdout.decode().strip().split("\n\n")] == [
        "status",
        "bench1",
        "bench1-17",
        "--no-decode",
        "firmware.elf",
    ]
