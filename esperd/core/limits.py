"""The limits of the pure part, with the reason for each default."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoreLimits:
    """Every bound on memory and waiting in the sans-IO parts.

    Attributes:
        line_bytes: A longer line is split. 64 KiB is 700 times an ordinary line; only a board that never
            sends a newline reaches it.
        fragment_s: Silence after which an unfinished line (a prompt) is published as it is.
        coredump_text_bytes: Base64 text of one dump; 4 MiB decode to 3 MiB, the RAM of the largest chips' dumps.
        coredump_lines: Lines of one dump, accepted or not.
        coredump_idle_s: Silence (no base64 line) that ends a capture.
        progress_s: Least time between two progress events.
        complete_grace_s: How long the END marker may take after the announced length was reached.
        app_idle_s: Silence that ends a boot log.
        panic_idle_s: Silence that ends a panic report which has no other end.
        panic_lines: Lines of one panic report; a register dump with its stack memory has about 60.
        context_bytes: Text before a dump that is kept with it.
        answer_prompt: Whether "Press Enter to print core dump to UART..." is answered.
    """

    line_bytes: int = 64 * 1024
    fragment_s: float = 0.1
    coredump_text_bytes: int = 4 * 1024 * 1024
    coredump_lines: int = 100_000
    coredump_idle_s: float = 10.0
    progress_s: float = 0.25
    complete_grace_s: float = 1.0
    app_idle_s: float = 2.0
    panic_idle_s: float = 2.0
    panic_lines: int = 400
    context_bytes: int = 64 * 1024
    answer_prompt: bool = True
