from __future__ import annotations

from pathlib import Path

import pytest

from esperctl.service.shipped import FOLDER, program_drop_in


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
