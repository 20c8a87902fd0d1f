#!/usr/bin/env python3
"""Tells of a crash by mail, through the mail server of this machine or another one.

    [[on_crash]]
    command = ["/path/to/mail.py", "lab@example.org"]
    # or: ["/path/to/mail.py", "lab@example.org", "mail.example.org:587"]

A daemon that is confined to Unix sockets, as systemd/system/esperd@.service does, needs systemd/system/network.conf.
"""

import json
import smtplib
import socket
import sys
from email.message import EmailMessage
from typing import Any


def main() -> None:
    """Reads the crash, and mails it."""
    to, server = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "localhost:25"
    crash = json.load(sys.stdin)
    message = EmailMessage()
    # A header is one line, whatever the board said.
    message["Subject"] = " ".join(f"{crash['board']} crashed: {crash['reason'] or 'core dump'}".split())
    message["From"] = f"esperd@{socket.gethostname()}"
    message["To"] = to
    message.set_content(text_of(crash))
    host, _, port = server.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=20) as smtp:
        smtp.send_message(message)


def text_of(crash: dict[str, Any]) -> str:
    """The crash in some lines."""
    lines = [
        f"{crash['board']} ({crash['port']}) crashed at {crash['at']}, in start {crash['boot']} of its firmware.",
        f"{crash['reason'] or 'no panic was printed'}, task {crash['task'] or 'not known'}",
        f"{crash['project'] or 'application not known'} {crash['app_version'] or ''}",
        "",
    ]
    lines += [f"#{frame['level']} {frame['function']} at {frame['file']}:{frame['line']}" for frame in crash["frames"]]
    if crash["coredump"]:
        lines += ["", f"esperctl coredumps info {crash['coredump']['id']}"]
    if crash["untold"]:
        lines += ["", f"{crash['untold']} crashes before this one were not told: there were too many."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
