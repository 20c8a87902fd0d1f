"""The two profiles: which experiments, how large, how many rounds."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import consumers, moments, peers, viewer_moments, viewers
from benchmarks.consumers import Consumer
from benchmarks.corpus import crash_corpus, dump_corpus, log_corpus
from benchmarks.decodes import decode_bench
from benchmarks.loads import Load, Metrics, measure, save_corpus
from benchmarks.rounds import Experiment

_MEGABYTE: Final = 1_000_000
_SLOW_PEER_BYTES: Final = 1 * _MEGABYTE
_FIREHOSE_BYTES: Final = 5 * _MEGABYTE
_CORPUS_BYTES: Final = 8 * _MEGABYTE
_FASTEST_BAUD: Final = 3_000_000
_BITS_PER_BYTE: Final = 10
# A journal of 100 MB.
_LONG_JOURNAL_LINES: Final = 1_100_000


@dataclass(frozen=True, slots=True)
class Profile:
    """Experiments, and in how many rounds each subject is run."""

    experiments: list[Experiment]
    rounds: int


class _Bench:
    """What the experiments share: loads, and which consumers are here. Keeps those that are missing by name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.logs = save_corpus(log_corpus(_CORPUS_BYTES), directory, "logs")
        self.dumps = save_corpus(dump_corpus(_CORPUS_BYTES), directory, "dumps")
        self.missing: list[str] = []
        self.c_loop = self._here("a C compiler (cc)", consumers.c_loop(directory))
        self.idf = self._here("esp-idf-monitor", peers.esp_idf_monitor(directory))

    def _here(self, name: str, consumer: Consumer | None) -> Consumer | None:
        if consumer is None and name not in self.missing:
            self.missing.append(name)
        return consumer

    def subjects(self, load: Load, wanted: dict[str, Consumer | None]) -> dict[str, Callable[[], Metrics]]:
        """Measurements under one load, of those that are here."""
        found: dict[str, Callable[[], Metrics]] = {}
        for name, consumer in wanted.items():
            if consumer is not None:
                slow = load.baud is None and name.startswith(("idf", "ser2net"))
                used = load.with_size(_SLOW_PEER_BYTES) if slow else load
                found[name] = functools.partial(measure, consumer, used, self.directory)
        return found

    def conserver(self, clients: int) -> Consumer | None:
        return self._here("conserver", peers.conserver(clients))

    def ser2net(self, clients: int) -> Consumer | None:
        return self._here("ser2net", peers.ser2net(clients))

    def firehose(self, client_counts: tuple[int, ...]) -> Experiment:
        wanted: dict[str, Consumer | None] = {"c": self.c_loop, "python": consumers.python_loop()}
        wanted |= {"cat": consumers.cat(), "idf": self.idf}
        for count in client_counts:
            wanted[f"esperd{count}"] = consumers.esperd(count, _FASTEST_BAUD)
            wanted[f"conserver{count}"] = self.conserver(count)
        wanted["ser2net1"] = self.ser2net(1)
        subjects = self.subjects(Load(self.logs, _FIREHOSE_BYTES), wanted)
        # In the same rounds, since its costs are compared with the daemon's.
        subjects["journal"] = moments.journal_probe
        return Experiment("firehose", subjects, "python")

    def paced(self, baud: int, seconds: float) -> Experiment:
        wanted = {"cat": consumers.cat(), "idf": self.idf, "esperd1": consumers.esperd(1, baud)}
        return Experiment(f"paced-{baud}", self.subjects(self._paced_load(baud, seconds), wanted))

    def crowd(self, seconds: float) -> Experiment:
        baud = _FASTEST_BAUD
        wanted = {"conserver64": self.conserver(64), "esperd64": consumers.esperd(64, baud)}
        return Experiment("crowd", self.subjects(self._paced_load(baud, seconds), wanted))

    def rack(self, seconds: float) -> Experiment:
        baud = 921_600
        load = Load(self.logs, int(baud / _BITS_PER_BYTE * seconds), baud, ports=16)
        return Experiment("rack", self.subjects(load, {"esperd4": consumers.esperd(4, baud)}))

    def stall(self, seconds: float) -> Experiment:
        baud = 921_600
        wanted: dict[str, Consumer | None] = {
            "esperd7": consumers.esperd(7, baud),
            "esperd7+stalled": consumers.esperd(7, baud, stalled=1),
        }
        return Experiment("stall", self.subjects(self._paced_load(baud, seconds), wanted))

    def stalled_firehose(self) -> Experiment:
        wanted: dict[str, Consumer | None] = {
            "esperd7": consumers.esperd(7, _FASTEST_BAUD),
            "esperd7+stalled": consumers.esperd(7, _FASTEST_BAUD, stalled=1),
        }
        return Experiment("stalled-firehose", self.subjects(Load(self.logs, _CORPUS_BYTES), wanted))

    def dump_stream(self, baud: int, seconds: float) -> Experiment:
        load = Load(self.dumps, int(baud / _BITS_PER_BYTE * seconds), baud)
        return Experiment(f"dumps-{baud}", self.subjects(load, {"esperd4": consumers.esperd(4, baud)}))

    def moments(self, rest_s: float, idle_s: float) -> list[Experiment]:
        directory = self.directory
        return [
            Experiment("idle", {"esperd": functools.partial(moments.idle, directory, rest_s, idle_s)}),
            Experiment(
                "start",
                {
                    "esperd": functools.partial(moments.daemon_start, directory),
                    "trio": functools.partial(moments.python_start, "import trio"),
                },
            ),
            Experiment(
                "one-shot",
                {
                    "esperctl": functools.partial(moments.one_shot, directory),
                    "python": functools.partial(moments.python_start, "import argparse, msgspec, socket"),
                },
            ),
        ]

    def viewer_keys(self, seconds: float, sizes: tuple[viewers.Size, ...]) -> Experiment:
        """Of the viewer: keys, and none, for so long each, at each size of a terminal."""
        crash, panic = viewers.recorded_crash(with_dump=True), viewers.recorded_crash(with_dump=False)
        size_bytes = int(viewers.BYTES_PER_S * seconds)
        crashes = save_corpus(crash_corpus(size_bytes, crash), self.directory, "crashes")
        panics = save_corpus(crash_corpus(size_bytes, panic), self.directory, "panics")
        uses = {
            "watching": functools.partial(viewers.watching, crashes),
            "commands": functools.partial(viewers.commands, crashes),
            "typing": functools.partial(viewers.typing, panics),
        }
        subjects: dict[str, Callable[[], Metrics]] = {
            f"{name}-{size.columns}x{size.rows}": functools.partial(use, self.directory, size, seconds)
            for size in sizes
            for name, use in uses.items()
        }
        return Experiment("viewer-keys", subjects, rounds=1)

    def viewer_memory(self, lines: int) -> Experiment:
        subjects: dict[str, Callable[[], Metrics]] = {
            name: functools.partial(viewer_moments.memory, use, self.logs, lines, self.directory)
            for name, use in viewer_moments.USES.items()
        }
        return Experiment("viewer-memory", subjects, rounds=1)

    def viewer_moments(self, idle_s: float) -> list[Experiment]:
        directory = self.directory
        return [
            Experiment("viewer-idle", {"attach": functools.partial(viewer_moments.idle, directory, idle_s)}, rounds=1),
            Experiment("viewer-start", {"attach": functools.partial(viewer_moments.start, self.logs, directory)}),
        ]

    def viewer_history(self) -> Experiment:
        subjects: dict[str, Callable[[], Metrics]] = {
            "stopped": functools.partial(viewer_moments.catch_up, self.logs, _LONG_JOURNAL_LINES, self.directory),
            "oldest": functools.partial(viewer_moments.from_the_oldest, self.logs, _LONG_JOURNAL_LINES, self.directory),
        }
        return Experiment("viewer-history", subjects, rounds=3)

    def decodes(self) -> list[Experiment]:
        found = decode_bench(self.directory)
        self.missing += found.missing
        return found.experiments

    def _paced_load(self, baud: int, seconds: float) -> Load:
        return Load(self.logs, int(baud / _BITS_PER_BYTE * seconds), baud)


def quick(directory: Path) -> tuple[Profile, list[str]]:
    """For each change: some minutes."""
    bench = _Bench(directory)
    experiments = [
        bench.firehose((1, 8)),
        bench.paced(921_600, 1.5),
        *bench.moments(2.5, 3.0),
        bench.viewer_keys(20.0, (viewers.Size(160, 50),)),
        bench.viewer_memory(300_000),
        *bench.viewer_moments(5.0),
        *bench.decodes(),
    ]
    return Profile(experiments, 3), bench.missing


def full(directory: Path) -> tuple[Profile, list[str]]:
    """For a night, or a change of the data path: everything."""
    bench = _Bench(directory)
    experiments = [
        bench.firehose((1, 8, 64)),
        *(bench.paced(baud, 4.0) for baud in (115_200, 921_600, _FASTEST_BAUD)),
        bench.crowd(4.0),
        bench.rack(5.0),
        bench.stall(8.0),
        bench.stalled_firehose(),
        *(bench.dump_stream(baud, 4.0) for baud in (921_600, _FASTEST_BAUD)),
        *bench.moments(12.0, 15.0),
        bench.viewer_keys(40.0, (viewers.Size(80, 24), viewers.Size(160, 50))),
        bench.viewer_memory(5_000_000),
        *bench.viewer_moments(15.0),
        bench.viewer_history(),
        *bench.decodes(),
    ]
    return Profile(experiments, 5), bench.missing


PROFILES: Final = {"quick": quick, "full": full}
