"""The serial ports: what is plugged in, what has no driver, what two boards share, which boards are absent."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from esper_protocol.records import BoardRecord
from esperctl.doctor.daemon_process import change_port, find_daemon
from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.serial_ports import SerialPort, serial_ports, usb_devices
from esperctl.doctor.survey import Answer, Survey

_KERNEL_NAMES: Final = ("/dev/ttyUSB", "/dev/ttyACM")


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each port, and for each board whose port is the matter."""
    ports = serial_ports(machine)
    for port in ports:
        yield _port(machine, port)
    yield from _without_driver(machine, ports)
    yield from _same_serial(ports)
    for answer in survey.answers:
        for board in answer.boards:
            yield from _board(machine, answer, board, ports)
    if not ports and not survey.boards:
        yield Finding(
            code="no_ports",
            severity="note",
            subject="USB",
            what="no serial port is plugged in; if a board is, try another cable: many only charge",
            mend="esperd sim:console    # a simulated board, to try with",
        )


def _port(machine: Machine, port: SerialPort) -> Finding:
    has_udev = machine.exists("/run/udev")
    if not machine.exists(port.device):
        return Finding(
            code="no_device_node",
            severity="serious",
            subject=port.device,
            what="the kernel has this port, but there is no such device here"
            + ("" if has_udev else f": give it to the container, with --device {port.device} where that is started"),
            mend="sudo udevadm trigger --subsystem-match=tty" if has_udev else None,
        )
    usb = port.usb
    text = "not on USB" if usb is None else f"{usb.label or 'USB device'} ({usb.vendor}:{usb.product})"
    return fine("port", port.device, f"{text}, also {port.stable_name}" if port.stable_name else text)


def _without_driver(machine: Machine, ports: list[SerialPort]) -> Iterator[Finding]:
    served = {port.usb.name for port in ports if port.usb is not None}
    for device in usb_devices(machine):
        if device.should_be_port and device.name not in served:
            yield Finding(
                code="no_driver",
                severity="warning",
                subject=f"USB {device.name}",
                what=f"{device.label or 'a serial adapter'} ({device.vendor}:{device.product}) has no serial port:"
                f" the driver {device.driver} is not there, or another program took the device",
                mend=f"sudo modprobe {device.driver}",
            )


def _same_serial(ports: list[SerialPort]) -> Iterator[Finding]:
    # A device with several ports (a debug adapter) has them under one serial number rightly.
    devices = {port.usb for port in ports if port.usb is not None}
    count = Counter((usb.vendor, usb.product, usb.serial) for usb in devices)
    for (vendor, product, serial), number in sorted(count.items(), key=str):
        if number > 1:
            which = f"the serial number {serial}" if serial else "no serial number"
            yield Finding(
                code="same_serial",
                severity="warning",
                subject=f"{vendor}:{product}",
                what=f"{number} adapters have {which}, so /dev/serial/by-id can't tell them apart: name them by their"
                " place",
                mend="ls -l /dev/serial/by-path",
            )


def _board(machine: Machine, answer: Answer, board: BoardRecord, ports: list[SerialPort]) -> Iterator[Finding]:
    if board.state == "absent":
        there = not board.port.startswith("/") or machine.exists(board.port)
        others = ", ".join(port.device for port in ports if port.device != board.port)
        yield Finding(
            code="board_absent",
            severity="serious",
            subject=board.board,
            what=board.state_detail or "it is not connected",
            mend=None if there or not others else f"ls -l /dev/serial/by-id    # plugged in now: {others}",
        )
    elif board.state == "released":
        yield Finding(
            code="board_released", severity="note", subject=board.board, what=board.state_detail or "its port is lent"
        )
    port = next((port for port in ports if port.device == board.port and port.stable_name), None)
    if port is not None and board.port.startswith(_KERNEL_NAMES):
        yield Finding(
            code="kernel_name",
            severity="note",
            subject=board.board,
            what=f"{board.port} may be another board after the next plugging in; its own name stays",
            mend=change_port(
                machine, find_daemon(machine, answer.daemon.pid), board.board, board.port, str(port.stable_name)
            ),
        )
