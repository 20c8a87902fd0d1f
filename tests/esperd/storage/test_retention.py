"""Which core dumps go when there are too many."""

from pathlib import Path

from esper_protocol.records import CoredumpRecord
from esperd.testing.coredumps import opened, record


def ids(records: list[CoredumpRecord]) -> list[str]:
    return [each.id for each in records]


def test_the_oldest_decoded_go_first_and_the_undecoded_last(tmp_path: Path) -> None:
    store = opened(tmp_path, count=2)
    states = {1: "none", 2: "done", 3: "no_elf", 4: "failed", 5: "done", 6: "none"}
    for number, state in states.items():
        store.add(record(number, decode={"state": state}))

    assert ids(store.over_limit("b")) == ["b-2", "b-4", "b-5", "b-1"]
    assert ids(store.over_limit("b", keep=0)) == ["b-2", "b-4", "b-5", "b-1", "b-3", "b-6"]
    assert ids(store.over_limit("b", keep=100)) == ["b-2", "b-4", "b-5", "b-1"]


def test_pinned_and_arriving_dumps_and_the_newest_stay(tmp_path: Path) -> None:
    store = opened(tmp_path, count=1)
    store.add(record(1, pinned=True))
    store.add(record(2, capture="capturing"))
    store.add(record(3))
    store.add(record(4))

    # The fourth has just arrived: it must not go because old ones are pinned.
    assert ids(store.over_limit("b")) == ["b-3"]
    assert ids(store.over_limit("b", keep=0)) == ["b-3", "b-4"]


def test_size_counts_too_and_each_board_for_itself(tmp_path: Path) -> None:
    store = opened(tmp_path, "b", "c", total_bytes=2500)
    for number in (1, 2, 3):
        store.add(record(number))
        store.add(record(number, "c", raw_bytes=100))

    assert ids(store.over_limit("b")) == ["b-1"]
    assert store.over_limit("c") == []
    assert ids(store.records()) == ["b-1", "c-1", "b-2", "c-2", "b-3", "c-3"]
