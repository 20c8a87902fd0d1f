"""Every command that README and docs show is run and its output compared, or else held against its program's parser."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import tomllib
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import trio

from esperctl.errors import UsageError
from esperctl.viewer.settings import read_table
from tests.docs.command_words import Shown, called, check, joined, simple_commands, without_comment
from tests.docs.console import Reader, commands_of, is_shown
from tests.docs.pages import REFERENCE, ROOT, Block, read_page, user_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.docs.pages import Page

CONSOLE: Final = "console"
NOT_RUN: Final = "sh"
# Languages of blocks that hold no commands.
OTHERS: Final = {"", "text", "toml", "json", "ini", "yaml", "python"}
# Programs in `sh` blocks that need what a test must not touch or does not have: root, the network, a service manager,
# another machine, a toolchain.
PROGRAMS: Final = frozenset({"cd", "export", "git", "ln", "ls", "pip", "pipx", "python3", "scp", "ssh", "systemctl"})
# What keeps one of ours out of a `console` block: a real port, a terminal, a shell's own doings, a service manager,
# a build, another machine.
NEEDS: Final = re.compile(
    r"ttyUSB|/dev/|/etc/|socket://|rfc2217://|build/|\blab\b"
    r"|^esperctl (attach|service|run|doctor|coredumps debug|decode)"
)
# What it shows has commands in it, too.
DEMO: Final = "$ make demo"
INDENTED: Final = "indented"


def console_pages() -> list[Page]:
    return [page for page in user_pages() if any(block.language == CONSOLE for block in page.blocks)]


def console_commands(page: Page) -> list[Shown]:
    blocks = (block for block in page.blocks if block.language == CONSOLE and block.lines[0] != DEMO)
    return [shown for block in blocks for shown in commands_of(block)]


def shown_but_not_run() -> Iterator[Shown]:
    """The commands of blocks of shell, of pages of others' indented ones, and of code in the text."""
    for page in user_pages():
        is_reference = page.path.parent == REFERENCE
        for block in page.blocks:
            if block.language in (NOT_RUN, INDENTED):
                yield from _lines_of(block)
        for number, code in page.code_spans():
            if code.startswith(("esperctl ", "esperd ")) and not is_reference and _is_whole(code):
                yield Shown(f"{page.name}:{number}", code, is_span=True)


def _lines_of(block: Block) -> Iterator[Shown]:
    for line in joined(block.lines):
        text = without_comment(line)
        if text and (block.language == NOT_RUN or text.startswith(("esperctl ", "esperd "))):
            yield Shown(block.place, text)


def _is_whole(code: str) -> bool:
    """Whether it is a command, and not the outline of several."""
    return not re.search(r"[…\[\]|]|\.\.\.|COMMAND|--help|__", code)


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    # Not below pytest's own folders: the path of a socket may have a hundred letters.
    folder = Path(tempfile.mkdtemp(prefix="docs-"))
    home = folder / "you"
    (home / ".run").mkdir(parents=True, mode=0o700)
    someone = Reader(home)
    try:
        yield someone
    finally:
        with trio.CancelScope(shield=True):
            await someone.leave()
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("page", console_pages(), ids=lambda page: page.name)
async def test_a_page_shows_what_its_commands_print(page: Page, reader: Reader) -> None:
    commands = console_commands(page)
    for shown, following in zip_longest(commands, commands[1:]):
        await reader.carry_out(shown, may_fail=following is not None and following.text == "echo $?")


@pytest.mark.slow
async def test_the_demo_says_what_the_readme_shows() -> None:
    shown = next(block.lines[1:] for block in read_page(ROOT / "README.md").blocks if block.lines[0] == DEMO)
    assert "$(BIN)/python demo/demo.py" in (ROOT / "Makefile").read_text("utf-8")
    wide = os.environ | {"COLUMNS": "250"}
    with trio.fail_after(60):
        done = await trio.run_process(
            [sys.executable, ROOT / "demo" / "demo.py"], capture_stdout=True, cwd=ROOT, env=wide
        )
    # The viewers are processes of their own, and decoding takes what it takes; so the order is not the same each time.
    lines = done.stdout.decode().splitlines()
    missing = [
        line for line in shown if line != "..." and not any(is_shown((line,), said, "/nowhere") for said in lines)
    ]
    assert missing == []


@pytest.mark.parametrize("shown", list(shown_but_not_run()), ids=lambda shown: f"{shown.place}-{shown.text}")
def test_a_command_that_is_not_run_is_one_that_its_program_takes(shown: Shown) -> None:
    for words in simple_commands(shown.text):
        command = called(words)
        if command[0] in ("esperctl", "esperd"):
            _check(command, is_span=shown.is_span)
        elif command[0] == "make":
            assert re.search(rf"^{command[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), shown.place
        else:
            assert Path(command[0]).name in PROGRAMS, (
                f"{shown.place}: {command[0]} is not among the programs that can't be run"
            )


def _check(command: list[str], *, is_span: bool) -> None:
    try:
        check(command)
    except UsageError as error:
        # In a sentence a command may be named without what it is for.
        if not is_span or not any(words in error.message for words in ("are required", "say the command")):
            raise


def test_commands_that_can_be_run_are_run() -> None:
    blocks = [block for page in user_pages() for block in page.blocks if block.language == NOT_RUN]
    idle = [
        f"{block.place}: {line}"
        for block in blocks
        for line in joined(block.lines)
        if line.startswith(("esperctl", "esperd")) and not NEEDS.search(line)
    ]
    assert idle == []


def test_every_block_says_what_it_holds() -> None:
    generated = {"docs/configuration.md"}  # its two commands are indented; they are parsed as above
    for page in user_pages():
        for block in page.blocks:
            known = {CONSOLE, NOT_RUN, *OTHERS} | ({INDENTED} if page.name in generated else set[str]())
            assert block.language in known, f"{block.place}: {block.language} is no known kind of block"
            prompts = [line for line in block.lines if line.startswith("$ ")]
            assert block.language == CONSOLE or not prompts, f"{block.place}: a command that is not run"


@pytest.mark.parametrize(
    "words", [["esperctl", "logs", "--colour"], ["esperctl", "coredumps", "burn"], ["esperctl", "log"]]
)
def test_a_command_that_is_not_there_is_found(words: list[str]) -> None:
    with pytest.raises(UsageError):
        check(words)


def test_output_that_differs_is_found() -> None:
    shown = ("10:00:00.000 hello", "...", "the …")
    assert is_shown(shown, "23:59:59.999   hello\none\nthe end\n", "/home")
    assert not is_shown(shown, "23:59:59.999 hallo\nthe end\n", "/home")
    assert not is_shown(shown, "23:59:59.999 hello\nthe end\nand more\n", "/home")
    assert is_shown(("done after 0.12 s",), "done after 3.4 s\n", "/home")
    assert not is_shown(("gives up after 60 s",), "gives up after 10 s\n", "/home")


@pytest.mark.parametrize(
    ("text", "output"),
    [("echo esperctl: no", "esperctl: no"), ("echo no; false", "no"), ("echo esperd: no", "esperd: no")],
)
async def test_an_exit_code_that_differs_from_what_is_shown_is_found(reader: Reader, text: str, output: str) -> None:
    with pytest.raises(AssertionError, match="ended with"):
        await reader.carry_out(Shown("here", text, (output,)))
    await reader.carry_out(Shown("here", text, (output,)), may_fail=True)


def toml_blocks() -> list[Block]:
    return [block for page in user_pages() for block in page.blocks if block.language == "toml"]


@pytest.mark.parametrize("block", toml_blocks(), ids=lambda block: block.place)
async def test_every_file_that_is_shown_is_taken(block: Block, tmp_path: Path) -> None:
    text = "\n".join(block.lines)
    if "viewer.toml" in block.lines[0]:
        assert read_table(tomllib.loads(text))[1] == []
        return
    # Groups and users are those of another machine.
    (tmp_path / "esperd.toml").write_text(
        re.sub(r'^(socket_group = ).*|"@?\w+"(?=[],])', _of_this_machine, text, flags=re.MULTILINE)
    )
    done = await trio.run_process(
        [sys.executable, "-m", "esperctl", "config", "check", tmp_path / "esperd.toml"],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def _of_this_machine(match: re.Match[str]) -> str:
    return f'{match[1]}"root"' if match[1] else '"root"'
