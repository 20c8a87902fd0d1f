from __future__ import annotations

from pathlib import Path

import pytest

from esperd.configuration.service_unit import SHIPPED, read_unit

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    folder = tmp_path / "usr/lib/systemd/system"
    folder.mkdir(parents=True)
    (folder / "esperd@.service").write_bytes((ROOT / "systemd/system/esperd@.service").read_bytes())
    return tmp_path


def drop_in(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def test_what_is_assumed_without_an_installation_is_what_is_shipped(installed: Path) -> None:
    shipped, assumed = read_unit(installed), read_unit(installed / "empty")

    for unit in (assumed, shipped):
        assert {key: tuple(each.value for each in unit.assignments[key]) for key in SHIPPED} == SHIPPED
    assert assumed.path is None


def test_drop_ins_count_by_their_names_and_those_of_etc_stand_in_for_others(installed: Path) -> None:
    drop_in(installed, "usr/lib/systemd/system/esperd@.service.d/20-x.conf", "[Service]\nUser=hidden\n")
    drop_in(installed, "etc/systemd/system/esperd@.service.d/20-x.conf", "[Service]\nUser=twenty\n")
    drop_in(installed, "etc/systemd/system/esperd@.service.d/10-x.conf", "[Service]\nUser=ten\n[Unit]\nUser=unit\n")

    found = read_unit(installed).last("User")

    assert found is not None
    assert (found.value, found.line, found.path.name) == ("twenty", 2, "20-x.conf")


def test_an_instance_has_drop_ins_of_its_own_which_stand_in_for_those_of_all(installed: Path) -> None:
    drop_in(installed, "etc/systemd/system/esperd@.service.d/10-x.conf", "[Service]\nUser=all\nGroup=all\n")
    drop_in(installed, "etc/systemd/system/esperd@left.service.d/10-x.conf", "[Service]\nUser=left\n")

    unit = read_unit(installed)

    assert [found.text("User") for found in (unit, unit.of_instance("left"), unit.of_instance("right"))] == [
        "all",
        "left",
        "all",
    ]
    assert unit.of_instance("left").text("Group") == "esperd"


def test_lists_grow_until_an_empty_value_takes_them_back(installed: Path) -> None:
    folder = "etc/systemd/system/esperd@.service.d"
    drop_in(installed, f"{folder}/1.conf", "[Service]\nSupplementaryGroups=uucp \\\n# between\n  plugdev\n")
    assert read_unit(installed).words("SupplementaryGroups") == ["dialout", "uucp", "plugdev"]
    drop_in(installed, f"{folder}/2.conf", "[Service]\nSupplementaryGroups=\nSupplementaryGroups=tty\n")
    assert read_unit(installed).words("SupplementaryGroups") == ["tty"]


def test_flags_are_those_of_the_last_command_with_directories_put_in(installed: Path) -> None:
    line = "esperd --instance %i --state-dir=%S/lab --elf '/srv/a b' --elf /srv/100%%"
    drop_in(installed, "etc/systemd/system/esperd@.service.d/1.conf", f"[Service]\nExecStart=\nExecStart={line}\n")

    flags = {flag: [each.value for each in given] for flag, given in read_unit(installed).flags().items()}

    assert flags == {
        "--instance": ["%i"],
        "--state-dir": ["/var/lib/lab"],
        "--elf": ["/srv/a b", "/srv/100%"],
    }


def test_a_command_line_that_systemd_would_refuse_has_no_flags(installed: Path) -> None:
    drop_in(installed, "etc/systemd/system/esperd@.service.d/1.conf", "[Service]\nExecStart=\nExecStart=esperd 'x\n")

    assert read_unit(installed).flags() == {}
