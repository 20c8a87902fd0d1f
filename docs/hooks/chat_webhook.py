#!/usr/bin/env python3
"""Tells of a crash in a chat, by an incoming webhook that takes {"text": "…"} (Slack, Mattermost, Rocket.Chat, Zulip).

    [[on_crash]]
    command = ["/path/to/chat_webhook.py", "/etc/esperd/webhook"]

The file holds the webhook's URL, which is a secret: make it readable for the daemon's user only. A daemon that is
confined to Unix sockets, as systemd/system/esperd@.service does, needs systemd/system/network.conf.
"""

import json
import sys
import urllib.request
from pathlib import Path


def main() -> None:
    """Reads the crash, and posts it."""
    url = Path(sys.argv[1]).read_text(encoding="utf-8").strip()
    if not url.startswith(("https://", "http://")):
        sys.exit(f"{sys.argv[1]} holds no URL of a webhook")
    crash = json.load(sys.stdin)
    text = f"{crash['board']} crashed: {crash['reason'] or 'core dump'}"
    if crash["frames"]:
        frame = crash["frames"][0]
        text += f", in {frame['function']} at {frame['file']}:{frame['line']}"
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked above
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - checked above
        answer.read()


if __name__ == "__main__":
    main()
