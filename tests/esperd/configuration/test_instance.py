import pytest

from esperd.configuration.instance import port_of_instance

LINK = "usb-Silicon_Labs_CP2102_0001-if00-port0"


@pytest.mark.parametrize(
    ("instance", "port"),
    [
        ("ttyUSB0", "ttyUSB0"),
        ("dev-ttyUSB0", "/dev/ttyUSB0"),
        ("esp-left", "esp/left"),
        ("left", "left"),
        ("left-bench", "left-bench"),
        (r"left\x2dbench", "left-bench"),
        (LINK, f"/dev/serial/by-id/{LINK}"),
        (LINK.replace("-", r"\x2d"), f"/dev/serial/by-id/{LINK}"),
        (r"usb-A\x2bB-if00", "/dev/serial/by-id/usb-A+B-if00"),
        (r"serial-by\x2did-" + LINK.replace("-", r"\x2d"), f"serial/by-id/{LINK}"),
        (r"dev-serial-by\x2dpath-pci\x2d0000:00:14.0", "/dev/serial/by-path/pci-0000:00:14.0"),
        (r"rfc2217:--box:4000", "rfc2217://box:4000"),
        ("sim:crash", "sim:crash"),
    ],
)
def test_an_instance_stands_for_a_port(instance: str, port: str) -> None:
    assert port_of_instance(instance, {"left", "left-bench"}) == port


def test_a_configured_name_goes_before_everything_else() -> None:
    assert port_of_instance(LINK, {LINK}) == LINK
    assert port_of_instance("esp-left", {"esp/left"}) == "esp/left"
