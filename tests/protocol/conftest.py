"""Where the specification and its golden vectors are."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def protocol_folder() -> Path:
    return Path(__file__).resolve().parents[2] / "protocol"
