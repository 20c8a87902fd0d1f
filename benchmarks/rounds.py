"""Rounds: each subject of an experiment once, in a shuffled order; only what happened in one round is compared."""

import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from benchmarks.loads import Metrics

Round: TypeAlias = Mapping[str, Metrics]
Subjects: TypeAlias = Mapping[str, Callable[[], Metrics]]

_MAX_EXTRA_ROUNDS: Final = 3
_WORST_FLOOR_RATIO: Final = 2.0
_WORST_LATENESS_MS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is compared under one load.

    ``floor`` is the subject that says how quiet the machine is; ``rounds`` is for one that takes long.
    """

    name: str
    subjects: Subjects
    floor: str | None = None
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The rounds that count, and how many did not."""

    experiment: str
    rounds: list[Round]
    void_rounds: int


def run_rounds(experiment: Experiment, count: int, chance: random.Random) -> Outcome:
    """Runs *count* rounds, and up to three more for those that the machine spoiled.

    When still too few are left, the spoiled ones count, too: a busy machine should give a bad result, and not none.
    """
    rounds: list[Round] = []
    for number in range(count + _MAX_EXTRA_ROUNDS):
        names = list(experiment.subjects)
        chance.shuffle(names)
        rounds.append({name: experiment.subjects[name]() for name in names})
        if number + 1 >= count and len(_valid(experiment, rounds)) >= count:
            break
    valid = _valid(experiment, rounds)
    void_rounds = len(rounds) - len(valid)
    return Outcome(experiment.name, (valid if len(valid) >= count else rounds)[:count], void_rounds)


def _valid(experiment: Experiment, rounds: Sequence[Round]) -> list[Round]:
    best = min((_floor(experiment, one) for one in rounds), default=0.0)
    return [
        one
        for one in rounds
        if _floor(experiment, one) <= best * _WORST_FLOOR_RATIO
        and all(metrics.get("late_ms", 0.0) <= _WORST_LATENESS_MS for metrics in one.values())
    ]


def _floor(experiment: Experiment, one: Round) -> float:
    return 0.0 if experiment.floor is None else one[experiment.floor]["cpu_ms_per_mb"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the rounds."""

    median: float
    least: float
    greatest: float


def spread(values: Iterator[float]) -> Spread | None:
    """Of the values of the rounds; None of none."""
    found = sorted(values)
    return Spread(statistics.median(found), found[0], found[-1]) if found else None
