"""The examples of docs/hooks, run as esperd runs them, against a real mail and web server of the test."""

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

EXAMPLES = Path(__file__).parents[3] / "docs" / "hooks"
CRASH = {
    "version": 1,
    "board": "bench1",
    "port": "/dev/ttyUSB0",
    "at": "2026-11-21T03:00:00.000000Z",
    "boot": 4,
    "reason": "Store access\r\nfault",
    "task": "main",
    "project": "greenhouse",
    "app_version": None,
    "frames": [{"level": 0, "pc": 1, "function": "store_value", "file": "message.c", "line": 30}],
    "coredump": {"id": "bench1-17"},
    "untold": 2,
}


async def run(name: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
    done = await trio.run_process(
        [sys.executable, str(EXAMPLES / name), *arguments],
        stdin=json.dumps(CRASH).encode(),
        capture_stderr=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr


async def serve_once(nursery: trio.Nursery, talk: Callable[[trio.SocketStream], Awaitable[None]]) -> int:
    """A server for one client; its port."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def serve() -> None:
        async with listener, await listener.accept() as client:
            await talk(client)

    nursery.start_soon(serve)
    port: int = listener.socket.getsockname()[1]
    return port


async def test_a_desktop_notification_gets_title_and_functions_as_text(tmp_path: Path) -> None:
    program = tmp_path / "notify-send"
    program.write_text(f"#!/bin/sh\nprintf '%s|' \"$@\" > {tmp_path}/shown\n")
    program.chmod(0o700)

    await run("notify_desktop.py", environment={"PATH": f"{tmp_path}:/usr/bin:/bin"})

    words = (tmp_path / "shown").read_bytes().decode().split("|")
    assert words[:3] == ["--urgency=critical", "--app-name=esperd", "--"]
    assert words[3] == "bench1 crashed: Store access\r\nfault"
    assert words[4] == "store_value message.c"


async def test_a_mail_has_one_line_of_subject_whatever_the_board_said(nursery: trio.Nursery) -> None:
    received = bytearray()

    async def talk(client: trio.SocketStream) -> None:
        await client.send_all(b"220 test\r\n")
        is_body = False
        async for data in client:
            received.extend(data)
            if is_body:
                if received.endswith(b"\r\n.\r\n"):
                    is_body = False
                    await client.send_all(b"250 kept\r\n")
            elif data.upper().startswith(b"DATA"):
                is_body = True
                await client.send_all(b"354 go on\r\n")
            elif data.upper().startswith(b"QUIT"):
                await client.send_all(b"221 bye\r\n")
                return
            else:
                await client.send_all(b"250 ok\r\n")

    port = await serve_once(nursery, talk)
    await run("mail.py", "lab@example.org", f"127.0.0.1:{port}")

    text = received.decode()
    assert "Subject: bench1 crashed: Store access fault\r\n" in text
    assert "To: lab@example.org\r\n" in text
    assert "#0 store_value at message.c:30" in text
    assert "esperctl coredumps info bench1-17" in text
    assert "2 crashes before this one were not told" in text


async def test_a_chat_gets_one_sentence(nursery: trio.Nursery, tmp_path: Path) -> None:
    received = bytearray()

    async def talk(client: trio.SocketStream) -> None:
        while not received.endswith(b"}"):
            received.extend(await client.receive_some(65536))
        await client.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    port = await serve_once(nursery, talk)
    secret = tmp_path / "webhook"
    secret.write_text(f"http://127.0.0.1:{port}/hooks/abc\n")
    await run("chat_webhook.py", str(secret))

    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hooks/abc HTTP/1.1\r\n")
    assert json.loads(body) == {"text": "bench1 crashed: Store access\r\nfault, in store_value at message.c:30"}
