# SPDX-License-Identifier: Apache-2.0
"""Which job is looked at next: each at most once at a time, and none forgotten.

A job that is added while it is looked at is looked at once more. Of several delays the
shortest counts, so that a thousand changes within one window are one look.
"""

import asyncio
import heapq
import time
from collections.abc import Callable

from attrs import define, field

from mpijob_operator.controller.store import Key


@define
class Queue:
    """Jobs to be looked at, each with its time."""

    clock: Callable[[], float] = time.monotonic
    _due: dict[Key, float] = field(factory=dict[Key, float])
    # Entries that `_due` does not confirm are passed over.
    _heap: list[tuple[float, Key]] = field(factory=list[tuple[float, Key]])
    _active: set[Key] = field(factory=set[Key])
    _news: asyncio.Event = field(factory=asyncio.Event)
    _closed: bool = False

    def __len__(self) -> int:
        return len(self._due)

    @property
    def next_s(self) -> float | None:
        """Seconds until the next job is due, None where there is none."""
        return min(self._due.values()) - self.clock() if self._due else None

    @property
    def entries(self) -> int:
        """How many entries are kept: no more than a few for each job."""
        return len(self._heap)

    def add(self, key: Key, delay_s: float = 0.0) -> None:
        """Have a job looked at, not later than after this delay."""
        due = self.clock() + delay_s
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            if key not in self._active:
                self._push(due, key)

    def forget(self, key: Key) -> None:
        """Do not look at a job that is gone, unless it is added again."""
        self._due.pop(key, None)

    def close(self) -> None:
        """Give out no more jobs."""
        self._closed = True
        self._news.set()

    async def take(self) -> tuple[Key, float] | None:
        """Wait for the next job; return it, and how long it was due, in seconds.

        Returns:
            None once the queue is closed.
        """
        while not self._closed:
            wait = None
            while self._heap:
                due, key = self._heap[0]
                if key in self._active or self._due.get(key) != due:
                    heapq.heappop(self._heap)
                    continue
                now = self.clock()
                if due <= now:
                    heapq.heappop(self._heap)
                    del self._due[key]
                    self._active.add(key)
                    return key, now - due
                wait = due - now
                break
            await self._changes(wait)
        return None

    async def _changes(self, wait_s: float | None) -> None:
        self._news.clear()
        try:
            await asyncio.wait_for(self._news.wait(), wait_s)
        except TimeoutError:
            return

    def done(self, key: Key) -> None:
        """Say that a job was looked at."""
        self._active.discard(key)
        if (due := self._due.get(key)) is not None:
            self._push(due, key)

    def _push(self, due: float, key: Key) -> None:
        if len(self._heap) > 2 * len(self._due) + 64:
            # Most of it is passed over by now, but what is far off stays below the top.
            self._heap = [(due, key) for key, due in self._due.items()]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, (due, key))
        self._news.set()
