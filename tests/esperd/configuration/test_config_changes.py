import dataclasses
from pathlib import Path
from typing import Any

import msgspec

from esperd.configuration.changes import compare
from esperd.configuration.config import Config
from esperd.permissions import Members, Permissions
from esperd.settings import HookSettings, Limits
from esperd.storage.files import Access
from esperd.testing.boards import config_for

BEFORE = config_for(Path("/s"), "a", "b=/dev/ttyUSB0")


def changed(**values: Any) -> Config:  # noqa: ANN401 - whatever its fields are
    return dataclasses.replace(BEFORE, **values)


def test_nothing_is_nothing() -> None:
    changes = compare(BEFORE, BEFORE)

    assert (changes.keys, changes.refused, changes.opened, changes.closed) == ([], [], [], [])
    assert changes.config == BEFORE
    assert changes.kept == list(BEFORE.boards)


def test_boards_are_told_apart_by_name_and_one_that_changed_is_kept() -> None:
    a, b = BEFORE.boards
    faster = dataclasses.replace(b, baud=921_600)
    c = config_for(Path("/s"), "c").boards[0]

    changes = compare(BEFORE, changed(boards=(c, faster)))

    assert (changes.opened, changes.closed, changes.kept) == ([c], ["a"], [faster])
    assert changes.keys == ["boards.a", "boards.b", "boards.c"]
    assert compare(BEFORE, changed(boards=(b, a))).keys == []


def test_what_can_be_taken_is_named_by_its_key() -> None:
    nobody = Permissions(view=Members(frozenset(), frozenset(), ""))
    limits = msgspec.structs.replace(BEFORE.limits, clients=3, tail_bytes=1 << 20)

    changes = compare(
        BEFORE, changed(permissions=nobody, hooks=(HookSettings(command=["/x"]),), log_level="debug", limits=limits)
    )

    assert changes.keys == ["log_level", "access", "on_crash", "limits.tail_bytes", "limits.clients"]
    assert changes.refused == []
    assert (changes.config.permissions, changes.config.limits.clients) == (nobody, 3)


def test_what_needs_a_restart_stays_as_it_was_and_is_named_again_and_again() -> None:
    wanted = changed(
        state_dir=Path("/other"),
        socket=Path("/other.sock"),
        access=Access(own_socket_mode=0o666),
        limits=Limits(free_disk_percent=0, decode_coredumps=4, clients=3),
    )

    changes = compare(BEFORE, wanted)

    assert changes.refused == ["state_dir", "socket", "socket_group or socket_mode", "limits.decode_coredumps"]
    assert changes.keys == ["limits.clients"]
    kept = changes.config
    assert (kept.state_dir, kept.socket, kept.access, kept.limits.decode_coredumps) == (
        BEFORE.state_dir,
        BEFORE.socket,
        BEFORE.access,
        BEFORE.limits.decode_coredumps,
    )
    assert compare(kept, wanted).refused == changes.refused
