import os
import pwd
from pathlib import Path

import pytest

from esperd.errors import StartError
from esperd.private_paths import check_owner
from esperd.server.listener import open_listener
from esperd.storage.files import Access

OTHER = pwd.getpwnam("daemon")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")


def test_our_own_directory_and_one_that_is_yet_to_be_made_are_let_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    check_owner(tmp_path, "--state-dir")
    check_owner(tmp_path / "new" / "newer", "--state-dir")
    check_owner(tmp_path / "link", "--state-dir")
    check_owner(Path("/"), "--state-dir")


def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, OTHER.pw_uid, -1)

    with pytest.raises(StartError) as caught:
        check_owner(tmp_path, "--state-dir")

    assert str(caught.value) == f"{tmp_path} belongs to daemon, and esperd runs as root"
    assert caught.value.hint == "run it as daemon, or choose another directory: --state-dir"


def test_a_link_of_another_user_is_refused_wherever_it_leads(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    (target / "inner").mkdir(parents=True)
    link.symlink_to(target)
    os.chown(link, OTHER.pw_uid, -1, follow_symlinks=False)

    for path in (link, link / "inner", link / "inner" / "new"):
        with pytest.raises(StartError, match=r"link, a link on the way to .*, belongs to daemon"):
            check_owner(path, "--socket")


def test_an_owner_without_a_name_is_said_by_number(tmp_path: Path) -> None:
    os.chown(tmp_path, 4_000_000, -1)

    with pytest.raises(StartError, match="belongs to uid 4000000, and"):
        check_owner(tmp_path, "--state-dir")


def test_no_socket_is_made_in_another_users_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, OTHER.pw_uid, -1)

    with pytest.raises(StartError, match="belongs to daemon"), open_listener(tmp_path / "b.sock", Access()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_socket_for_everybody_can_be_reached_and_nothing_else_can(tmp_path: Path) -> None:
    access = Access(own_socket_mode=0o666)
    with open_listener(tmp_path / "run" / "b.sock", access):
        assert (tmp_path / "run" / "b.sock").stat().st_mode & 0o777 == 0o666
        assert (tmp_path / "run").stat().st_mode & 0o777 == 0o711
    assert (access.file_mode, access.directory_mode) == (0o600, 0o700)
