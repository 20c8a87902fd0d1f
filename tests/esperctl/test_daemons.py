from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from esper_protocol.framing import encode_frame
from esper_protocol.messages import AddNote, ErrorResponse, ListBoards
from esperctl.daemons import socket_paths

if TYPE_CHECKING:
    from tests.esperctl.conftest import Esperctl, FakeDaemon, MakeBoard, Refusal


def test_sockets_are_looked_for_in_the_users_and_the_systems_folder(tmp_path: Path) -> None:
    for name in ("user/esperd/b.sock", "user/esperd/a.sock", "user/esperd/a.lock", "system/c.sock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = socket_paths(str(tmp_path / "user"), str(tmp_path / "system"))
    assert [Path(path).name for path in found.paths] == ["a.sock", "b.sock", "c.sock"]
    assert found.closed_folders == []


def test_folders_that_do_not_exist_hold_no_sockets(tmp_path: Path) -> None:
    assert socket_paths(str(tmp_path), str(tmp_path / "none")).paths == []


async def test_without_a_daemon_the_error_says_how_to_start_one(esperctl: Esperctl) -> None:
    for words in (["boards"], ["status", "bench1"], ["logs"], ["coredumps", "list"], ["coredumps", "info", "x"]):
        done = await esperctl(*words)
        assert done.code == 3
        assert done.err.splitlines() == [
            "esperctl: no esperd is running",
            "hint: start one with `esperd ttyUSB0`, or `systemctl start esperd@ttyUSB0`",
        ]


async def test_a_socket_that_was_named_must_work(esperctl: Esperctl, daemon: FakeDaemon) -> None:
    done = await esperctl("boards", "--socket", "/nonexistent.sock")
    assert done.code == 3
    assert "no daemon listens on /nonexistent.sock: No such file or directory" in done.err
    assert (await esperctl("boards", env={"ESPER_SOCKET": daemon.path})).code == 0
    assert (await esperctl("boards", "--socket", "/" + "x" * 200)).code == 3


async def test_a_socket_that_its_daemon_left_behind_is_skipped(
    esperctl: Esperctl, daemon: FakeDaemon, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "run" / "esperd" / "0.sock"))
    done = await esperctl("boards")
    assert done.code == 0
    assert done.err == ""
    assert "bench1" in done.out


async def test_boards_of_all_daemons_are_listed(
    esperctl: Esperctl, daemon: FakeDaemon, second_daemon: FakeDaemon
) -> None:
    done = await esperctl("boards", "--json")
    assert [(board["board"], board["socket"]) for board in msgspec.json.decode(done.raw)] == [
        ("bench1", daemon.path),
        ("bench2", second_daemon.path),
    ]


async def test_a_command_goes_to_the_daemon_that_has_the_board(
    esperctl: Esperctl, daemon: FakeDaemon, second_daemon: FakeDaemon
) -> None:
    assert (await esperctl("status", "bench2")).code == 0
    assert (await esperctl("status", "--board", "bench2")).code == 0
    assert (await esperctl("status", env={"ESPER_BOARD": "bench2"})).code == 0


async def test_several_boards_must_be_told_apart(
    esperctl: Esperctl, daemon: FakeDaemon, second_daemon: FakeDaemon
) -> None:
    done = await esperctl("status")
    assert done.code == 2
    assert done.err.splitlines() == [
        "esperctl: there are several boards; say which",
        "hint: --board NAME or ESPER_BOARD; boards: bench1, bench2",
    ]


async def test_one_name_on_two_daemons_is_an_error_that_names_both(
    esperctl: Esperctl, daemon: FakeDaemon, second_daemon: FakeDaemon, make_board: MakeBoard
) -> None:
    second_daemon.boards = [make_board("bench1")]
    done = await esperctl("status", "bench1")
    assert done.code == 2
    assert daemon.path in done.err
    assert second_daemon.path in done.err
    assert (await esperctl("status", "bench1", "--socket", daemon.path)).code == 0


async def test_an_unknown_board_is_told_with_the_known_ones(esperctl: Esperctl, daemon: FakeDaemon) -> None:
    for words in (["status", "bench9"], ["logs", "bench9"], ["send", "bench9", "x"], ["coredumps", "abort", "bench9"]):
        done = await esperctl(*words)
        assert done.code == 4
        assert done.err.splitlines() == ["esperctl: no daemon has a board called 'bench9'", "hint: boards: bench1"]


async def test_a_daemon_without_boards_is_no_error_for_the_list(esperctl: Esperctl, daemon: FakeDaemon) -> None:
    daemon.boards = []
    assert (await esperctl("boards")).code == 0
    assert (await esperctl("boards", "--json")).out == "[]\n"
    assert (await esperctl("status")).code == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not use a socket")
async def test_a_socket_of_somebody_else_says_which_group_to_join(
    daemon: FakeDaemon, command: list[str], environment: dict[str, str]
) -> None:
    await trio.Path(daemon.path).chmod(0o660)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if (await trio.run_process([*nobody, *command, "--version"], check=False, env=environment)).returncode:
        pytest.skip("this interpreter lies in a folder that only root may enter, so nobody else can run the command")
    # The socket itself is what must refuse, and not a folder above it.
    for folder in trio.Path(daemon.path).parents:
        await folder.chmod((await folder.stat()).st_mode | 0o011)
    done = await trio.run_process(
        [*nobody, *command, "boards", "--socket", daemon.path],
        capture_stderr=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 4
    assert done.stderr.decode().splitlines() == [
        f"esperctl: you may not use {daemon.path}",
        "hint: join its group: `sudo usermod -aG root $USER`, then log in again",
    ]


@pytest.mark.slow
async def test_a_daemon_that_does_not_answer_is_given_five_seconds(esperctl: Esperctl, daemon: FakeDaemon) -> None:
    daemon.says_welcome = False
    done = await esperctl("boards", "--socket", daemon.path)
    assert done.code == 124
    assert f"the daemon at {daemon.path} does not answer" in done.err


@pytest.mark.slow
async def test_a_daemon_that_hangs_does_not_hide_the_others(
    esperctl: Esperctl, daemon: FakeDaemon, second_daemon: FakeDaemon
) -> None:
    daemon.says_welcome = False
    done = await esperctl("boards")
    assert done.code == 0
    assert "bench2" in done.out
    assert daemon.path in done.err


async def test_every_error_code_of_the_daemon_has_its_exit_code(
    esperctl: Esperctl, daemon: FakeDaemon, refuse: type[Refusal]
) -> None:
    for code, expected in {
        "bad_request": 2,
        "unsupported": 1,
        "unknown_board": 4,
        "permission": 4,
        "absent": 3,
        "busy": 75,
        "capturing": 75,
        "limit": 75,
        "failed": 1,
        "timed_out": 124,
        "invented_later": 1,
    }.items():
        daemon.answers[AddNote] = refuse(code, f"it is {code}", "do something")
        done = await esperctl("note", "x")
        assert done.code == expected
        assert done.err.splitlines() == [f"esperctl: it is {code}", "hint: do something"]


async def test_what_is_no_daemon_of_ours_is_said(
    nursery: trio.Nursery, esperctl: Esperctl, environment: dict[str, str], socket_path: str
) -> None:
    replies = [
        encode_frame(msgspec.msgpack.encode(["welcome", 99, 98, "esperd 9.9", []])),
        encode_frame(msgspec.msgpack.encode(ErrorResponse(0, "incompatible_version", "too old", "upgrade"))),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ]

    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(replies.pop(0))
        await stream.receive_some()

    with trio.socket.socket(trio.socket.AF_UNIX) as listening:
        await listening.bind(socket_path)
        listening.listen()
        nursery.start_soon(trio.serve_listeners, answer, [trio.SocketListener(listening)])
        newer, older, stranger = [await esperctl("boards", "--socket", socket_path) for _ in range(3)]
        nursery.cancel_scope.cancel()
    assert (newer.code, older.code, stranger.code) == (1, 1, 1)
    assert "install the same release" in newer.err
    assert older.err.splitlines() == ["esperctl: too old", "hint: upgrade"]
    assert "broke the protocol" in stranger.err


async def test_a_daemon_that_hangs_up_is_said(esperctl: Esperctl, daemon: FakeDaemon, refuse: type[Refusal]) -> None:
    daemon.answers[ListBoards] = refuse("failed", "the disk is on fire")
    done = await esperctl("boards")
    assert done.code == 1
    assert "the disk is on fire" in done.err
