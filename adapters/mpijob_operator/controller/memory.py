# SPDX-License-Identifier: Apache-2.0
"""What is known of a job beyond what the caches show, from one look to the next.

A function of the present alone is not safe with caches that lag, each kind by itself:
acting on our own past makes a launcher twice. So a job is not looked at until each
cache has come as far as what we wrote; after an answer that says nothing, not until
what was sent can no longer land and every cache was listed anew.

A `Memory` is a value, and no I/O is near it. It dies with the process: whoever starts
lists everything first, and knows as much.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from attrs import evolve, field, frozen

import mpijob
from mpijob import names
from mpijob.names import Ref
from mpijob.sightings import Sighting
from mpijob_operator.executor import End, Execution, Kind, age, remembered

# The first wait after a refusal or an old view, doubled each time up to the longest.
REFUSED_S: Final = 1.0
REFUSED_MAX_S: Final = 300.0
OUTDATED_S: Final = 0.05
OUTDATED_MAX_S: Final = 30.0


@frozen
class Progress:
    """How far the cache of one kind has come."""

    version: str = ""  # The resourceVersion that it has passed.
    listed: float = float("-inf")  # When its last whole list was asked for.


@frozen
class Memory:
    """What one job's next look must know, and wait for."""

    refusals: tuple[mpijob.Refusal, ...] = ()
    # Names that were not free: no cache shows who has them, so each look reads them.
    taken: frozenset[Ref] = frozenset()
    written: Mapping[Kind, str] = field(factory=dict[Kind, str])
    # When the last of it was answered: a list that was asked for later shows it all.
    wrote: float = float("inf")
    # Until when a request of unknown outcome may still land; None: there is none.
    doubt: float | None = None
    fruitless: int = 0  # Looks in a row whose plan was not carried out whole.
    pause: float = 0.0  # Seconds to wait before the next look, unless a change comes.
    rest: float = 0.0  # Until when the API server asked for rest, whatever changes.


NEW: Final = Memory()


def behind(memory: Memory, caches: Mapping[Kind, Progress]) -> Iterator[Kind]:
    """Yield the kinds whose cache shows our own past; a job waits until there is none.

    A kind without a cache is never waited for: nothing is decided by it. Nor is a cache
    that was listed since, whatever its version: a restored etcd counts from before.
    """
    for kind, progress in caches.items():
        older = age(progress.version) < age(memory.written.get(kind, ""))
        outdated = older and progress.listed <= memory.wrote
        doubtful = memory.doubt is not None and progress.listed < memory.doubt
        if outdated or doubtful:
            yield kind


def caught_up(memory: Memory) -> Memory:
    """Return what is left to know once no cache is behind."""
    return evolve(memory, written={}, wrote=NEW.wrote, doubt=None)


def looked_up(
    memory: Memory, found: Mapping[Ref, Sighting | None], job: mpijob.MPIJob
) -> Memory:
    """Return what is known once the names that were not free were read live.

    Forgotten is a name that is free by now (it is not in `found`), and an object of the
    job that bears its label: from now on its cache shows it.
    """
    return evolve(
        memory,
        taken=frozenset(
            ref
            for ref, sighting in found.items()
            if sighting is None or not _is_shown(sighting, job)
        ),
    )


def _is_shown(sighting: Sighting, job: mpijob.MPIJob) -> bool:
    labelled = bool(sighting.labels.get(names.JOB_NAME_LABEL))
    return labelled and sighting.owner.uid == job.uid


def after(memory: Memory, execution: Execution, now: float, timeout_s: float) -> Memory:
    """Return what is known once a plan was carried out, or as far as it was.

    Args:
        memory: What was known at the look.
        execution: What became of its plan.
        now: The time by a clock that never goes back, in seconds.
        timeout_s: How long a request may take effect after it was sent (B8.8).
    """
    end = execution.end
    fruitless = 0 if end in (None, End.DONE) else memory.fruitless + 1
    asked = _asked(execution)
    return Memory(
        refusals=remembered(memory.refusals, execution),
        taken=memory.taken | frozenset(execution.taken),
        written=execution.written,
        wrote=now,
        doubt=now + timeout_s if end is End.UNCERTAIN else None,
        fruitless=fruitless,
        pause=max(_pause(end, fruitless), asked),
        rest=now + asked if asked else 0.0,
    )


def unread(memory: Memory) -> Memory:
    """Return what is known where what had to be read live could not be."""
    fruitless = memory.fruitless + 1
    pause = _doubled(REFUSED_S, fruitless, REFUSED_MAX_S)
    return evolve(memory, fruitless=fruitless, pause=pause)


def broken_off(memory: Memory, now: float, timeout_s: float) -> Memory:
    """Return what is known where a plan was begun, and nobody knows how far it came."""
    return evolve(memory, doubt=now + timeout_s, fruitless=memory.fruitless + 1)


def _pause(end: End | None, fruitless: int) -> float:
    if end is End.LOOK_AGAIN:
        return _doubled(OUTDATED_S, fruitless, OUTDATED_MAX_S)
    # One answer that never came is waited for anyway: `doubt`. Where none ever comes,
    # as where a webhook is down, whole lists each time would be too much of a load.
    if end is End.BACK_OFF or (end is End.UNCERTAIN and fruitless > 1):
        return _doubled(REFUSED_S, fruitless, REFUSED_MAX_S)
    return 0.0


def _doubled(first: float, times: int, longest: float) -> float:
    # Beyond this any first wait is the longest; and no power overflows.
    return min(first * 2.0 ** min(times - 1, 32), longest)


def _asked(execution: Execution) -> float:
    """Return how long the API server asked us to wait (Retry-After), within reason."""
    asked = max((t.answer.retry_after for t in execution.troubles), default=0.0)
    return min(asked, REFUSED_MAX_S)
