"""Links between pages lead somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from tests.docs.pages import DOCS, ROOT, all_pages, read_page, user_pages

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.pages import Page


def problem_of(page: Page, target: str) -> str | None:
    if target.startswith(("https://", "http://", "mailto:")):
        return None
    name, _, anchor = unquote(target).partition("#")
    path = (page.path.parent / name).resolve() if name else page.path
    if not path.is_relative_to(ROOT):
        return "leaves the repository"
    if not path.exists():
        return "is not there"
    if anchor and (path.suffix != ".md" or anchor not in read_page(path).anchors()):
        return f"has no heading #{anchor}"
    return None


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Page) -> None:
    broken = [
        f"{page.name}:{line}: {target} {why}" for line, target in page.links() if (why := problem_of(page, target))
    ]
    assert broken == []


def test_a_link_to_what_is_not_there_is_found() -> None:
    readme = read_page(ROOT / "README.md")
    assert problem_of(readme, "docs/nowhere.md") == "is not there"
    assert problem_of(readme, "docs/architecture.md#nowhere") == "has no heading #nowhere"
    assert problem_of(readme, "../elsewhere") == "leaves the repository"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        targets = (target.partition("#")[0] for _, target in read_page(path).links() if "://" not in target)
        waiting += [(path.parent / unquote(target)).resolve() for target in targets if target]
    assert {page.path for page in user_pages() if page.path.is_relative_to(DOCS)} <= reached
