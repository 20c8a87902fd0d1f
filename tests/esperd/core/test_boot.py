from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from esper_protocol.events import App, Boot
from esperd.core.boot import BootDetector, find_banner, is_boot
from esperd.core.limits import CoreLimits

RESET = b"rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)"
BOOTLOADER = b"I (25) boot: ESP-IDF v5.3-dirty 2nd stage bootloader"
APP_LINES = [
    b"I (270) app_init: Project name:     hello_world",
    b"I (275) app_init: App version:      v1.2-3-gabcdef0-dirty",
    b"I (281) app_init: Compile time:     Jan 31 2026 08:30:00",
    b"I (287) app_init: ELF file SHA256:  1B43c5e74...",
    b"I (292) app_init: ESP-IDF:          v5.3.1",
]


def boot(code: int = 12, reason: str = "SW_CPU_RESET", mode: str | None = "0x13 (SPI_FAST_FLASH_BOOT)") -> Boot:
    return Boot(code, reason, mode, 1)


def feed(detector: BootDetector, lines: list[bytes], first_seq: int = 1, now: float = 0.0) -> list[Boot | App]:
    return [body for seq, line in enumerate(lines, first_seq) for body in detector.on_line(line, seq, now)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (RESET, boot()),
        (b"rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)", boot(1, "POWERON", "0x8 (SPI_FAST_FLASH_BOOT)")),
        (b"rst:0x15 (USB_UART_CHIP_RESET),boot:0xa (x),extra", boot(21, "USB_UART_CHIP_RESET", "0xa (x)")),
        (b"rst:0x10 (RTCWDT_RTC_RESET)", boot(16, "RTCWDT_RTC_RESET", None)),
        (b"\xe0\x9c\x00" + RESET, boot()),
        (b"garbage\r" + RESET, boot()),
    ],
)
def test_a_reset_line_is_a_boot(line: bytes, expected: Boot) -> None:
    detector = BootDetector(CoreLimits())
    assert detector.on_line(line, 1, 0.0) == [expected]
    assert detector.is_active
    assert is_boot(line)


@pytest.mark.parametrize(
    "line",
    [
        b"I (5) app: last reset was rst:0xc (SW_CPU_RESET)",
        b"I (5) app:\trst:0xc (SW_CPU_RESET)",
        b'"rst:0x1 (POWERON)"',
        b"first:0x1 (POWERON)",
        b'I (5) app: it said "boot: ESP-IDF v5.3 2nd stage bootloader"',
        b"I (5) app: see boot: ESP-IDF v5.3 2nd stage bootloader",
        b"I (5) app: waits for the 2nd stage bootloader",
        b'printed "ESP-ROM:esp32c3-api1-20210207"',
        b"I (5) app: this is ESP-ROM:esp32c3",
        b"I (5) net: two sockets Joined",
        b"",
    ],
)
def test_what_only_mentions_a_boot_is_none(line: bytes) -> None:
    detector = BootDetector(CoreLimits())
    assert detector.on_line(line, 1, 0.0) == []
    assert not detector.is_active
    assert not is_boot(line)


def test_a_reset_line_that_was_cut_ends_a_dump_but_tells_of_no_reason() -> None:
    assert is_boot(b"rst:0x1 (POW")
    assert BootDetector(CoreLimits()).on_line(b"rst:0x1 (POW", 1, 0.0) == []


@pytest.mark.parametrize(
    ("line", "start"),
    [
        (b"ets Jun  8 2016 00:22:57", 0),
        (b"ets Jul 29 2019 12:21:46", 0),
        (b"ESP-ROM:esp32c3-api1-20210207", 0),
        (b"AAAAAAets Jul 29 2019 12:21:46", 6),
        (b"I (5) app: half a liESP-ROM:esp32s3-20210327", 20),
    ],
)
def test_a_banner_is_found_even_behind_a_line_that_was_cut(line: bytes, start: int) -> None:
    match = find_banner(line)
    assert match is not None
    assert match.start() == start
    assert is_boot(line)


def test_the_boot_log_says_which_application_runs() -> None:
    detector = BootDetector(CoreLimits())
    detector.note_banner(b"ets Jul 29 2019 12:21:46")
    found = feed(detector, [RESET, b"configsip: 0", BOOTLOADER, *APP_LINES, b"I (300) main_task: Calling app_main()"])
    app = App("hello_world", "v1.2-3-gabcdef0-dirty", "v5.3.1", "1b43c5e74", 1, 8, "esp32")
    assert found == [boot(), app]
    assert not detector.is_active
    assert detector.deadline is None


@pytest.mark.parametrize(
    ("banner", "line", "chip"),
    [
        (b"ESP-ROM:esp32c3-api1-20210207", b"", "esp32c3"),
        (b"ESP-ROM:esp8684-api2-20220127", b"", "esp32c2"),
        (b"ets Jun  8 2016 00:22:57", b"I (30) boot.esp32: SPI Speed      : 40MHz", "esp32"),
        (b"ESP-ROM:espX", b"", None),
        (b"ESP-ROM:espX", b"I (30) boot.esp32s3: SPI Speed      : 80MHz", "esp32s3"),
    ],
)
def test_the_chip_is_named_by_the_rom_or_the_bootloader(banner: bytes, line: bytes, chip: str | None) -> None:
    detector = BootDetector(CoreLimits())
    detector.note_banner(banner)
    feed(detector, [RESET, line, APP_LINES[0]])
    (app,) = detector.finish()
    assert isinstance(app, App)
    assert app.chip == chip


def test_a_bootloader_without_a_reset_line_is_a_boot_of_unknown_reason() -> None:
    detector = BootDetector(CoreLimits())
    assert feed(detector, [b"\xff\xfe" + BOOTLOADER]) == [Boot(0, "unknown: the reset line was not seen", None, 1)]
    assert detector.finish() == [App(None, None, "v5.3-dirty", None, 1, 1, None)]
    assert is_boot(b"\xff\xfe" + BOOTLOADER)


def test_the_bootloader_that_follows_its_reset_line_is_the_same_boot() -> None:
    detector = BootDetector(CoreLimits())
    assert feed(detector, [RESET, BOOTLOADER]) == [boot()]
    assert detector.finish() == [App(None, None, "v5.3-dirty", None, 1, 2, None)]


def test_a_second_bootloader_is_a_second_boot() -> None:
    detector = BootDetector(CoreLimits())
    found = feed(detector, [RESET, BOOTLOADER, BOOTLOADER])
    assert found == [
        boot(),
        App(None, None, "v5.3-dirty", None, 1, 2, None),
        Boot(0, "unknown: the reset line was not seen", None, 3),
    ]


def test_a_second_reset_line_ends_the_first_boot_log() -> None:
    detector = BootDetector(CoreLimits())
    found = feed(detector, [RESET, APP_LINES[0], RESET])
    assert found[1:] == [
        App("hello_world", None, None, None, 1, 2, None),
        Boot(12, "SW_CPU_RESET", boot().boot_mode, 3),
    ]


def test_a_boot_that_says_nothing_of_its_application_gives_no_app() -> None:
    detector = BootDetector(CoreLimits())
    assert feed(detector, [RESET, b"hello"]) == [boot()]
    assert detector.deadline is None
    assert detector.finish() == []
    assert detector.finish() == []


def test_the_boot_log_is_over_after_silence() -> None:
    detector = BootDetector(CoreLimits(app_idle_s=2.0))
    feed(detector, [RESET, APP_LINES[0]], now=5.0)
    assert detector.deadline == 7.0
    feed(detector, [b"more"], first_seq=3, now=6.0)
    assert detector.deadline == 8.0


def test_an_application_that_never_calls_app_main_is_not_watched_for_ever() -> None:
    detector = BootDetector(CoreLimits())
    found = feed(detector, [RESET, APP_LINES[0], *[b"text"] * 400])
    assert found == [boot(), App("hello_world", None, None, None, 1, 2, None)]
    assert not detector.is_active


@pytest.mark.parametrize("value", [b"<unknown>", b"..."])
def test_a_hash_that_is_none_is_left_out(value: bytes) -> None:
    detector = BootDetector(CoreLimits())
    feed(detector, [RESET, b"I (287) app_init: ELF file SHA256:  " + value])
    assert detector.finish() == []


@pytest.mark.parametrize("tag", [b"app_init", b"cpu_start"])
def test_old_and_new_versions_name_the_application(tag: bytes) -> None:
    detector = BootDetector(CoreLimits())
    feed(detector, [RESET, b"I (08:30:00.123) " + tag + b": Project name:     blink"])
    assert detector.finish() == [App("blink", None, None, None, 1, 2, None)]


def test_what_an_application_calls_itself_is_bounded() -> None:
    detector = BootDetector(CoreLimits())
    feed(detector, [RESET, b"I (1) app_init: Project name:     " + b"\xff" * 60_000])
    (app,) = detector.finish()
    assert isinstance(app, App)
    assert app.project is not None
    assert len(app.project) == 4 * 1024


@given(
    st.lists(
        st.sampled_from([RESET, BOOTLOADER, *APP_LINES, b"rst:0x", b"rst:0x1 (", b"ets Jul 29", b"Calling app_main()"])
        | st.binary(max_size=30),
        max_size=30,
    )
)
def test_no_lines_raise_and_every_app_follows_its_boot(lines: list[bytes]) -> None:
    detector = BootDetector(CoreLimits())
    booted = False
    for body in [*feed(detector, lines), *detector.finish()]:
        assert isinstance(body, Boot) or booted
        booted = isinstance(body, Boot)
