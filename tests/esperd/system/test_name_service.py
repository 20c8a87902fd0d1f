import os

import trio

from esperd.system.name_service import ask_in_time


async def test_an_answer_that_comes_is_given() -> None:
    assert await ask_in_time(lambda: "alice", "?") == "alice"


async def test_questions_that_hang_cost_each_asker_a_second_however_many_they_are() -> None:
    reading, writing = os.pipe()
    try:
        began = trio.current_time()
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await ask_in_time(lambda: os.read(reading, 1).decode(), "nobody"))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask)
        assert answers == ["nobody"] * 20
        assert 0.9 < trio.current_time() - began < 3
        os.write(writing, b"x" * 20)
        with trio.fail_after(10):
            # Their threads are free again.
            while await ask_in_time(lambda: "alice", "?") != "alice":
                pass
    finally:
        os.write(writing, b"x" * 20)
        os.close(writing)
