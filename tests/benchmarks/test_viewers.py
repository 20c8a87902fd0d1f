from pathlib import Path

from benchmarks.corpus import crash_corpus
from benchmarks.loads import save_corpus
from benchmarks.viewers import Size, recorded_crash, typing
from esper_protocol.events import CoredumpEnded, Panic
from esperd.core.limits import CoreLimits
from esperd.core.pipeline import Pipeline


def test_the_recorded_crash_is_found_by_the_daemon_with_its_dump_and_without() -> None:
    for with_dump in (True, False):
        corpus = crash_corpus(700_000, recorded_crash(with_dump=with_dump))
        outputs = Pipeline("bench", CoreLimits(), 1).receive_data(corpus.data, 0.0, 1)
        dumps = [output for output in outputs if isinstance(output, CoredumpEnded)]
        assert corpus.dumps >= 1
        assert sum(isinstance(output, Panic) for output in outputs) == corpus.dumps
        assert [dump.checksum for dump in dumps] == ["ok"] * (corpus.dumps if with_dump else 0)


def test_keys_are_typed_to_a_board_that_talks_and_their_times_are_taken(tmp_path: Path) -> None:
    corpus = save_corpus(crash_corpus(900_000, recorded_crash(with_dump=False)), tmp_path, "panics")
    metrics = typing(corpus, tmp_path, Size(80, 24), 3.0)
    assert metrics["keys"] >= 6
    assert 0 < metrics["board_p50_ms"] < metrics["echo_p50_ms"] <= metrics["echo_max_ms"] < 5000
    assert metrics["screen_kb_per_s"] > 0
    assert metrics["core_percent"] > 0
