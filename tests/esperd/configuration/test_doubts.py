"""What is allowed and yet most likely a mistake is told, and keeps no daemon from starting."""

from pathlib import Path

import pytest

from esperd.cli import parser
from esperd.configuration.config import load_config
from esperd.configuration.doubts import absent_elfs
from esperd.configuration.file import examine_file


def write(folder: Path, text: str) -> Path:
    path = folder / "esperd.toml"
    path.write_text(text, "utf-8")
    return path


def doubts(path: Path, *words: str) -> tuple[str, ...]:
    return load_config(parser().parse_args(["--config", str(path), *words])).doubts


def test_a_hook_for_a_board_whose_name_is_misspelt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = write(
        tmp_path,
        "[boards.left]\nport = 'sim:console'\n\n[[on_crash]]\ncommand = ['/bin/true']\nboards = ['lefft', 'ttyUSB0']\n",
    )
    assert doubts(path) == (f"{path}:6: on_crash.boards names 'lefft', and no board of this file is called so",)


def test_two_boards_on_one_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    device = tmp_path / "by-id"
    device.symlink_to("/dev/ttyUSB9")
    path = write(
        tmp_path,
        f"[boards.left]\nport = 'ttyUSB9'\n[boards.right]\nport = 'ttyUSB8'\n[boards.l2]\nport = '{device}'\n",
    )
    assert doubts(path) == (
        f"{path}:6: boards.l2.port is the device of boards.left, too: only one of the two can have it",
    )


def test_a_name_on_the_command_line_that_is_almost_that_of_a_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = write(tmp_path, "[boards.bench1]\nport = 'sim:console'\n")
    (told,) = doubts(path, "bench")
    assert told == (
        "no board of the configuration is called bench, so it stands for the device /dev/bench, which is not there; "
        "did you mean bench1?"
    )
    assert doubts(path, "--instance", "bench")[0] == told
    # Devices come and go, and most have no table; this one is there.
    assert (
        doubts(path, "ttyUSB0") == doubts(path, "bench1") == doubts(path, "b=/dev/bench") == doubts(path, "null") == ()
    )


def test_elf_files_that_are_not_there(tmp_path: Path) -> None:
    file, problems = examine_file(write(tmp_path, f"elf = ['{tmp_path}', '/nowhere/app.elf']\n"))
    assert problems == []
    assert [str(doubt) for doubt in absent_elfs(file)] == [
        f"{file.path}:1: elf names '/nowhere/app.elf', where there is no file and no folder yet"
    ]
