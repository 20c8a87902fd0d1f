import tomllib

import pytest
from hypothesis import given, strategies

from esper_protocol.toml_lines import key_lines, line_of, statements

TEXT = '''\
# a comment with [limits] in it
baud = 1

elf = [ # not a [table]
  "a]",
  """
limits = 3
""",
]
[limits]  # [x]
"clients" = 3
[boards."a.b"]
port = 'x'
[boards.c]
[[on_crash]]
command = ["x"]
[[on_crash]]
timeout_s = 3
command = [
  "y"]
[decode]
a.b = {c = 1, d = [{e=1}]}
'''


def test_each_key_has_the_line_that_it_begins_in() -> None:
    assert key_lines(TEXT) == {
        ("baud",): 2,
        ("elf",): 4,
        ("limits",): 10,
        ("limits", "clients"): 11,
        ("boards",): 12,
        ("boards", "a.b"): 12,
        ("boards", "a.b", "port"): 13,
        ("boards", "c"): 14,
        ("on_crash",): 15,
        ("on_crash", 0): 15,
        ("on_crash", 0, "command"): 16,
        ("on_crash", 1): 17,
        ("on_crash", 1, "timeout_s"): 18,
        ("on_crash", 1, "command"): 19,
        ("decode",): 21,
        ("decode", "a"): 22,
        ("decode", "a", "b"): 22,
        ("decode", "a", "b", "c"): 22,
        ("decode", "a", "b", "d"): 22,
        ("decode", "a", "b", "d", 0): 22,
        ("decode", "a", "b", "d", 0, "e"): 22,
    }


def test_lines_that_end_as_windows_ends_them_are_counted_the_same() -> None:
    assert key_lines(TEXT.replace("\n", "\r\n")) == key_lines(TEXT)


def test_a_key_that_is_not_written_stands_where_the_table_around_it_does() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("limits", "clients")) == 11
    assert line_of(lines, ("limits", "line_bytes")) == 10
    assert line_of(lines, ("boards", "d", "port")) == 12
    assert line_of(lines, ("log_level",)) is None


def test_what_does_not_parse_comes_last_if_it_is_wanted() -> None:
    text = "a = 1\nb = [\nc = 2\n"
    assert list(statements(text)) == [(1, "a = 1\n")]
    assert list(statements(text, unfinished=True)) == [(1, "a = 1\n"), (2, "b = [\nc = 2\n\n")]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "a = 1"])
def test_small_documents(text: str) -> None:
    assert key_lines(text) == ({("a",): 1} if "a =" in text else {})


KEYS = strategies.sampled_from(["a", "b.c", '"d.e"', "'f'"])
VALUES = strategies.sampled_from(
    ["1", '"#"', '"""\nx = 1\n[t]\n"""', "[\n1,\n# ]\n2]", "{g = [{h = 1}]}", "'''\n'''", "[{i=1},\n{i=2}]"]
)


@given(strategies.lists(strategies.tuples(strategies.integers(0, 3), KEYS, VALUES), max_size=8))
def test_every_key_of_a_document_has_a_line_and_its_statement_begins_there(
    parts: list[tuple[int, str, str]],
) -> None:
    text = ""
    for number, (empty, key, value) in enumerate(parts):
        text += "\n" * empty + f"[t{number}.x]\n" + f"{key} = {value}\n"
    lines, written = key_lines(text), text.split("\n")
    for number, (_, key, _) in enumerate(parts):
        (name,) = tomllib.loads(f"{key} = 1")
        assert written[lines["t" + str(number), "x"] - 1] == f"[t{number}.x]"
        assert written[lines["t" + str(number), "x", name] - 1].startswith(key)
