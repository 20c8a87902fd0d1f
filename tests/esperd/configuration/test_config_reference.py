import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from esperd.configuration.file import examine_file, fields_of
from esperd.configuration.reference import EXAMPLES, TABLES, entries_of, field_texts, markdown, toml
from esperd.hooks.record import CrashRecord
from esperd.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"
_ALL_TABLES: tuple[type[msgspec.Struct], ...] = (Settings, *TABLES.values())


@pytest.mark.parametrize(
    ("name", "made"),
    # The last is what an installation puts into place.
    [("configuration.md", markdown), ("esperd.toml", toml), ("../esperctl/service/esperd.toml", toml)],
)
def test_what_is_in_docs_is_what_the_settings_say(name: str, made: object) -> None:
    assert callable(made)
    kind = "toml" if name.endswith("toml") else "markdown"
    assert (DOCS / name).read_text("utf-8") == made(), f"make it anew: python -m esperd.configuration.reference {kind}"


def test_every_key_is_documented() -> None:
    for table in _ALL_TABLES:
        names = {entry.name for entry in entries_of(table)}
        assert names <= set(field_texts(table)), table
    tables = {name for name in Settings.__struct_fields__ if name not in field_texts(Settings)}
    assert tables == {re.sub(r"\W|NAME", "", header) for header in TABLES}


def test_the_default_file_as_it_is_says_nothing(tmp_path: Path) -> None:
    found, problems = examine_file(DOCS / "esperd.toml")

    assert (found.settings, problems) == (Settings(), [])


def names_in(table: type[msgspec.Struct]) -> list[str]:
    return [entry.name for entry in entries_of(table)]


def test_the_default_file_without_its_marks_is_the_defaults_and_names_every_key(tmp_path: Path) -> None:
    path = tmp_path / "esperd.toml"
    path.write_text(re.sub(r"(?m)^#(?=[\w\[])", "", toml()), "utf-8")

    found, problems = examine_file(path)

    assert problems == []
    table = tomllib.loads(path.read_text("utf-8"))
    table["boards"], table["on_crash"] = table["boards"]["bench1"], table["on_crash"][0]
    for header, kind in TABLES.items():
        assert names_in(kind) == list(table.pop(re.sub(r"\W|NAME", "", header)))
    assert names_in(Settings) == list(table)
    assert found.settings.limits == Settings().limits
    assert found.settings.decode.command == Settings().decode.command
    for name, field in fields_of(Settings).items():
        if field.default not in (None, msgspec.NODEFAULT) and not isinstance(field.default, msgspec.Struct):
            assert getattr(found.settings, name) == field.default, name


def test_there_is_no_example_that_nothing_needs() -> None:
    needed = {entry.name for table in _ALL_TABLES for entry in entries_of(table) if entry.default is None}
    assert needed == set(EXAMPLES)


def test_the_fields_of_a_crash_are_all_explained() -> None:
    for name in CrashRecord.__struct_fields__:
        assert f"| `{name}` |" in markdown()
