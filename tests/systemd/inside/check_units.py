"""What systemd itself says of the unit files."""

import re
from pathlib import Path

import pytest

from tests.systemd.inside.machine import run

LARGEST_EXPOSURE = 2.0


@pytest.mark.parametrize("manager", ["--system", "--user"])
@pytest.mark.parametrize("kind", ["service", "socket"])
def test_systemd_finds_nothing_wrong(manager: str, kind: str, tmp_path: Path) -> None:
    unit = Path("/etc/systemd") / manager.removeprefix("--") / f"esperd@ttyFAKE.{kind}"
    said = run("systemd-analyze", manager, "--man=no", "verify", unit, XDG_RUNTIME_DIR=str(tmp_path))
    assert said == ""


def test_a_wrong_key_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "esperd@.service"
    wrong.write_text(Path("/etc/systemd/system/esperd@.service").read_text().replace("WatchdogSec=", "WatchDogSec="))
    said = run("systemd-analyze", "--man=no", "verify", tmp_path / "esperd@ttyFAKE.service", check=False)
    assert "'WatchDogSec' in section" in said


def test_the_service_is_hardly_exposed() -> None:
    said = run("systemd-analyze", "security", "--no-pager", "esperd@ttyFAKE.service")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found is not None, said
    Path("/opt/results/exposure").write_text(found[1])
    assert float(found[1]) < LARGEST_EXPOSURE, said
