# SPDX-License-Identifier: Apache-2.0
"""An operator with its own loop and its own store that embeds the function by import.

The store is the simulated cluster that comes along, with its Job controller and
kubelets; a real host has a client and a cache in its place. What matters is `look`.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve

import mpijob
from mpijob import sightings
from mpijob.names import Ref
from mpijob.wire import text_of_time
from mpijob_operator import executor
from mpijob_operator.keypair import key_pair
from mpijob_operator.requests import filled
from mpijob_operator.simulation.cluster import Cluster
from mpijob_operator.simulation.deeds import Deed
from mpijob_operator.simulation.job_controller import job_controller
from mpijob_operator.simulation.nodes import Habits, nodes

LIVE = frozenset(mpijob.Live)


def look(store: Cluster, ref: Ref) -> Iterator[str]:
    """Look at one MPIJob, do what is left to do, and tell it."""
    job = mpijob.decode(store.objects[ref])
    # This store has no cache before it: whatever is seen is live.
    seen = evolve(sightings.observed(store.objects.values(), job), live=LIVE)
    answer = mpijob.reconcile(job, seen, mpijob.World(store.time))
    going = executor.start(job, mpijob.plan(job, seen, answer))
    while calls := going.ready():
        number, request = calls[0].number, calls[0].request
        sent = filled(
            request, key_pair=key_pair, now=lambda: store.stamp, instance="host"
        )
        going = going.answered(number, store.answer(sent))
        if isinstance(calls[0].action, mpijob.Event):
            yield f"event {request.body['reason']}"
        else:
            yield f"{request.verb.value} {request.ref.kind} {request.ref.name}"


def next_deed(store: Cluster) -> Deed | None:
    """Return what the rest of the cluster would do next."""
    deeds = [*job_controller(store), *nodes(Habits(), store)]
    return min(deeds, key=lambda deed: deed.at, default=None)


def main() -> None:
    """Run one job from its first look to its end."""
    store = Cluster(datetime(2030, 1, 1, tzinfo=UTC))
    manifest = json.loads((Path(__file__).parents[1] / "mpijob.json").read_text())
    ref = store.create(manifest)
    while True:
        for line in look(store, ref):
            print(text_of_time(store.time)[11:19], line)
        deed = next_deed(store)
        if deed is None:
            break
        store.now = max(store.now, deed.at)
        deed.perform(store)
    for condition in store.objects[ref]["status"]["conditions"]:
        print(f"{condition['type']}={condition['status']}: {condition['reason']}")


main()
