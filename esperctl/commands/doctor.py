"""``esperctl doctor``: says what is wrong with this machine, and which command mends it."""

from typing import TYPE_CHECKING

from esperctl.arguments import Arguments, Parser
from esperctl.doctor.examination import examine
from esperctl.doctor.machine import this_machine
from esperctl.doctor.report import count, document, summary, topic_lines
from esperctl.doctor.survey import survey
from esperctl.errors import EXIT_DONE, EXIT_NO
from esperctl.output import Output

if TYPE_CHECKING:
    from esperctl.doctor.findings import Topic

DESCRIPTION = """\
Look at this machine and say what is wrong with it: permissions, ports and who
holds them, udev, programs that take ports, versions, sockets, disk space, baud
rates, missing ELF files, the clock. Below each finding stands the command that
mends it. Changes nothing, opens no port, and needs no daemon.
Exit code 1: something is serious."""


def add_arguments(parser: Parser) -> None:
    """Adds nothing: ``--socket`` and ``--board`` narrow it down."""
    parser.set_defaults()


def run(arguments: Arguments, output: Output) -> int:
    """Examines the machine."""
    machine = this_machine()
    answers = survey(machine, arguments.socket, arguments.board)
    topics: list[Topic] = []
    for topic in examine(machine, answers):
        topics.append(topic)
        if not arguments.json:
            for line in topic_lines(topic, colour=output.colour, width=output.width if output.is_terminal else None):
                output.line(line)
    if arguments.json:
        output.document(document(topics))
    else:
        output.line(f"\n{summary(topics)}")
    return EXIT_NO if count(topics, "serious") else EXIT_DONE
