import itertools
import os
import random
from pathlib import Path

import pytest

from benchmarks.consumers import python_loop
from benchmarks.corpus import dump_corpus, log_corpus
from benchmarks.goals import Goal, judge, judge_losses
from benchmarks.loads import Load, measure, save_corpus
from benchmarks.processes import cpu_ns, tree, wakeups
from benchmarks.rounds import Experiment, Outcome, run_rounds
from benchmarks.streams import Stream
from esper_protocol.events import CoredumpEnded
from esperd.core.limits import CoreLimits
from esperd.core.pipeline import Pipeline


def test_the_corpus_is_the_same_each_time_and_every_line_ends_in_its_number() -> None:
    corpus = log_corpus(20_000)
    assert corpus == log_corpus(20_000)
    for tag, (start, end) in enumerate(itertools.pairwise([0, *corpus.tag_ends])):
        assert f"#{tag:08d}".encode() in corpus.data[start:end]


def test_the_dumps_in_the_corpus_are_captured_whole() -> None:
    corpus = dump_corpus(300_000)
    outputs = Pipeline("bench", CoreLimits(), 1).receive_data(corpus.data, 0.0, 1)
    ended = [output for output in outputs if isinstance(output, CoredumpEnded)]
    assert corpus.dumps >= 2
    assert [(dump.capture, dump.checksum) for dump in ended] == [("captured", "ok")] * corpus.dumps


@pytest.mark.parametrize("chunk_bytes", [1, 7, 4095])
def test_tags_are_found_however_the_stream_is_cut(chunk_bytes: int) -> None:
    corpus = log_corpus(20_000)
    stream = Stream(is_tagged=True)
    for start in range(0, len(corpus.data), chunk_bytes):
        stream.take(corpus.data[start : start + chunk_bytes], float(start))
    assert sorted(stream.arrivals) == list(range(len(corpus.tag_ends)))


def test_a_reader_that_keeps_up_loses_nothing_and_its_cost_is_counted(tmp_path: Path) -> None:
    corpus = save_corpus(log_corpus(40_000), tmp_path, "logs")
    metrics = measure(python_loop(), Load(corpus, 20_000), tmp_path)
    assert (metrics["lost_bytes"], metrics["refused_bytes"]) == (0, 0)
    assert metrics["cpu_ms_per_mb"] > 0


def test_a_load_at_a_baud_rate_takes_its_time_and_gives_latencies(tmp_path: Path) -> None:
    corpus = save_corpus(log_corpus(40_000), tmp_path, "logs")
    metrics = measure(python_loop(), Load(corpus, 9_216, 921_600), tmp_path)
    assert metrics["seconds"] >= 0.1
    assert 0 < metrics["p50_ms"] <= metrics["p99_ms"]


def test_the_cpu_time_of_this_process_grows_as_it_works() -> None:
    before = cpu_ns(os.getpid())
    assert sum(range(200_000)) > 0
    assert cpu_ns(os.getpid()) > before
    assert tree(os.getpid())[0] == os.getpid()


def test_a_thread_that_ended_meanwhile_does_not_make_wakeups_negative() -> None:
    assert wakeups({"loop": 5, "worker": 40}, {"loop": 7}) == 3


def test_rounds_that_the_machine_spoiled_are_repeated_and_do_not_count() -> None:
    floors = iter([10.0, 1.0, 1.1, 1.2])
    experiment = Experiment("e", {"floor": lambda: {"cpu_ms_per_mb": next(floors)}}, "floor")
    outcome = run_rounds(experiment, 3, random.Random(1))  # noqa: S311 - an order, not a secret
    assert [one["floor"]["cpu_ms_per_mb"] for one in outcome.rounds] == [1.0, 1.1, 1.2]
    assert outcome.void_rounds == 1


@pytest.mark.parametrize(
    ("value", "is_wall", "verdict"),
    [(1.0, False, "ok"), (2.0, False, "missed"), (4.0, False, "GATE"), (4.0, True, "warning")],
)
def test_a_gate_breaks_by_its_median_unless_it_is_of_wall_time(value: float, is_wall: bool, verdict: str) -> None:
    outcome = Outcome("e", [{"a": {"m": value}}, {"a": {"m": value}}, {"a": {"m": 99.0}}], 0)
    row = judge(Goal(2, "what", "e", lambda one: one["a"]["m"], 1.5, 3, is_wall=is_wall), outcome)
    assert (row.verdict, row.breaks_gate) == (verdict, verdict == "GATE")


def test_one_byte_lost_in_one_round_breaks_the_gate() -> None:
    whole = {"esperd1": {"lost_bytes": 0.0, "refused_bytes": 0.0}}
    short = {"esperd1": {"lost_bytes": 1.0, "refused_bytes": 0.0}}
    assert [row.breaks_gate for row in judge_losses([Outcome("e", [whole, short, whole], 0)])] == [True]
    assert [row.breaks_gate for row in judge_losses([Outcome("e", [whole], 0)])] == [False]
