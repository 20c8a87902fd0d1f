"""Boots a real systemd in a container, installs esperd from its wheel, and runs the tests in ``inside/`` there.

Needs root, Debian's packages debootstrap and systemd-container (which root on Debian gets here), and a network for what
is not in the cache yet. Where the machine can't, this says so; that is a failure only where ``CI`` or
``ESPER_REQUIRE_SYSTEMD`` is set.

``ESPER_SYSTEMD_CACHE`` names the folder for the container's tree and the wheels, 450 MiB (default: the user's cache).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
INSIDE: Final = REPOSITORY / "tests/systemd/inside"
MIRROR: Final = "http://deb.debian.org/debian"
# Its Python is 3.11, the oldest that we support; and its systemd, 252, the oldest that we test with.
SUITE: Final = "bookworm"
SUITE_PYTHON: Final = (3, 11)
PACKAGES: Final = "systemd,systemd-sysv,dbus,udev,python3,python3-venv,libpam-systemd,dbus-user-session,procps"
BOOT_TIMEOUT_S: Final = 480


class CannotError(Exception):
    """This machine can't run a container; the message says what is missing."""


def main() -> int:
    """Returns the exit code: that of the tests."""
    started = time.monotonic()
    try:
        prepare_machine()
        cache = cache_folder()
        tree = make_tree(cache)
        wheels = make_wheels(cache)
        print(f"test-systemd: prepared in {time.monotonic() - started:.0f} s", flush=True)
        code = boot(tree, wheels)
    except CannotError as error:
        is_required = bool(os.environ.get("CI") or os.environ.get("ESPER_REQUIRE_SYSTEMD"))
        print(f"test-systemd: {'failed' if is_required else 'not run'}: {error}", file=sys.stderr)
        return int(is_required)
    print(f"test-systemd: {time.monotonic() - started:.0f} s")
    return code


def prepare_machine() -> None:
    """Has what a container needs.

    Raises:
        CannotError: it is not to be had.
    """
    if os.geteuid() != 0:
        raise CannotError("containers need root")
    if sys.version_info[:2] != SUITE_PYTHON:
        raise CannotError(f"wheels are made for Debian {SUITE}, which needs Python {SUITE_PYTHON[0]}.{SUITE_PYTHON[1]}")
    if not (shutil.which("debootstrap") and shutil.which("systemd-nspawn")):
        if shutil.which("apt-get") is None:
            raise CannotError("debootstrap and systemd-nspawn are missing")
        packages = ["debootstrap", "systemd-container"]
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        installed = subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if installed.returncode != 0:
            raise CannotError("the packages debootstrap and systemd-container can't be installed")
    if not os.access("/sys/fs/cgroup", os.W_OK):
        mount("-o", "remount,rw", "/sys/fs/cgroup")
    if not Path("/sys/fs/cgroup/cgroup.procs").exists() and not any(Path("/sys/fs/cgroup").iterdir()):
        mount("-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")


def mount(*words: str) -> None:
    """Runs ``mount``.

    Raises:
        CannotError: it failed.
    """
    if subprocess.run(["mount", *words], check=False).returncode != 0:
        raise CannotError(f"/sys/fs/cgroup can't be used: `mount {' '.join(words)}` failed")


def cache_folder() -> Path:
    """Made when it is not there."""
    if named := os.environ.get("ESPER_SYSTEMD_CACHE"):
        folder = Path(named).absolute()
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "esperd-systemd"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def make_tree(cache: Path) -> Path:
    """The container's system; made once."""
    tree = cache / SUITE
    if not tree.is_dir():
        unfinished = Path(tempfile.mkdtemp(dir=cache, prefix="tree-"))
        log = cache / "debootstrap.log"
        with log.open("wb") as file:
            made = subprocess.run(
                ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, unfinished, MIRROR],
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if made.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise CannotError(f"debootstrap failed: {log.read_text('utf-8', 'replace').strip().splitlines()[-1]}")
        unfinished.chmod(0o755)
        unfinished.rename(tree)
    units = tree / "etc/systemd/system"
    shutil.copy(INSIDE / "esperd-tests.service", units)
    wanted = units / "multi-user.target.wants/esperd-tests.service"
    wanted.unlink(missing_ok=True)
    wanted.symlink_to("../esperd-tests.service")
    return tree


def make_wheels(cache: Path) -> Path:
    """The wheels of this source, of what it needs, and of what the tests need."""
    wheels = cache / "wheels"
    for old in wheels.glob("esperd-*.whl"):
        old.unlink()
    build_wheels(wheels, "--find-links", wheels, REPOSITORY, "pytest>=9")
    return wheels


def build_wheels(folder: Path, *words: str | Path) -> None:
    """Runs ``pip wheel`` with *words*; the wheels are in *folder* then.

    Raises:
        CannotError: it failed.
    """
    command: list[str | Path] = [sys.executable, "-m", "pip", "wheel", "-qq", "--wheel-dir", folder, *words]
    if subprocess.run(command, check=False).returncode != 0:
        raise CannotError(f"the wheels can't be made: pip failed with {' '.join(map(str, words))}")


def boot(tree: Path, wheels: Path) -> int:
    """Runs the tests in a container whose changes are forgotten; shows what they said, and more if they failed.

    Raises:
        CannotError: it did not get as far as the tests.
    """
    with tempfile.TemporaryDirectory(prefix="esperd-systemd-") as folder:
        results = Path(folder)
        console = results / "console"
        command = [
            "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--volatile=overlay", f"--directory={tree}",
            "--machine=esperd-test", "--private-network", "--link-journal=no", "--console=read-only",
            f"--bind-ro={REPOSITORY / 'tests/systemd'}:/opt/repository/tests/systemd",
            f"--bind-ro={wheels}:/opt/wheels", f"--bind={results}:/opt/results",
            f"--setenv=ESPER_TESTS={os.environ.get('ESPER_TESTS', '')}", "--boot",
        ]  # fmt: skip
        with console.open("wb") as file:
            try:
                subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=BOOT_TIMEOUT_S, check=False
                )
            except subprocess.TimeoutExpired:
                print(f"test-systemd: not over within {BOOT_TIMEOUT_S} s", file=sys.stderr)
        if not (results / "output").exists():
            said = console.read_text("utf-8", "replace").strip() or "it said nothing"
            raise CannotError(f"the container did not boot; its console:\n{said}")
        return report(results)


def report(results: Path) -> int:
    """Prints what is in the folder of results; returns the exit code of the tests, 1 when they did not end."""

    def text(name: str) -> str:
        path = results / name
        return path.read_text("utf-8", "replace") if path.exists() else ""

    print(text("output"), end="")
    code = int(text("exit-code") or 1)
    if exposure := text("exposure"):
        print(f"test-systemd: systemd-analyze security: {exposure}")
    if code != 0:
        print("--- console ---\n" + text("console"), "--- journal ---\n" + text("journal"), sep="", end="")
        if keep := os.environ.get("ESPER_SYSTEMD_RESULTS"):
            shutil.copytree(results, keep, dirs_exist_ok=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
