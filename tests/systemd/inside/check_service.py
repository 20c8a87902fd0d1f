"""One daemon under a real service manager: started, broken in every way, stopped."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.systemd.inside.machine import BIN, Board, Unit, Viewer, board_state, esperctl, esperctl_json, run, wait_until

SIMULATION = "lib/python3*/site-packages/esperd/simulation/recordings"
CONFIGURATION = Path("/etc/esperd/esperd.toml")
FAULT_LOG = Path("/var/log/esperd/ttyFAKE.fault.log")


def logs() -> str:
    return esperctl("logs", "ttyFAKE", "-o", "raw", "--after", "0")


def decode_states() -> set[str]:
    return {dump["decode"]["state"] for dump in esperctl_json("coredumps", "list")}


def test_it_is_started_when_it_serves(board: Board, unit: Unit) -> None:
    unit.systemctl("start")
    # Without waiting: that is what Type=notify is for.
    assert board_state("ttyFAKE") is not None
    unit.wait_for_status("ttyFAKE connected; 0 viewers")
    assert sorted(path.name for path in Path("/run/esperd").iterdir()) == ["ttyFAKE.sock"]
    assert Path("/var/log/esperd/ttyFAKE.log").read_text()
    assert Path("/var/lib/esperd/boards/ttyFAKE/journal").is_dir()
    assert (Path("/var/lib/esperd").owner(), Path("/run/esperd").owner()) == ("esperd", "esperd")


def test_its_process_may_do_little_and_leave_a_core(board: Board, unit: Unit) -> None:
    unit.systemctl("start")
    process = Path("/proc") / str(unit.pid)
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    assert process.owner() == "esperd"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert int(status["CapBnd"], 16) == 0
    assert (process / "ns/net").readlink() != Path("/proc/1/ns/net").readlink()
    assert re.search(r"Max core file size +unlimited +unlimited", (process / "limits").read_text())
    assert (process / "cwd").readlink() == Path("/var/lib/esperd")
    assert "NOTIFY_SOCKET" in (process / "environ").read_text()


def test_a_viewer_is_counted(board: Board, unit: Unit, tmp_path: Path) -> None:
    unit.systemctl("start")
    viewer = Viewer(tmp_path, "ttyFAKE")
    unit.wait_for_status("1 viewer")
    viewer.close()
    unit.wait_for_status("0 viewers")


def test_a_core_dump_is_captured_and_decoded_in_confinement(board: Board, unit: Unit) -> None:
    recordings = next(BIN.parent.glob(SIMULATION))
    unit.systemctl("start")
    unit.wait_for_status("ttyFAKE connected")
    esperctl("elf", "add", str(recordings / "greenhouse.elf"))
    board.say((recordings / "crash.raw").read_bytes())
    wait_until("core dumps are decoded", lambda: decode_states() == {"done"})
    newest = esperctl_json("coredumps", "list")[-1]["id"]
    tasks = esperctl_json("coredumps", "info", newest)["report"]["tasks"]
    crashed = next(task for task in tasks if task["crashed"])
    assert crashed["frames"][0]["function"]


def test_it_outlives_an_unplug(unit: Unit) -> None:
    first = Board("ttyFAKE")
    unit.systemctl("start")
    unit.wait_for_status("ttyFAKE connected")
    pid = unit.pid
    first.unplug()
    unit.wait_for_status("ttyFAKE absent")
    second = Board("ttyFAKE")
    unit.wait_for_status("ttyFAKE connected")
    assert unit.pid == pid
    second.unplug()


def test_a_killed_daemon_is_started_again_and_its_viewers_go_on(board: Board, unit: Unit, tmp_path: Path) -> None:
    unit.systemctl("start")
    unit.wait_for_status("ttyFAKE connected")
    viewer = Viewer(tmp_path, "ttyFAKE")
    board.say(b"before the kill\n")
    viewer.wait_for("before the kill")
    pid = unit.pid
    os.kill(pid, signal.SIGKILL)
    unit.wait_for_restart(pid)
    board.give_back()
    board.say(b"after the kill\n")
    viewer.wait_for("after the kill")
    viewer.close()
    shown = viewer.text
    assert shown.count("before the kill") == shown.count("after the kill") == 1
    assert logs().index("before the kill") < logs().index("after the kill")


def test_the_watchdog_ends_a_daemon_whose_loop_stands_still(board: Board, unit: Unit, tmp_path: Path) -> None:
    unit.systemctl("start")
    unit.wait_for_status("ttyFAKE connected")
    viewer = Viewer(tmp_path, "ttyFAKE")
    unit.wait_for_status("1 viewer")
    pid = unit.pid
    faults_before = FAULT_LOG.read_text().count("Aborted")
    os.kill(pid, signal.SIGSTOP)
    unit.wait_for_restart(pid)
    assert "Watchdog timeout" in run("journalctl", "--no-pager", "--unit", unit.name)
    # The stacks say where it stood.
    assert FAULT_LOG.read_text().count("Aborted") == faults_before + 1
    board.give_back()
    board.say(b"after the freeze\n")
    viewer.wait_for("after the freeze")
    viewer.close()


def test_the_watchdog_leaves_an_idle_daemon_alone(board: Board, unit: Unit) -> None:
    unit.systemctl("start")
    pid, fed = unit.pid, unit.show("WatchdogTimestampMonotonic")
    absent = Unit("esperd@ttyNONE.service")
    absent.systemctl("start")
    absent_pid = absent.pid
    # Longer than WatchdogSec.
    start = int(Path("/proc/uptime").read_text().split(".")[0])
    wait_until("some seconds have passed", lambda: int(Path("/proc/uptime").read_text().split(".")[0]) > start + 5)
    assert (unit.pid, absent.pid) == (pid, absent_pid)
    assert unit.show("WatchdogTimestampMonotonic") > fed
    absent.systemctl("stop")


def test_a_native_crash_leaves_its_stacks_and_a_core(board: Board, unit: Unit) -> None:
    unit.systemctl("start")
    unit.wait_for_status("ttyFAKE connected")
    pid = unit.pid
    os.kill(pid, signal.SIGSEGV)
    unit.wait_for_restart(pid)
    assert "Segmentation fault" in FAULT_LOG.read_text()
    # Where cores go is the same for all containers of a machine; here it can only be seen that the kernel made one.
    assert re.search(
        "Main process exited, code=dumped, status=11/SEGV", run("journalctl", "--no-pager", "--unit", unit.name)
    )


def test_a_wrong_configuration_is_not_tried_again(unit: Unit) -> None:
    wrong = Unit(f"esperd@{run('systemd-escape', 'sim:nope').strip()}.service")
    wrong.systemctl("start", check=False)
    assert (wrong.state, wrong.show("ExecMainStatus"), wrong.show("NRestarts")) == ("failed", "2", "0")
    assert "there is no simulated board 'nope'" in run("journalctl", "--no-pager", "--unit", wrong.name)
    wrong.systemctl("reset-failed")


def test_what_may_heal_is_tried_again_more_and_more_slowly(unit: Unit) -> None:
    # As where names of users come from a directory that is not there yet.
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text('[access]\nview = ["late-user"]\n')
    try:
        unit.systemctl("start", check=False)
        assert unit.show("ExecMainStatus") == "1"
        unit.wait_for_status("names the user 'late-user'; it must be one that this machine knows; tried again in 2 s")
        unit.wait_for_status("tried again in 4 s")
        # Whoever has mended it need not wait.
        run("useradd", "late-user")
        unit.systemctl("restart")
        assert board_state("ttyFAKE") is not None
    finally:
        CONFIGURATION.unlink()
        run("userdel", "late-user", check=False)
    unit.systemctl("stop")
    assert not list(Path("/run/esperd").iterdir())


def test_a_stop_is_told_to_viewers_and_leaves_no_process(board: Board, unit: Unit, tmp_path: Path) -> None:
    unit.systemctl("start")
    unit.wait_for_status("ttyFAKE connected")
    unit.systemctl("stop")
    assert (unit.state, unit.show("Result"), unit.show("ExecMainStatus")) == ("inactive", "success", "0")
    assert not Path("/run/esperd/ttyFAKE.sock").exists()
    assert Path("/run/esperd").is_dir()
    assert run("pgrep", "--uid", "esperd", check=False) == ""


@pytest.mark.parametrize("kind", ["by its own end", "by the manager"])
def test_a_restart_gives_no_position_twice(board: Board, unit: Unit, kind: str) -> None:
    unit.systemctl("start")
    unit.wait_for_status("ttyFAKE connected")
    pid = unit.pid
    if kind == "by the manager":
        unit.systemctl("restart")
    else:
        os.kill(pid, signal.SIGTERM)
        unit.wait_for_restart(pid)
    unit.wait_for_status("ttyFAKE connected")
    positions = [event["seq"] for event in map(json.loads, esperctl("events", "ttyFAKE").splitlines())]
    assert positions == sorted(set(positions))
