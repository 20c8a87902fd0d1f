import os
import pwd
from pathlib import Path

import pytest
import trio

from esperd.errors import StartError
from esperd.server.listener import open_listener
from esperd.storage.files import Access, make_directory
from esperd.system.private_paths import check_owner
from esperd.testing.daemon import Bench

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


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o775])
def test_a_directory_that_others_may_write_to_is_refused_whoever_owns_it(tmp_path: Path, mode: int) -> None:
    os.chown(tmp_path, 0, OTHER.pw_gid)
    tmp_path.chmod(mode)

    with pytest.raises(StartError) as caught:
        check_owner(tmp_path, "--socket")

    writers = "everybody" if mode & 0o002 else "the group daemon"
    assert str(caught.value) == f"{tmp_path} may be written to by {writers}"
    # Nobody is to take from everybody what is meant for all, such as /tmp.
    own = "choose a directory of your own, which may be in it: --socket"
    mend = f"`chmod go-w {tmp_path}`, or choose another directory: --socket"
    assert caught.value.hint == (own if mode & 0o1000 else mend)


def test_what_only_the_group_of_its_own_user_may_write_to_is_let_through(tmp_path: Path) -> None:
    # Of root here; with a umask of 002 all that a user makes is such a directory.
    os.chown(tmp_path, 0, 0)
    tmp_path.chmod(0o775)

    check_owner(tmp_path, "--state-dir")
    check_owner(tmp_path / "new", "--state-dir")


def test_a_directory_on_the_way_that_others_may_rename_things_in_is_refused(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "shared" / "own" / "state"
    own.mkdir(parents=True)
    shared.chmod(0o777)
    for directory in (own, shared / "new"):
        with pytest.raises(StartError, match=f"{shared}, on the way to {directory}, may be written to by everybody"):
            check_owner(directory, "--state-dir")
    # As in /tmp: there nobody can rename what is ours.
    shared.chmod(0o1777)
    check_owner(own, "--state-dir")
    check_owner(shared / "new", "--state-dir")
    os.chown(own.parent, OTHER.pw_uid, -1)
    with pytest.raises(StartError, match=f"{own.parent}, on the way to {own}, belongs to daemon, and"):
        check_owner(own, "--state-dir")


def test_a_directory_is_made_where_everybody_may_write_but_not_in_what_somebody_else_made_there(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o1777)
    make_directory(tmp_path / "a" / "b", Access())
    (tmp_path / "c").mkdir()
    os.chown(tmp_path / "c", OTHER.pw_uid, -1)

    with pytest.raises(PermissionError, match="c belongs to daemon, and esperd runs as root"):
        make_directory(tmp_path / "c", Access())
    with pytest.raises(PermissionError, match="may be written to by everybody"):
        make_directory(tmp_path, Access())


def test_what_a_link_of_ours_leads_over_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "shared" / "state").mkdir(parents=True)
    (tmp_path / "link").symlink_to("link/../shared/./state")
    with_itself = tmp_path / "link"
    check_owner(with_itself, "--state-dir")  # leads nowhere, and is refused by whoever uses it
    with_itself.unlink()
    with_itself.symlink_to("shared/../shared/state")
    check_owner(with_itself, "--state-dir")
    (tmp_path / "shared").chmod(0o777)
    with pytest.raises(StartError, match=r"shared, on the way to .*/link, may be written to by everybody"):
        check_owner(with_itself, "--state-dir")


@pytest.mark.parametrize("folder", ["boards", "boards/b", "boards/b/journal", "coredumps", "elfs", "log"])
@pytest.mark.parametrize("what", ["a folder", "a link"])
async def test_no_folder_in_the_state_directory_may_be_another_users(tmp_path: Path, folder: str, what: str) -> None:
    bench_dir, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    place = bench_dir / folder
    place.parent.mkdir(parents=True)
    elsewhere.mkdir()
    if what == "a folder":
        place.mkdir()
    else:
        place.symlink_to(elsewhere)
    os.chown(place, OTHER.pw_uid, -1, follow_symlinks=False)

    async with trio.open_nursery() as nursery:
        bench = Bench(tmp_path, nursery, bench_dir)
        ended = await bench.run_to_end("b=sim:console", "--elf", str(tmp_path))

    assert ended.code == 1
    assert str(place) in ended.text
    assert "belongs to daemon, and esperd runs as root" in ended.text
    assert list(elsewhere.iterdir()) == []


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
