"""The pages that are made from the programs are what the programs say now."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import get_args

from esper_protocol import events
from esperctl.command_line import COMMANDS, GROUPS
from esperctl.viewer.model.actions import ACTIONS
from esperctl.viewer.settings import read_table
from tests.docs.pages import DOCS, REFERENCE, ROOT


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}run: python docs/generate.py"


def test_every_command_is_in_the_reference() -> None:
    text = (REFERENCE / "commands.md").read_text("utf-8")
    names = [name for name in COMMANDS if name not in ("list", "monitor")]
    names += [f"{group} {name}" for group, commands in GROUPS.items() for name in ["", *commands]]
    assert [name for name in names if f"\n## esperctl {name}".rstrip() + "\n" not in text] == []


def test_every_kind_of_event_is_in_the_reference_with_an_example() -> None:
    text = (REFERENCE / "events.md").read_text("utf-8")
    for kind in get_args(events.Body):
        tag = kind.__struct_config__.tag
        assert f"\n## `{tag}`\n" in text
        assert f'{{"kind": "{tag}", "seq": ' in text


def test_every_action_and_every_setting_of_the_viewer_is_explained() -> None:
    text = (DOCS / "viewer.md").read_text("utf-8")
    for action in ACTIONS:
        assert action.title in text
    _, problems = read_table({"nonsense": True})
    known = problems[0].text.partition("known are ")[2].rstrip(")").split(", ")
    assert len(known) > 5
    settings = text.partition("## Settings")[2]
    assert [key for key in known if not re.search(rf"^(\[+)?{key}\b", settings, re.MULTILINE)] == []
