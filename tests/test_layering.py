"""Who may import whom, as tables. Only the ones to the right import those to the left."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = {
    "esperd": ROOT / "esperd",
    "esperctl": ROOT / "esperctl",
    "esper_protocol": ROOT / "protocol/esper_protocol",
}

# What reaches outside of a process, waits, or reads a clock. All else of the standard library counts as pure.
# fmt: off
IMPURE: Final = {
    "_thread", "asyncio", "concurrent", "fcntl", "ftplib", "glob", "http", "io", "logging", "mmap",
    "multiprocessing", "os", "pathlib", "pty", "queue", "random", "sched", "select", "selectors", "shutil",
    "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "termios",
    "threading", "time", "tty", "urllib", "uuid", "webbrowser",
}
# fmt: on
PURE: Final = sys.stdlib_module_names - IMPURE

# Package: the only top-level modules that it may import.
ONLY: Final = {
    "esper_protocol": PURE | {"msgspec", "esper_protocol"},
    "esperd.core": PURE | {"esperd.core", "esper_protocol"},
}
# Package: what it must never import.
NEVER: Final = {
    "esperd": {"esperctl", "prompt_toolkit", "asyncio"},
    "esperctl": {"esperd", "trio"},
}
# Inside esperd: part, and the parts it may import, all of them above it. A module that is not named (`errors`,
# `settings`, `permissions`) may be imported by all but `core`, and imports no part. Nobody imports `testing`, which is
# for tests.
PARTS: Final = {
    "core": set[str](),
    "system": set[str](),
    "simulation": {"core", "system"},
    "ports": {"core", "system", "simulation"},
    "storage": {"core", "system"},
    "daemon_log": {"storage"},
    "decode": {"core", "system", "storage"},
    "board": {"core", "system", "ports", "storage", "decode"},
    "server": {"core", "system", "ports", "storage", "daemon_log", "decode", "board"},
    "hooks": {"system", "decode", "board"},
    "configuration": {"ports", "storage", "hooks"},
    "service": {"board"},
    "assembly": {
        *("core", "system", "simulation", "ports", "storage", "daemon_log", "decode", "board", "server"),
        *("configuration",),
    },
    "fleet": {
        "core",
        "system",
        "storage",
        "decode",
        "board",
        "server",
        "hooks",
        "configuration",
        "service",
        "assembly",
    },
    "daemon": {"system", "storage", "board", "server", "hooks", "configuration", "service", "assembly", "fleet"},
    "cli": {"system", "ports", "daemon_log", "configuration", "service", "daemon"},
    "__main__": {"cli"},
    "testing": {"core", "simulation", "ports", "storage", "decode", "board", "server", "configuration", "assembly"},
}
# The same inside esperctl.viewer, whose settings are the model's. A module that is not named (`style`, `keys`,
# `effects`, `messages`, `view`, `layout`, `cells`, `dialogs`) may be imported by all, and imports no part.
VIEWER_PARTS: Final = {
    "log": set[str](),
    "model": {"log"},
    "screen": set[str](),
    "terminal": {"screen"},
    "connection": {"log"},
    "settings_file": {"model"},
    "viewer": {"model", "screen", "terminal", "connection"},
    "run": {"model", "screen", "terminal", "connection", "settings_file", "viewer"},
}
# What is not pure, and the parts of the viewer that may import it; the rest is pure.
VIEWER_MAY: Final = {
    "prompt_toolkit": {"terminal"},
    "asyncio": {"connection", "terminal", "viewer", "run"},
}
IMPURE_PARTS: Final = {"connection", "terminal", "settings_file", "crash_file", "viewer", "run"}
# The processor's time, so that a slow pattern can be stopped.
IMPURE_ALL_THE_SAME: Final = {("esperctl.viewer.log.patterns", "time")}


class Import(NamedTuple):
    """``importer`` and ``imported`` are full module names; ``from x import y`` counts as an import of ``x.y``."""

    importer: str
    imported: str
    line: int


def imports_of(source: str, module: str) -> Iterator[Import]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            yield from (Import(module, f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def module_name(package: str, path: Path) -> str:
    parts = path.relative_to(PACKAGES[package]).with_suffix("").parts
    return ".".join((package, *parts)).removesuffix(".__init__")


def all_imports() -> list[Import]:
    return [
        found
        for package, folder in PACKAGES.items()
        for path in sorted(folder.rglob("*.py"))
        for found in imports_of(path.read_text("utf-8"), module_name(package, path))
    ]


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def part_of(module: str) -> str | None:
    """``board`` of ``esperd.board.lease``; None outside of esperd, and for esperd itself."""
    found = re.match(r"esperd\.(\w+)", module)
    return found[1] if found else None


def viewer_part_of(module: str) -> str | None:
    """``log`` of ``esperctl.viewer.log.item``; None outside of the viewer, and for the package itself."""
    found = re.match(r"esperctl\.viewer\.(\w+)", module)
    return {"settings": "model"}.get(found[1], found[1]) if found else None


def is_allowed_in_viewer(found: Import) -> bool:
    importer, imported = viewer_part_of(found.importer), viewer_part_of(found.imported)
    if importer is None:
        return True
    package = found.imported.partition(".")[0]
    if package in VIEWER_MAY and importer not in VIEWER_MAY[package]:
        return False
    is_pure = package not in IMPURE or importer in IMPURE_PARTS or (found.importer, package) in IMPURE_ALL_THE_SAME
    if not is_pure:
        return False
    if imported is None or imported == importer or imported not in VIEWER_PARTS:
        return True
    return imported in VIEWER_PARTS.get(importer, set())


def is_allowed(found: Import) -> bool:
    if not is_allowed_in_viewer(found):
        return False
    for package, allowed in ONLY.items():
        if is_in(found.importer, package) and not any(is_in(found.imported, name) for name in allowed):
            return False
    for package, forbidden in NEVER.items():
        if is_in(found.importer, package) and any(is_in(found.imported, name) for name in forbidden):
            return False
    importer, imported = part_of(found.importer), part_of(found.imported)
    if imported is None or imported == importer or imported not in PARTS:
        return True
    return imported in PARTS.get(importer or "", set())


def test_imports_point_one_way() -> None:
    broken = [
        f"{found.importer}:{found.line} imports {found.imported}" for found in all_imports() if not is_allowed(found)
    ]
    assert broken == []


def test_every_package_was_looked_at() -> None:
    importers = {found.importer.partition(".")[0] for found in all_imports()}
    assert importers == set(PACKAGES)


def test_every_folder_of_the_daemon_has_its_place_in_the_table() -> None:
    folders = {path.parent.name for path in PACKAGES["esperd"].glob("*/__init__.py")}
    assert folders <= set(PARTS)


def test_every_folder_of_the_viewer_has_its_place_in_the_table() -> None:
    folders = {path.parent.name for path in (PACKAGES["esperctl"] / "viewer").glob("*/__init__.py")}
    assert folders <= set(VIEWER_PARTS)


@pytest.mark.parametrize("parts", [PARTS, VIEWER_PARTS], ids=["daemon", "viewer"])
def test_the_table_has_no_circle(parts: dict[str, set[str]]) -> None:
    order = list(parts)
    for part, allowed in parts.items():
        assert all(order.index(other) < order.index(part) for other in allowed), part


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("esper_protocol.codec", "import time"),
        ("esper_protocol.codec", "from os import path"),
        ("esper_protocol.codec", "import trio"),
        ("esper_protocol.codec", "from pathlib import Path"),
        ("esper_protocol.codec", "def late():\n    import socket"),
        ("esperd.core.lines", "import msgspec"),
        ("esperd.core.lines", "from esperd.errors import EsperdError"),
        ("esperd.core.lines", "import esperd.ports"),
        ("esperd.core.lines", "from esperd import storage"),
        ("esperd.ports.tty", "from esperd.board.board import Board"),
        ("esperd.storage.journal", "from esperd.ports.port import Port"),
        ("esperd.board.board", "import esperd.server"),
        ("esperd.server.client", "from esperd import daemon"),
        ("esperd.daemon", "from esperd.cli import main"),
        ("esperd.system.clock", "from esperd.board import board"),
        ("esperd.daemon", "from esperd.testing.viewer import Viewer"),
        ("esperd.daemon", "import esperctl.errors"),
        ("esperd.daemon", "import asyncio.events"),
        ("esperctl.cli", "from esperd import errors"),
        ("esperctl.cli", "import trio"),
        ("esperctl.viewer.model.moves", "from esperctl.viewer.screen import detail"),
        ("esperctl.viewer.log.log", "from esperctl.viewer.model.state import State"),
        ("esperctl.viewer.screen.box", "from esperctl.viewer.model.actions import ACTIONS"),
        ("esperctl.viewer.layout", "from esperctl.viewer.screen.box import draw_box"),
        ("esperctl.viewer.connection.live", "from esperctl.viewer.model.model import Model"),
        ("esperctl.viewer.connection.live", "import prompt_toolkit.keys"),
        ("esperctl.viewer.terminal.keys", "from esperctl.viewer.connection.live import Live"),
        ("esperctl.viewer.model.model", "import asyncio"),
        ("esperctl.viewer.settings", "from pathlib import Path"),
        ("esperctl.viewer.log.log", "import time"),
    ],
)
def test_a_planted_import_is_found(module: str, source: str) -> None:
    assert [is_allowed(found) for found in imports_of(source, module)] == [False]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("esper_protocol.codec", "import msgspec.msgpack"),
        ("esper_protocol.codec", "import zlib"),
        ("esperd.core.lines", "from esper_protocol.events import Line"),
        ("esperd.core.lines", "from esperd.core.text import clean"),
        ("esperd.ports.opening", "from esperd.simulation import replay"),
        ("esperd.board.board", "from esperd.errors import CommandError"),
        ("esperd.server.client", "import socket"),
        ("esperctl.viewer.terminal.keys", "from prompt_toolkit.keys import Keys"),
        ("esperctl.viewer.connection.live", "import asyncio"),
        ("esperctl.viewer.settings", "from esperctl.viewer.model.keymap import KeyMap"),
        ("esperctl.viewer.model.state", "from esperctl.viewer.settings import Settings"),
        ("esperctl.viewer.run", "from esperctl.viewer.model.model import Model"),
    ],
)
def test_an_import_that_is_in_order_is_let_through(module: str, source: str) -> None:
    assert [is_allowed(found) for found in imports_of(source, module)] == [True]


def test_a_relative_import_is_found() -> None:
    with pytest.raises(AssertionError, match="relative"):
        list(imports_of("from . import events", "esper_protocol.codec"))
