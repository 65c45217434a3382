# SPDX-License-Identifier: Apache-2.0
"""What the automaton takes as explained: logs by hand, and recorded ones."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from mpijob.loose import Manifest
from mpijob_operator.simulation.deeds import placed, released
from mpijob_operator.simulation.job_controller import TRACKING, pod_of
from tests.traces import recorded
from tests.traces.inclusion import explained
from tests.traces.memory import JOB, OWNER, Model
from tests.traces.mutants import MUTANTS, Mutant, killers
from tests.traces.outcome import Outcome
from tests.traces.programs import read
from tests.traces.recorder import Written

PROGRAM = read("backoffLimit=1 Never: 0; suspend")
GONE = None


def outcome(*values: tuple[Manifest, Manifest | None]) -> Outcome:
    """Return a log of objects: what each was, and what it became."""
    return Outcome(PROGRAM, tuple(written(values)))


def written(values: tuple[tuple[Manifest, Manifest | None], ...]) -> Iterator[Written]:
    for version, (old, new) in enumerate(values, 1):
        value: dict[str, Any] = {**(new or old)}
        yield Written(version, value["kind"], new is GONE, value)


def suspended_while_its_pod_is_made(*, bound: bool) -> Outcome:
    """Return how a pod goes that was made by who had not seen the suspension."""
    model = Model(PROGRAM)
    owner, job = model.cluster.objects[OWNER], model.cluster.objects[JOB]
    pod = model.cluster.objects[model.cluster.create(pod_of(JOB, job))]
    freed = released(pod, TRACKING)
    placed_on_a_node = placed(freed, "spec.nodeName", "node-1") if bound else freed
    going = placed(
        placed(placed_on_a_node, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z"),
        "metadata.deletionGracePeriodSeconds",
        0,
    )
    suspended = {**job, "spec": {**job["spec"], "suspend": True}}
    model.take("suspend")
    model.rested()
    status = model.cluster.objects[JOB]["status"]
    return outcome(
        (owner, owner),
        (job, job),
        (job, suspended),
        (pod, pod),
        (pod, freed),
        (freed, placed_on_a_node),
        (placed_on_a_node, going),
        (going, GONE),
        (suspended, placed(suspended, "status", status)),
    )


def test_a_pod_without_a_node_goes_at_once() -> None:
    assert not explained(suspended_while_its_pod_is_made(bound=False)).story


def test_a_pod_that_is_bound_while_it_is_deleted_goes_at_once() -> None:
    """The API server had read it without a node, and chosen no grace."""
    assert not explained(suspended_while_its_pod_is_made(bound=True)).story


def test_a_pod_that_was_bound_before_does_not_go_at_once() -> None:
    log = list(suspended_while_its_pod_is_made(bound=True).log)
    ready = placed(log[5].value, "status.phase", "Running")
    log.insert(6, Written(100, "Pod", gone=False, value=dict(ready)))
    story = explained(Outcome(PROGRAM, tuple(log))).story
    assert "the last is not explained" in story


def test_a_pod_that_goes_is_counted_until_it_is_known_to_be_gone() -> None:
    log = list(suspended_while_its_pod_is_made(bound=False).log)
    counted = placed(log[-1].value, "status.terminating", 1)
    log.insert(-1, Written(8, "Job", gone=False, value=dict(counted)))
    assert not explained(Outcome(PROGRAM, tuple(log))).story


def test_a_controller_that_waits_for_its_pod_counts_and_does_nothing_else() -> None:
    log = list(suspended_while_its_pod_is_made(bound=False).log)
    counted = placed(log[2].value, "status.active", 1)
    log.insert(4, Written(8, "Job", gone=False, value=dict(counted)))
    assert not explained(Outcome(PROGRAM, tuple(log))).story


def test_a_job_that_is_resumed_tells_when_it_began_though_it_has_succeeded() -> None:
    """Its pod was made, and ended, before the controller knew of the suspension."""
    model = Model(read("backoffLimit=1 Never suspend=true: resume"))
    owner, job = model.cluster.objects[OWNER], model.cluster.objects[JOB]
    counts = {"active": 0, "ready": 0, "terminating": 0, "succeeded": 1}
    met = {"type": "SuccessCriteriaMet", "status": "True"}
    suspended = {**job, "status": {**counts, "conditions": [met]}}
    resumed = {**suspended, "spec": {**job["spec"], "suspend": False}}
    begun = placed(resumed, "status.startTime", "2026-01-01T00:00:00Z")
    done = placed(begun, "status.completionTime", "2026-01-01T00:00:01Z")
    end = {"type": "Complete", "status": "True"}
    done = placed(done, "status.conditions", [met, end])
    created = (owner, owner), (suspended, suspended)
    whole = outcome(*created, (suspended, resumed), (resumed, begun), (begun, done))
    assert not explained(whole).story


LOGS: Final = tuple(recorded.outcomes())


@pytest.mark.parametrize("log", LOGS, ids=lambda log: str(log.program))
def test_what_real_controllers_wrote_is_what_the_model_allows(log: Outcome) -> None:
    assert not (story := explained(log).story), story


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant.mistake))
def test_a_mistake_in_the_model_is_told_by_what_was_recorded(mutant: Mutant) -> None:
    assert next(iter(killers(mutant, LOGS)), None)
