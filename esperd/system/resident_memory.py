"""How much memory the daemon has."""

import os


def rss_bytes() -> int:
    """The daemon's resident memory. Source: proc(5), statm: the second number, in pages."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - a pseudo-file, read once
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
