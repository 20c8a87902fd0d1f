"""``esperctl config`` of the system's file: what the service makes of it, whoever asks."""

from __future__ import annotations

import grp
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NOBODY = "nobody"
NO_SUCH_USER = "esperd-of-a-test"
EDIT = "sudo systemctl edit esperd@.service"
# What the unit hides is below /tmp here, where tests are.
UNIT = f"[Service]\nUser={NOBODY}\nGroup=audio\nSupplementaryGroups=dialout\nStateDirectory=esperd lab\n\
RuntimeDirectory=esperd\nProtectHome=yes\nProtectSystem=strict\nExecStart=esperd --instance %i\n"
# Asked once before, so that all is imported while that may be read.
AS_NOBODY = f"""\
import contextlib, io, os, pwd, sys
from esperd.configuration.command import main
with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
    main(sys.argv[1:])
nobody = pwd.getpwnam({NOBODY!r})
os.setgroups([])
os.setgid(nobody.pw_gid)
os.setuid(nobody.pw_uid)
sys.exit(main(sys.argv[1:]))
"""


@dataclass
class Tree:
    """A system with a unit and a configuration file, and somebody who asks about it."""

    root: Path

    @property
    def file(self) -> Path:
        return self.root / "etc/esperd/esperd.toml"

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(mode)
        return path

    def unit(self, text: str = UNIT, *, drop_in: str = "") -> None:
        self.write("usr/lib/systemd/system/esperd@.service", text)
        self.write("etc/systemd/system/esperd@.service.d/20-ours.conf", drop_in)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._start("-m", "esperctl", "config", *words)

    def report(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self.run(*words, "--json").stdout))

    def report_to_nobody(self, *words: str) -> dict[str, Any]:
        """What esperctl is answered when nobody asks, whom root's Python need not be open to."""
        return dict(json.loads(self._start("-c", AS_NOBODY, *words).stdout))

    def _start(self, *words: str) -> subprocess.CompletedProcess[str]:
        home = self.root / "home"
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(home / "run")}
        return subprocess.run(
            [sys.executable, *words, "--root", str(self.root)],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
            check=False,
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    # Others may pass, as through the folders of a real system.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("pytest-", "popen-")) or folder == tmp_path:
            folder.chmod(folder.stat().st_mode | 0o055)
    return Tree(tmp_path)


def group_without(*others: str) -> str:
    """A group of this machine that a user of *others*, and whoever runs this, is no member of."""
    names = [group.gr_name for group in grp.getgrall() if group.gr_name not in others and group.gr_gid != 0]
    own = {grp.getgrgid(gid).gr_name for gid in os.getgroups() if gid}
    return next(name for name in names if name not in own and name not in (NOBODY, "nogroup"))


as_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def test_a_group_of_the_services_user_is_right_and_another_is_wrong(tree: Tree) -> None:
    tree.unit()
    tree.write("etc/esperd/esperd.toml", "socket_group = 'dialout'\n")
    right = tree.run("check", "--system")
    tree.write("etc/esperd/esperd.toml", f"baud = 9600\nsocket_group = '{group_without('audio', 'dialout')}'\n")
    wrong = tree.run("check", "--system")

    assert (right.returncode, right.stdout) == (0, f"{tree.file}: no problems\n")
    assert (
        right.stderr == f"as the system's service esperd@ (user {NOBODY}) sees it; --user: as a daemon that you start\n"
    )
    assert wrong.returncode == 1
    assert wrong.stdout.startswith(f"{tree.file}:2: socket_group is ")
    assert "must be a group that the user of esperd is a member of\n  hint: `sudo usermod -aG" in wrong.stdout
    assert f" {NOBODY}`, then start esperd again" in wrong.stdout


@as_root_only
def test_the_answer_does_not_depend_on_who_asks_but_on_who_is_meant(tree: Tree) -> None:
    tree.unit()
    tree.write("etc/esperd/esperd.toml", "socket_group = 'dialout'\n")

    service = tree.report_to_nobody("show")
    caller = tree.report_to_nobody("show", "--seen-by=user", f"--file={tree.file}")

    assert service == tree.report("show")
    assert (service["seen_by"]["who"], service["problems"]) == ("system", [])
    assert caller["seen_by"] == {"who": "user", "user": NOBODY, "unit": None}
    assert [problem["hint"] for problem in caller["problems"]] == [
        f"`sudo usermod -aG dialout {NOBODY}`, then start esperd again"
    ]


def test_another_file_is_read_for_the_caller_unless_the_service_is_named(tree: Tree) -> None:
    tree.unit()
    other = tree.write("other.toml", "state_dir = '/srv/journals'\n")

    own, service = tree.run("check", str(other)), tree.run("check", "--system", str(other))

    assert (own.returncode, service.returncode) == (0, 1)
    assert service.stdout == (
        f"{other}:1: state_dir is '/srv/journals'; the service may not write there (ProtectSystem=strict)\n"
        f"  hint: `{EDIT}`: [Service], ReadWritePaths=/srv/journals\n"
    )
    tree.unit(drop_in="[Service]\nReadWritePaths=-/srv/journals\n")
    assert tree.run("check", "--system", str(other)).returncode == 0


def test_values_come_from_the_file_the_unit_and_its_flags(tree: Tree) -> None:
    start = "/opt/esperd --instance %i \\\n  --tail-bytes=8M --log-level debug --elf /srv/b"
    tree.unit(drop_in=f"[Service]\nExecStart=\nExecStart={start}\n")
    tree.write(
        "etc/esperd/esperd.toml", "log_level = 'error'\nelf = ['/srv/a']\nbaud = 9600\n[boards.b]\nport = 'ttyUSB0'\n"
    )

    report = tree.report("show")
    settings = {setting.pop("key"): setting for setting in report["settings"]}

    unit, drop_in = (tree.root / name for name in ("usr/lib/systemd/system/esperd@.service", "etc/systemd/system"))
    drop_in /= "esperd@.service.d/20-ours.conf"
    assert report["seen_by"] == {"who": "system", "user": NOBODY, "unit": str(unit)}
    assert settings["state_dir"] == {"value": "/var/lib/esperd", "source": str(unit), "line": 5, "flag": None}
    assert settings["runtime_dir"]["value"] == "/run/esperd"
    assert settings["log_level"] == {"value": "debug", "source": str(drop_in), "line": 3, "flag": "--log-level"}
    assert settings["limits.tail_bytes"]["value"] == "8 MiB"
    assert settings["elf"]["value"] == ["/srv/a", "/srv/b"]
    assert settings["boards.b.baud"] == {"value": 9600, "source": str(tree.file), "line": 3, "flag": None}
    shown = {line.split()[0]: line for line in tree.run("show").stdout.splitlines()}
    assert shown["log_level"].split() == ["log_level", "debug", f"{drop_in}:3", "(--log-level)"]


def test_a_rate_that_is_a_flag_goes_before_that_of_a_board(tree: Tree) -> None:
    tree.unit(drop_in="[Service]\nExecStart=\nExecStart=esperd --instance %i --baud 57600\n")
    tree.write("etc/esperd/esperd.toml", "baud = 9600\n[boards.b]\nport = 'ttyUSB0'\nbaud = 115200\n")

    rates = {setting["value"] for setting in tree.report("show", "--system")["settings"] if "baud" in setting["key"]}

    assert rates == {57600}


def test_a_flag_of_the_unit_that_is_not_allowed_is_a_problem(tree: Tree) -> None:
    tree.unit(drop_in="[Service]\nExecStart=\nExecStart=esperd --instance %i --baud fast\n")

    done = tree.run("check", "--system")

    assert (done.returncode, done.stdout.startswith("--baud is 'fast'; it must be an integer")) == (1, True)


def test_the_unit_says_which_file_the_service_reads(tree: Tree) -> None:
    tree.unit(drop_in="[Service]\nExecStart=\nExecStart=esperd --config /srv/lab.toml --instance %i\n")
    tree.write("srv/lab.toml", "baud = 1\n")

    assert tree.run("check", "--system").stdout.startswith(f"{tree.root}/srv/lab.toml:1: baud is 1;")


def test_an_elf_folder_that_the_service_does_not_see_is_a_warning(tree: Tree) -> None:
    tree.unit()
    tree.write("etc/esperd/esperd.toml", "elf = ['/home/anna/build', '/srv/firmware']\n")

    done = tree.run("check", "--system")

    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"warning: {tree.file}:1: elf names '/home/anna/build', which the service does not see (ProtectHome=yes)",
        f"  hint: `{EDIT}`: [Service], ProtectHome=read-only; `esperctl elf add` needs nothing",
        f"{tree.file}: no problems",
    ]
    tree.unit(drop_in="[Service]\nProtectHome=read-only\n")
    assert tree.report("check", "--system")["warnings"] == []


SHIPPED = Path(__file__).parents[2] / "systemd/system"
PORTS = """\
[boards.left]
port = "socket://127.0.0.1:4000"
[boards.right]
port = "rfc2217://lab:4001"
[boards.pi]
port = "ttyAMA0"
[boards.usb]
port = "ttyUSB0"
"""


def test_ports_that_the_service_may_not_open_are_warnings_with_their_drop_ins(tree: Tree) -> None:
    tree.unit((SHIPPED / "esperd@.service").read_text("utf-8"))
    tree.write("etc/esperd/esperd.toml", PORTS)

    done = tree.run("check", "--system")

    network = "PrivateNetwork=no, RestrictAddressFamilies=AF_INET AF_INET6, IPAddressDeny= (a line each)"
    warnings = [line for line in done.stdout.splitlines() if "no user esperd" not in line and "makes it" not in line]
    left, right, pi = "'socket://127.0.0.1:4000'", "'rfc2217://lab:4001'", "'ttyAMA0'"
    closed = "which the service may not open"
    assert warnings == [
        f"warning: {tree.file}:2: boards.left.port is {left}, {closed} (PrivateNetwork=yes)",
        f"  hint: `{EDIT}`: [Service], {network}",
        f"warning: {tree.file}:4: boards.right.port is {right}, {closed} (PrivateNetwork=yes)",
        f"  hint: `{EDIT}`: [Service], {network}",
        f"warning: {tree.file}:6: boards.pi.port is {pi}, {closed} (DevicePolicy=closed)",
        f"  hint: `{EDIT}`: [Service], DeviceAllow=char-ttyAMA rw",
        f"{tree.file}: no problems",
    ]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("drop_in", "closed"),
    [
        ("PrivateNetwork=no\n", {"left", "right", "pi"}),
        ("PrivateNetwork=no\nRestrictAddressFamilies=AF_INET\n", {"left", "right", "pi"}),
        ("PrivateNetwork=no\nRestrictAddressFamilies=AF_INET\nIPAddressAllow=localhost\n", {"pi"}),
        ("DeviceAllow=char-ttyAMA rw\n", {"left", "right"}),
        ("DeviceAllow=/dev/ttyAMA0 rw\n", {"left", "right"}),
        ("DeviceAllow=\nDevicePolicy=auto\nPrivateNetwork=no\nRestrictAddressFamilies=\nIPAddressDeny=\n", set[str]()),
    ],
)
def test_a_port_that_a_drop_in_opens_is_not_warned_of(tree: Tree, drop_in: str, closed: set[str]) -> None:
    tree.unit((SHIPPED / "esperd@.service").read_text("utf-8"), drop_in=f"[Service]\n{drop_in}")
    tree.write("etc/esperd/esperd.toml", PORTS)

    assert closed_ports(tree) == closed


def test_the_shipped_drop_in_opens_the_network_to_the_one_board_that_has_it(tree: Tree) -> None:
    tree.unit((SHIPPED / "esperd@.service").read_text("utf-8"))
    network = (SHIPPED / "network.conf").read_text("utf-8")
    tree.write("etc/systemd/system/esperd@left.service.d/network.conf", network)
    tree.write("etc/esperd/esperd.toml", PORTS)

    assert closed_ports(tree) == {"right", "pi"}


def closed_ports(tree: Tree) -> set[str]:
    warnings = [warning["message"] for warning in tree.report("check", "--system")["warnings"]]
    return {text.partition("boards.")[2].partition(".")[0] for text in warnings if "may not open" in text}


def test_a_command_has_to_be_one_that_the_services_user_may_run(tree: Tree) -> None:
    program = tree.write("told", "#!/bin/sh\n", 0o700)
    tree.unit(UNIT.replace("ProtectSystem=strict", "PrivateTmp=no"))
    tree.write("etc/esperd/esperd.toml", f"[[on_crash]]\ncommand = ['{program}']\n")

    closed = tree.run("check", "--system")
    program.chmod(0o755)

    warning = f"warning: {tree.file}:2: on_crash.command names '{program}'; it must be a program that is"
    assert (closed.returncode, closed.stdout.startswith(warning)) == (0, True)
    assert f"hint: the user {NOBODY} may not run it: `sudo chmod a+rx {program}`" in closed.stdout
    assert tree.report("check", "--system")["warnings"] == []
    tree.unit(drop_in="[Service]\nPrivateTmp=yes\n")
    assert ("the service does not see it (PrivateTmp=yes)" in tree.run("check", "--system").stdout) == str(
        program
    ).startswith("/tmp/")  # noqa: S108 - named, not used


def test_a_command_in_a_home_is_not_seen_and_commands_are_numbered(tree: Tree) -> None:
    tree.unit()
    tree.write(
        "etc/esperd/esperd.toml", "[[on_crash]]\ncommand = ['/bin/cat', 'a, b']\n[[on_crash]]\ncommand = ['/bin/ls']\n"
    )
    shown = {line.split()[0]: line for line in tree.run("show", "--system").stdout.splitlines()}
    tree.write("etc/esperd/esperd.toml", "[[on_crash]]\ncommand = ['/home/anna/mail.py']\n")

    assert '["/bin/cat", "a, b"]' in shown["on_crash[0].command"]
    assert shown["on_crash[1].command"].endswith(f"{tree.file}:4")
    assert "  hint: the service does not see it (ProtectHome=yes)" in tree.run("check", "--system").stdout


def test_a_file_that_the_service_may_not_read_is_wrong_though_the_caller_may(tree: Tree) -> None:
    tree.unit()
    tree.write("etc/esperd/esperd.toml", "baud = 9600\n", 0o600)

    done = tree.run("check", "--system")

    assert done.returncode == 1
    assert done.stdout == (
        f"{tree.file}: the user {NOBODY}, whom the service runs as, may not read it\n"
        f"  hint: `sudo chmod a+r {tree.file}`\n"
    )


@as_root_only
def test_a_file_that_the_caller_may_not_read_is_to_be_asked_about_by_root(tree: Tree) -> None:
    tree.unit(UNIT.replace(f"User={NOBODY}", "User=root"))
    tree.write("etc/esperd/esperd.toml", "baud = 9600\n", 0o600)

    (problem,) = tree.report_to_nobody("check")["problems"]

    assert (problem["message"], problem["hint"]) == (f"{tree.file}: you may not read it", "ask again with sudo")
    assert tree.run("check").returncode == 0


def test_before_the_installation_the_user_is_said_to_be_missing_and_its_groups_count(tree: Tree) -> None:
    tree.unit(UNIT.replace(NOBODY, NO_SUCH_USER).replace("Group=audio", f"Group={NO_SUCH_USER}"))
    tree.write("etc/esperd/esperd.toml", f"socket_group = '{NO_SUCH_USER}'\n")

    own_group = tree.run("check", "--system")
    tree.write("etc/esperd/esperd.toml", "socket_group = 'dialout'\n")
    another = tree.run("check", "--system")

    assert (own_group.returncode, another.returncode) == (0, 0)
    assert own_group.stdout.startswith(
        f"warning: there is no user {NO_SUCH_USER}, whom the service runs as\n"
        "  hint: `sudo esperctl service install` makes it\n"
    )


@as_root_only
@pytest.mark.parametrize(("is_installed", "who"), [(True, "system"), (False, "user")])
def test_who_is_not_root_means_the_service_where_it_is_installed_and_no_own_file_is_there(
    tree: Tree, is_installed: bool, who: str
) -> None:
    if is_installed:
        tree.unit()
    tree.write("etc/esperd/esperd.toml", "")

    done = tree.report_to_nobody("check")
    tree.write("home/.config/esperd/esperd.toml", "")
    with_own = tree.report_to_nobody("check")

    assert done["seen_by"]["who"] == who
    assert with_own["seen_by"] == {"who": "user", "user": NOBODY, "unit": None}


@as_root_only
def test_root_means_the_service_where_it_has_a_file(tree: Tree) -> None:
    alone = tree.report("show")
    tree.write("etc/esperd/esperd.toml", "")
    written = tree.report("show")

    assert (alone["seen_by"]["who"], written["seen_by"]) == (
        "user",
        {"who": "system", "user": "esperd", "unit": None},
    )
    directories = {setting["key"]: setting["value"] for setting in written["settings"][1:3]}
    assert directories == {"state_dir": "/var/lib/esperd", "runtime_dir": "/run/esperd"}
