"""Runs one command and prints what it cost: ``python -m benchmarks.child INPUT PROGRAM [ARGUMENT...]``.

INPUT is the file that becomes its standard input. Printed are CPU time and wall time in ms, and the most memory in MB
that it or one of its children had. This is a small process of its own, because the kernel counts the memory of the
parent into the peak of a child that it starts: what measures must be smaller than what is measured.
"""

import os
import sys
import time


def main() -> int:
    """Returns the command's exit code."""
    source, *command = sys.argv[1:]
    files = [(os.POSIX_SPAWN_OPEN, 0, source, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    started = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.monotonic() - started
    print((usage.ru_utime + usage.ru_stime) * 1000, wall_s * 1000, usage.ru_maxrss / 1024)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
