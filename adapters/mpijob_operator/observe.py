# SPDX-License-Identifier: Apache-2.0
"""One job's Observed, from whatever holds its objects as JSON.

Which fields of an object matter is the core's (`mpijob.sightings`); what is added here
is what only the shell knows: the refusals that earlier writes met, the kinds that were
not listed yet, and what was read past every cache.
"""

from collections.abc import Iterable

from attrs import evolve

import mpijob
from mpijob import sightings
from mpijob.loose import Manifest
from mpijob.names import Child

NOT_LIVE: frozenset[mpijob.Live] = frozenset()
ALL_LIVE: frozenset[mpijob.Live] = frozenset(mpijob.Live)
ALL_KNOWN: frozenset[Child] = frozenset()


def observe(
    objects: Iterable[Manifest],
    job: mpijob.MPIJob,
    *,
    refusals: tuple[mpijob.Refusal, ...] = (),
    unknown: frozenset[Child] = ALL_KNOWN,
    live: frozenset[mpijob.Live] = NOT_LIVE,
) -> mpijob.Observed:
    """Return what a store shows of a job, in whatever order it holds its objects."""
    seen = sightings.observed(objects, job)
    return evolve(seen, refusals=refusals, unknown=unknown, live=live)
