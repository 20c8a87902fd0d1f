"""Names addresses in a process of its own: ``python -m benchmarks.symbolize_probe [--warm-up ELF] ELF ADDRESS...``.

Prints milliseconds, CPU and wall time each: *cold*, of opening the program and naming all addresses; *near*, of naming
others of the same functions; *again*, of naming the first ones once more.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from esperd.decode.program import Program

# As many as make Python's interpreter specialise the code that runs.
_WARM_UP_ADDRESSES: Final = 200


def main() -> int:
    """Returns the exit code, 1 when an address has no name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warm-up", type=Path, help="another program, named first: as in a process that has run")
    parser.add_argument("elf", type=Path)
    parser.add_argument("address", type=lambda text: int(text, 0), nargs="+")
    arguments = parser.parse_args()
    if arguments.warm_up is not None:
        with Program.open(arguments.warm_up) as program:
            _name(program, range(program.entry, program.entry + 2 * _WARM_UP_ADDRESSES, 2))
    started = _now()
    with Program.open(arguments.elf) as program:
        are_named = _name(program, arguments.address)
        cold = _since(started)
        near = _timed(lambda: _name(program, [address ^ 2 for address in arguments.address]))
        again = _timed(lambda: _name(program, arguments.address))
    print(*cold, *near, *again)
    return 0 if are_named else 1


def _name(program: Program, addresses: Sequence[int]) -> bool:
    named = [bool(program.symbolize(address)) for address in addresses]
    return all(named)


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _since(started: tuple[float, float]) -> tuple[float, float]:
    cpu_s, wall_s = _now()
    return (cpu_s - started[0]) * 1000, (wall_s - started[1]) * 1000


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    started = _now()
    work()
    return _since(started)


if __name__ == "__main__":
    sys.exit(main())
