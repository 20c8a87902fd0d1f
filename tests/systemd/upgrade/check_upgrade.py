"""Install, use, upgrade with what there is, uninstall: on a clean system, in this order."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.systemd.inside.machine import BIN, Unit, esperctl, esperctl_json, run, wait_until

CONFIGURATION: Final = Path("/etc/esperd/esperd.toml")
BOARD: Final = '[boards.bench]\nport = "sim:crash?speed=5"\n'
UNIT: Final = Unit("esperd@bench.service")
# What the kernel, and services of the system that run whenever they like, make; and where the tests and esperd are.
OTHERS: Final = (
    "/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/root", "/opt", "/var/backups", "/var/cache",  # noqa: S108
    "/var/lib/apt", "/var/lib/systemd", "/var/log/journal",
)  # fmt: skip
# systemd-sysusers and userdel write these, and leave the one before with a dash.
ACCOUNTS: Final = {f"/etc/{name}{dash}" for name in ("passwd", "group", "shadow", "gshadow") for dash in ("", "-")}
STATE: Final = ("/var/lib/esperd", "/var/log/esperd")


def files() -> set[str]:
    """All files and folders of the system that an installation could have made."""
    prunes = [word for path in OTHERS for word in ("-path", path, "-prune", "-o")]
    found = run("find", "/", *prunes, "-print").splitlines()
    return {*found, *map(str, Path("/run").glob("*esper*"))} - ACCOUNTS - {"/etc/.pwd.lock"}


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


# The service of a user -----------------------------------------------------------------------------------

USER, USER_ID = "maker", 4321
HOME: Final = Path("/home", USER)


@pytest.fixture
def _user() -> Iterator[None]:
    run("useradd", "--create-home", "--uid", str(USER_ID), USER)
    run("systemctl", "start", f"user@{USER_ID}.service")
    yield
    run("systemctl", "stop", f"user@{USER_ID}.service")


def as_user(*command: str | Path) -> str:
    return run(
        "setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", *command,
        XDG_RUNTIME_DIR=f"/run/user/{USER_ID}", HOME=str(HOME),
    )  # fmt: skip


@pytest.mark.usefixtures("_user")
def test_6_a_user_installs_and_uninstalls_without_root() -> None:
    before = set(HOME.rglob("*"))
    file = HOME / ".config/esperd/esperd.toml"
    as_user("mkdir", "--parents", file.parent)
    file.write_text(BOARD)
    as_user(BIN / "esperctl", "service", "install", "--user", "--board", "bench")
    assert '"connected"' in as_user(BIN / "esperctl", "--json", "boards")
    as_user(BIN / "esperctl", "service", "uninstall", "--user", "--purge")
    assert as_user("systemctl", "--user", "list-units", "--all", "--plain", "--no-legend", "esperd@*") == ""
    left = set(HOME.rglob("*")) - before
    assert left == {HOME / ".config", HOME / ".config/esperd", file, HOME / ".local", HOME / ".local/state"}
