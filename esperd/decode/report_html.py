"""The report as one HTML file without anything outside of it, to be attached to a ticket.

``python -m esperd.decode.report_html`` turns a report's JSON on standard input into the page on standard output.
"""

import html
import sys
from typing import Final

import msgspec

from esperd.decode.report import FrameReport, Report, TaskReport

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em }
:root { color-scheme: light dark }
h1 { font-size: 1.4em } h2 { font-size: 1.1em; margin: 1.6em 0 .3em }
table { border-collapse: collapse } td, th { padding: .1em .8em .1em 0; text-align: left; vertical-align: top }
code, pre, td.n { font-family: ui-monospace, monospace; font-size: 13px } td.n { text-align: right }
.place { opacity: .7 } .guess { font-style: italic } .warning { border-left: 4px solid #d80; padding-left: .6em }
.bar { display: inline-block; width: 12em; height: .8em; border: 1px solid #888; vertical-align: middle }
.bar span { display: block; height: 100%; background: #48c } .bar .high { background: #c43 }
"""
# From here on a stack is shown as nearly full; ESP-IDF's own advice is to leave a fifth.
_HIGH_PERCENT: Final = 80


def format_html(report: Report) -> str:
    """The whole page."""
    tasks = sorted(report.tasks, key=lambda task: not task.crashed)
    title = f"{report.reason or 'Core dump'}: {report.crashed_task or 'task unknown'}"
    body = [f"<h1>{_text(report.reason or 'Core dump')}</h1>", _facts(report)]
    body += [f'<p class="warning">{_text(warning)}</p>' for warning in report.warnings]
    body += ["<h2>Tasks</h2>", _task_table(tasks)]
    for task in tasks:
        mark = " (crashed)" if task.crashed else ""
        body.append(f"<h2>{_text(task.name or '??')}{mark}</h2>{_frame_table(task.frames)}")
        body.append(f'<p class="place">{_text(task.unwind_stop)}</p>' if not task.frames else "")
    body += ["<h2>Registers of the crash</h2>", _register_table(report.registers)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _facts(report: Report) -> str:
    facts = {
        "Task": report.crashed_task,
        "In an interrupt": "yes" if report.in_isr else "no",
        "Chip": report.chip,
        "Dump": f"{report.format}, checksum {report.checksum}",
        "Application": report.app_sha256,
        "ELF file": None if report.elf_path is None else f"{report.elf_path} ({report.elf_match})",
        "Decoded by": None if report.decoder is None else f"{report.decoder.backend} {report.decoder.version}",
    }
    rows = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in facts.items() if value)
    return f"<table>{rows}</table>"


def _task_table(tasks: list[TaskReport]) -> str:
    rows: list[str] = []
    for task in tasks:
        used, free = task.stack_used, task.stack_free
        stack = "unknown" if used is None or free is None else f"{_bar(used, free)} {used} used, {free} free"
        priority = "?" if task.priority is None else str(task.priority)
        name = f"<b>{_text(task.name or '??')}</b>" if task.crashed else _text(task.name or "??")
        rows.append(f'<tr><td>{name}</td><td class="n">{priority}</td><td>{stack}</td><td>0x{task.tcb:08x}</td></tr>')
    head = "<tr><th>Name</th><th>Priority</th><th>Stack, bytes</th><th>Control block</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _bar(used: int, free: int) -> str:
    percent = round(100 * used / (used + free)) if used + free else 0
    high = ' class="high"' if percent >= _HIGH_PERCENT else ""
    return f'<span class="bar" title="{percent} %"><span{high} style="width:{percent}%"></span></span>'


def _frame_table(frames: list[FrameReport]) -> str:
    rows: list[str] = []
    for frame in frames:
        arguments = ", ".join(f"{argument.name}={argument.value}" for argument in frame.args)
        place = "" if frame.file is None else f"{frame.file}:{frame.line}"
        guess = ' class="guess" title="guessed from the stack"' if frame.how in ("scan", "inferred") else ""
        rows.append(
            f'<tr{guess}><td class="n">#{frame.level}</td><td class="n">0x{frame.pc:08x}</td>'
            f"<td><code>{_text(frame.function or '??')}({_text(arguments)})</code>"
            f'<div class="place">{_text(place)}</div></td></tr>'
        )
    return f"<table>{''.join(rows)}</table>"


def _register_table(registers: dict[str, int]) -> str:
    rows = "".join(
        f'<tr><td>{_text(name)}</td><td class="n">0x{value:08x}</td></tr>' for name, value in registers.items()
    )
    return f"<table>{rows}</table>"


def _text(value: str) -> str:
    return html.escape(value)


if __name__ == "__main__":
    sys.stdout.write(format_html(msgspec.json.decode(sys.stdin.buffer.read(), type=Report)))
