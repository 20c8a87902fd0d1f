"""What can be configured about decoding."""

from pathlib import Path

import pytest

from esperd.cli import main
from esperd.configuration.file import examine_file


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "esperd.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_keys_are_read(tmp_path: Path) -> None:
    file, _ = examine_file(
        write(
            tmp_path,
            'elf = ["~/build", "/old/app.elf"]\n[limits]\ndecode_timeout_s = 5\nelf_store_bytes = "1 GiB"\n'
            '[decode]\ngdb_xtensa = "/opt/gdb"\ncommand = ["/opt/decoder", "--json"]\n',
        )
    )
    settings = file.settings
    assert settings.elf == ["~/build", "/old/app.elf"]
    assert (settings.limits.decode_timeout_s, settings.limits.elf_store_bytes) == (5.0, 1024**3)
    assert (settings.decode.gdb_xtensa, settings.decode.gdb_riscv) == ("/opt/gdb", None)
    assert settings.decode.command == ["/opt/decoder", "--json"]


def test_the_defaults_are_those_of_the_contract() -> None:
    limits = examine_file(Path("/dev/null"))[0].settings.limits
    assert (limits.decode_timeout_s, limits.decode_memory_bytes) == (60.0, 1024**3)
    assert (limits.decode_coredumps, limits.decode_backtraces) == (1, 2)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[decode]\ngdb_risc = 'x'\n", "decode.gdb_risc is not a known key; did you mean decode.gdb_riscv"),
        ("[decode]\ncommand = 'x'\n", "decode.command is 'x'; it must be a list of texts"),
        ("decode = 5\n", "decode is 5; it must be a table"),
        ("elf = 'x'\n", "elf is 'x'; it must be a list of absolute paths"),
        ("elf = ['build']\n", "elf is ['build']; it must be a list of absolute paths"),
        ("[limits]\ndecode_timeout_s = 0\n", "limits.decode_timeout_s is 0"),
        ("[limits]\ndecode_coredumps = 0\n", "limits.decode_coredumps is 0"),
        ("[limits]\ndecode_backtraces = 65\n", "limits.decode_backtraces is 65; it must be an integer from 1 to 64"),
        ("[limits]\ndecode_memory_bytes = '1 MiB'\n", "limits.decode_memory_bytes is '1 MiB'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(tmp_path: Path, text: str, error: str) -> None:
    _, (problem,) = examine_file(write(tmp_path, text))
    assert str(problem).startswith(f"{tmp_path}/esperd.toml:")
    assert error in str(problem)


def test_every_limit_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    help_text = capsys.readouterr().out
    for name in ("decode-timeout-s", "decode-memory-bytes", "decode-coredumps", "decode-backtraces", "elf-store-bytes"):
        assert f"--{name}" in help_text
    assert "--elf " in help_text
