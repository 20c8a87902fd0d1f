"""Installations and removals that did not come to their end."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.esperctl.service.conftest import PROGRAM, make_program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.esperctl.service.conftest import Machine

RULES = "/etc/udev/rules.d/90-esperd.rules"
DROP_IN = "/etc/systemd/system/esperd@.service.d/10-program.conf"
RECORD = "/etc/esperd/installed.json"
BEFORE = ["tree/etc/passwd", "tree/var/lib"]


def install_unheard(
    machine: Machine, command: list[str], environment: dict[str, str], *words: str, **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Installs with an output whose reader is gone, as that of ``| head`` is soon."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [*command, "service", "install", "--root", str(machine.root), "--program", f"/{PROGRAM}", *words],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            timeout=30,
            env={**environment, **machine.environment, **more},
        )
    finally:
        os.close(writing)


def obstruct(path: Path) -> Path:
    """Makes that a file can't be written."""
    obstacle = path.with_name(f".{path.name}.new")
    obstacle.mkdir(parents=True)
    return obstacle


@pytest.mark.parametrize("words", [(), ("--json",)])
async def test_an_installation_is_whole_although_the_reader_of_its_output_went_away(
    machine: Machine, command: list[str], environment: dict[str, str], words: tuple[str, ...]
) -> None:
    done = install_unheard(machine, command, environment, *words)
    assert (done.returncode, done.stderr) == (0, b"")
    assert machine.path(RULES).is_file()
    assert machine.calls[-1] == "systemctl daemon-reload"
    await machine.uninstall()
    assert machine.files() == BEFORE


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_failure_is_told_although_the_reader_of_the_output_went_away(
    machine: Machine, command: list[str], environment: dict[str, str], words: tuple[str, ...]
) -> None:
    done = install_unheard(machine, command, environment, *words, FAILS="daemon-reload")
    assert done.returncode == 1
    assert b"`systemctl daemon-reload` failed" in done.stderr


def test_an_output_that_can_not_be_written_is_an_error_after_all_is_done(
    machine: Machine, command: list[str], environment: dict[str, str]
) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [*command, "service", "install", "--root", str(machine.root), "--program", f"/{PROGRAM}"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=30,
            env={**environment, **machine.environment},
        )
    assert done.returncode == 1
    assert done.stderr == b"esperctl: the output can't be written: No space left on device\n"
    assert machine.calls[-1] == "systemctl daemon-reload"


async def test_what_a_first_installation_wrote_until_it_failed_is_removed(machine: Machine) -> None:
    obstacle = obstruct(machine.path(RULES))
    failed = await machine.install()
    assert failed.code == 1
    assert str(obstacle) in failed.err
    assert machine.path(DROP_IN).exists()
    obstacle.rmdir()
    done = await machine.uninstall()
    assert (done.code, done.err) == (0, "")
    assert [name for name in machine.files() if "esperd" in name] == []


async def test_a_file_that_does_not_fit_on_the_disk_is_not_left_in_part(
    machine: Machine, command: list[str], environment: dict[str, str]
) -> None:
    # No file larger than 3 KiB, which the unit is and the record is not. Python must not write half of a module then.
    limited = ["sh", "-c", 'ulimit -f 6; exec "$@"', "sh", *command]
    failed = install_unheard(machine, limited, environment, PYTHONDONTWRITEBYTECODE="1")
    assert failed.returncode == 1
    assert b"esperd@.service: File too large" in failed.stderr
    await machine.uninstall()
    assert machine.files() == BEFORE


async def failed_upgrade(machine: Machine) -> None:
    """Writes the part that names the program, and not the rules, which are of an older version."""
    await machine.install()
    rules, record = machine.path(RULES), machine.path(RECORD)
    rules.write_text("# of the old version\n")
    document = json.loads(record.read_text())
    document["files"][str(rules)] = hashlib.sha256(rules.read_bytes()).hexdigest()
    record.write_text(json.dumps(document))
    obstacle = obstruct(rules)
    make_program(machine.path("/opt/second/esperd"), "#!/bin/sh\n")
    assert (await machine.install("--program", "/opt/second/esperd")).code == 1
    assert "/opt/second" in machine.path(DROP_IN).read_text()
    assert rules.read_text() == "# of the old version\n"
    obstacle.rmdir()


async def test_after_an_upgrade_that_failed_the_next_one_replaces_all(machine: Machine) -> None:
    await failed_upgrade(machine)
    make_program(machine.path("/opt/third/esperd"), "#!/bin/sh\n")
    done = await machine.install("--program", "/opt/third/esperd")
    assert done.code == 0
    assert "kept" not in done.out
    assert "/opt/third" in machine.path(DROP_IN).read_text()
    assert machine.path(RULES).read_text() != "# of the old version\n"
    assert json.loads(machine.path(RECORD).read_text())["replaced"] == {}
    await machine.uninstall()
    assert machine.files() == BEFORE


async def test_after_an_upgrade_that_failed_nothing_is_left_behind(machine: Machine) -> None:
    await failed_upgrade(machine)
    done = await machine.uninstall()
    assert "kept" not in done.out
    assert machine.files() == BEFORE


async def test_what_was_to_be_removed_when_an_upgrade_failed_is_still_known_as_ours(machine: Machine) -> None:
    await machine.install()
    record, obsolete = machine.path(RECORD), machine.path("/etc/udev/rules.d/91-esperd.rules")
    obsolete.write_text("# of the old version\n")
    document = json.loads(record.read_text())
    document["files"][str(obsolete)] = hashlib.sha256(obsolete.read_bytes()).hexdigest()
    record.write_text(json.dumps(document))
    make_program(machine.path("/opt/second/esperd"), "#!/bin/sh\n")
    obstacle = obstruct(machine.path(DROP_IN))
    assert (await machine.install("--program", "/opt/second/esperd")).code == 1
    obstacle.rmdir()
    await machine.uninstall()
    assert machine.files() == BEFORE


async def test_a_changed_file_that_was_to_be_replaced_by_force_is_not_ours_before_it_was(machine: Machine) -> None:
    await machine.install()
    unit = machine.path("/etc/systemd/system/esperd@.service")
    unit.write_text("[Service]\n")
    obstruct(unit)
    assert (await machine.install("--force")).code == 1
    await machine.uninstall()
    assert unit.read_text() == "[Service]\n"


async def test_a_failed_removal_is_ended_by_a_second(machine: Machine) -> None:
    await machine.install("--board", "ttyUSB0")
    assert (await machine.uninstall(FAILS="daemon-reload")).code == 1
    machine.forget_calls()
    done = await machine.uninstall()
    assert (done.code, done.err) == (0, "")
    assert "systemctl daemon-reload" in machine.calls
    assert machine.files() == BEFORE


async def test_a_configuration_folder_that_is_a_link_elsewhere_stays(machine: Machine, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = machine.path("/etc/esperd")
    link.symlink_to(elsewhere)
    await machine.install()
    done = await machine.uninstall()
    assert (done.code, done.err) == (0, "")
    assert machine.calls[-1] == "systemctl daemon-reload"
    assert link.is_symlink()
    assert machine.files() == sorted([*BEFORE, "tree/etc/esperd"])
    assert list(elsewhere.iterdir()) == []
