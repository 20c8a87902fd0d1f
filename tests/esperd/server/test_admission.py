"""Who is let in, and that nothing about one client is the end of the others."""

import dataclasses
import os
import pwd
import socket
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager

import pytest
import trio
import trio.testing

from esper_protocol.events import ViewerAttached
from esper_protocol.messages import ListBoards, Subscribe
from esperd.permissions import read_permissions
from esperd.server.admission import refusal_of, serve_client
from esperd.server.peer import Peer
from esperd.server.registry import Registry, ServingRules
from esperd.server.user_names import UserNames
from esperd.settings import AccessSettings
from esperd.testing.boards import Connect, connected
from esperd.testing.viewer import RefusedError, Viewer

STRANGER = Peer(1, 54_321, frozenset({54_321}))
ALICE = pwd.getpwnam("daemon")
ADMINISTRATOR = Peer(2, ALICE.pw_uid, frozenset({ALICE.pw_gid}))
ROOT = Peer(3, 0, frozenset({0}))


async def test_one_too_many_is_refused_with_the_limit_and_let_in_when_another_has_gone(
    registry: Registry, connect: Connect
) -> None:
    registry.rules.most_clients = 3
    async with AsyncExitStack() as others:
        for _ in range(3):
            await others.enter_async_context(connect())
        async with connected(registry) as stream:
            with pytest.raises(RefusedError, match="serves 3 clients at a time") as caught:
                await Viewer(stream).receive_once()
        assert caught.value.error.code == "limit"
        assert len(registry.sessions) == 3
    async with connect() as viewer:
        await viewer.request(ListBoards())


@pytest.mark.parametrize(
    ("most", "peer", "taken", "is_let_in"),
    [
        (256, STRANGER, 247, True),
        (256, STRANGER, 248, False),
        (256, ADMINISTRATOR, 255, True),
        (256, ROOT, 255, True),
        (256, ROOT, 256, False),
        (33, STRANGER, 30, True),
        (33, STRANGER, 31, False),
        (2, STRANGER, 0, True),
        (2, STRANGER, 1, False),
        (2, ROOT, 1, True),
        (1, STRANGER, 0, True),
        (1, ROOT, 1, False),
    ],
)
def test_nobody_can_take_the_places_of_administrators(most: int, peer: Peer, taken: int, is_let_in: bool) -> None:
    rules = ServingRules(read_permissions(AccessSettings(administer=["daemon"])), most)
    refusal = refusal_of(rules, peer, taken)
    assert (refusal is None) == is_let_in
    if taken < most and refusal is not None:
        assert "for administrators" in refusal


def test_where_everybody_may_administer_nobody_but_root_has_places_kept() -> None:
    rules = ServingRules(most_clients=256)
    assert refusal_of(rules, ADMINISTRATOR, 248) is not None
    assert refusal_of(rules, ROOT, 248) is None


async def test_a_connection_that_can_not_even_be_asked_who_it_is_ends_alone(
    registry: Registry, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect() as viewer:
        with socket.socket(socket.AF_UNIX) as gone:
            gone.close()
            await serve_client(gone, registry)
        await viewer.request(ListBoards())
    assert "client failed" in caplog.text


@contextmanager
def database_that_hangs() -> Generator[UserNames]:
    """Names that never come: each look-up waits for a pipe to which nothing is written until the end."""
    reading, writing = os.pipe()

    def look_up(user: int) -> str:
        os.read(reading, 1)
        return "too late"

    try:
        yield UserNames(look_up)
    finally:
        os.write(writing, b"x" * 100)
        os.close(writing)


async def test_a_client_is_served_under_its_number_while_names_are_not_to_be_had(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with database_that_hangs() as names:
        registry = dataclasses.replace(registry, names=names)
        for longest_s in (5.0, 0.5):  # the second one does not wait again
            with trio.fail_after(longest_s):
                async with connected(registry) as stream:
                    viewer = Viewer(stream)
                    await viewer.open()
                    await viewer.subscribe(Subscribe("b"))
                    attached = (await viewer.wait_for(ViewerAttached)).body
            assert isinstance(attached, ViewerAttached)
            assert attached.who == f"uid {os.geteuid()} (pid {os.getpid()})"
    assert f"name of a user not found within 1 s uid={os.geteuid()}" in caplog.text


async def test_a_name_is_asked_for_once_in_some_minutes(mock_clock: trio.testing.MockClock) -> None:
    asked: list[int] = []

    def look_up(user: int) -> str:
        asked.append(user)
        return f"user{len(asked)}"

    names = UserNames(look_up)
    assert [await names.name(7), await names.name(7), await names.name(8)] == ["user1", "user1", "user2"]
    mock_clock.jump(301)
    assert await names.name(7) == "user3"


async def test_a_user_that_is_in_no_database_has_a_number() -> None:
    assert await UserNames().name(4_000_000) == "uid 4000000"
    assert await UserNames().name(0) == "root"
