"""SIGHUP while a daemon starts."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT_S = 20.0
# Until the gate is opened and closed, the disk makes no journal.
SLOW_DISK = """\
import os, sys
gate, opened = sys.argv.pop(1), os.open
def slow(path, flags, *more, **named):
    if str(path).endswith(".journal") and flags & os.O_CREAT:
        os.open = opened
        os.close(opened(gate, os.O_RDONLY))
    return opened(path, flags, *more, **named)
os.open = slow
from esperd.cli import main
sys.exit(main())
"""


def test_the_end_of_a_reload_does_not_say_that_clients_are_served_before_they_are(tmp_path: Path) -> None:
    file, gate, notify = tmp_path / "esperd.toml", tmp_path / "gate", tmp_path / "notify"
    file.write_text("[boards.b]\nport = '/nonexistent/tty'\n")
    os.mkfifo(gate)
    places = ["--config", str(file), "--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "b.sock")]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(notify))

        def hear() -> str:
            while (message := manager.recv(1000).decode()).startswith("STATUS="):
                pass
            return message.partition("\n")[0]

        environment = os.environ | {"NOTIFY_SOCKET": str(notify)}
        with subprocess.Popen(
            [sys.executable, "-c", SLOW_DISK, str(gate), *places], env=environment, stderr=subprocess.PIPE
        ) as daemon:
            try:
                assert daemon.stderr is not None
                while b" started pid=" not in daemon.stderr.readline():
                    pass
                daemon.send_signal(signal.SIGHUP)
                manager.settimeout(1.0)
                with pytest.raises(TimeoutError):
                    hear()
                with gate.open("wb"):
                    pass
                manager.settimeout(TIMEOUT_S)
                assert [hear() for _ in range(3)] == ["READY=1", "RELOADING=1", "READY=1"]
                daemon.terminate()
                assert daemon.wait(TIMEOUT_S) == 0
            finally:
                daemon.kill()
