from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from esper_protocol.records import DecodeRecord, ElfRecord
from esperctl.doctor import clock, config, disk, elfs
from esperctl.doctor.machine import DiskSpace
from esperctl.doctor.survey import Answer, Sample, Survey
from esperctl.local_configuration import Problem

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.esperctl.doctor.conftest import Daemons, Examine, Tree

GIB = 1024**3
SECOND = 1_000_000_000
# 2026-06-01 00:00:00 UTC, as the tree says.
NOW_NS = 1_780_272_000 * SECOND


@pytest.mark.parametrize(
    ("free", "code", "severity"), [(50, "disk", "ok"), (5.2, "disk_low", "warning"), (4.9, "disk_full", "serious")]
)
def test_free_space_is_compared_with_the_floor(
    tree: Tree, examine: Examine, daemons: Daemons, free: float, code: str, severity: str
) -> None:
    tree.space = DiskSpace(100 * GIB, int(free * GIB))
    found = examine(disk.check, tree, daemons.survey())
    assert (found[code].severity, found[code].subject) == (severity, "/var/lib/esperd")


def test_below_the_floor_core_dumps_are_written_and_without_inodes_nothing_is(
    tree: Tree, examine: Examine, daemons: Daemons
) -> None:
    tree.space = DiskSpace(100 * GIB, 4 * GIB)
    said = examine(disk.check, tree, daemons.survey())["disk_full"].what
    assert said.endswith(": below 5 % esperd writes no journal; core dumps are written while there is any room")
    tree.space = DiskSpace(100 * GIB, 50 * GIB, 0.1)
    said = examine(disk.check, tree, daemons.survey())["disk_full"].what
    assert said.endswith(", but no more files can be made, be it journal or core dump")


def test_the_floor_is_the_configured_one(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    tree.space = DiskSpace(100 * GIB, 15 * GIB)
    tree.settings["limits.free_disk_percent"] = 20
    assert "below 20 %" in examine(disk.check, tree, daemons.survey())["disk_full"].what


@pytest.mark.parametrize("flag", [("--free-disk-percent", "80"), ("--free-disk-percent=80",)])
def test_the_floor_is_the_one_that_the_daemon_was_started_with(
    tree: Tree, examine: Examine, daemons: Daemons, flag: tuple[str, ...]
) -> None:
    tree.space = DiskSpace(100 * GIB, 29 * GIB)
    tree.process(4242, "esperd", *flag, "bench1=ttyUSB0")
    assert "below 80 %" in examine(disk.check, tree, daemons.survey())["disk_full"].what


def test_the_floor_is_that_of_the_file_which_the_daemon_reads(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    tree.space = DiskSpace(100 * GIB, 29 * GIB)
    tree.process(4242, "esperd", "--config", "/srv/lab.toml", "bench1=ttyUSB0")
    tree.write("/srv/lab.toml", "[limits]\nfree_disk_percent = 40\n")
    tree.settings_of_files = {"/srv/lab.toml": {"limits.free_disk_percent": 40.0}}
    assert "below 40 %" in examine(disk.check, tree, daemons.survey())["disk_full"].what


@pytest.mark.parametrize(
    ("disk_text", "code", "mend"),
    [
        ("full: less than 80 % of the disk is free", "disk_full", "esperctl coredumps prune"),
        ("failing: Input/output error", "disk_failing", "sudo tail /var/lib/esperd/log/esperd.log"),
    ],
)
def test_a_disk_that_refuses_a_board_is_serious_whatever_is_free(
    tree: Tree, examine: Examine, daemons: Daemons, disk_text: str, code: str, mend: str
) -> None:
    boards = [daemons.changed_board(board=name, disk=disk_text) for name in ("a", "b")]
    found = examine(disk.check, tree, daemons.survey(*boards, daemons.board))
    assert (list(found), found[code].severity) == ([code], "serious")
    _, _, why = disk_text.partition(": ")
    assert found[code].what == f"the journal of a and b can't be written, and waits in memory: {why}"
    assert (found[code].mend or "").startswith(mend)


def test_a_wrong_configuration_does_not_hide_the_disk(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    tree.write("/etc/esperd/esperd.toml", "[limits")
    tree.problems = [Problem("/etc/esperd/esperd.toml:1:8: not valid TOML", "/etc/esperd/esperd.toml:1:8", 1)]
    assert list(examine(disk.check, tree, daemons.survey())) == ["disk"]


def test_without_a_daemon_the_usual_places_are_looked_at(tree: Tree, examine: Examine) -> None:
    tree.environment["XDG_STATE_HOME"] = "/data/state"
    tree.write("/data/state/esperd/boards/x")
    assert examine(disk.check, tree)["disk"].subject == "/data/state/esperd"


@pytest.mark.parametrize("state", ["state", "./state", ""])
def test_a_relative_state_folder_is_none(tree: Tree, examine: Examine, state: str) -> None:
    tree.environment |= {"XDG_STATE_HOME": state, "HOME": "/home/ada"}
    tree.write("/home/ada/.local/state/esperd/boards/x")
    assert examine(disk.check, tree)["disk"].subject == "/home/ada/.local/state/esperd"


# Configuration --------------------------------------------------------------------------------------------------


def test_all_that_the_daemon_does_not_understand_is_serious_and_names_its_place_once(tree: Tree) -> None:
    file = "/etc/esperd/esperd.toml"
    tree.write(file, "buad = 9600\n")
    tree.problems = [
        Problem(f"{file}:1: buad is not a known key", f"{file}:1", 1),
        Problem(f"{file}:2:6: not valid TOML: Invalid value", f"{file}:2:6", 2, "write x = 1"),
    ]
    found = list(config.check(tree.machine, Survey()))
    assert [(finding.code, finding.severity) for finding in found] == [("config_invalid", "serious")] * 2
    assert [(finding.subject, finding.what) for finding in found] == [
        (f"{file}:1", "buad is not a known key"),
        (f"{file}:2:6", "not valid TOML: Invalid value; write x = 1"),
    ]
    assert (found[0].mend or "").endswith(f"{{EDITOR:-nano}} {file} && esperctl config check {file}")


def test_what_the_service_would_do_without_is_a_warning(tree: Tree, examine: Examine) -> None:
    file = "/etc/esperd/esperd.toml"
    tree.write(file, "elf = ['/home/anna/build']\n")
    tree.warnings = [Problem(f"{file}:1: elf names '/home/anna/build', which the service does not see", f"{file}:1", 1)]
    found = examine(config.check, tree)
    assert {code: finding.severity for code, finding in found.items()} == {"config_doubtful": "warning", "config": "ok"}


def test_a_good_file_is_fine_and_where_there_is_none_the_places_are_named(tree: Tree, examine: Examine) -> None:
    found = examine(config.check, tree)["no_config"]
    assert "/home/anna/.config/esperd/esperd.toml or /etc/esperd/esperd.toml" in found.what
    tree.write("/etc/esperd/esperd.toml", "baud = 9600\n")
    assert list(examine(config.check, tree)) == ["config"]


@contextmanager
def not_as_root(tree: Tree) -> Generator[None]:
    """Root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    for folder in tree.root.parents:
        if folder.name.startswith(("pytest-", "popen-")) or folder == tree.root.parent:
            folder.chmod(folder.stat().st_mode | 0o055)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_may_not_be_read_is_told(tree: Tree, examine: Examine) -> None:
    tree.write("/etc/esperd/esperd.toml", "", mode=0)
    with not_as_root(tree):
        found = examine(config.check, tree)["config_unreadable"]
    assert (found.severity, found.mend) == ("note", "sudo chmod a+r /etc/esperd/esperd.toml")


@pytest.mark.parametrize(
    ("folder", "file", "severity"),
    [
        ("/etc/esperd", "/etc/esperd/esperd.toml", "note"),
        ("/home/anna/.config", "/home/anna/.config/esperd/esperd.toml", "serious"),
    ],
)
def test_a_folder_that_may_not_be_entered_hides_a_file_and_does_not_lack_one(
    tree: Tree, examine: Examine, folder: str, file: str, severity: str
) -> None:
    tree.write(file, "baud = 9600\n")
    closed = tree.root / folder.lstrip("/")
    closed.chmod(0)
    try:
        with not_as_root(tree):
            found = examine(config.check, tree)
    finally:
        closed.chmod(0o755)
    assert {code: finding.severity for code, finding in found.items()} == {"config_unreadable": severity}
    told = found["config_unreadable"]
    assert (told.subject, told.mend) == (file, f"sudo chmod a+x {folder}")
    assert "may not enter its folder" in told.what


def test_behind_a_file_that_counts_a_closed_folder_is_in_nobody_s_way(tree: Tree, examine: Examine) -> None:
    tree.write("/home/anna/.config/esperd/esperd.toml", "baud = 9600\n")
    tree.write("/etc/esperd/esperd.toml")
    closed = tree.root / "etc/esperd"
    closed.chmod(0)
    try:
        with not_as_root(tree):
            assert list(examine(config.check, tree)) == ["config"]
    finally:
        closed.chmod(0o755)


def test_a_folder_in_place_of_the_file_is_told(tree: Tree, examine: Examine) -> None:
    (tree.root / "etc/esperd/esperd.toml").mkdir(parents=True)
    assert examine(config.check, tree)["config_unreadable"].severity == "serious"


def test_the_file_of_a_daemon_that_runs_is_looked_at_too(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    tree.process(4242, "esperd", "--config", "lab.toml", "bench1=ttyUSB0")
    tree.link("/proc/4242/cwd", "/srv")
    tree.write("/srv/lab.toml")
    assert examine(config.check, tree, daemons.survey())["config"].subject == "/srv/lab.toml"


# ELF files ------------------------------------------------------------------------------------------------------


def test_dumps_that_wait_for_one_program_are_one_finding(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    dumps = tuple(
        daemons.changed_coredump(id=f"bench1-{n}", app_sha256="1b43c5e7a", decode=DecodeRecord(state="no_elf"))
        for n in range(1, 6)
    )
    found = examine(elfs.check, tree, daemons.survey(coredumps=dumps))["no_elf"]
    assert found.subject == "bench1-3, bench1-4, bench1-5 and 2 more"
    assert "begins with 1b43c5e7a" in found.what
    assert (found.mend or "").startswith("esperctl elf add build/")


def test_ambiguous_and_failed_decodes_name_the_newest_dump(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    dumps = (
        daemons.changed_coredump(id="bench1-1", decode=DecodeRecord(state="ambiguous_elf")),
        daemons.changed_coredump(id="bench1-2", decode=DecodeRecord(state="timed_out", error="60 s passed")),
    )
    found = examine(elfs.check, tree, daemons.survey(coredumps=dumps))
    assert found["ambiguous_elf"].mend == "esperctl coredumps decode bench1-1 --elf build/app.elf"
    assert (found["decode_failed"].severity, found["decode_failed"].what) == ("note", "was not decoded: 60 s passed")


@pytest.mark.parametrize(
    ("sha256", "is_missed"), [("1b43c5e7a", True), ("ffff0000a", False), ("000000000", False), (None, False)]
)
def test_a_board_whose_program_is_not_stored_is_a_note(
    tree: Tree, examine: Examine, daemons: Daemons, sha256: str | None, is_missed: bool
) -> None:
    answer = daemons.survey(daemons.changed_board(app_sha256=sha256)).answers[0]
    elf = ElfRecord(sha256="ffff0000a" + "0" * 55, name="a", path="/a", size_bytes=1, added_at="", machine="xtensa")
    survey = Survey((Answer(answer.path, answer.daemon, answer.boards, (), (elf,)),))
    assert ("elf_unknown" in examine(elfs.check, tree, survey)) == is_missed


def test_the_program_of_a_simulated_board_comes_with_the_daemon(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    board = daemons.changed_board(port="sim:crash", app_sha256="54bf6313b")
    assert examine(elfs.check, tree, daemons.survey(board)) == {}


def test_the_record_of_a_finding_is_plain_json(tree: Tree, examine: Examine) -> None:
    found = examine(config.check, tree)["no_config"]
    assert msgspec.json.decode(msgspec.json.encode(found))["severity"] == "ok"


# Clock ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kept", "code"), [(True, "clock"), (None, "clock"), (False, "clock_not_synchronised")])
def test_a_clock_is_kept_or_not(tree: Tree, examine: Examine, kept: bool | None, code: str) -> None:
    tree.synchronised = kept
    assert list(examine(clock.check, tree)) == [code]


def test_a_clock_that_was_never_set_is_serious(tree: Tree, examine: Examine) -> None:
    tree.now_ns = 3600 * SECOND
    found = examine(clock.check, tree)["clock_not_set"]
    assert found.severity == "serious"
    assert "1970-01-01" in found.what


def test_a_journal_whose_time_runs_backwards_or_ahead(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    backwards = Sample(times=(NOW_NS - 10 * SECOND, NOW_NS - 100 * SECOND, NOW_NS))
    assert set(examine(clock.check, tree, daemons.survey(sample=backwards))) == {"clock", "time_ran_backwards"}
    ahead = Sample(times=(NOW_NS, NOW_NS + 3600 * SECOND))
    found = examine(clock.check, tree, daemons.survey(sample=ahead))
    assert set(found) == {"clock", "journal_ahead"}
    assert "2026-06-01T01:00:00" in found["journal_ahead"].what


def test_times_that_are_a_little_out_of_order_are_none_of_it(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    sample = Sample(times=(NOW_NS, NOW_NS - SECOND // 2, NOW_NS + SECOND))
    assert set(examine(clock.check, tree, daemons.survey(sample=sample))) == {"clock"}
