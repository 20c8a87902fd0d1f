from __future__ import annotations

import shutil
import subprocess

import pytest

from esperctl.service.instances import escape, instance_of
from esperd.configuration.instance import port_of_instance

PATHS = ["ttyUSB0", "serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0", "esp/left", "a b", "ü", ".hidden", "x@y"]


@pytest.mark.parametrize("path", PATHS)
def test_names_are_escaped_as_systemd_does(path: str) -> None:
    if shutil.which("systemd-escape") is None:
        pytest.skip("systemd-escape is not installed")
    done = subprocess.run(["systemd-escape", path], capture_output=True, check=True, text=True)
    assert escape(path) == done.stdout.strip()


@pytest.mark.parametrize(
    ("board", "port"),
    [
        ("ttyUSB0", "ttyUSB0"),
        ("/dev/ttyUSB0", "ttyUSB0"),
        ("/dev/serial/by-id/usb-Silicon_Labs_CP2102N-if00", "/dev/serial/by-id/usb-Silicon_Labs_CP2102N-if00"),
        ("/dev/serial/by-id/usb-Acme,_Inc._(R)-if00", "serial/by-id/usb-Acme,_Inc._(R)-if00"),
        ("/dev/serial/by-path/pci-0000:00-port0", "serial/by-path/pci-0000:00-port0"),
        ("/dev/esp/left", "esp/left"),
        ("bench-1", "bench-1"),
    ],
)
def test_the_daemon_of_an_instance_owns_the_board_that_was_named(board: str, port: str) -> None:
    assert port_of_instance(instance_of(board), {"bench-1"}) == port
