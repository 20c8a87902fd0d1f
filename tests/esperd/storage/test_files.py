import os
import stat
from pathlib import Path

import pytest

from esperd.storage.files import Access, has_room, make_directory, replace_file


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_new_folders_have_their_mode_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_directory(tmp_path / "a" / "b", Access())
    finally:
        os.umask(before)

    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o700, 0o700]


def test_a_folder_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    make_directory(tmp_path, Access(group=4242))

    assert (stat.S_IMODE(tmp_path.stat().st_mode), tmp_path.stat().st_gid) == (0o755, os.getegid())


def test_what_is_made_in_a_groups_folder_belongs_to_the_group(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files to any group")
    access = Access(group=4242)
    make_directory(tmp_path / "state" / "log", access)
    # As a library makes it, which knows nothing of groups.
    (tmp_path / "state" / "log" / "b.log").write_text("words")
    replace_file(tmp_path / "state" / "record.json", b"{}", access.file_mode)

    for path in ("state/log/b.log", "state/record.json"):
        assert (tmp_path / path).stat().st_gid == 4242
    assert stat.S_IMODE((tmp_path / "state" / "record.json").stat().st_mode) == 0o640


def test_a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    (tmp_path / "record.json.part").write_bytes(b"left by a kill, and longer than what follows")

    replace_file(path, b"old", 0o600)
    replace_file(path, b"new", 0o600)

    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / "record.json.part").symlink_to(target)

    with pytest.raises(OSError, match="symbolic link"):
        replace_file(tmp_path / "record.json", b"new", 0o600)

    assert target.read_bytes() == b"precious"


def test_no_disk_has_more_than_all_free_and_every_disk_more_than_less_than_nothing(tmp_path: Path) -> None:
    assert not has_room(tmp_path, 100)
    assert has_room(tmp_path, -1)
