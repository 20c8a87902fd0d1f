"""``esperctl config``, as the process that a person starts."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(home / "run")}
    return subprocess.run(
        [sys.executable, "-m", "esperctl", "config", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "esperd.toml"
    path.write_text('baud = 9600\n[limits]\ntail_bytes = "8 MiB"\n[boards.b]\nport = "ttyUSB0"\n', "utf-8")
    return path


def test_a_file_without_problems_is_said_to_have_none(tmp_path: Path, file: Path) -> None:
    done = run(tmp_path, "check", str(file))

    assert (done.returncode, done.stdout) == (0, f"{file}: no problems\n")
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert done.stderr == f"as a daemon that you start (user {user}) would see it; --system: as the system's service\n"


def test_every_problem_is_one_line_with_its_place_and_a_hint(tmp_path: Path, file: Path) -> None:
    file.write_text("bauds = 9600\n[limits]\nclients = 0\n", "utf-8")

    done = run(tmp_path, "check", str(file))

    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{file}:1: bauds is not a known key; did you mean baud? (known are baud, state_dir,")
    assert second == f"{file}:3: limits.clients is 0; it must be an integer from 1 to 10,000"
    report = json.loads(run(tmp_path, "check", "--json", str(file)).stdout)
    assert (report["file"], [problem["line"] for problem in report["problems"]]) == (str(file), [1, 3])


def test_what_this_machine_does_not_know_comes_with_a_hint(tmp_path: Path, file: Path) -> None:
    file.write_text("[access]\nwrite = ['no such user']\n", "utf-8")

    assert run(tmp_path, "check", str(file)).stdout.splitlines() == [
        f"{file}:2: access.write names the user 'no such user'; it must be one that this machine knows",
        "  hint: write users as they are, and groups with @ before them",
    ]


def test_a_program_that_is_not_there_is_a_warning_as_esperd_starts_without_it(tmp_path: Path, file: Path) -> None:
    file.write_text("baud = 9600\n[decode]\ngdb_riscv = '/no/gdb'\n[[on_crash]]\ncommand = ['/no/mail']\n")
    needed = "it must be a program that is there and may be run"

    check, show = run(tmp_path, "check", str(file)), run(tmp_path, "show", str(file))

    assert (check.returncode, show.returncode) == (0, 0)
    assert [line for line in check.stdout.splitlines() if "hint:" not in line] == [
        f"warning: {file}:3: decode.gdb_riscv names '/no/gdb'; {needed}",
        f"warning: {file}:5: on_crash.command names '/no/mail'; {needed}",
        f"{file}: no problems",
    ]
    assert f"{file}:1" in show.stdout
    assert f"warning: {file}:5: on_crash.command names" in show.stderr
    assert json.loads(run(tmp_path, "check", "--json", str(file)).stdout)["problems"] == []


def test_every_setting_is_shown_with_where_it_comes_from(tmp_path: Path, file: Path) -> None:
    rows = {line.split()[0]: line.split()[1:] for line in run(tmp_path, "show", str(file)).stdout.splitlines()[1:]}

    assert rows["baud"] == ["9600", f"{file}:1"]
    assert rows["limits.tail_bytes"] == ["8", "MiB", f"{file}:3"]
    assert rows["boards.b.port"] == ["ttyUSB0", f"{file}:5"]
    assert rows["limits.journal_bytes"] == ["1", "GiB", "default"]
    assert rows["runtime_dir"] == [str(tmp_path / "run" / "esperd"), "default"]
    assert rows["answer_coredump_prompt"] == ["true", "default"]
    document = json.loads(run(tmp_path, "show", "--json", str(file)).stdout)
    assert {"key": "baud", "value": 9600, "source": str(file), "line": 1, "flag": None} in document["settings"]


def test_the_file_that_esperd_would_read_is_found(tmp_path: Path, file: Path) -> None:
    (tmp_path / ".config" / "esperd").mkdir(parents=True)
    file.rename(tmp_path / ".config" / "esperd" / "esperd.toml")

    assert run(tmp_path, "check").stdout == f"{tmp_path}/.config/esperd/esperd.toml: no problems\n"


def test_a_file_that_is_not_there_or_no_toml_is_a_problem(tmp_path: Path) -> None:
    missing = run(tmp_path, "show", str(tmp_path / "none.toml"))
    (tmp_path / "bad.toml").write_text("baud = 1\nbaud\n", "utf-8")
    bad = run(tmp_path, "show", str(tmp_path / "bad.toml"))

    assert (missing.returncode, bad.returncode) == (1, 1)
    assert missing.stdout.startswith(f"{tmp_path}/none.toml: it can't be read: No such file")
    first, second, hint = bad.stdout.splitlines()
    assert first.startswith(f"{tmp_path}/bad.toml:1: baud is 1; it must be")
    assert second.startswith(f"{tmp_path}/bad.toml:2:5: not valid TOML: ")
    assert hint == "  hint: a line is KEY = VALUE, a [table] or a # comment"


def test_where_a_file_can_not_be_looked_for_the_defaults_are_not_said_to_hold(tmp_path: Path) -> None:
    (tmp_path / ".config" / "esperd" / "esperd.toml").mkdir(parents=True)

    done = run(tmp_path, "check", "--user")

    assert (done.returncode, "esperd.toml: it is no file" in done.stdout) == (1, True)
    assert "there is no configuration file" not in done.stderr


def test_what_a_file_says_can_not_drive_the_terminal(tmp_path: Path, file: Path) -> None:
    file.write_text('[boards.b]\nport = "ttyUSB0\\u001b[2J"\n', "utf-8")

    assert "\x1b" not in run(tmp_path, "show", str(file)).stdout
    assert "\x1b" not in run(tmp_path, "check", str(file)).stdout
