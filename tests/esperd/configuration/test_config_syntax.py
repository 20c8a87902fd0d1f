import tomllib

import pytest
from hypothesis import given, strategies

from esperd.configuration.syntax import parse_toml


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("baud 9600", (1, 6), "write baud = 9600"),
        ("baud: 9600", (1, 5), "write baud = 9600"),
        ("log_level = debug", (1, 13), 'text stands in quotes: log_level = "debug"'),
        ("journal_bytes = 2 GiB # much", (1, 19), 'text stands in quotes: journal_bytes = "2 GiB"'),
        ("answer = True", (1, 10), "write answer = true"),
        ("baud =", (1, 7), "behind baud = the value is missing"),
        (
            "clients = 010",
            (1, 12),
            'a number does not begin with 0: clients = 10, and text stands in quotes: clients = "010"',
        ),
        ("x = 'it's'", (1, 9), "one text in quotes stands behind x =; one that has ' in it is put in double quotes"),
        ("\n[limits", (2, 8), "a table is [NAME], a table of which there may be many [[NAME]]"),
        ('port = "x\n', (1, 10), "text ends with the quote that it began with, in the same line"),
        ("x = '''\n", (1, 8), "text in three quotes ends with three of them"),
        (r'x = "\d"', (1, 7), r"\ in double quotes begins an escape: write \\, or put the text in single quotes"),
        ('elf = ["a" "b"]', (1, 12), 'an array is ["one", "two"]: a comma or the closing ] is missing'),
        ("a = {b = 1", (1, 11), "a table within a line is {KEY = VALUE, KEY = VALUE}"),
        ("a = 1\na = 2", (2, 6), "the key stands twice: leave one of them out"),
        ("[a]\n[a]", (2, 4), "the table stands twice: put all of its keys below one header"),
        ("!", (1, 1), "a line is KEY = VALUE, a [table] or a # comment"),
    ],
)
def test_a_mistake_has_its_place_and_how_toml_wants_it(text: str, place: tuple[int, int], hint: str) -> None:
    _, _, (mistake,) = parse_toml(text)

    assert mistake.hint == hint
    assert mistake.line == place[0]
    # Python's versions differ by a column or two in where they notice it.
    assert abs(mistake.column - place[1]) <= 3
    assert "(at " not in mistake.text


def test_what_is_right_around_mistakes_is_read_and_keeps_its_lines() -> None:
    text = "baud 9600\na = 1\n[limits\nclients = 0\n[access]\nview = [\n 'x'\nwrite = []\n[decode]\ncommand = []\n"

    table, rest, mistakes = parse_toml(text)

    assert table == {"a": 1, "access": {"write": []}, "decode": {"command": []}}
    assert [mistake.line for mistake in mistakes] == [1, 3, 8]
    assert mistakes[2].text.endswith("(the statement begins in line 6)")
    assert rest.split("\n")[7:] == text.split("\n")[7:]


def test_of_very_many_mistakes_some_are_told() -> None:
    table, _, mistakes = parse_toml("x\n" * 1000)

    assert (table, len(mistakes)) == ({}, 20)


LINES = strategies.sampled_from(
    [
        "a = 1",
        "b =",
        "[t]",
        "[t",
        "[[u]]",
        "c = [",
        "]",
        'd = """',
        "'",
        "e = {",
        "",
        "# x",
        "f: 1",
        "g = 1 2",
        "t.h = 1",
    ]
)


@given(strategies.lists(LINES, max_size=12))
def test_whatever_is_written_it_ends_and_what_is_left_is_toml(lines: list[str]) -> None:
    text = "\n".join(lines)

    table, rest, mistakes = parse_toml(text)

    assert bool(mistakes) == (not is_toml(text))
    assert is_toml(rest)
    assert all(1 <= mistake.line <= len(lines) + 1 for mistake in mistakes)
    assert isinstance(table, dict)


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True
