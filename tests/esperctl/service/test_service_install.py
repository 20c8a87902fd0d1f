from __future__ import annotations

import hashlib
import json
import os
import shlex
import stat
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.esperctl.service.conftest import PROGRAM

if TYPE_CHECKING:
    from tests.esperctl.service.conftest import Machine

INSTALLED = [
    "/etc/esperd/esperd.toml",
    "/etc/esperd/installed.json",
    "/etc/systemd/system/esperd@.service",
    "/etc/systemd/system/esperd@.service.d/10-program.conf",
    "/etc/systemd/system/esperd@.socket",
    "/etc/sysusers.d/esperd.conf",
    "/etc/tmpfiles.d/esperd.conf",
    "/etc/udev/rules.d/90-esperd.rules",
]
SYSTEMD = Path(__file__).resolve().parents[3] / "systemd"


async def test_files_are_put_in_place_and_told_of(machine: Machine) -> None:
    done = await machine.install()
    assert (done.code, done.err) == (0, "")
    for name in INSTALLED:
        path = machine.path(name)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        assert f"wrote {path}\n    " in done.out
    unit = machine.path("/etc/systemd/system/esperd@.service")
    assert unit.read_bytes() == (SYSTEMD / "system/esperd@.service").read_bytes()
    assert machine.calls == [
        "systemd-sysusers /etc/sysusers.d/esperd.conf",
        "systemd-tmpfiles --create /etc/tmpfiles.d/esperd.conf",
        "udevadm control --reload",
        "systemctl daemon-reload",
    ]
    assert "ran udevadm control --reload\n    makes udev read" in done.out
    assert done.out.endswith("to start it for a board: sudo systemctl enable --now esperd@ttyUSB0\n")


async def test_files_are_readable_for_all_whatever_the_umask(machine: Machine) -> None:
    umask = os.umask(0o077)
    try:
        await machine.install()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(machine.path("/etc/sysusers.d").stat().st_mode) == 0o755
    assert stat.S_IMODE(machine.path("/etc/sysusers.d/esperd.conf").stat().st_mode) == 0o644


async def test_the_units_start_the_named_program_with_the_words_of_the_shipped_unit(machine: Machine) -> None:
    await machine.install()
    shipped = (SYSTEMD / "system/esperd@.service").read_text()
    (words,) = (line.removeprefix("ExecStart=esperd ") for line in shipped.splitlines() if "ExecStart=" in line)
    drop_in = machine.path("/etc/systemd/system/esperd@.service.d/10-program.conf").read_text().splitlines()
    assert drop_in[1:4] == ["[Service]", "ExecStart=", f"ExecStart=/opt/esperd/bin/esperd {words}"]


async def test_a_second_time_writes_nothing(machine: Machine) -> None:
    await machine.install()
    times = {name: machine.path(name).stat().st_mtime_ns for name in INSTALLED}
    done = await machine.install()
    assert done.code == 0
    assert {name: machine.path(name).stat().st_mtime_ns for name in INSTALLED} == times
    assert "wrote" not in done.out
    assert done.out.count("unchanged /") == len(INSTALLED)


async def test_boards_are_enabled_and_started_after_everything_else(machine: Machine) -> None:
    by_path = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0"
    by_id = "/dev/serial/by-id/usb-Espressif_USB_JTAG-if00"
    done = await machine.install("--board", "ttyUSB0", "--board", "/dev/ttyUSB1", "--board", by_id, "--board", by_path)
    assert done.code == 0
    assert machine.calls[-5:] == [
        "systemctl daemon-reload",
        "systemctl enable --now esperd@ttyUSB0.service",
        "systemctl enable --now esperd@ttyUSB1.service",
        "systemctl enable --now esperd@usb-Espressif_USB_JTAG-if00.service",
        r"systemctl enable --now esperd@serial-by\x2dpath-pci\x2d0000:00:14.0\x2dusb\x2d0:2:1.0\x2dport0.service",
    ]


async def test_a_board_before_the_command_counts_and_one_in_the_environment_does_not(machine: Machine) -> None:
    words = [
        "--board",
        "left",
        "service",
        "install",
        "--program",
        "/opt/esperd/bin/esperd",
        "--root",
        str(machine.root),
    ]
    done = await machine.esperctl(*words, env=machine.environment)
    assert done.code == 0
    assert machine.calls[-1] == "systemctl enable --now esperd@left.service"
    machine.forget_calls()
    await machine.install(ESPER_BOARD="right")
    assert machine.calls[-1] == "systemctl daemon-reload"


@pytest.mark.parametrize("board", ["socket://host:3333", "sim:crash", "replay:x", "/"])
async def test_what_no_instance_can_stand_for_is_refused_before_anything_is_done(machine: Machine, board: str) -> None:
    done = await machine.install("--board", board)
    assert done.code == 2
    assert "is no device and no board's name" in done.err
    assert machine.files() == ["tree/etc/passwd", "tree/var/lib"]


async def test_a_dry_run_says_all_and_does_nothing(machine: Machine) -> None:
    done = await machine.install("--dry-run", "--board", "ttyUSB0")
    assert done.code == 0
    for name in INSTALLED:
        assert f"would write {machine.path(name)}\n    " in done.out
    assert "would run systemctl enable --now esperd@ttyUSB0.service\n" in done.out
    assert machine.files() == ["tree/etc/passwd", "tree/var/lib"]
    assert machine.calls == []


async def test_the_plan_is_a_document(machine: Machine) -> None:
    planned = json.loads((await machine.install("--dry-run", "--json")).out)
    done = json.loads((await machine.install("--json")).out)
    assert [step["target"] for step in planned] == [step["target"] for step in done]
    assert {step["action"] for step in planned} == {"write", "run"}
    assert all(step["why"] for step in planned)
    assert not any(step["done"] for step in planned)
    assert all(step["done"] for step in done)


async def test_a_changed_file_is_kept_until_it_is_forced(machine: Machine) -> None:
    await machine.install()
    unit = machine.path("/etc/systemd/system/esperd@.service")
    unit.write_text("[Service]\n")
    kept = await machine.install()
    assert kept.code == 0
    assert f"kept {unit}\n    it was changed here, or is not from us; --force replaces it\n" in kept.out
    assert unit.read_text() == "[Service]\n"
    await machine.install("--force")
    assert unit.read_bytes() == (SYSTEMD / "system/esperd@.service").read_bytes()


async def test_a_configuration_is_never_replaced(machine: Machine) -> None:
    file = machine.path("/etc/esperd/esperd.toml")
    file.parent.mkdir()
    file.write_text("baud = 9600\n")
    done = await machine.install("--force")
    assert f"kept {file}\n" in done.out
    assert file.read_text() == "baud = 9600\n"


async def test_an_upgrade_replaces_what_is_as_the_old_version_wrote_it(machine: Machine) -> None:
    await machine.install()
    rules = machine.path("/etc/udev/rules.d/90-esperd.rules")
    dropped, changed = machine.path("/etc/udev/rules.d/91-esperd.rules"), machine.path("/etc/tmpfiles.d/old.conf")
    current = rules.read_bytes()
    record = machine.path("/etc/esperd/installed.json")
    document = json.loads(record.read_text())
    for path in (rules, dropped, changed):
        path.write_text("# of the old version\n")
        document["files"][str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    changed.write_text("# of mine\n")
    record.write_text(json.dumps(document))
    done = await machine.install()
    assert f"wrote {rules}\n" in done.out
    assert rules.read_bytes() == current
    assert f"removed {dropped}\n" in done.out
    assert not dropped.exists()
    assert f"kept {changed}\n" in done.out
    assert changed.exists()
    assert set(json.loads(record.read_text())["files"]) == {
        str(machine.path(name)) for name in INSTALLED if not name.endswith(".json")
    }


async def test_daemons_that_run_are_restarted_only_when_asked(machine: Machine) -> None:
    machine.loaded_file.write_text("esperd@left.service loaded active running esperd, the owner of left\n")
    done = await machine.install()
    assert (
        "unchanged esperd@left.service\n    a daemon that runs stays as it is; --restart starts it anew\n" in done.out
    )
    assert not [call for call in machine.calls if "restart" in call]
    # Also of one that is named.
    assert "stays as it is; --restart" in (await machine.install("--board", "left")).out
    await machine.install("--restart")
    assert machine.calls[-1] == "systemctl try-restart esperd@left.service"


async def test_without_udev_its_reload_is_skipped(machine: Machine) -> None:
    machine.path("/run/udev/control").unlink()
    done = await machine.install()
    assert "skipped udevadm control --reload\n    udev does not run here\n" in done.out
    assert machine.path("/etc/udev/rules.d/90-esperd.rules").exists()


async def test_a_user_gets_units_and_nothing_of_the_system(machine: Machine) -> None:
    done = await machine.install("--user", "--board", "left")
    assert done.code == 0
    assert "loginctl enable-linger" in done.err
    assert [name for name in machine.files(machine.home) if not (machine.root.parent / name).is_dir()] == [
        "home/.config/esperd/installed.json",
        "home/.config/systemd/user/esperd@.service",
        "home/.config/systemd/user/esperd@.service.d/10-program.conf",
        "home/.config/systemd/user/esperd@.socket",
        "home/.config/systemd/user/multi-user.target.wants/esperd@left.service",
    ]
    assert machine.files() == ["tree/etc/passwd", "tree/var/lib"]
    assert machine.calls == ["systemctl --user daemon-reload", "systemctl --user enable --now esperd@left.service"]


async def test_a_daemon_that_does_not_start_is_an_error_with_the_reason(machine: Machine) -> None:
    done = await machine.install("--board", "ttyUSB0", FAILS="enable")
    assert done.code == 1
    message, hint = done.err.splitlines()
    assert message == (
        "esperctl: `systemctl enable --now esperd@ttyUSB0.service` failed: Job for esperd@ttyUSB0.service failed."
    )
    assert hint.endswith("run this again")


async def test_what_was_done_before_a_failure_is_in_the_document(machine: Machine) -> None:
    done = await machine.install("--json", FAILS="daemon-reload")
    assert done.code == 1
    assert [step["target"] for step in json.loads(done.out)][-1] == "udevadm control --reload"


async def test_a_machine_without_systemd_is_told_so(machine: Machine) -> None:
    machine.path("/run/systemd/system").rmdir()
    done = await machine.install()
    assert done.code == 1
    assert done.err.startswith("esperctl: this machine is not run by systemd")
    assert "hint: start `esperd PORT...`" in done.err


async def test_what_would_be_done_is_shown_on_a_machine_without_systemd(machine: Machine) -> None:
    expected = (await machine.install("--dry-run")).out
    machine.path("/run/systemd/system").rmdir()
    done = await machine.install("--dry-run")
    assert (done.code, done.out) == (0, expected)
    assert done.err.startswith("this machine is not run by systemd")


@pytest.mark.parametrize(
    ("program", "mode", "expected"),
    [
        ("/opt/esperd/bin/missing", 0o755, "is no program"),
        ("bin/esperd", 0o755, "is no program"),
        ("/home/alice/bin/esperd", 0o755, "it keeps off /home"),
        ("/opt/closed/esperd", 0o700, "/opt/closed is closed to other users"),
    ],
)
async def test_a_program_that_the_service_could_not_start_is_refused(
    machine: Machine, program: str, mode: int, expected: str
) -> None:
    path = machine.path(program)
    if "missing" not in program:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
        path.parent.chmod(mode)
    done = await machine.install("--program", program)
    assert done.code == 1
    assert expected in done.err
    assert not machine.path("/etc/esperd").exists()


async def test_the_program_of_this_installation_is_the_default(machine: Machine) -> None:
    program = Path(sysconfig.get_path("scripts")) / "esperd"
    if not program.is_file():
        pytest.skip("esperd is not installed here")
    done = await machine.service("install", "--user", "--dry-run")
    assert f"    makes it start {program}\n" in done.out


async def test_where_etc_can_not_be_written_it_says_the_line_to_type(machine: Machine) -> None:
    # A read-only folder is no obstacle to root, as whom tests may run; one that is not there is, for everybody.
    machine.path("/etc/passwd").unlink()
    machine.path("/etc").rmdir()
    done = await machine.uninstall()
    message, hint = done.err.splitlines()
    assert done.code == 4
    assert message == "esperctl: `service uninstall` changes files in /etc, which takes root"
    again = f"{sysconfig.get_path('scripts')}/esperctl service uninstall --root {machine.root}"
    assert hint == (
        f"hint: sudo {again}; or, for a service of your own, without sudo: `esperctl service uninstall --user`"
    )


async def test_the_line_to_type_has_all_that_was_asked_for(machine: Machine) -> None:
    machine.path("/etc/passwd").unlink()
    machine.path("/etc").rmdir()
    done = await machine.install("--board", "it's left", "--restart")
    assert done.code == 4
    words = ["--program", f"/{PROGRAM}", "--board", "it's left", "--restart", "--root", str(machine.root)]
    assert f"/esperctl service install {shlex.join(words)}; or" in done.err


async def test_a_users_service_under_sudo_is_refused(machine: Machine) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    done = await machine.install("--user", "--board", "left", SUDO_USER="alice")
    assert done.code == 4
    assert "would be root's service, not yours" in done.err
    assert "run it without sudo: esperctl service install --program" in done.err
    assert "--user --board left" in done.err


def plug(machine: Machine, device: str, vendor: str, link: str) -> None:
    """A serial device as udev and the kernel show it."""
    usb = machine.path(f"/sys/devices/usb1/{device}-port")
    (usb / "interface").mkdir(parents=True)
    (usb / "idVendor").write_text(f"{vendor}\n")
    shown = machine.path(f"/sys/class/tty/{device}")
    shown.mkdir(parents=True)
    (shown / "device").symlink_to(usb / "interface")
    by_id = machine.path("/dev/serial/by-id")
    by_id.mkdir(parents=True, exist_ok=True)
    machine.path(f"/dev/{device}").touch()
    (by_id / link).symlink_to(f"../../{device}")


async def test_a_chip_is_started_by_the_name_by_which_udev_starts_it(machine: Machine) -> None:
    plug(machine, "ttyACM0", "303a", "usb-Espressif_USB_JTAG_7C:DF:A1-if00")
    # A bridge may have the serial number that all of its kind have.
    plug(machine, "ttyUSB0", "10c4", "usb-Silicon_Labs_CP2102_0001-if00-port0")
    done = await machine.install("--board", "ttyACM0", "--board", "/dev/ttyACM0", "--board", "ttyUSB0")
    assert machine.calls[-2:] == [
        "systemctl enable --now esperd@usb-Espressif_USB_JTAG_7C:DF:A1-if00.service",
        "systemctl enable --now esperd@ttyUSB0.service",
    ]
    assert "starts the daemon of the chip that is ttyACM0 now, wherever it is plugged in" in done.out


async def test_a_name_that_the_configuration_gives_stays(machine: Machine) -> None:
    plug(machine, "ttyACM0", "303a", "usb-Espressif_USB_JTAG_7C:DF:A1-if00")
    file = machine.path("/etc/esperd/esperd.toml")
    file.parent.mkdir()
    file.write_text('[boards.ttyACM0]\nport = "/dev/ttyACM0"\n')
    await machine.install("--board", "ttyACM0")
    assert machine.calls[-1] == "systemctl enable --now esperd@ttyACM0.service"


async def test_an_instance_that_is_enabled_stays(machine: Machine) -> None:
    await machine.install("--board", "ttyACM0")
    plug(machine, "ttyACM0", "303a", "usb-Espressif_USB_JTAG_7C:DF:A1-if00")
    done = await machine.install("--board", "ttyACM0")
    assert machine.calls[-1] == "systemctl enable --now esperd@ttyACM0.service"
    assert "udev starts it" not in done.out


@pytest.mark.parametrize(
    ("rule", "is_started"),
    [
        ('SUBSYSTEM=="tty", ENV{ID_VENDOR_ID}=="303a", ENV{ESPERD_START}="0"', False),
        ('ENV{ID_VENDOR_ID}=="10c4|303a", \\\n  ENV{ESPERD_START}="0"', False),
        ('ENV{ID_PATH}=="pci-0000:00:14.0-usb-0:2:1.0", ENV{ESPERD_INSTANCE}="right"', False),
        ('ENV{ID_VENDOR_ID}=="10c4", ENV{ESPERD_START}="0"', True),
        ('ENV{ID_VENDOR_ID}!="303a", ENV{ESPERD_START}="0"', True),
        ('ATTRS{idVendor}=="3*", ENV{ESPERD_START}="0"\nKERNEL=="ttyACM*", ENV{ESPERD_START}="1"', True),
        ('# ENV{ID_VENDOR_ID}=="303a", ENV{ESPERD_START}="0"', True),
    ],
)
async def test_udev_is_said_to_start_a_chip_only_where_rules_leave_it_on(
    machine: Machine, rule: str, *, is_started: bool
) -> None:
    plug(machine, "ttyACM0", "303a", "usb-Espressif_USB_JTAG_7C:DF:A1-if00")
    rules = machine.path("/etc/udev/rules.d/89-esperd-boards.rules")
    rules.parent.mkdir(parents=True)
    rules.write_text(f"{rule}\n")
    done = await machine.install("--dry-run", "--board", "ttyACM0")
    assert "would run systemctl enable --now esperd@usb-Espressif_USB_JTAG_7C:DF:A1-if00.service\n" in done.out
    assert ("udev starts it, too" in done.out) == is_started


async def test_a_users_daemon_is_not_said_to_be_started_by_udev(machine: Machine) -> None:
    plug(machine, "ttyACM0", "303a", "usb-Espressif_USB_JTAG_7C:DF:A1-if00")
    done = await machine.install("--user", "--dry-run", "--board", "ttyACM0")
    assert "would run systemctl --user enable --now esperd@usb-Espressif" in done.out
    assert "udev starts it" not in done.out


async def test_a_program_that_can_not_be_looked_at_is_an_error_that_names_it(machine: Machine) -> None:
    # As a folder that is closed to who asks, which none is to root.
    done = await machine.install("--program", f"/opt/{'x' * 300}/esperd")
    assert done.code == 1
    assert "xx/esperd: File name too long" in done.err
