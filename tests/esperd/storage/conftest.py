from collections.abc import Iterator
from pathlib import Path

import pytest

from esperd.testing.journals import EventSource, JournalFolder


@pytest.fixture
def source() -> EventSource:
    return EventSource()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[JournalFolder]:
    folder = JournalFolder(tmp_path / "journal")
    yield folder
    folder.close()
