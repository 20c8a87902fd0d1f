"""The goals: what is compared with what in one round, the target, and the gate that a change must not break."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.rounds import Outcome, Round, Spread, spread

# Measured once for machines without a compiler: what the loop in Python costs, in loops in C.
_PYTHON_FLOOR_RATIO: Final = 1.2
_RACK_PORTS: Final = 16
# The daemon reads a busy port every 20 ms when all of a rack's ports are busy.
_RACK_WINDOW_MS: Final = 20.0
# Resident memory: a base, for each port, and the limit of each port's part of the journal in memory (4 MiB).
_RSS_BASE_MB: Final = 40.0
_RSS_PORT_MB: Final = 1.0
_TAIL_MB: Final = 4.0
_DECODE_MB: Final = 40.0
# A backtrace of so many addresses must not be felt.
_WARM_MS: Final = 5.0
# A sum of wake-ups that differs from none only by what the measurement itself disturbs.
_NO_WAKEUPS_PER_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Goal:
    """One row.

    ``value`` gives a round's number, None where its subjects are missing. The gate is None where the target is only
    watched. ``is_wall`` marks numbers of wall time: they warn, since a busy machine has them at its mercy.
    """

    number: int
    what: str
    experiment: str
    value: Callable[[Round], float | None]
    target: float
    gate: float | None
    is_wall: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A goal and what came of it; ``spread`` is None when it was not measured."""

    goal: Goal
    spread: Spread | None
    verdict: str

    @property
    def breaks_gate(self) -> bool:
        """Whether a change that does this must not go in."""
        return self.verdict == "GATE"


def _ratio(metric: str, subject: str, base: str) -> Callable[[Round], float | None]:
    def value(one: Round) -> float | None:
        if metric not in one.get(subject, {}) or not one.get(base, {}).get(metric):
            return None
        return one[subject][metric] / one[base][metric]

    return value


def metric(name: str, subject: str, scale: float = 1.0, offset: float = 0.0) -> Callable[[Round], float | None]:
    """One number of a subject."""
    return lambda one: one[subject][name] * scale + offset if name in one.get(subject, {}) else None


def _asked_again(one: Round) -> float | None:
    """Of wall time: the processor's clock is too coarse for so little."""
    if "addr2line" not in one:
        return None
    return one["running"]["again_wall_ms"] / one["addr2line"]["wall_ms"]


def _against_c(one: Round) -> float | None:
    if "c" in one:
        return one["esperd1"]["cpu_ms_per_mb"] / one["c"]["cpu_ms_per_mb"]
    return one["esperd1"]["cpu_ms_per_mb"] / one["python"]["cpu_ms_per_mb"] * _PYTHON_FLOOR_RATIO


def _per_extra_client(count: int) -> Callable[[Round], float | None]:
    def value(one: Round) -> float | None:
        many = one.get(f"esperd{count}")
        return None if many is None else (many["cpu_ms_per_mb"] - one["esperd1"]["cpu_ms_per_mb"]) / (count - 1)

    return value


def _append_ratio(one: Round) -> float | None:
    journal = one["journal"]
    return journal["append_ms_per_mb"] / journal["raw_write_ms_per_mb"]


def _decoded_ratio(one: Round) -> float | None:
    return one["journal"]["decoded_replay_ms_per_mb"] / one["esperd1"]["cpu_ms_per_mb"]


def _goals_of_rate(baud: int) -> list[Goal]:
    paced, rate = f"paced-{baud}", f"{baud} baud, 1 viewer"
    return [
        Goal(6, f"{rate}: CPU vs esp-idf-monitor", paced, _ratio("core_percent", "esperd1", "idf"), 0.25, 0.4),
        Goal(7, f"{rate}: p50 vs cat", paced, _ratio("p50_ms", "esperd1", "cat"), 6, None, is_wall=True),
        Goal(7, f"{rate}: p99 vs esp-idf-monitor", paced, _ratio("p99_ms", "esperd1", "idf"), 0.6, 1.0, is_wall=True),
    ]


def _goals_of_machine(machine: str) -> list[Goal]:
    experiment, what = f"symbolize-{machine}", f"20 addresses, {machine}"
    return [
        Goal(
            15, f"{what}: new program vs addr2line, CPU", experiment, _ratio("cpu_ms", "running", "addr2line"), 1.2, 2
        ),
        Goal(15, "same, wall time", experiment, _ratio("wall_ms", "running", "addr2line"), 1.2, 2, is_wall=True),
        Goal(15, f"{what}: the same again vs addr2line", experiment, _asked_again, 0.05, None, is_wall=True),
        Goal(
            15,
            f"{what}: others nearby, ms",
            experiment,
            metric("near_wall_ms", "running"),
            _WARM_MS,
            None,
            is_wall=True,
        ),
    ]


GOALS: Final[Sequence[Goal]] = (
    Goal(2, "firehose, 1 viewer: CPU vs C loop", "firehose", _against_c, 12, 18),
    Goal(3, "same vs esp-idf-monitor", "firehose", _ratio("cpu_ms_per_mb", "esperd1", "idf"), 0.2, 0.33),
    Goal(4, "64 viewers: CPU vs conserver", "firehose", _ratio("cpu_ms_per_mb", "esperd64", "conserver64"), 0.8, 1.2),
    Goal(4, "8 viewers: CPU vs conserver", "firehose", _ratio("cpu_ms_per_mb", "esperd8", "conserver8"), 3, None),
    Goal(5, "CPU for each of 7 extra viewers, ms/MB", "firehose", _per_extra_client(8), 0.5, None),
    Goal(5, "CPU for each of 63 extra viewers, ms/MB", "firehose", _per_extra_client(64), 0.5, None),
    Goal(5, "CPU of 64 viewers vs 1", "firehose", _ratio("cpu_ms_per_mb", "esperd64", "esperd1"), 2.5, 2.5),
    *_goals_of_rate(115_200),
    *_goals_of_rate(921_600),
    *_goals_of_rate(3_000_000),
    Goal(
        8,
        "16 ports x 921600: p99 beyond the 20 ms window, ms",
        "rack",
        metric("p99_ms", "esperd4", offset=-_RACK_WINDOW_MS),
        1,
        5,
        is_wall=True,
    ),
    Goal(
        9,
        "3 Mbaud, 64 viewers: p99 vs conserver",
        "crowd",
        _ratio("p99_ms", "esperd64", "conserver64"),
        0.5,
        1,
        is_wall=True,
    ),
    Goal(
        10,
        "a viewer that never reads: CPU vs none",
        "stall",
        _ratio("core_percent", "esperd7+stalled", "esperd7"),
        1.2,
        1.5,
    ),
    Goal(
        10,
        "a viewer that never reads: others' p50 vs none",
        "stall",
        _ratio("p50_ms", "esperd7+stalled", "esperd7"),
        1.2,
        1.5,
        is_wall=True,
    ),
    Goal(
        10,
        "same at the firehose: CPU",
        "stalled-firehose",
        _ratio("cpu_ms_per_mb", "esperd7+stalled", "esperd7"),
        1.2,
        1.5,
    ),
    Goal(11, "idle: wake-ups per second", "idle", metric("wakeups_per_s", "esperd"), _NO_WAKEUPS_PER_S, 1),
    Goal(11, "idle: CPU, ms per second", "idle", metric("cpu_ms_per_s", "esperd"), 0.05, 0.35),
    Goal(
        12, "memory, 1 port, MB", "firehose", metric("peak_mb", "esperd1"), _RSS_BASE_MB + _RSS_PORT_MB + _TAIL_MB, 60
    ),
    Goal(
        12,
        "memory, 16 ports, MB",
        "rack",
        metric("peak_mb", "esperd4"),
        _RSS_BASE_MB + _RACK_PORTS * (_RSS_PORT_MB + _TAIL_MB),
        None,
    ),
    Goal(13, "start until accepting vs `import trio`, CPU", "start", _ratio("cpu_ms", "esperd", "trio"), 1.5, 2),
    Goal(13, "same, wall time", "start", _ratio("wall_ms", "esperd", "trio"), 1.5, 2, is_wall=True),
    Goal(14, "`esperctl boards` vs bare imports, CPU", "one-shot", _ratio("cpu_ms", "esperctl", "python"), 1.5, 2),
    Goal(14, "same, wall time", "one-shot", _ratio("wall_ms", "esperctl", "python"), 1.5, 2, is_wall=True),
    *_goals_of_machine("riscv"),
    *_goals_of_machine("xtensa"),
    Goal(16, "journal: append vs os.write", "firehose", _append_ratio, 2.5, 4),
    Goal(16, "journal: decoded replay vs firehose", "firehose", _decoded_ratio, 1, 4),
    Goal(17, "16 ports x 921600, 4 viewers: % of a core", "rack", metric("core_percent", "esperd4"), 30, 60),
    Goal(18, "core dump, cold: CPU vs esp-coredump", "decode", _ratio("cpu_ms", "native", "esp-coredump"), 0.6, 0.8),
    Goal(18, "same, wall time", "decode", _ratio("wall_ms", "native", "esp-coredump"), 0.6, 0.8, is_wall=True),
    Goal(19, "core dump, the largest: memory, MB", "decode", metric("peak_mb", "native-all"), _DECODE_MB, _DECODE_MB),
)


def judge(goal: Goal, outcome: Outcome) -> Row:
    """Compares the median of the rounds with the target and the gate."""
    measured = spread(value for one in outcome.rounds if (value := goal.value(one)) is not None)
    if measured is None:
        return Row(goal, None, "not measured")
    if measured.median <= goal.target:
        return Row(goal, measured, "ok")
    if goal.gate is None or measured.median <= goal.gate:
        return Row(goal, measured, "missed")
    return Row(goal, measured, "warning" if goal.is_wall else "GATE")


def judge_losses(outcomes: Sequence[Outcome]) -> list[Row]:
    """Goal 1, for each experiment that has a load: bytes that a viewer, the journal or a dump lacks, or the port."""
    rows: list[Row] = []
    for outcome in outcomes:
        losses = [lost for one in outcome.rounds if (lost := _lost(one)) is not None]
        if losses:
            goal = Goal(1, f"bytes lost: {outcome.experiment}", outcome.experiment, _lost, 0, 0)
            # Not the median: one loss is too many.
            verdict = "ok" if max(losses) == 0 else "GATE"
            rows.append(Row(goal, spread(iter(losses)), verdict))
    return rows


def _lost(one: Round) -> float | None:
    losses = [
        _lost_of(metrics) for name, metrics in one.items() if name.startswith("esperd") and "lost_bytes" in metrics
    ]
    return sum(losses) if losses else None


def _lost_of(metrics: Mapping[str, float]) -> float:
    return metrics["lost_bytes"] + metrics["refused_bytes"] + metrics.get("lost_dumps", 0.0)
