# SPDX-License-Identifier: Apache-2.0
"""What we say once, when something changes: Kubernetes Events, as values (B4.7).

Unlike mpi-operator: one a transition, and only after the status that tells of it was
written. A crash in between loses the event, and never the status.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from mpijob.actions import Event
from mpijob.case import Case
from mpijob.edits import outdated
from mpijob.failures import is_disruption
from mpijob.job import Role
from mpijob.messages import bounded, listed
from mpijob.observed import Pod
from mpijob.report import ACTIVE
from mpijob.stage import Stage
from mpijob.status import Condition, ConditionType, JobStatus, Reason

NORMAL = "Normal"
WARNING = "Warning"


def transitions(case: Case, stage: Stage, new: JobStatus) -> tuple[Event, ...]:
    """Return the events that go with writing a new status."""
    old = case.job.status
    found = [
        event
        for condition in new.conditions
        if condition != old.condition(condition.type)
        for event in _of_condition(case, old.condition(condition.type), condition)
    ]
    found.extend(_of_edit(case, stage, new))
    return tuple(found)


def evictions(pods: Iterable[Pod]) -> tuple[Event, ...]:
    """Return the event that goes with the deletion of workers that were taken away."""
    evicted = [pod for pod in pods if is_disruption(pod)]
    if not evicted:
        return ()
    message = f"replaced after eviction: {listed(pod.name for pod in evicted)}"
    return (Event(WARNING, Reason.EVICTED, bounded(message)),)


def _of_condition(case: Case, old: Condition | None, new: Condition) -> Iterator[Event]:
    was, is_ = old.status if old else "", new.status
    changed = was != is_ or (
        new.type == ConditionType.BLOCKED
        and old is not None
        and old.reason != new.reason
    )
    if not changed or (new.type, is_) not in _TOLD:
        return
    if (new.type, is_) == (ConditionType.SUSPENDED, "False") and was != "True":
        return
    yield Event(_TOLD[new.type, is_], _reason(new), new.message)
    if new.type == ConditionType.CREATED:
        yield from _of_creation(case)


_TOLD: Final[Mapping[tuple[str, str], str]] = {
    (ConditionType.CREATED, "True"): NORMAL,
    (ConditionType.RUNNING, "True"): NORMAL,
    (ConditionType.SUSPENDED, "True"): NORMAL,
    (ConditionType.SUSPENDED, "False"): NORMAL,
    (ConditionType.SUCCEEDED, "True"): NORMAL,
    (ConditionType.FAILED, "True"): WARNING,
    (ConditionType.BLOCKED, "True"): WARNING,
}


def _reason(condition: Condition) -> str:
    """Return the reason of the event: upstream's word where it has one."""
    invalid = condition.reason == Reason.INVALID_SPEC
    return "ValidationError" if invalid else condition.reason


def _of_creation(case: Case) -> Iterator[Event]:
    for role in Role:
        replica = case.job.replica(role)
        if replica and replica.pod_spec.get("restartPolicy"):
            message = (
                f"the restartPolicy in the {role} template is overridden by the"
                " restartPolicy of the replica spec"
            )
            yield Event(WARNING, "SetPodTemplateRestartPolicy", message)


def _of_edit(case: Case, stage: Stage, new: JobStatus) -> Iterator[Event]:
    """Tell once a generation that pods keep what they were made from (B5.9)."""
    old = case.job.status
    before, after = old.observed_generation, new.observed_generation
    toggled = old.is_true(ConditionType.SUSPENDED) != new.is_true(
        ConditionType.SUSPENDED
    )
    if (
        stage not in ACTIVE
        or before is None
        or after is None
        or after <= before
        or toggled
    ):
        return
    if roles := outdated(case):
        message = (
            f"the change of {' and '.join(roles)} is for pods made from now on;"
            " suspend and resume the job for all"
        )
        yield Event(WARNING, "SpecChanged", message)
