from __future__ import annotations

import grp
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from esperd.cli import parser
from esperd.configuration.config import Config, examine_all, load_config
from esperd.configuration.programs import program_doubts
from esperd.configuration.viewpoint import OwnProcess
from esperd.errors import EXIT_FAILED, EXIT_USAGE, ConfigurationError, InvalidFileError
from esperd.settings import GIB, KIB, MIB, Limits
from esperd.storage.files import Access

if TYPE_CHECKING:
    import argparse


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def arguments(*words: str) -> argparse.Namespace:
    return parser().parse_args([*words] if any("=" in word or ":" in word for word in words) else [*words, "b=ttyUSB0"])


def load(text: str, *words: str) -> Config:
    file = Path(os.environ["HOME"]) / "test.toml"
    file.write_text(text, "utf-8")
    return load_config(arguments("--config", str(file), *words))


# Values ---------------------------------------------------------------------------------------------------


def test_without_a_file_the_defaults_are_those_of_the_contract(home: Path) -> None:
    config = load_config(arguments())

    assert config.state_dir == home / ".local" / "state" / "esperd"
    assert config.socket == home / "run" / "esperd" / "b.sock"
    assert config.access == Access()
    assert (config.boards[0].baud, config.boards[0].answer_coredump_prompt) == (115_200, True)
    limits = config.limits
    assert (limits.coredump_text_bytes, limits.coredump_lines, limits.coredump_idle_s) == (4 * MIB, 100_000, 10)
    assert (limits.coredumps_kept, limits.coredumps_bytes, limits.free_disk_percent) == (50, GIB, 5)
    assert (limits.journal_bytes, limits.journal_segment_bytes, limits.tail_bytes) == (GIB, 16 * MIB, 4 * MIB)
    assert (limits.line_bytes, limits.clients) == (64 * KIB, 256)


def test_flags_go_before_the_file_and_a_boards_own_table_before_the_rest() -> None:
    text = """
        baud = 9600
        log_level = "debug"
        answer_coredump_prompt = false
        [limits]
        coredump_lines = 7
        tail_bytes = "8 MiB"
        [boards.left]
        baud = 74880
        answer_coredump_prompt = true
    """

    config = load(text, "left=ttyUSB0", "right=ttyUSB1", "--coredump-lines", "9", "--log-level", "error")
    boards = {board.argument.name: board for board in config.boards}
    assert (boards["left"].baud, boards["right"].baud) == (74_880, 9600)
    assert (boards["left"].answer_coredump_prompt, boards["right"].answer_coredump_prompt) == (True, False)
    assert (config.limits.coredump_lines, config.limits.tail_bytes, config.log_level) == (9, 8 * MIB, "error")
    assert load(text, "left=ttyUSB0", "--baud", "500000").boards[0].baud == 500_000


def test_a_configured_board_needs_no_endpoint() -> None:
    config = load('[boards.bench1]\nport = "/dev/ttyUSB7"', "bench1", "x=ttyUSB0")

    assert config.boards[0].argument.name == "bench1"
    assert config.boards[0].argument.endpoint.text == "/dev/ttyUSB7"


def test_each_limit_is_a_flag_and_a_key() -> None:
    for name in Limits.__struct_fields__:
        value = getattr(Limits(), name)
        flag = load_config(arguments(f"--{name.replace('_', '-')}", str(value), "b=ttyUSB0"))
        assert flag.limits == load(f"[limits]\n{name} = {value}").limits == Limits()


# Errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("badu = 9600", "badu is not a known key; did you mean baud? (known are baud, "),
        ("[limits]\ncoredump_line = 5", "limits.coredump_line is not a known key; did you mean limits.coredump_lines?"),
        ("[boards.b1]\nprot = 'x'", "boards.b1.prot is not a known key; did you mean boards.b1.port?"),
        ("xyz = 1", "xyz is not a known key (known are baud, "),
        ("baud = 5", "baud is 5; it must be an integer from 50 to 20,000,000"),
        ("baud = 9600.5", "baud is 9600.5; it must be an integer"),
        ("baud = true", "baud is true; it must be an integer"),
        ("log_level = 'loud'", "log_level is 'loud'; it must be debug or error or info or warning"),
        ("answer_coredump_prompt = 1", "answer_coredump_prompt is 1; it must be true or false"),
        ("state_dir = 3", "state_dir is 3; it must be an absolute path"),
        ("socket = 'here.sock'", "socket is 'here.sock'; it must be an absolute path"),
        ("[boards.a]\nport = ''", "boards.a.port is ''; it must be text, and not empty"),
        ("[boards.b1]\nbaud = 1", "boards.b1.baud is 1; it must be an integer from 50"),
        ("[limits]\ncoredump_idle_s = 0", "limits.coredump_idle_s is 0; it must be a number of seconds from 0.1"),
        ("[limits]\nfree_disk_percent = nan", "limits.free_disk_percent is nan; it must be a number from 0 to 90"),
        ("[limits]\ntail_bytes = '4 MB'", "limits.tail_bytes is '4 MB'; MB is not known here; allowed are KiB, MiB, "),
        ("[limits]\ntail_bytes = 1", "limits.tail_bytes is 1; it must be a size from 64 KiB to 1 GiB"),
        ("[limits]\njournal_bytes = '1 MiB'", "limits.journal_bytes is '1 MiB'; it must be a size from 2 MiB"),
        ("limits = 5", "limits is 5; it must be a table: [limits]"),
        ("boards = []", "boards is []; it must be a table: [boards]"),
        ("[boards]\nb1 = 'ttyUSB0'", "boards.b1 is 'ttyUSB0'; it must be a table: [boards.b1]"),
        ("socket_group = 'no such group'", "socket_group is 'no such group'; it must be a group of this machine"),
        ("socket_mode = '0777'", "socket_mode is '0777'; it must be 0600 or 0660 or 0666"),
        ("[access]\nwrite = 'alice'", "access.write is 'alice'; it must be a list of texts"),
        ("[access]\nwrite = ['no such user']", "access.write names the user 'no such user'; it must be one"),
        (
            "[[on_crash]]\ncommand = ['/bin/true']\n[[on_crash]]\ncommand = []",
            "on_crash.command is []; it must be a list",
        ),
        ("[[on_crash]]\ncommand = ['/bin/true']\n[[on_crash]]", "on_crash.command is missing"),
        ("[[on_crash]]\ncommand = ['mail']", "on_crash.command begins with 'mail'; it must be the absolute path"),
        (
            '[[on_crash]]\ncommand = ["/bin/true", "a\\u0000b"]',
            "on_crash.command is ['/bin/true', 'a\\x00b']; it must have no NUL",
        ),
        ('state_dir = "/tmp/a\\u0000b"', "state_dir is '/tmp/a\\x00b'; it must have no NUL character"),
        ("on_crash = 5", "on_crash is 5; it must be tables: [[on_crash]]"),
        (
            "[boards.'a b']",
            'boards."a b" does not name a board: a board\'s name has at most 64 letters, digits and . _ ',
        ),
        ("[boards.'a.b']\nbaud = 1", 'boards."a.b".baud is 1; it must be an integer'),
    ],
)
def test_an_error_names_the_file_the_key_its_value_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(text)

    # The key is the last one of the file.
    line = text.count("\n") + 1
    assert str(caught.value).startswith(f"{os.environ['HOME']}/test.toml:{line}: {message}"), caught.value
    assert caught.value.exit_code == (EXIT_FAILED if caught.value.may_heal else EXIT_USAGE)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--baud", "0"], "--baud is '0'; it must be an integer from 50 to 20,000,000"),
        (["--coredump-idle-s", "99999"], "--coredump-idle-s is '99999'; it must be a number of seconds from 0.1"),
        (["--tail-bytes", "4 MB"], "--tail-bytes is '4 MB'; MB is not known here; allowed are KiB, MiB, GiB (or a "),
        (["--coredump-lines", "1.5"], "--coredump-lines is '1.5'; it must be an integer from 1 to 10,000,000"),
        (["bench 1=ttyUSB0"], "'bench 1' cannot name a board: a board's name has at most 64 letters, digits and"),
        (["bench/1=ttyUSB0"], "'bench/1' cannot name a board: a board's name has at most 64 letters, digits and"),
        (["--tail-bytes", "1k"], "--tail-bytes is '1k'; it must be a size from 64 KiB to 1 GiB"),
        (["b=ttyUSB0", "b=ttyUSB1"], "two boards are named b"),
        (["b=ftp://host"], "ftp"),
        (["--config", "/nonexistent.toml"], "/nonexistent.toml: it can't be read: No such file"),
        (["--state-dir", "/srv/\udcff"], "is not UTF-8"),
    ],
)
def test_an_error_names_the_flag_and_what_is_allowed(words: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_config(arguments(*words))

    assert message in str(caught.value)


def test_what_is_no_toml_says_where() -> None:
    with pytest.raises(ConfigurationError, match=r"test.toml:2:6: not valid TOML: "):
        load("baud = 9600\nbaud 9600")
    Path(os.environ["HOME"], "latin1.toml").write_bytes(b"state_dir = '\xe9'")
    with pytest.raises(ConfigurationError, match=r"latin1.toml:1: not valid TOML: this is not UTF-8"):
        load_config(arguments("--config", f"{os.environ['HOME']}/latin1.toml"))


WRONG = """\
badu = 1
socket_group = 'no such group'
[limits
clients = 0
[limits]
clients = 0
journal_bytes = '2 GB'
hook_wait_s = '1min'
[boards.'bench 1']
port = 'ttyUSB0'
[boards.b]
port = ftp
baud = 3
[boards.c]
port = 'ftp://x'
[access]
view = ['no such user', '@no such group']
[[on_crash]]
command = ['/nonexistent/mail']
[[on_crash]]
command = ['mail']
"""


def test_all_that_is_wrong_is_found_at_once_and_in_the_order_of_the_file(home: Path) -> None:
    file = home / "test.toml"
    file.write_text(WRONG)

    _, problems = examine_all(file, OwnProcess())

    assert [str(problem).removeprefix(f"{file}:")[:30] for problem in problems] == [
        "1: badu is not a known key; di",
        "2: socket_group is 'no such gr",
        "3:8: not valid TOML: Expected ",
        "6: limits.clients is 0; it mus",
        "7: limits.journal_bytes is '2 ",
        "8: limits.hook_wait_s is '1min",
        '9: boards."bench 1" does not n',
        "12:8: not valid TOML: Invalid ",
        "13: boards.b.baud is 3; it mus",
        "15: boards.c.port: 'ftp://x' i",
        "17: access.view names the user",
        "17: access.view names the grou",
        "21: on_crash.command begins wi",
    ]
    assert str(problems[4]).endswith('GiB (or a number of bytes): did you mean "2 GiB"?')
    assert problems[5].hint == "a number of seconds has no unit: did you mean limits.hook_wait_s = 60?"
    assert problems[7].hint == 'text stands in quotes: port = "ftp"'
    with pytest.raises(InvalidFileError, match=r"test.toml:1: badu .* \(and 12 more; `esperctl config check") as caught:
        load(WRONG)
    assert list(map(str, caught.value.problems)) == list(map(str, problems))


def test_a_program_that_is_not_there_is_told_and_keeps_nothing_from_starting(home: Path) -> None:
    text = "[decode]\ngdb_riscv = '/nonexistent/gdb'\n[[on_crash]]\ncommand = ['/nonexistent/mail']\n"

    config = load(text)

    (home / "test.toml").write_text(text)
    file, problems = examine_all(home / "test.toml", OwnProcess())
    assert (problems, [doubt.line for doubt in program_doubts(file, OwnProcess())]) == ([], [2, 4])
    assert [doubt.partition(": ")[2] for doubt in config.doubts] == [
        "decode.gdb_riscv names '/nonexistent/gdb'; it must be a program that is there and may be run",
        "on_crash.command names '/nonexistent/mail'; it must be a program that is there and may be run",
    ]


def test_without_a_port_the_boards_are_those_of_the_file(home: Path) -> None:
    text = "[boards.one]\nport = 'ttyUSB0'\n[boards.two]\nbaud = 9600\n[boards.three]\nport = 'ttyUSB1'"
    file = home / "test.toml"
    file.write_text(text)

    config = load_config(parser().parse_args(["--config", str(file)]))

    assert [board.argument.name for board in config.boards] == ["one", "three"]
    assert config.socket == home / "run" / "esperd" / "esperd.sock"
    file.write_text("baud = 9600")
    with pytest.raises(ConfigurationError, match="no port is named, and no board of the configuration file has one"):
        load_config(parser().parse_args(["--config", str(file)]))


def test_who_may_connect_is_set_apart_from_who_may_read_what_is_stored() -> None:
    assert load("socket_mode = '0666'").access == Access(own_socket_mode=0o666)
    assert [Access().socket_mode, Access(5).socket_mode, Access(5, 0o666).socket_mode] == [0o600, 0o660, 0o666]


def test_an_endpoint_of_the_file_is_named_by_its_key() -> None:
    with pytest.raises(ConfigurationError, match=r"boards.b1.port: "):
        load("[boards.b1]\nport = 'ftp://host'", "b1", "x=ttyUSB0")


# Places ---------------------------------------------------------------------------------------------------


def test_a_persons_file_is_found_by_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".config" / "esperd").mkdir(parents=True)
    (home / ".config" / "esperd" / "esperd.toml").write_text("baud = 9600")
    (home / "xdg" / "esperd").mkdir(parents=True)
    (home / "xdg" / "esperd" / "esperd.toml").write_text("baud = 4800")

    assert load_config(arguments()).boards[0].baud == 9600
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    assert load_config(arguments()).boards[0].baud == 4800
    # By its specification a relative path there is to be ignored.
    monkeypatch.setenv("XDG_CONFIG_HOME", "xdg")
    assert load_config(arguments()).boards[0].baud == 9600


def test_a_service_uses_the_directories_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/esperd:/var/lib/other")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/esperd")

    config = load_config(arguments())

    assert (config.state_dir, config.socket) == (Path("/var/lib/esperd"), Path("/run/esperd/b.sock"))


def test_a_system_service_does_not_look_where_its_decoders_may_write(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".config" / "esperd").mkdir(parents=True)
    (home / ".config" / "esperd" / "esperd.toml").write_text("baud = 9600")
    monkeypatch.setenv("STATE_DIRECTORY", str(home))

    assert load_config(arguments()).boards[0].baud == 115_200


@pytest.mark.parametrize("what", ["a folder", "nothing to look at"])
def test_a_file_that_is_none_or_can_not_be_looked_at_is_not_taken_for_a_missing_one(home: Path, what: str) -> None:
    file = home / ".config" / "esperd" / "esperd.toml"
    if what == "a folder":
        file.mkdir(parents=True)
    else:
        # The one error that root gets, too.
        file.parent.mkdir(parents=True)
        file.symlink_to(file)

    with pytest.raises(ConfigurationError, match=f"{file}: it (is no file|can't be looked at: Too many levels)"):
        load_config(arguments())


def test_what_a_daemon_runs_with_is_looked_for_in_the_same_file(home: Path) -> None:
    (home / ".config" / "esperd").mkdir(parents=True)
    file = home / ".config" / "esperd" / "esperd.toml"
    before = load_config(arguments())
    assert before.file is None
    file.write_text("[boards.b]\nport = 'ttyUSB0'")
    before = load_config(parser().parse_args(["b"]), before)
    assert (before.file, before.named_boards) == (file, ("b",))
    file.unlink()
    with pytest.raises(ConfigurationError, match="it can't be read: No such file"):
        load_config(parser().parse_args(["b"]), before)


def test_paths_of_the_file_may_begin_at_home_and_those_of_flags_where_one_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)

    config = load("state_dir = '~/state'", "--socket", "here.sock", "b=ttyUSB0")

    assert (config.state_dir, config.socket) == (home / "state", home / "here.sock")
    assert load("runtime_dir = '~/r'").socket == home / "r" / "b.sock"
    assert load("state_dir = '~/state'", "--state-dir", "/other", "b=ttyUSB0").state_dir == Path("/other")


def test_a_file_may_begin_with_the_mark_of_editors_of_windows() -> None:
    assert load("\ufeffbaud = 9600\r\nstate_dir = '/srv/b'").boards[0].baud == 9600


def test_without_a_runtime_directory_it_says_what_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    with pytest.raises(ConfigurationError, match="XDG_RUNTIME_DIR is not set") as caught:
        load_config(arguments())

    assert caught.value.hint == "name one with --runtime-dir"


def test_a_group_opens_files_and_folders_to_its_members() -> None:
    group = grp.getgrgid(os.getegid())

    access = load(f"socket_group = '{group.gr_name}'").access

    assert (access.group, access.file_mode, access.directory_mode) == (group.gr_gid, 0o640, 0o2750)


def test_a_group_that_the_user_is_no_member_of_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = next(group for group in grp.getgrall() if group.gr_gid not in {os.getegid(), *os.getgroups()})
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    with pytest.raises(ConfigurationError, match="must be a group that the user of esperd is a member of"):
        load(f"socket_group = '{strange.gr_name}'")
