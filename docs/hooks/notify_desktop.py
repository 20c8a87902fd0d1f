#!/usr/bin/env python3
"""Tells of a crash on the desktop, by notify-send(1). For a daemon that runs in your session.

[[on_crash]]
command = ["/path/to/notify_desktop.py"]
"""

import json
import subprocess
import sys


def main() -> None:
    """Reads the crash, and shows it."""
    crash = json.load(sys.stdin)
    title = f"{crash['board']} crashed: {crash['reason'] or 'core dump'}"
    lines = [f"{frame['function'] or hex(frame['pc'])} {frame['file'] or ''}" for frame in crash["frames"][:3]]
    # What comes from the board is text, and no option: it stands behind "--".
    command = ["notify-send", "--urgency=critical", "--app-name=esperd", "--", title, "\n".join(lines)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
