# SPDX-License-Identifier: Apache-2.0
"""Laws of the queue: whoever is added is looked at, once at a time, and in time.

Two workers take from the shipped queue in a time of its own; jobs are added, with and
without delay, also while they are looked at.
"""

import asyncio

import pytest
from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mpijob_operator.controller.queue import Queue
from mpijob_operator.controller.store import Key
from properties.laws import sometimes
from tests.electing import FreeTime

pytestmark = pytest.mark.rule("B8.3")

KEYS = [Key("hpc", name) for name in ("pi", "e", "phi")]
# More than what a loop takes to go round, less than any delay.
INSTANT_S = 1e-6
which = st.sampled_from(KEYS)
delays = st.sampled_from([0.0, 0.0, 0.1, 1.0, 5.0, 60.0])


@define
class Looks:
    """Who is looked at, and until what."""

    queue: Queue
    under_way: dict[Key, asyncio.Event] = field(factory=dict[Key, asyncio.Event])
    wrong: list[str] = field(factory=list[str])
    due: dict[Key, float] = field(factory=dict[Key, float])

    async def work(self) -> None:
        """Take one job after the other; a look ends when it is told to."""
        while (taken := await self.queue.take()) is not None:
            key, _ = taken
            now, due = self.queue.clock(), self.due.pop(key, float("inf"))
            if key in self.under_way:
                self.wrong.append(f"{key} is looked at twice at a time")
            if due > now:
                self.wrong.append(f"{key} is looked at {due - now} s early")
            self.under_way[key] = ended = asyncio.Event()
            await ended.wait()
            del self.under_way[key]
            self.queue.done(key)


class AnyQueue(RuleBasedStateMachine):
    """Jobs that are added, two workers that look at them, and the time."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = FreeTime()
        self.queue = Queue(self.loop.time)
        self.looks = Looks(self.queue)
        self.workers = [self.loop.create_task(self.looks.work()) for _ in range(2)]
        self.time_passes(INSTANT_S)

    @rule(key=which, delay=delays)
    def somebody_adds(self, key: Key, delay: float) -> None:
        due = self.loop.time() + delay
        self.looks.due[key] = min(due, self.looks.due.get(key, due))
        self.queue.add(key, delay)
        sometimes("it is looked at", when=key in self.looks.under_way)
        self.time_passes(INSTANT_S)

    @rule(key=which)
    def a_job_is_gone(self, key: Key) -> None:
        self.looks.due.pop(key, None)
        self.queue.forget(key)
        self.time_passes(INSTANT_S)

    @precondition(lambda self: self.looks.under_way)
    @rule(number=st.integers(0, 1))
    def a_look_ends(self, number: int) -> None:
        looks = [*self.looks.under_way.values()]
        looks[number % len(looks)].set()
        self.time_passes(INSTANT_S)

    @rule(seconds=delays)
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @invariant()
    def nobody_is_looked_at_twice_at_a_time_or_early(self) -> None:
        """No job is looked at by two workers at a time, nor before it is due."""
        assert not self.looks.wrong

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """P38: a job that is due is taken as soon as a worker is free."""
        free = len(self.workers) - len(self.looks.under_way)
        now = self.loop.time() - INSTANT_S
        late = [
            key
            for key, due in self.looks.due.items()
            if due < now and key not in self.looks.under_way
        ]
        assert not (free and late), f"{late} are due, and {free} workers idle"

    def teardown(self) -> None:
        for worker in self.workers:
            worker.cancel()
        self.loop.run_until_complete(
            asyncio.gather(*self.workers, return_exceptions=True)
        )
        self.loop.close()


TestAnyQueue = AnyQueue.TestCase
