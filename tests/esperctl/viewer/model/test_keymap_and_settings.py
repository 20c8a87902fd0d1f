from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esperctl.errors import UsageError
from esperctl.viewer.effects import Leave, ResetBoard, SendToBoard
from esperctl.viewer.model.actions import ACTIONS, GROUPS
from esperctl.viewer.model.keymap import KeyMap, is_key
from esperctl.viewer.settings import Settings, read_table
from esperctl.viewer.settings_file import read_settings, settings_path
from esperctl.viewer.view import HelpView, PaletteView

if TYPE_CHECKING:
    from pathlib import Path

    from tests.esperctl.viewer.model.conftest import MakeViewer


def test_the_table_of_actions_is_sound() -> None:
    keys = [key for action in ACTIONS for key in action.keys]

    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    assert len(set(keys)) == len(keys)
    assert all(is_key(key) for key in keys)
    assert {action.group for action in ACTIONS} == set(GROUPS)


def test_a_remapped_action_has_its_new_keys_everywhere(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(settings={"prefix": "ctrl-a", "detach": "f12", "keys": {"reset": ["R", "f5"], "wrap": []}})
    viewer.attach()

    assert viewer.press("ctrl-t") == [SendToBoard(b"\x14")]
    assert viewer.press("ctrl-a", "R", "y") == [ResetBoard()]
    assert viewer.press("ctrl-a", "ctrl-a") == [SendToBoard(b"\x01")]
    viewer.press("ctrl-a", "h")
    help_view = viewer.view.overlay
    assert isinstance(help_view, HelpView)
    rows = {what: keys for _, group in help_view.groups for keys, what in group}
    assert rows["Reset the board"] == "R, F5"
    assert rows["Wrap long lines, or cut them"] == "palette"
    viewer.press("escape", "ctrl-a", "t")
    viewer.type("reset the board")
    palette = viewer.view.overlay
    assert isinstance(palette, PaletteView)
    assert palette.items[0].detail == "R, F5"
    assert viewer.press("f12") == [Leave()]


def test_what_the_user_binds_goes_before_a_default() -> None:
    keymap = KeyMap({"note": ("r",)})

    action = keymap.action("r")
    assert action is not None
    assert action.id == "note"
    assert keymap.keys("reset") == ()


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"keys": {"rset": "r"}}, "keys.rset is not an action; did you mean reset?"),
        ({"keys": {"blink": "r"}}, "keys.blink is not an action; actions are reset, bootloader"),
        ({"keys": {"reset": "ctrl-i"}}, "keys.reset: 'ctrl-i' is not a key; allowed is"),
        ({"keys": {"reset": 7}}, "keys.reset is 7; it must be a key"),
        ({"keys": {"reset": "R", "note": "R"}}, "keys.note: 'R' is reset already"),
        ({"keys": {"reset": "ctrl-]"}}, "'ctrl-]' is taken by detach"),
        ({"keys": "r"}, "keys is 'r'; it must be a table"),
        ({"prefix": "t"}, "prefix is 't'; it must be ctrl-a to ctrl-z"),
        ({"prefix": "ctrl-]"}, "prefix and detach are both 'ctrl-]'"),
        ({"input": "words"}, "input is 'words'; it must be raw or line"),
        ({"timestamps": True}, "timestamps is true; it must be off or wall or boot or delta"),
        ({"wrap": "no"}, "wrap is 'no'; it must be true or false"),
        ({"wrapp": True}, "wrapp is not a setting; did you mean wrap?"),
        ({"filter": "*:Q"}, "filter: "),
        ({"include": "("}, "include: "),
        ({"highlight": [{"pattern": "a"}]}, "highlight 1 is "),
        ({"highlight": [{"pattern": "(", "style": "red"}]}, "highlight 1: "),
        ({"highlight": [{"pattern": "a", "style": "purple"}]}, "highlight 1: "),
    ],
)
def test_an_error_names_the_key_and_what_is_allowed(table: dict[str, object], expected: str) -> None:
    _, problems = read_table(table)

    assert len(problems) == 1
    assert expected in problems[0].text


def test_the_file_is_read_with_all_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "viewer.toml"
    file.write_text(
        'prefix = "ctrl-a"\ninput = "line"\nline_end = "crlf"\ntimestamps = "wall"\nwrap = false\n'
        'filter = "*:W wifi:D"\n'
        '[keys]\nreset = "R"\n[[highlight]]\npattern = "heap"\nstyle = "bold red"\n'
    )

    settings, problems = read_settings(file)

    assert problems == []
    assert settings.keymap.prefix == "ctrl-a"
    assert settings.keymap.keys("reset") == ("R",)
    assert (settings.input, settings.line_end, settings.timestamps, settings.wrap) == ("line", "crlf", "wall", False)
    assert settings.line_filter is not None
    assert settings.line_filter.levels == "*:W wifi:D"
    assert [rule.pattern for rule in settings.highlights] == ["heap"]


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    settings, problems = read_settings(tmp_path / "viewer.toml")

    assert (settings.keymap.prefix, problems) == (Settings().keymap.prefix, [])


def test_all_that_is_wrong_in_a_file_is_said_at_once_each_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "viewer.toml"
    file.write_text(
        'wrap = 3\nwrapp = true\n[keys]\nrset = "R"\nnote = ["nokey", "r", "r"]\n'
        '[[highlight]]\npattern = "a"\nstyle = "red"\n[[highlight]]\npattern = "("\nstyle = "rred"\n'
    )

    _, problems = read_settings(file)

    assert [problem.message.removeprefix(f"{file}:")[:25] for problem in problems] == [
        "1: wrap is 3; it must be ",
        "2: wrapp is not a setting",
        "4: keys.rset is not an ac",
        "5: keys.note: 'nokey' is ",
        "5: keys.note: 'r' is note",
        "9: highlight 2: '(' is no",
        "9: highlight 2: 'rred' is",
    ]


def test_a_file_that_can_not_be_read_is_said_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "viewer.toml"
    file.write_text("wrap = \n")
    with pytest.raises(UsageError, match=r"viewer\.toml is not valid TOML"):
        read_settings(file)


def test_the_file_is_where_xdg_says() -> None:
    assert str(settings_path({"XDG_CONFIG_HOME": "/c", "HOME": "/h"})) == "/c/esperctl/viewer.toml"
    assert str(settings_path({"XDG_CONFIG_HOME": "rel", "HOME": "/h"})) == "/h/.config/esperctl/viewer.toml"
