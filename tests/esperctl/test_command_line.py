from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import trio

from esperctl.command_line import COMMANDS, GROUPS

if TYPE_CHECKING:
    from tests.esperctl.conftest import Esperctl, FakeDaemon

COMMAND_LINES = [
    *([name] for name in COMMANDS),
    *([group] for group in GROUPS),
    *([group, name] for group, commands in GROUPS.items() for name in commands),
]


@pytest.mark.parametrize("words", [[], *COMMAND_LINES], ids=" ".join)
async def test_help_fits_a_screen_and_has_an_example(esperctl: Esperctl, words: list[str]) -> None:
    done = await esperctl(*words, "--help")
    assert done.code == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    examples = [line for line in lines if line.startswith("  ") and "esperctl" in line]
    aliases = {"list": "boards", "monitor": "attach"}
    called = " ".join(["esperctl", *(aliases.get(word, word) for word in words[:1]), *words[1:]])
    assert any(called in line for line in examples) or (not words and "example: `esperctl " in done.out)
    assert "{" not in done.out.partition("example")[2]


async def test_the_version_names_the_protocol(esperctl: Esperctl) -> None:
    done = await esperctl("--version")
    assert done.code == 0
    assert done.out.startswith("esperctl 0.")
    assert "protocol 1" in done.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "say what to do"),
        (["frobnicate"], "there is no command 'frobnicate'"),
        (["lgs"], "there is no command 'lgs'; did you mean logs?"),
        (["elf", "ad"], "elf: there is no command 'ad'; did you mean add?"),
        (["logs", "-S", "1m", "-U", "10m"], "logs: -S 1m is later than -U 10m, so nothing lies between them"),
        (["coredumps"], "coredumps: say what to do"),
        (["coredumps", "frobnicate"], "there is no command 'frobnicate'"),
        (["boards", "--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["--color", "blue", "boards"], "invalid choice: 'blue'"),
        (["logs", "-n", "many"], "logs: -n/--lines: 'many' is not a whole number of lines"),
        (["logs", "-n", "-1"], "'-1' is not a whole number of lines"),
        (["logs", "-S", "soon"], "'soon' is not a time"),
        (["logs", "-S", "10m", "--after", "5"], "not allowed with"),
        (["logs", "-g", "("], "'(' is not a regular expression"),
        (["logs", "-o", "xml"], "invalid choice: 'xml'"),
        (["logs", "--json", "-o", "raw"], "contradict"),
        (["logs", "-f", "-U", "10m"], "-f has no end"),
        (["logs", "a", "b"], "unrecognized arguments: b"),
        (["events", "--kind", "weather"], "no kind of event 'weather'"),
        (["send"], "required"),
        (["send", "a", "b", "c"], "3 words"),
        (["send", "", "--eol", "none"], "nothing to send"),
        (["send", "x", "--eol", "tab"], "invalid choice: 'tab'"),
        (["note", "a", "b", "c"], "3 words"),
        (["attach", "--steal"], "needs a terminal"),
        (["attach", "--steal", "--read-only"], "not allowed with"),
        (["coredumps", "export", "x"], "required: -o"),
        (["coredumps", "rm"], "required: ID"),
        (["coredumps", "prune", "--keep", "x"], "--keep: 'x' is not a whole number of core dumps"),
    ],
    ids=str,
)
async def test_a_wrong_command_line_is_one_sentence_and_a_hint(
    esperctl: Esperctl, words: list[str], expected: str
) -> None:
    done = await esperctl(*words)
    assert done.code == 2
    assert done.out == ""
    message, hint = done.err.splitlines()
    assert message.startswith("esperctl: ")
    assert expected in message
    assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    "words", [["--json", "status", "bench1"], ["status", "bench1", "--json"], ["status", "--json"]]
)
async def test_global_options_stand_before_or_after_the_command(
    daemon: FakeDaemon, esperctl: Esperctl, words: list[str]
) -> None:
    done = await esperctl(*words)
    assert done.code == 0
    assert done.out.startswith("{")


@pytest.mark.parametrize("words", [["--json", "coredumps", "list"], ["coredumps", "--json", "list"]])
async def test_global_options_stand_before_an_action_too(
    daemon: FakeDaemon, esperctl: Esperctl, words: list[str]
) -> None:
    assert (await esperctl(*words)).out == "[]\n"


@pytest.mark.parametrize("word", ["boards", "--help", "--version"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_a_full_disk_is_an_error_and_no_traceback(
    daemon: FakeDaemon, command: list[str], environment: dict[str, str], word: str, unbuffered: str
) -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    made = {**environment, "PYTHONUNBUFFERED": unbuffered}
    done = await trio.run_process([*command, word], stdout=descriptor, capture_stderr=True, check=False, env=made)
    os.close(descriptor)
    assert done.returncode == 1
    assert done.stderr == b"esperctl: the output can't be written: No space left on device\n"
