"""What is built, what is in it, and that it works where no checkout is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Final

import pytest
import trio

from esper_protocol.version import PACKAGE_VERSION

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = {"esperd": "esperd", "esperctl": "esperctl", "esper_protocol": "protocol/esper_protocol"}
NOT_SHIPPED: Final = "esperd/testing/"
CACHES: Final = re.compile(r"(^|/)(__pycache__|\.[a-z]+_cache|\.venv|\.hypothesis|build|dist)/|\.pyc$")
# The slowest step is a download of what the wheel needs.
TIMEOUT_S: Final = 300


@dataclass(frozen=True)
class Distributions:
    """What was built from this checkout."""

    sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Installation:
    """A virtual environment with the wheel; the checkout can't be imported there."""

    bin: Path
    environment: dict[str, str]

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        return run(self.bin / program, *words, environment=self.environment, cwd=self.bin)

    def output(self, program: str, *words: str) -> str:
        done = self.run(program, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout


def run(
    *words: str | Path, environment: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=cwd,
        timeout=TIMEOUT_S,
    )


def succeed(*words: str | Path, environment: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    done = run(*words, environment=environment, cwd=cwd)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"


def build(source: Path, kind: str, folder: Path) -> Path:
    succeed(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder, cwd=source)
    (built,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files_below(folder: str) -> set[str]:
    """The files of the checkout, as the wheel should name them."""
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not CACHES.search(str(path.relative_to(ROOT)))
    }


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    folder = tmp_path_factory.mktemp("built")
    return Distributions(build(ROOT, "sdist", folder), build(ROOT, "wheel", folder))


@pytest.fixture(scope="module")
def installation(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv/bin/python"
    done = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    # What the wheel needs is taken from here. A folder named so is searched, but its own .pth files, of which one leads
    # to the checkout, are not read.
    Path(done.stdout.strip(), "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    words: list[str | Path] = [
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--ignore-installed",
    ]
    succeed(sys.executable, *words, distributions.wheel)
    environment = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "LC_ALL": "C.UTF-8",
    }
    (folder / "run").mkdir(0o700)
    return Installation(python.parent, environment)


# The files -----------------------------------------------------------------------------------------------


def test_the_wheel_holds_the_three_packages_and_nothing_else(distributions: Distributions) -> None:
    names = contents(distributions.wheel)
    assert {name.partition("/")[0] for name in names} == {*PACKAGES, f"esperd-{PACKAGE_VERSION}.dist-info"}


def test_the_wheel_holds_every_file_of_the_packages(distributions: Distributions) -> None:
    expected = {
        name.replace(folder, package, 1) for package, folder in PACKAGES.items() for name in files_below(folder)
    }
    # A link in the checkout, which is not followed there.
    expected |= {f"esperctl/{name}" for name in files_below("systemd")}
    expected = {name for name in expected if not name.startswith(NOT_SHIPPED)}
    names = {name for name in contents(distributions.wheel) if ".dist-info/" not in name}
    assert names == expected


@pytest.mark.parametrize(
    "name",
    [
        "esperd/py.typed",
        "esperctl/py.typed",
        "esper_protocol/py.typed",
        "esperd/simulation/recordings/greenhouse.elf",
        "esperd/simulation/recordings/crash.raw",
        "esperd/simulation/recordings/crash.json",
        "esperctl/systemd/system/esperd@.service",
        "esperctl/systemd/user/esperd@.service",
        "esperctl/systemd/udev/90-esperd.rules",
        "esperctl/systemd/sysusers.d/esperd.conf",
        "esperctl/systemd/tmpfiles.d/esperd.conf",
    ],
)
def test_what_is_no_module_is_in_the_wheel_too(distributions: Distributions, name: str) -> None:
    path = next(
        (ROOT / folder / name.removeprefix(f"{package}/"))
        for package, folder in PACKAGES.items()
        if name.startswith(f"{package}/")
    )
    assert contents(distributions.wheel)[name] == path.read_bytes()


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_no_cache_and_no_link_is_in_it(distributions: Distributions, kind: str) -> None:
    if kind == "wheel":
        names = list(contents(distributions.wheel))
        assert [name for name in names if name.startswith("tests") or NOT_SHIPPED in name] == []
    else:
        with tarfile.open(distributions.sdist) as archive:
            names = archive.getnames()
            assert [member.name for member in archive if not member.isfile()] == []
    assert [name for name in names if CACHES.search(name)] == []


def test_the_sdist_holds_what_its_own_tests_and_documentation_need(distributions: Distributions) -> None:
    with tarfile.open(distributions.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("tests", "docs", "systemd", "protocol", "firmware", "benchmarks", "demo")
    for name in {found for folder in folders for found in files_below(folder) if "/results/" not in found}:
        assert name in names
    assert {"README.md", "CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml"} <= names


def test_the_sdist_makes_the_same_wheel(distributions: Distributions, tmp_path: Path) -> None:
    # Not tarfile's: its filters came with 3.11.4, and Debian 12 has 3.11.2.
    subprocess.run(["tar", "-xf", distributions.sdist, "-C", tmp_path], check=True)
    wheel = build(tmp_path / f"esperd-{PACKAGE_VERSION}", "wheel", tmp_path / "built")
    assert wheel.name == distributions.wheel.name
    assert contents(wheel) == contents(distributions.wheel)


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert "version" in project["dynamic"]
    quoted = re.compile(rf"[\"']{re.escape(PACKAGE_VERSION)}[\"']")
    found = [
        name
        for folder in PACKAGES.values()
        for name in files_below(folder)
        if name.endswith((".py", ".toml")) and quoted.search((ROOT / name).read_text("utf-8"))
    ]
    assert found == ["protocol/esper_protocol/version.py"]


def test_the_metadata_names_version_licence_and_python(distributions: Distributions) -> None:
    files = contents(distributions.wheel)
    metadata = message_from_bytes(files[f"esperd-{PACKAGE_VERSION}.dist-info/METADATA"])
    assert metadata["Version"] == PACKAGE_VERSION
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert f"esperd-{PACKAGE_VERSION}.dist-info/licenses/LICENSE" in files


# Installed -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_both_programs_say_their_version_without_a_checkout(installation: Installation) -> None:
    assert installation.output("esperd", "--version") == f"esperd {PACKAGE_VERSION}\n"
    assert installation.output("esperctl", "--version").startswith(f"esperctl {PACKAGE_VERSION} (protocol ")
    for package in PACKAGES:
        path = Path(installation.output("python", "-c", f"import {package}; print({package}.__file__)").strip())
        assert not path.is_relative_to(ROOT)


@pytest.mark.slow
async def test_the_wheel_alone_decodes_the_crash_of_a_simulated_board(installation: Installation) -> None:
    daemon = await trio.lowlevel.open_process(
        [installation.bin / "esperd", "board1=sim:crash?speed=5"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=installation.environment,
        cwd=installation.bin,
    )
    try:
        with trio.fail_after(60):
            await wait_for_words(daemon, b"decode ended coredump=board1-1 ")
        listed = await trio.to_thread.run_sync(installation.output, "esperctl", "coredumps", "list", "--json")
    finally:
        daemon.kill()
        await daemon.wait()
    dump = json.loads(listed)[0]
    assert (dump["id"], dump["checksum"], dump["decode"]["state"]) == ("board1-1", "ok", "done")


async def wait_for_words(process: trio.Process, words: bytes) -> None:
    assert process.stderr is not None
    said = b""
    async for data in process.stderr:
        said += data
        if words in said:
            return
    pytest.fail(f"esperd ended: {said.decode(errors='replace')}")


# By the tools that people use ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment for the tools."""
    folder = tmp_path_factory.mktemp("tools") / "venv"
    venv.create(folder, with_pip=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def wheels(distributions: Distributions, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of all that it needs: pip reaches an index wherever these tests run, uv may not."""
    folder = tmp_path_factory.mktemp("wheels")
    succeed(tools / "python", "-m", "pip", "wheel", "--quiet", "--wheel-dir", folder, distributions.wheel)
    return folder


def tool(tools: Path, name: str) -> Path:
    done = run(tools / "python", "-m", "pip", "install", "--quiet", name)
    if done.returncode != 0:
        pytest.skip(f"{name} can't be installed: {done.stderr.strip().splitlines()[-1]}")
    return tools / name


def check_programs(folder: Path) -> None:
    for name in ("esperd", "esperctl"):
        done = run(folder / name, "--version")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{name} {PACKAGE_VERSION}")


@pytest.mark.slow
def test_pipx_installs_and_uninstalls_it(distributions: Distributions, tools: Path, tmp_path: Path) -> None:
    pipx = tool(tools, "pipx")
    folders = {"PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    environment = {**os.environ, **folders, "PIPX_MAN_DIR": str(tmp_path / "man")}
    succeed(pipx, "install", "--python", sys.executable, distributions.wheel, environment=environment)
    check_programs(tmp_path / "bin")
    succeed(pipx, "uninstall", "esperd", environment=environment)
    assert list((tmp_path / "bin").iterdir()) == []


@pytest.mark.slow
def test_uv_installs_and_uninstalls_it(distributions: Distributions, wheels: Path, tools: Path, tmp_path: Path) -> None:
    uv = tool(tools, "uv")
    words = ("--python", sys.executable, "--no-index", "--find-links", wheels)
    folders = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    environment = {**os.environ, **folders, "UV_CACHE_DIR": str(tmp_path / "cache")}
    succeed(uv, "tool", "install", *words, distributions.wheel, environment=environment)
    check_programs(tmp_path / "bin")
    succeed(uv, "tool", "uninstall", "esperd", environment=environment)
    assert list((tmp_path / "bin").iterdir()) == []
    shutil.rmtree(tmp_path / "cache")
