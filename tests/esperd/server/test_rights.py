"""Who may ask for what, with connections that are really made by other users."""

import contextlib
import os
import pwd
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from esper_protocol.events import Note, SessionOpened, Tx, WriterChanged
from esper_protocol.messages import (
    AddNote,
    Break,
    LendPort,
    ListBoards,
    PortLent,
    RemoveCoredump,
    RequestBody,
    Reset,
    ReturnPort,
    Send,
    Subscribe,
    TakeWriter,
)
from esperd.board.lease import Writer
from esperd.permissions import read_permissions
from esperd.server.admission import serve_client
from esperd.server.registry import Registry
from esperd.server.rights import RIGHTS
from esperd.settings import AccessSettings
from esperd.testing.boards import open_boards
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import RefusedError, Viewer, bodies

ALICE, BOB = pwd.getpwnam("daemon"), pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as other users")


@contextlib.contextmanager
def acting_as(user: pwd.struct_passwd) -> Generator[None]:
    """What the kernel notes of a peer is who it is as it connects."""
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@asynccontextmanager
async def connected_as(user: pwd.struct_passwd, registry: Registry) -> AsyncGenerator[Viewer]:
    with acting_as(user):
        daemon, client = socket.socketpair(socket.AF_UNIX)
    daemon.setblocking(False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_client, daemon, registry)
        async with trio.SocketStream(trio.socket.from_stdlib_socket(client)) as stream:
            yield Viewer(stream)
        with trio.fail_after(10):
            while daemon.fileno() >= 0:
                await wait_all_tasks_blocked()


async def open_and_receive(viewer: Viewer) -> None:
    await viewer.open()
    await viewer.receive_once()


def test_every_request_has_a_right() -> None:
    assert set(RIGHTS) == set(get_args(RequestBody))


@needs_root
async def test_who_may_not_view_is_told_at_once_who_may(tmp_path: Path) -> None:
    async with open_boards(tmp_path, "b") as registry:
        registry.rules.permissions = read_permissions(AccessSettings(view=["daemon"]))
        async with connected_as(BOB, registry) as viewer:
            with pytest.raises(RefusedError) as caught:
                # The welcome may have come apart from it.
                await open_and_receive(viewer)
            assert caught.value.error.code == "permission"
            assert caught.value.error.message == (
                f"nobody (pid {os.getpid()}) may not view boards; daemon and root may"
            )
            await viewer.receive_to_end()
        async with connected_as(ALICE, registry) as viewer:
            await viewer.open()
            await viewer.request(ListBoards())


@needs_root
async def test_who_may_view_only_gets_no_lease_and_may_not_write(tmp_path: Path) -> None:
    async with open_boards(tmp_path, "b") as registry:
        registry.rules.permissions = read_permissions(AccessSettings(write=["daemon"], administer=[]))
        async with connected_as(BOB, registry) as viewer:
            await viewer.open()
            subscribed = await viewer.subscribe(Subscribe("b", interactive=True))
            assert (subscribed.is_writer, subscribed.writer) == (False, None)
            for request in (Send("b", b"x"), TakeWriter("b", steal=True), AddNote("b", "hello")):
                with pytest.raises(RefusedError, match="may not write to boards; daemon and root may"):
                    await viewer.request(request)
        async with connected_as(ALICE, registry) as viewer:
            await viewer.open()
            assert (await viewer.subscribe(Subscribe("b", interactive=True))).is_writer
            with pytest.raises(RefusedError, match="may not delete what is stored; root may"):
                await viewer.request(RemoveCoredump("b-1"))


@needs_root
async def test_what_is_taken_away_is_taken_from_those_who_are_connected(tmp_path: Path) -> None:
    async with open_boards(tmp_path, "b") as registry:
        async with connected_as(BOB, registry) as viewer:
            await viewer.open()
            assert (await viewer.subscribe(Subscribe("b", interactive=True))).is_writer
            change(registry, AccessSettings(write=["daemon"]))
            await viewer.wait_for(WriterChanged, lambda body: body.writer is None)
            change(registry, AccessSettings(view=["daemon"]))
            with pytest.raises(RefusedError, match="may not view boards any more"):
                await viewer.wait_for(Note)
            await viewer.receive_to_end()
        assert registry.sessions == set()


def change(registry: Registry, settings: AccessSettings) -> None:
    registry.rules.permissions = read_permissions(settings)
    for session in list(registry.sessions):
        session.check_rights()


async def test_what_is_deleted_and_taken_over_is_journaled_with_who_did_it(tmp_path: Path) -> None:
    me = f"{pwd.getpwuid(os.geteuid()).pw_name} (pid {os.getpid()})"
    async with open_boards(tmp_path, "b") as registry:
        daemon, client = socket.socketpair(socket.AF_UNIX)
        daemon.setblocking(False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_client, daemon, registry)
            async with trio.SocketStream(trio.socket.from_stdlib_socket(client)) as stream:
                viewer = Viewer(stream)
                await viewer.open()
                await viewer.subscribe(Subscribe("b"))
                registry.board("b").lease.take(Writer(0, 1, "alice (pid 1)"), steal=False)
                await viewer.request(TakeWriter("b", steal=True))
                await viewer.wait_for(WriterChanged, count=2)
                assert bodies(viewer.events, WriterChanged)[1] == WriterChanged(me, "alice (pid 1)", stolen=True)


@needs_root
async def test_a_port_is_lent_over_the_head_of_another_user_by_force_only(tmp_path: Path) -> None:
    terminal = BoardTerminal()
    async with (
        open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry,
        connected_as(ALICE, registry) as alice,
        connected_as(BOB, registry) as bob,
    ):
        await alice.open()
        await alice.subscribe(Subscribe("b", after=0, interactive=True))
        await alice.wait_for(SessionOpened)
        await bob.open()
        with pytest.raises(RefusedError, match=r"b: daemon .* is writing") as caught:
            await bob.request(LendPort("b"))
        assert caught.value.error.code == "busy"
        assert await bob.request(LendPort("b", force=True)) == PortLent(terminal.path)
        await bob.request(ReturnPort("b"))
        assert await alice.request(LendPort("b", "idf.py flash")) == PortLent(terminal.path)
        await alice.request(ReturnPort("b"))
        assert registry.board("b").lease.holder is not None
    terminal.hang_up()


@needs_root
async def test_another_users_lease_keeps_commands_out_unless_they_steal_past_it(tmp_path: Path) -> None:
    terminal = BoardTerminal()
    async with (
        open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry,
        connected_as(ALICE, registry) as alice,
        connected_as(ALICE, registry) as command,
        connected_as(BOB, registry) as bob,
    ):
        await alice.open()
        await alice.subscribe(Subscribe("b", after=0, interactive=True))
        await alice.wait_for(SessionOpened)
        await bob.open()
        for request in (Send("b", b"bob\r"), Reset("b"), Break("b")):
            with pytest.raises(RefusedError, match=r"b: daemon .* is writing") as caught:
                await bob.request(request)
            assert (caught.value.error.code, caught.value.error.hint) == (
                "busy",
                "wait, or do it all the same with --steal",
            )
        # A pseudo-terminal can do neither; that it is asked shows that the lease does not forbid it.
        for request in (Reset("b", steal=True), Break("b", steal=True)):
            with pytest.raises(RefusedError, match="unsupported"):
                await bob.request(request)
        await bob.request(Send("b", b"bob\r", steal=True))
        await command.open()
        await command.request(Send("b", b"alice\r"))
        await alice.wait_for(Tx, count=2)
        assert [(tx.data, tx.who.split()[0]) for tx in bodies(alice.events, Tx)] == [
            (b"bob\r", "nobody"),
            (b"alice\r", "daemon"),
        ]
        assert len(bodies(alice.events, WriterChanged)) == 1
        received = b""
        with trio.fail_after(10):
            while len(received) < len(b"bob\ralice\r"):
                received += await terminal.receive()
        assert received == b"bob\ralice\r"
    terminal.hang_up()


@needs_root
async def test_who_may_not_write_any_more_loses_the_port(tmp_path: Path) -> None:
    terminal = BoardTerminal()
    async with (
        open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry,
        connected_as(BOB, registry) as bob,
    ):
        await bob.open()
        await bob.subscribe(Subscribe("b", after=0))
        await bob.wait_for(SessionOpened)
        with pytest.raises(RefusedError, match="a command has at most 4096 characters"):
            await bob.request(LendPort("b", "x" * 4097))
        await bob.request(LendPort("b"))
        change(registry, AccessSettings(write=["daemon"]))
        await bob.wait_for(SessionOpened, count=2)
        with pytest.raises(RefusedError, match="may not write to boards"):
            await bob.request(LendPort("b"))
    terminal.hang_up()
