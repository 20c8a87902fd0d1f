import grp
import os
import pwd

import pytest

from esperd.errors import ConfigurationError
from esperd.permissions import Permissions, Right, read_permissions
from esperd.settings import AccessSettings

RIGHTS: tuple[Right, ...] = ("view", "write", "administer")
# Users and a group that every machine has, and a number that none has.
ALICE, BOB, LAB = pwd.getpwnam("daemon"), pwd.getpwnam("nobody"), grp.getgrnam("games")
STRANGER = 4_000_000
NO_GROUPS = frozenset[int]()


def rights(permissions: Permissions, user: int, groups: frozenset[int] = NO_GROUPS) -> list[Right]:
    return [right for right in RIGHTS if permissions.allow(right, user, groups)]


def test_without_names_whoever_may_connect_may_do_everything() -> None:
    permissions = read_permissions(AccessSettings())

    assert rights(permissions, STRANGER) == ["view", "write", "administer"]


def test_a_right_that_is_not_given_is_that_of_the_one_below() -> None:
    permissions = read_permissions(AccessSettings(view=["daemon", "@games"]))

    assert rights(permissions, STRANGER) == []
    assert rights(permissions, ALICE.pw_uid) == ["view", "write", "administer"]
    assert rights(permissions, STRANGER, frozenset({1, LAB.gr_gid})) == ["view", "write", "administer"]


def test_a_higher_right_holds_the_lower_ones() -> None:
    permissions = read_permissions(AccessSettings(view=["@games"], write=["nobody"], administer=["daemon"]))

    assert rights(permissions, ALICE.pw_uid) == ["view", "write", "administer"]
    assert rights(permissions, BOB.pw_uid) == ["view", "write"]
    assert rights(permissions, STRANGER, frozenset({LAB.gr_gid})) == ["view"]
    assert rights(permissions, STRANGER) == []


def test_writers_alone_leave_viewing_to_everybody() -> None:
    permissions = read_permissions(AccessSettings(write=["nobody"]))

    assert rights(permissions, STRANGER) == ["view"]
    assert rights(permissions, BOB.pw_uid) == ["view", "write", "administer"]


def test_an_empty_list_leaves_it_to_root_and_to_the_daemons_own_user() -> None:
    permissions = read_permissions(AccessSettings(view=[]))

    assert rights(permissions, STRANGER) == []
    assert rights(permissions, 0) == ["view", "write", "administer"]
    assert rights(permissions, os.geteuid()) == ["view", "write", "administer"]
    assert permissions.who_may("view") == "root"


def test_who_may_is_said_as_it_was_written() -> None:
    permissions = read_permissions(AccessSettings(write=["nobody", "@games"], administer=["daemon"]))

    assert permissions.who_may("write") == "daemon, nobody, @games and root"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (AccessSettings(view=["no such user"]), "access.view names the user 'no such user'; it must be one"),
        (AccessSettings(write=["@no such group"]), "access.write names the group 'no such group'"),
        (AccessSettings(administer=["\x00"]), "access.administer names the user"),
    ],
)
def test_a_name_that_nobody_has_is_an_error(settings: AccessSettings, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_permissions(settings)

    assert caught.value.key[0] == "access"
