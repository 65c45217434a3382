# SPDX-License-Identifier: Apache-2.0
"""The queue: each job at most once at a time, and none forgotten."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from attrs import define

from mpijob_operator.controller.queue import Queue
from mpijob_operator.controller.store import Key

PI, E = Key("hpc", "pi"), Key("hpc", "e")


@define
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


async def at_once(queue: Queue) -> list[Key]:
    """Take all that is due."""
    taken: list[Key] = []
    while True:
        try:
            found = await asyncio.wait_for(queue.take(), 0.01)
        except TimeoutError:
            return taken
        assert found is not None
        taken.append(found[0])


def test_what_is_added_twice_is_taken_once() -> None:
    async def test() -> None:
        queue = Queue(Clock())
        for key in (PI, E, PI):
            queue.add(key)
        assert await at_once(queue) == [E, PI]
        assert len(queue) == 0

    run(test())


def test_a_job_is_never_looked_at_twice_at_a_time() -> None:
    async def test() -> None:
        queue = Queue(Clock())
        queue.add(PI)
        assert await at_once(queue) == [PI]
        queue.add(PI)
        assert await at_once(queue) == []
        queue.done(PI)
        assert await at_once(queue) == [PI]
        queue.done(PI)
        assert await at_once(queue) == []

    run(test())


def test_the_earliest_of_several_delays_counts() -> None:
    async def test() -> None:
        clock = Clock()
        queue = Queue(clock)
        queue.add(PI, 10)
        queue.add(PI, 2)
        queue.add(PI, 5)
        assert await at_once(queue) == []
        clock.now = 2
        assert await queue.take() == (PI, 0)
        queue.done(PI)
        clock.now = 20
        assert await at_once(queue) == []

    run(test())


def test_it_tells_how_long_a_job_was_due() -> None:
    async def test() -> None:
        clock = Clock()
        queue = Queue(clock)
        queue.add(PI, 1)
        clock.now = 4
        assert await queue.take() == (PI, 3)

    run(test())


def test_a_taker_that_waits_is_woken() -> None:
    async def test() -> None:
        queue = Queue()
        taker = asyncio.create_task(queue.take())
        await asyncio.sleep(0)
        queue.add(PI, 0.01)
        found = await asyncio.wait_for(taker, 1)
        assert found is not None
        assert found[0] == PI

    run(test())


def test_a_job_that_is_gone_is_forgotten() -> None:
    async def test() -> None:
        queue = Queue(Clock())
        queue.add(PI)
        queue.forget(PI)
        assert await at_once(queue) == []

    run(test())


def test_a_closed_queue_gives_out_nothing() -> None:
    async def test() -> None:
        queue = Queue(Clock())
        queue.add(PI)
        taker = asyncio.create_task(Queue().take())
        queue.close()
        assert await queue.take() is None
        taker.cancel()

    run(test())


def test_a_far_delay_is_kept_once_however_often_it_is_set() -> None:
    async def test() -> None:
        queue = Queue(lambda: 0.0)
        for look in range(10_000):
            queue.add(PI, 0.0 if look % 2 else 3_600.0 + look)
            if look % 2:
                assert await queue.take() == (PI, 0.0)
                queue.done(PI)
        assert queue.entries < 100

    run(test())
