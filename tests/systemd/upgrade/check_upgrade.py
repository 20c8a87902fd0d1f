"""Install, use, upgrade with what there is, uninstall: on a clean system, in this order."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.systemd.inside.machine import BIN, Unit, esperctl, esperctl_json, run, wait_until

CONFIGURATION: Final = Path("/etc/esperd/esperd.toml")
BOARD: Final = '[boards.bench]\nport = "sim:crash?speed=5"\n'
UNIT: Final = Unit("esperd@bench.service")
# What systemd and Python keep for themselves, and what the tests are.
OTHERS: Final = ("/proc", "/sys", "/dev", "/tmp", "/root", "/opt", "/var/log/journal", "/var/cache", "/var/tmp", "/run")  # noqa: S108
SYSTEM: Final = ("/run/systemd", "/run/udev", "/run/log", "/run/user", "/run/credentials", "/run/dbus")
# systemd-sysusers and userdel write these, and leave the one before with a dash.
ACCOUNTS: Final = {f"/etc/{name}{dash}" for name in ("passwd", "group", "shadow", "gshadow") for dash in ("", "-")}
STATE: Final = ("/var/lib/esperd", "/var/log/esperd")


def files() -> set[str]:
    """All files and folders of the system that an installation could have made."""
    return {*found("/", OTHERS), *found("/run", SYSTEM)} - ACCOUNTS - {"/etc/.pwd.lock"}


def found(folder: str, left_out: tuple[str, ...]) -> Iterator[str]:
    prunes = [word for path in left_out for word in ("-path", path, "-prune", "-o")]
    done = subprocess.run(["find", folder, *prunes, "-print"], stdout=subprocess.PIPE, text=True, check=False)
    return (name for name in done.stdout.splitlines() if name not in ("/", "/run"))


def install_wheel(*words: str) -> None:
    run(BIN / "pip", "install", "--quiet", "--no-index", "--find-links", "/opt/wheels", *words)


def new_files() -> set[str]:
    """What is there that was not there before the installation, and is no state."""
    return {name for name in files() - BEFORE if not name.startswith(STATE)}


def crashes() -> list[dict[str, Any]]:
    dumps: list[dict[str, Any]] = esperctl_json("coredumps", "list")
    return dumps


def is_decoded(count: int) -> bool:
    dumps = crashes()
    return len(dumps) >= count and dumps[count - 1].get("decode", {}).get("state") == "done"


def crash(count: int) -> None:
    wait_until("the board is connected", lambda: "connected" in UNIT.status)
    wait_until("the board asks for a command", lambda: "esp>" in esperctl("logs", "bench", "-n", "5"))
    esperctl("send", "bench", "crash")
    wait_until(f"{count} core dumps are decoded", lambda: is_decoded(count))


BEFORE: Final = files()


@pytest.fixture(scope="module", autouse=True)
def _previous() -> None:
    run("python3", "-m", "venv", "/opt/esperd")
    install_wheel(*map(str, Path("/opt/wheels/previous").glob("*.whl")))


def test_1_the_version_before_is_installed_and_used() -> None:
    said = esperctl("service", "install")
    assert f"wrote {CONFIGURATION}" in said
    CONFIGURATION.write_text(BOARD)
    assert "ran systemctl enable --now esperd@bench.service" in esperctl("service", "install", "--board", "bench")
    assert UNIT.state == "active"
    assert UNIT.show("FragmentPath") == "/etc/systemd/system/esperd@.service"
    assert "/opt/esperd/bin/esperd" in UNIT.show("ExecStart")
    crash(1)


def test_2_an_upgrade_goes_on_with_what_is_stored() -> None:
    old = crashes()
    pid = UNIT.pid
    install_wheel("--force-reinstall", "--no-deps", "esperd")
    said = esperctl("service", "install")
    assert "stays as it is; --restart starts it anew" in said
    assert UNIT.pid == pid
    esperctl("service", "install", "--restart")
    assert UNIT.pid != pid
    assert UNIT.state == "active"
    assert crashes() == old
    assert "crash" in esperctl("logs", "bench", "-n", "10000")
    crash(2)
    assert crashes()[0]["id"] == old[0]["id"]
    assert json.loads(Path("/etc/esperd/installed.json").read_text())["files"]


def test_3_uninstalling_leaves_the_state_and_the_changed_configuration() -> None:
    said = esperctl("service", "uninstall")
    assert "kept /var/lib/esperd\n" in said
    assert f"kept {CONFIGURATION}\n" in said
    assert new_files() == {"/etc/esperd", str(CONFIGURATION)}
    assert run("systemctl", "list-units", "--all", "--plain", "--no-legend", "esperd@*") == ""
    assert Path("/var/lib/esperd/coredumps").is_dir()


def test_4_what_was_kept_is_there_after_another_installation() -> None:
    esperctl("service", "install", "--board", "bench")
    wait_until("the board is connected", lambda: "connected" in UNIT.status)
    assert len(crashes()) == 2


def test_5_purging_leaves_nothing() -> None:
    CONFIGURATION.unlink()
    said = esperctl("service", "uninstall", "--purge")
    assert "removed /var/lib/esperd\n" in said
    assert new_files() == set()
    assert not [path for path in STATE if Path(path).exists()]
    for name in ("passwd", "group", "shadow", "gshadow"):
        assert "esperd:" not in Path("/etc", name).read_text()
