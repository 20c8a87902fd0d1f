"""For all tests: a known environment."""

import signal


def pytest_configure() -> None:
    # A shell starts what it runs in the background with SIGINT ignored, which the programs under test would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
