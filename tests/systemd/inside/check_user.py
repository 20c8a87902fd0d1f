"""The variant for one user's service manager."""

import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.systemd.inside.machine import BIN, Board, run, wait_until

USER, USER_ID = "maker", 4321


def as_user(*command: str) -> str:
    return run(
        "setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", *command,
        XDG_RUNTIME_DIR=f"/run/user/{USER_ID}", HOME=f"/home/{USER}",
    )  # fmt: skip


@pytest.fixture
def user() -> Iterator[None]:
    run("useradd", "--create-home", "--uid", str(USER_ID), "--groups", "dialout", USER)
    run("systemctl", "start", f"user@{USER_ID}.service")
    yield
    run("systemctl", "stop", f"user@{USER_ID}.service")
    subprocess.run(["userdel", "--remove", USER], check=False, capture_output=True)


def test_a_users_daemon_owns_a_board_in_the_users_folders(plug: Callable[[str], Board], user: None) -> None:
    board = plug("ttyFAKE")
    unit = f"esperd@{board.name}"
    as_user("systemctl", "--user", "start", unit)
    wait_until("it is connected", lambda: '"connected"' in as_user(str(BIN / "esperctl"), "--json", "boards"))
    state_dir = f"/home/{USER}/.local/state/esperd"
    assert f'"{state_dir}"' in as_user(str(BIN / "esperctl"), "--json", "status", board.name)
    assert as_user("systemctl", "--user", "show", "--value", "--property", "StatusText", unit).startswith("ttyFAKE")
    as_user("systemctl", "--user", "stop", unit)
    assert as_user("systemctl", "--user", "show", "--value", "--property", "Result", unit) == "success\n"
    # The socket unit, too.
    as_user("systemctl", "--user", "start", f"{unit}.socket")
    assert '"ttyFAKE"' in as_user(str(BIN / "esperctl"), "--json", "boards")
    as_user("systemctl", "--user", "stop", f"{unit}.socket", f"{unit}.service")
