# SPDX-License-Identifier: Apache-2.0
"""The operator in the simulated cluster: the shipped core, the shipped executor.

Deciding, sending and remembering are apart, so that whoever drives the cluster can stop
between any two requests, or let the world move between a look and a deed.
"""

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from attrs import frozen

import mpijob
from mpijob.names import Ref
from mpijob.world import Settings
from mpijob_operator.executor import Answer, Call, Execution, start
from mpijob_operator.observe import ALL_LIVE, observe
from mpijob_operator.requests import filled
from mpijob_operator.simulation.cluster import Cluster

INSTANCE: Final = "simulation"

# No key: nothing in here is ever logged in to. A Secret holds base64.
_KEY: Final = base64.b64encode(b"simulated").decode()


@frozen
class Surroundings:
    """What a simulation takes for given."""

    settings: Settings = Settings()
    priority_classes: tuple[mpijob.PriorityClass, ...] = ()

    def world(self, now: datetime) -> mpijob.World:
        """Return what the core is told of the world."""
        return mpijob.World(now, self.settings, self.priority_classes)


@frozen
class Decision:
    """One look: what was decided, and the plan that carries it out."""

    job: mpijob.MPIJob
    answer: mpijob.Reconciliation
    execution: Execution


def decide(
    cluster: Cluster,
    ref: Ref,
    surroundings: Surroundings,
    refusals: tuple[mpijob.Refusal, ...] = (),
) -> Decision:
    """Look at a job, and at what must be read live where that is asked for."""
    job = mpijob.decode(cluster.objects[ref])
    world = surroundings.world(cluster.time)
    seen = observe(cluster.objects.values(), job, refusals=refusals)
    answer = mpijob.reconcile(job, seen, world)
    if answer.needs:
        objects = cluster.objects.values()
        seen = observe(objects, job, refusals=refusals, live=ALL_LIVE)
        answer = mpijob.reconcile(job, seen, world)
    return Decision(job, answer, start(job, mpijob.plan(job, seen, answer)))


def send(cluster: Cluster, call: Call) -> Answer:
    """Send one request of a plan."""
    request = filled(
        call.request,
        key_pair=lambda: (_KEY, _KEY),
        now=lambda: cluster.stamp,
        instance=INSTANCE,
    )
    return cluster.answer(request)


def carry_out(
    cluster: Cluster, execution: Execution
) -> Iterator[tuple[Call, Answer, Execution]]:
    """Send what is ready, one by one; yield how far it came after each answer."""
    while calls := execution.ready():
        for call in calls:
            answer = send(cluster, call)
            execution = execution.answered(call.number, answer)
            yield call, answer, execution
            if execution.stopped:
                return
