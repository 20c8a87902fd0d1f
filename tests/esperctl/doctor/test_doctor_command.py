from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

import msgspec
import trio

from esper_protocol.events import Line
from esper_protocol.messages import Subscribe
from esperctl.doctor import examination
from esperctl.doctor.examination import examine
from esperctl.doctor.findings import Finding, Topic, fine
from esperctl.doctor.machine import Machine, this_machine
from esperctl.doctor.report import document, summary, topic_lines
from esperctl.doctor.survey import Survey, survey
from esperd.testing.daemon import Bench
from esperd.testing.terminal import BoardTerminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.esperctl.conftest import Esperctl, FakeDaemon, Finished
    from tests.esperctl.doctor.conftest import Tree


def codes(done: Finished) -> dict[str, dict[str, str]]:
    return {finding["code"]: finding for finding in msgspec.json.decode(done.out)["findings"]}


async def test_a_machine_without_a_daemon_is_examined(esperctl: Esperctl) -> None:
    done = await esperctl("doctor", "--json")
    assert done.code == (1 if msgspec.json.decode(done.out)["serious"] else 0)
    assert done.err == ""
    assert {"versions", "clock", "clock_not_synchronised"} & set(codes(done))


async def test_a_stale_socket_and_a_missing_daemon_are_said(esperctl: Esperctl, socket_path: str) -> None:
    with trio.socket.socket(trio.socket.AF_UNIX) as left_behind:
        await left_behind.bind(socket_path)
    found = codes(await esperctl("doctor", "--json"))
    assert found["socket_stale"]["subject"] == socket_path


async def test_a_daemon_that_does_not_answer_is_serious(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    daemon.says_welcome = False
    done = await esperctl("doctor", "--json")
    assert done.code == 1
    assert codes(done)["socket_mute"]["severity"] == "serious"


async def test_a_daemon_s_journal_is_judged(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    daemon.add(Line(b"\xff\x80\x00\xf8" * 200 + b"\n", 1))
    done = await esperctl("doctor", "--json", "--socket", daemon.path)
    assert codes(done)["wrong_baud"]["subject"] == "bench1"


async def test_only_the_board_that_was_named_is_judged(
    daemon: FakeDaemon, second_daemon: FakeDaemon, esperctl: Esperctl
) -> None:
    for fake in (daemon, second_daemon):
        fake.add(Line(b"\xff\x80\x00\xf8" * 200 + b"\n", 1))
    done = await esperctl("doctor", "--json", "--board", "bench2")
    assert codes(done)["wrong_baud"]["subject"] == "bench2"


async def test_people_get_topics_and_a_summary(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("doctor", "--color", "always")
    lines = done.out.splitlines()
    assert "\x1b[1mversions\x1b[m" in lines
    assert any(line.startswith("  \x1b[32mok       \x1b[m") for line in lines)
    plain = await esperctl("doctor")
    assert "\x1b" not in plain.out
    assert "versions" in plain.out.splitlines()


async def test_what_a_real_daemon_answers_is_surveyed(
    tmp_path: Path, nursery: trio.Nursery, esperctl: Esperctl
) -> None:
    terminal = BoardTerminal()
    bench = Bench(tmp_path, nursery)
    try:
        daemon = await bench.start(f"b={terminal.path}")
        await terminal.send(b"I (12) main: all is well with this board, and that is a long line\r\n" * 8)
        async with daemon.viewer() as viewer:
            await viewer.subscribe(Subscribe("b", after=0))
            await viewer.wait_for_bytes(500)
        done = await esperctl("doctor", "--json", "--socket", str(daemon.socket))
    finally:
        await bench.aclose()
        terminal.hang_up()
    found = codes(done)
    assert found["daemon"]["severity"] == "ok"
    assert found["daemon_version"]["severity"] == "ok"
    assert found["disk"]["subject"] == str(daemon.state_dir)
    assert found["readable"]["subject"] == "b"


async def test_who_names_a_socket_is_not_told_of_other_daemons(
    tmp_path: Path, nursery: trio.Nursery, esperctl: Esperctl
) -> None:
    bench = Bench(tmp_path, nursery)
    try:
        daemon, _ = await bench.start("a=sim:console"), await bench.start("b=sim:console")
        found = codes(await esperctl("doctor", "--json", "--socket", str(daemon.socket)))
    finally:
        await bench.aclose()
    assert found["daemon"]["subject"] == str(daemon.socket)
    assert "daemon_elsewhere" not in found


# Each check by itself -------------------------------------------------------------------------------------------


def hangs(machine: Machine, found: Survey) -> Iterator[Finding]:
    yield fine("first", "x", "y")
    reading, writing = os.pipe()
    try:
        os.read(reading, 1)
    finally:
        os.close(reading)
        os.close(writing)


def fails(machine: Machine, found: Survey) -> Iterator[Finding]:
    yield fine("first", "x", "y")
    raise OSError(errno.EIO, "Input/output error")


def is_well(machine: Machine, found: Survey) -> Iterator[Finding]:
    yield fine("well", "x", "y")


def test_a_check_that_fails_costs_its_own_findings_only(tree: Tree) -> None:
    topics = list(examine(tree.machine, Survey(), {"a": fails, "b": is_well}))
    assert [[finding.code for finding in topic.findings] for topic in topics] == [
        ["first", "check_unfinished"],
        ["well"],
    ]
    assert "Input/output error" in topics[0].findings[1].what


def test_a_check_that_hangs_is_ended(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_CHECK_S", 0.2)
    started = time.monotonic()
    topics = list(examine(tree.machine, Survey(), {"a": hangs, "b": is_well}))
    assert time.monotonic() - started < 3
    assert [topic.name for topic in topics] == ["a", "b"]
    assert topics[0].findings[-1].code == "check_unfinished"


def test_this_machine_can_be_examined_within_its_deadlines() -> None:
    machine = this_machine()
    topics = examine(machine, survey(machine, "/nonexistent/a.sock", None))
    found = {finding.code for topic in topics for finding in topic.findings}
    assert "socket_stale" in found
    assert "check_unfinished" not in found


# The report -----------------------------------------------------------------------------------------------------

HELD = Finding(
    code="port_held",
    severity="serious",
    subject="/dev/ttyUSB0",
    what="somebody's \x1b[31mprogram has it open, and that is told at some length so that it has to be wrapped",
    mend="kill 12",
)


def test_a_finding_is_wrapped_but_its_command_is_not() -> None:
    long = msgspec.structs.replace(HELD, mend="sudo " + "x" * 100)
    lines = list(topic_lines(Topic("ports", [long]), colour=False, width=60))
    assert lines[0] == "ports"
    assert lines[1].startswith("  serious  /dev/ttyUSB0: somebody's ␛[31m")
    assert all(len(line) <= 60 for line in lines[:-1])
    assert lines[-1] == f"{' ' * 11}$ sudo {'x' * 100}"


def test_the_report_counts() -> None:
    topics = [Topic("a", [HELD, fine("x", "y", "z")]), Topic("b", [msgspec.structs.replace(HELD, severity="warning")])]
    assert summary(topics) == "1 serious, 1 warning"
    assert summary([Topic("a", [fine("x", "y", "z")])]) == "all is well"
    written = document(topics)
    assert (written["serious"], written["warnings"], written["notes"]) == (1, 1, 0)
