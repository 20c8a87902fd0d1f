"""Other programs that serve or show a port; each is measured only where it is installed (README.md says how)."""

import functools
import os
import shutil
import socket
import subprocess
import sys
import tty
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.consumers import Consumer, Running, Terminal, compile_c, settle, spawned, wait_until
from benchmarks.streams import RawReceiver, Receiver, Stream, drain

_CONSERVER_CONFIG: Final = """\
config * {{ }}
default * {{ logfile "{log}"; timestamp ""; rw *; master localhost; }}
console board0 {{ type device; device {port}; baud 115200; parity none; }}
access * {{ trusted 127.0.0.1; allowed 127.0.0.1; }}
"""
_SER2NET_CONFIG: Final = """\
connection: &board0
  accepter: tcp,127.0.0.1,{number}
  connector: serialdev,{port},115200n81,local
  options:
    max-connections: 64
"""
_TIMEOUT_S: Final = 10.0
_SETTLE_S: Final = 0.5


def conserver(clients: int) -> Consumer | None:
    """The console server, with its log file, as ours has its journal."""
    program = _which("conserver")
    return None if program is None else functools.partial(_conserver, program, clients)


def ser2net(clients: int) -> Consumer | None:
    """The serial to network proxy in its default settings."""
    program = _which("ser2net")
    return None if program is None else functools.partial(_ser2net, program, clients)


def esp_idf_monitor(directory: Path) -> Consumer | None:
    """Espressif's monitor; ESP_IDF_MONITOR_PYTHON names the interpreter that has it, if it is not this one.

    None also without a C compiler: it can't open a pseudo-terminal without the preloaded modem_shim.c.
    """
    python = os.environ.get("ESP_IDF_MONITOR_PYTHON", sys.executable)
    found = subprocess.run([python, "-c", "import esp_idf_monitor"], check=False, capture_output=True)
    shim = compile_c("modem_shim.c", directory / "modem_shim.so", "-shared", "-fPIC")
    if found.returncode or shim is None:
        return None
    return functools.partial(_esp_idf_monitor, python, shim)


def _which(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _accepts(number: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", number)) == 0


def _running(process: subprocess.Popen[bytes], sockets: Sequence[socket.socket]) -> Running:
    last = len(sockets) - 1
    # Tags cost the harness time: the first and the last viewer stand for all in latency, each counts in loss.
    receivers = [
        RawReceiver(client.fileno(), Stream(is_tagged=index in (0, last))) for index, client in enumerate(sockets)
    ]
    settle(receivers, _SETTLE_S)
    streams = [receiver.stream for receiver in receivers]
    tagged = [(0, stream) for stream in streams if stream.is_tagged]
    return Running(process.pid, list[Receiver](receivers), [(0, stream) for stream in streams], tagged)


@contextmanager
def _conserver(program: str, clients: int, ports: Sequence[Terminal], directory: Path) -> Generator[Running]:
    log, config = directory / "conserver.log", directory / "conserver.cf"
    config.write_text(_CONSERVER_CONFIG.format(log=log, port=ports[0].path), "utf-8")
    number = _free_port()
    command = [program, "-C", str(config), "-p", str(number), "-M", "127.0.0.1", "-E", "-L", str(directory / "cs.log")]
    with spawned(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: _accepts(number), "the start of conserver")
        sockets = [_conserver_client(number) for _ in range(clients)]
        try:
            yield _running(process, sockets)
        finally:
            for client in sockets:
                client.close()
            log.unlink(missing_ok=True)


def _conserver_client(number: int) -> socket.socket:
    """Speaks conserver's protocol: the master names the port of the console's process, which is called again."""
    with socket.create_connection(("127.0.0.1", number), _TIMEOUT_S) as master:
        console_port = int(_talk(master, (b"login benchmarks\r\n", b"call board0\r\n")).split()[0].lstrip(b"@"))
    client = socket.create_connection(("127.0.0.1", console_port), _TIMEOUT_S)
    # The escape sequence of the first command, without which it holds its output back.
    _talk(client, (b"login benchmarks\r\n", b"call board0\r\n", b"\x05c;"))
    client.settimeout(None)
    return client


def _talk(connection: socket.socket, lines: Sequence[bytes]) -> bytes:
    answer = connection.recv(4096)
    for line in lines:
        connection.sendall(line)
        answer = connection.recv(4096)
    return answer


@contextmanager
def _ser2net(program: str, clients: int, ports: Sequence[Terminal], directory: Path) -> Generator[Running]:
    number = _free_port()
    config = directory / "ser2net.yaml"
    config.write_text(_SER2NET_CONFIG.format(number=number, port=ports[0].path), "utf-8")
    with spawned([program, "-n", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: _accepts(number), "the start of ser2net")
        sockets = [socket.create_connection(("127.0.0.1", number), _TIMEOUT_S) for _ in range(clients)]
        try:
            yield _running(process, sockets)
        finally:
            for client in sockets:
                client.close()


@contextmanager
def _esp_idf_monitor(python: str, shim: Path, ports: Sequence[Terminal], directory: Path) -> Generator[Running]:
    del directory
    # It insists on a terminal to type at; its output goes there, too, as it does for a person.
    master, slave = os.openpty()
    tty.setraw(slave)
    command = [python, "-m", "esp_idf_monitor", "--no-reset", "--port", ports[0].path]
    environment = {**os.environ, "LD_PRELOAD": str(shim), "TERM": "xterm"}
    try:
        with spawned(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
            stream = Stream(is_tagged=True)
            receiver = RawReceiver(master, stream)
            drain([receiver], lambda: stream.size_bytes > 0, _TIMEOUT_S)
            settle([receiver], _SETTLE_S)
            yield Running(process.pid, [receiver], [], [(0, stream)])
    finally:
        os.close(master)
        os.close(slave)
