"""Decoding: core dumps beside esp-coredump with GDB, addresses beside addr2line; with the files of ESPER_CORPUS.

The folder has ``dumps/NAME.b64``, ``dumps/index.json`` (the ELF file of each) and ``elf/*.elf``.
"""

import functools
import json
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import esperd.simulation
from benchmarks.loads import Metrics
from benchmarks.rounds import Experiment
from esperd.decode.dump import read_dump
from esperd.decode.program.elf import ElfFile
from esperd.decode.program.errors import ProgramError

_WORKER: Final = (sys.executable, "-m", "esperd.decode.worker")
_PROBE: Final = (sys.executable, "-m", "benchmarks.symbolize_probe")
# Named first where a process is to have run already: its code is loaded, but nothing of the program in question.
_WARM_UP: Final = Path(esperd.simulation.__file__).parent / "recordings" / "greenhouse.elf"
# A dump of a RISC-V chip, for which Debian's GDB will do.
_DUMP: Final = "r01_d0"
_CHIP: Final = "esp32c3"
_ADDRESSES: Final = 20
_SEED: Final = 15
_SYMBOL: Final = struct.Struct("<IIIBBH")
_STT_FUNC: Final = 2
# Sections from here on are none: functions of the ROM, which have no code in the file.
_SHN_LORESERVE: Final = 0xFF00
_SHORTEST_FUNCTION_BYTES: Final = 4
# Of one file of the corpus in ten the tool may not know a name that is only in its symbol table.
_LEAST_NAMED: Final = 0.9
_SYMBOLIZERS: Final[dict[str, tuple[str, ...]]] = {
    "riscv": ("riscv64-unknown-elf-addr2line", "riscv32-esp-elf-addr2line", "addr2line", "llvm-symbolizer"),
    "xtensa": ("xtensa-esp32-elf-addr2line", "addr2line", "llvm-symbolizer"),
}
_ADDR2LINE_OPTIONS: Final = ("-pfiaC", "-e")
_LLVM_OPTIONS: Final = ("--pretty-print", "--obj")


@dataclass(frozen=True, slots=True)
class DecodeBench:
    """What can be measured here; ``missing`` names what is not."""

    experiments: list[Experiment]
    missing: list[str]


def decode_bench(directory: Path) -> DecodeBench:
    """Finds what is here, and runs each program once, so that it is compiled and in memory."""
    folder = os.environ.get("ESPER_CORPUS")
    if folder is None:
        return DecodeBench([], ["a corpus of core dumps (ESPER_CORPUS)"])
    corpus, missing = Path(folder), list[str]()
    decodes: dict[str, Callable[[], Metrics]] = {
        "native": functools.partial(_cost, _request(corpus, _DUMP, directory), _WORKER),
        "native-all": functools.partial(_cost_of_all, corpus, directory),
    }
    peer = _esp_coredump(corpus, directory)
    if peer is None:
        missing.append("esp-coredump or a GDB for RISC-V")
    else:
        decodes["esp-coredump"] = peer
    experiments = [Experiment("decode", decodes)]
    for machine in ("riscv", "xtensa"):
        elfs = [elf for elf in sorted((corpus / "elf").glob("*.elf")) if _machine(elf) == machine]
        experiment, tool_is_missing = _symbolize(machine, {elf: _addresses(elf) for elf in elfs})
        experiments.append(experiment)
        missing += [f"addr2line for {machine}"] if tool_is_missing else []
    for experiment in experiments:
        for measure in experiment.subjects.values():
            measure()
    return DecodeBench(experiments, missing)


def _cost(source: Path, command: Sequence[str]) -> Metrics:
    """What a process cost from its start to its end: ``cpu_ms``, ``wall_ms``, ``peak_mb``."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.child", str(source), *command], check=True, capture_output=True, text=True
    )
    return dict(zip(("cpu_ms", "wall_ms", "peak_mb"), map(float, done.stdout.split()), strict=True))


# Core dumps -----------------------------------------------------------------------------------------------


def _elfs_by_dump(corpus: Path) -> dict[str, Path]:
    index: dict[str, str] = json.loads((corpus / "dumps" / "index.json").read_text("utf-8"))
    return {name: corpus / "elf" / f"{sha256[:16]}.elf" for name, sha256 in index.items()}


def _request(corpus: Path, name: str, directory: Path) -> Path:
    path = directory / f"{name}.request"
    dump, elf = corpus / "dumps" / f"{name}.b64", _elfs_by_dump(corpus)[name]
    path.write_text(json.dumps({"dump": str(dump), "elf": str(elf), "backend": "native"}) + "\n", "utf-8")
    return path


def _cost_of_all(corpus: Path, directory: Path) -> Metrics:
    """The greatest cost of any dump."""
    costs = [_cost(_request(corpus, name, directory), _WORKER) for name in _elfs_by_dump(corpus)]
    return {metric: max(cost[metric] for cost in costs) for metric in costs[0]}


def _esp_coredump(corpus: Path, directory: Path) -> Callable[[], Metrics] | None:
    """Espressif's tool as its own process, without what our daemon adds; None where it or a GDB is missing."""
    gdb = shutil.which("riscv32-esp-elf-gdb") or shutil.which("gdb-multiarch")
    found = subprocess.run([sys.executable, "-c", "import esp_coredump"], check=False, capture_output=True)
    if gdb is None or found.returncode:
        return None
    core, wrapper = directory / "core", directory / "gdb"
    core.write_bytes(read_dump((corpus / "dumps" / f"{_DUMP}.b64").read_bytes()).payload)
    # Debian's GDB takes the cores for those of Linux, and names their threads so that the tool does not know them.
    wrapper.write_text(f"#!/bin/sh\nexec '{gdb}' -iex 'set osabi none' \"$@\"\n", "utf-8")
    wrapper.chmod(0o700)
    command = [sys.executable, "-m", "esp_coredump", "--chip", _CHIP, "info_corefile", "--core", str(core)]
    command += ["--core-format", "elf", "--gdb", str(wrapper), str(_elfs_by_dump(corpus)[_DUMP])]
    return functools.partial(_cost, Path(os.devnull), command)


# Addresses ------------------------------------------------------------------------------------------------


def _machine(path: Path) -> str | None:
    try:
        elf = ElfFile.open(path)
    except ProgramError:
        return None
    elf.close()
    return elf.machine


def _addresses(path: Path) -> list[int]:
    """Somewhere in functions of the symbol table, always the same."""
    elf = ElfFile.open(path)
    try:
        table = elf.contents_named(".symtab")
    finally:
        elf.close()
    functions = {
        (address, size)
        for _, address, size, kind, _, section in _SYMBOL.iter_unpack(table)
        if kind & 15 == _STT_FUNC and 0 < section < _SHN_LORESERVE and size >= _SHORTEST_FUNCTION_BYTES
    }
    chance = random.Random(_SEED)  # noqa: S311 - a choice, not a secret
    chosen = chance.sample(sorted(functions), _ADDRESSES)
    return [address + chance.randrange(size) // 2 * 2 for address, size in chosen]


def _symbolize(machine: str, addresses: dict[Path, list[int]]) -> tuple[Experiment, bool]:
    """The experiment of one machine, and whether there is no tool to compare with."""
    subjects: dict[str, Callable[[], Metrics]] = {
        "running": functools.partial(_mean, addresses, _probe),
        "process": functools.partial(_mean, addresses, _probe_process),
    }
    tool = next(
        (tool for tool in _SYMBOLIZERS[machine] if all(_knows(tool, elf, pcs) for elf, pcs in addresses.items())), None
    )
    if tool is not None:
        subjects["addr2line"] = functools.partial(
            _mean, addresses, lambda elf, pcs: _cost(Path(os.devnull), _tool_command(tool, elf, pcs))
        )
    return Experiment(f"symbolize-{machine}", subjects), tool is None


def _mean(addresses: dict[Path, list[int]], measure: Callable[[Path, list[int]], Metrics]) -> Metrics:
    measured = [measure(elf, pcs) for elf, pcs in addresses.items()]
    return {metric: sum(one[metric] for one in measured) / len(measured) for metric in measured[0]}


def _probe(elf: Path, pcs: list[int]) -> Metrics:
    """In a process that runs: ``cpu_ms``, ``wall_ms`` of a program not seen yet, and as in symbolize_probe.py."""
    command = [*_PROBE, "--warm-up", str(_WARM_UP), str(elf), *map(hex, pcs)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    names = ("cpu_ms", "wall_ms", "near_cpu_ms", "near_wall_ms", "again_cpu_ms", "again_wall_ms")
    return dict(zip(names, map(float, done.stdout.split()), strict=True))


def _probe_process(elf: Path, pcs: list[int]) -> Metrics:
    return _cost(Path(os.devnull), [*_PROBE, str(elf), *map(hex, pcs)])


def _tool_command(tool: str, elf: Path, pcs: list[int]) -> list[str]:
    options = _LLVM_OPTIONS if tool.startswith("llvm") else _ADDR2LINE_OPTIONS
    return [tool, *options, str(elf), *map(hex, pcs)]


def _knows(tool: str, elf: Path, pcs: list[int]) -> bool:
    if shutil.which(tool) is None:
        return False
    done = subprocess.run(_tool_command(tool, elf, pcs), check=False, capture_output=True, text=True)
    blocks = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith(" (inlined")]
    named = [line for line in blocks if "?? " not in line]
    return done.returncode == 0 and len(named) >= _LEAST_NAMED * len(pcs)
