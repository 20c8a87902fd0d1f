from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from esperctl.doctor.daemon_process import change_baud, find_daemon

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.esperctl.doctor.conftest import Tree

RATES = [74880, 9600]
SYSTEM = "/etc/esperd/esperd.toml"
SERVICE = "system.slice/system-esperd.slice/esperd@bench1.service"
OF_A_USER = "user.slice/user-1000.slice/user@1000.service/app.slice/esperd@bench1.service"


@pytest.fixture
def remedy(tree: Tree) -> Callable[..., str]:
    """The command for a daemon that runs as the tests do, which is who asks."""

    def made(*arguments: str, unit: str | None = None, is_only: bool = True) -> str:
        tree.process(4242, *arguments, unit=unit)
        machine = tree.machine
        process = find_daemon(machine, 4242).process
        assert process is not None
        tree.uid = process.uid
        tree.environment |= {"PWD": "/srv"}
        tree.write("/proc/4242/environ", "HOME=/home/anna\0")
        machine = tree.machine
        return partial(change_baud, machine, find_daemon(machine, 4242), "bench1", RATES)(is_only=is_only)

    return made


def test_a_service_gets_it_by_its_file_and_a_reload(tree: Tree, remedy: Callable[..., str]) -> None:
    tree.write(SYSTEM, "# nothing yet\n")

    found = remedy("esperd", "--instance", "bench1", unit=SERVICE)

    command, _, comment = found.partition("    # ")
    assert command.startswith("printf '\\n[boards.bench1]\\nbaud = 74880\\n' | ")
    assert command.endswith(f"tee -a {SYSTEM} && sudo systemctl reload esperd@bench1.service")
    assert comment == "baud = 74880, else 9600"


def test_a_board_that_is_in_the_file_is_changed_there_by_hand(tree: Tree, remedy: Callable[..., str]) -> None:
    tree.write(SYSTEM, "[boards.bench1]\nport = 'ttyUSB0'\n")

    found = remedy("esperd", "--instance", "bench1", unit=SERVICE)

    assert f"${{EDITOR:-nano}} {SYSTEM} && sudo systemctl reload esperd@bench1.service" in found
    assert found.endswith("    # in [boards.bench1]: baud = 74880, else 9600")


def test_a_user_s_service_has_the_user_s_file(tree: Tree, remedy: Callable[..., str]) -> None:
    found = remedy("esperd", "--instance", "bench1", unit=OF_A_USER)

    assert found.startswith("mkdir -p /home/anna/.config/esperd && printf ")
    assert "tee -a /home/anna/.config/esperd/esperd.toml && systemctl --user reload esperd@bench1.service" in found


def test_a_daemon_with_a_file_gets_a_signal(tree: Tree, remedy: Callable[..., str]) -> None:
    tree.link("/proc/4242/cwd", "/srv")
    tree.write("/srv/lab.toml", "baud = 9600\n")

    found = remedy("esperd", "--config=lab.toml", "bench1=ttyUSB0")

    assert "tee -a /srv/lab.toml && kill -HUP 4242    # baud = 74880, else 9600" in found


def test_a_daemon_that_has_nothing_but_flags_is_started_again_with_one_more(remedy: Callable[..., str]) -> None:
    assert remedy("/usr/bin/esperd", "--state-dir", "/srv/my state", "bench1=ttyUSB0") == (
        "kill 4242 && tail --pid=4242 -f /dev/null; /usr/bin/esperd --state-dir '/srv/my state' bench1=ttyUSB0"
        " --baud 74880 &    # --baud 74880, else 9600"
    )


def test_a_flag_goes_before_the_file_so_the_flag_is_changed(tree: Tree, remedy: Callable[..., str]) -> None:
    tree.write(SYSTEM, "")
    tree.link("/proc/4242/cwd", "/home/anna")

    for words in (("--baud", "115200"), ("--baud=115200",)):
        found = remedy("esperd", *words, "bench1=ttyUSB0")
        changed = " ".join(words).replace("115200", "74880")
        assert f"; (cd /home/anna && esperd {changed} bench1=ttyUSB0) &" in found
    found = remedy("esperd", "--baud", "115200", "--instance", "bench1", unit=SERVICE)
    assert found.startswith("sudo systemctl edit --full esperd@bench1.service && sudo systemctl restart ")


def test_one_of_several_boards_is_changed_alone(remedy: Callable[..., str]) -> None:
    assert "[boards.bench1]\\nbaud = 74880" in remedy("esperd", "bench1=ttyUSB0", "b=ttyUSB1", is_only=False)
