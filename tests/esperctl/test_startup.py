from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.events import Line, Note

if TYPE_CHECKING:
    from tests.esperctl.conftest import FakeDaemon

FORBIDDEN = {
    "asyncio",
    "trio",
    "prompt_toolkit",
    "rich",
    "importlib.metadata",
    "dataclasses",
    "pathlib",
    "shutil",
    "subprocess",
    "logging",
    "concurrent.futures",
    "threading",
    "json",
    "tarfile",
    "esperd",
}
PROGRAM = """
import sys
from esperctl.cli import main
sys.argv[0] = "esperctl"
code = main()
sys.stderr.write(" ".join(sys.modules))
sys.exit(code)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["boards"],
        ["status"],
        ["logs"],
        ["events"],
        ["send", "x"],
        ["coredumps", "list"],
        ["__complete", "zsh", "status", ""],
    ],
)
async def test_a_command_imports_nothing_that_it_can_do_without(
    daemon: FakeDaemon, environment: dict[str, str], words: list[str]
) -> None:
    daemon.add(Line(b"hello\n", 1), Note("x", "y"))
    done = await trio.run_process(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{PROGRAM}", *words],
        capture_stderr=True,
        stdout=subprocess.DEVNULL,
        check=False,
        env=environment,
    )
    loaded = set(done.stderr.decode().split())
    assert done.returncode == 0
    assert "esperctl.client" in loaded
    assert loaded & FORBIDDEN == set()
