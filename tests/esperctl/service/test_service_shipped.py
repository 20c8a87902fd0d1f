from __future__ import annotations

import re
from pathlib import Path

import pytest

import esperctl.service
from esperctl.service.shipped import FOLDER, program_drop_in
from esperd.configuration.file import examine_file
from esperd.settings import Settings


@pytest.mark.parametrize("folder", ["system", "user"])
def test_every_program_of_ours_that_a_unit_starts_is_named_by_its_path(folder: str) -> None:
    unit = (FOLDER / folder / "esperd@.service").read_bytes()
    drop_in = program_drop_in(unit, Path("/opt/esperd/bin/esperd")).decode()
    ours = [line for line in unit.decode().splitlines() if line.startswith("Exec") and "=esper" in line]
    assert ours
    for line in ours:
        assert line.replace("=esper", "=/opt/esperd/bin/esper", 1) in drop_in.splitlines()


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("/opt/esperd/bin/esperd", "/opt/esperd/bin/esperd"),
        ("/opt/my programs/esperd", '"/opt/my programs/esperd"'),
        ("/opt/100%/esperd", "/opt/100%%/esperd"),
        ('/opt/a"b\\c/esperd', '"/opt/a\\"b\\\\c/esperd"'),
    ],
)
def test_a_path_is_quoted_as_systemd_reads_it(program: str, expected: str) -> None:
    drop_in = program_drop_in(b"ExecStart=esperd --instance %i\n", Path(program)).decode()
    assert f"\nExecStart={expected} --instance %i\n" in drop_in


@pytest.mark.parametrize("is_in_force", [False, True])
def test_the_configuration_is_right_with_and_without_its_comment_signs(tmp_path: Path, *, is_in_force: bool) -> None:
    text = (Path(esperctl.service.__file__).with_name("esperd.toml")).read_text()
    assert all(line.startswith("#") for line in text.splitlines() if line)
    if is_in_force:
        text = re.sub(r"(?m)^# (?=\[|\w+ = )", "", text)
    file = tmp_path / "esperd.toml"
    file.write_text(text)
    found, problems = examine_file(file)
    settings = found.settings
    assert problems == []
    assert (settings == Settings()) is not is_in_force
    assert ("bench1" in settings.boards) is is_in_force
