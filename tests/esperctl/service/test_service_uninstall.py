from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.esperctl.service.conftest import Machine

BEFORE = ["tree/etc/passwd", "tree/var/lib"]


def use(machine: Machine) -> None:
    """What daemons leave."""
    (machine.root / "var/lib/esperd/boards").mkdir(parents=True)
    (machine.root / "var/log/esperd").mkdir(parents=True)
    (machine.root / "run/esperd").mkdir()
    (machine.root / "run/esperd/left.sock").touch()
    with (machine.root / "etc/passwd").open("a") as file:
        file.write("esperd:x:999:999:Owner of serial ports:/var/lib/esperd:/usr/sbin/nologin\n")


async def test_nothing_is_left_behind_of_an_installation(machine: Machine) -> None:
    await machine.install("--board", "ttyUSB0")
    machine.forget_calls()
    done = await machine.uninstall()
    assert (done.code, done.err) == (0, "")
    assert machine.files() == BEFORE
    assert machine.calls == [
        "udevadm control --reload",
        "systemctl disable --now esperd@ttyUSB0.service",
        "systemctl daemon-reload",
        "systemctl reset-failed esperd@ttyUSB0.service",
    ]


async def test_the_rules_that_start_daemons_go_before_the_daemons_and_the_units_after_them(machine: Machine) -> None:
    await machine.install("--board", "ttyUSB0")
    steps = [step["target"] for step in json.loads((await machine.uninstall("--json")).out)]
    stopped = steps.index("systemctl disable --now esperd@ttyUSB0.service")
    assert steps.index(str(machine.path("/etc/udev/rules.d/90-esperd.rules"))) < stopped
    assert stopped < steps.index(str(machine.path("/etc/systemd/system/esperd@.service")))


async def test_instances_that_udev_started_or_a_socket_are_stopped_too(machine: Machine) -> None:
    await machine.install("--board", "left")
    machine.loaded_file.write_text(
        "esperd@left.service  loaded active running   esperd, the owner of left\n"
        "esperd@usb-Espressif.service loaded failed failed esperd, the owner of usb/Espressif\n"
        "esperd@left.socket loaded active listening esperd, the socket of left\n"
    )
    machine.forget_calls()
    await machine.uninstall()
    assert machine.calls[1] == (
        "systemctl disable --now esperd@left.service esperd@left.socket esperd@usb-Espressif.service"
    )


async def test_an_enabled_instance_that_is_not_loaded_is_disabled(machine: Machine) -> None:
    await machine.install("--board", "left")
    machine.loaded_file.write_text("")
    await machine.uninstall()
    assert "systemctl disable --now esperd@left.service" in machine.calls
    assert machine.files() == BEFORE


async def test_a_second_time_has_nothing_to_do(machine: Machine) -> None:
    await machine.install()
    await machine.uninstall()
    machine.forget_calls()
    done = await machine.uninstall()
    assert done.code == 0
    assert done.out == ""
    assert "no installation is noted" in done.err
    assert machine.calls == []


async def test_units_that_somebody_else_put_there_are_left_alone(machine: Machine) -> None:
    unit = machine.path("/etc/systemd/system/esperd@.service")
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\n")
    machine.loaded_file.write_text("esperd@left.service loaded active running esperd\n")
    await machine.uninstall()
    assert unit.exists()
    assert machine.calls == []


async def test_what_was_changed_or_added_is_kept_and_named(machine: Machine) -> None:
    await machine.install()
    configuration = machine.path("/etc/esperd/esperd.toml")
    configuration.write_text("baud = 9600\n")
    network = machine.path("/etc/systemd/system/esperd@.service.d/network.conf")
    boards = machine.path("/etc/udev/rules.d/89-esperd-boards.rules")
    for path in (network, boards):
        path.write_text("# mine\n")
    done = await machine.uninstall()
    assert f"kept {configuration}\n    it was changed since it was installed\n" in done.out
    assert f"kept {network}\n    not from us\n" in done.out
    assert f"kept {boards}\n    not from us\n" in done.out
    assert [name for name in machine.files() if not (machine.root.parent / name).is_dir()] == [
        "tree/etc/esperd/esperd.toml",
        "tree/etc/passwd",
        "tree/etc/systemd/system/esperd@.service.d/network.conf",
        "tree/etc/udev/rules.d/89-esperd-boards.rules",
    ]


async def test_a_configuration_from_before_the_installation_outlives_it(machine: Machine) -> None:
    file = machine.path("/etc/esperd/esperd.toml")
    file.parent.mkdir()
    file.write_text("baud = 9600\n")
    await machine.install()
    await machine.uninstall("--purge")
    assert file.read_text() == "baud = 9600\n"


async def test_state_is_kept_and_said_where_it_is(machine: Machine) -> None:
    await machine.install()
    use(machine)
    done = await machine.uninstall()
    assert f"kept {machine.root}/var/lib/esperd\n    what the daemons wrote; --purge removes it\n" in done.out
    assert f"kept {machine.root}/var/log/esperd\n" in done.out
    assert "kept user esperd\n" in done.out
    assert (machine.root / "var/lib/esperd/boards").is_dir()
    assert not (machine.root / "run/esperd").exists()
    assert not [call for call in machine.calls if "del esperd" in call]


async def test_purge_removes_state_and_user_also_after_an_uninstall_that_kept_them(machine: Machine) -> None:
    await machine.install()
    use(machine)
    await machine.uninstall()
    done = await machine.uninstall("--purge")
    assert done.code == 0
    assert machine.calls[-2:] == ["userdel esperd", "groupdel esperd"]
    assert machine.files() == ["tree/etc/passwd", "tree/var/lib", "tree/var/log"]


async def test_a_state_folder_that_is_a_link_to_another_disk_is_emptied(machine: Machine, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    (disk / "boards").mkdir(parents=True)
    (disk / "file").touch()
    (machine.root / "var/lib/esperd").symlink_to(disk)
    await machine.uninstall("--purge")
    assert list(disk.iterdir()) == []


async def test_a_dry_run_does_nothing(machine: Machine) -> None:
    await machine.install("--board", "ttyUSB0")
    use(machine)
    before = machine.files()
    machine.forget_calls()
    done = await machine.uninstall("--dry-run", "--purge")
    assert "would run systemctl disable --now esperd@ttyUSB0.service\n" in done.out
    assert f"would remove {machine.root}/var/lib/esperd\n" in done.out
    assert machine.files() == before
    assert machine.calls == []


async def test_a_failure_leaves_the_record_so_that_a_second_time_ends_it(machine: Machine) -> None:
    await machine.install("--board", "ttyUSB0")
    failed = await machine.uninstall(FAILS="disable")
    assert failed.code == 1
    assert machine.path("/etc/systemd/system/esperd@.service").exists()
    done = await machine.uninstall()
    assert done.code == 0
    assert machine.files() == BEFORE


async def test_a_damaged_record_is_an_error_that_says_what_to_do(machine: Machine) -> None:
    await machine.install()
    record = machine.path("/etc/esperd/installed.json")
    record.write_text("{")
    done = await machine.uninstall()
    assert done.code == 1
    assert f"{record}, the record of the installation, is damaged" in done.err
    record.unlink()
    assert (await machine.install()).code == 0
    assert (await machine.uninstall()).code == 0
    assert [name for name in machine.files() if "esperd" in name] == []


async def test_a_users_installation_is_undone(machine: Machine) -> None:
    await machine.install("--user", "--board", "left")
    state = machine.home / ".local/state/esperd"
    state.mkdir(parents=True)
    done = await machine.uninstall("--user")
    assert done.code == 0
    assert f"kept {state}\n" in done.out
    assert machine.files(machine.home) == ["home/.local", "home/.local/state", "home/.local/state/esperd"]
    assert "systemctl --user disable --now esperd@left.service" in machine.calls


async def test_a_users_units_that_are_gone_are_no_obstacle(machine: Machine) -> None:
    await machine.install("--user", "--board", "left")
    shutil.rmtree(machine.home / ".config/systemd")
    done = await machine.uninstall("--user")
    assert (done.code, done.err) == (0, "")
    assert "systemctl --user disable --now esperd@left.service" in machine.calls
    assert machine.files(machine.home) == []


async def test_folders_of_a_user_that_are_not_named_by_whole_paths_are_ignored(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "state/esperd/journal"
    mine.mkdir(parents=True)
    relative = {"XDG_CONFIG_HOME": "configuration", "XDG_STATE_HOME": "state"}
    await machine.install("--user", **relative)
    assert not (tmp_path / "configuration").exists()
    assert (machine.home / ".config/systemd/user/esperd@.service").exists()
    await machine.uninstall("--user", "--purge", **relative)
    assert mine.exists()
    assert machine.files(machine.home) == []


def test_on_a_terminal_it_asks_and_silence_keeps(
    machine: Machine, command: list[str], environment: dict[str, str]
) -> None:
    use(machine)

    def uninstall(answer: bytes) -> str:
        controller, terminal = pty.openpty()
        os.write(controller, answer)
        done = subprocess.run(
            [*command, "service", "uninstall", "--root", str(machine.root)],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            check=True,
            timeout=30,
            env={**environment, **machine.environment},
        )
        for descriptor in (controller, terminal):
            os.close(descriptor)
        return done.stderr.decode()

    said = uninstall(b"\n")
    assert f"in {machine.root}/var/lib/esperd and {machine.root}/var/log/esperd? [y/N]" in said
    assert (machine.root / "var/lib/esperd/boards").is_dir()
    uninstall(b"y\n")
    assert not (machine.root / "var/lib/esperd").exists()


def run_board(machine: Machine) -> int:
    """Holds a board's lock as a daemon does, that no unit started."""
    folder = machine.root / "var/lib/esperd/boards/left"
    folder.mkdir(parents=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    os.write(descriptor, b"4242\n")
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


async def test_purge_stops_the_daemons_first_also_where_no_installation_is_noted(machine: Machine) -> None:
    use(machine)
    machine.loaded_file.write_text("esperd@left.service loaded active running esperd, the owner of left\n")
    done = await machine.uninstall("--purge")
    assert done.code == 0
    assert machine.calls == ["systemctl disable --now esperd@left.service", "userdel esperd", "groupdel esperd"]
    assert "no unit file was removed" in done.err
    assert not (machine.root / "var/lib/esperd").exists()


@pytest.mark.parametrize("is_installed", [True, False])
async def test_purge_removes_nothing_under_a_daemon_that_runs(machine: Machine, *, is_installed: bool) -> None:
    if is_installed:
        await machine.install()
    use(machine)
    lock = run_board(machine)
    refused = await machine.uninstall("--purge")
    assert refused.code == 75
    message, hint = refused.err.splitlines()
    state = machine.root / "var/lib/esperd"
    assert message == (f"esperctl: {state} is in use: a daemon that no unit of this scope started runs left (pid 4242)")
    assert "run this again" in hint
    assert (state / "boards/left/lock").exists()
    assert not [call for call in machine.calls if "del esperd" in call]
    os.close(lock)
    assert (await machine.uninstall("--purge")).code == 0
    assert not state.exists()


async def test_another_name_for_a_unit_is_named(machine: Machine) -> None:
    await machine.install()
    link = machine.path("/etc/systemd/system/mine@.service")
    link.symlink_to("esperd@.service")
    done = await machine.uninstall()
    assert f"kept {link}\n    not from us\n" in done.out
