# SPDX-License-Identifier: Apache-2.0
"""What we say once, when something changes: Kubernetes Events, as values (B4.7).

Unlike mpi-operator: one a transition, and only after the status that tells of it was
written. A crash in between loses the event, and never the status.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from mpijob.actions import Event
from mpijob.case import Case
from mpijob.edits import outdated
from mpijob.failures import is_disruption
from mpijob.messages import bounded, listed
from mpijob.observed import Pod
from mpijob.report import ACTIVE
from mpijob.stage import Stage
from mpijob.status import Condition, ConditionType, JobStatus, Reason

NORMAL = "Normal"
WARNING = "Warning"


def transitions(case: Case, stage: Stage, new: JobStatus) -> tuple[Event, ...]:
    """Return the events that go with writing a new status."""
    old, found = case.job.status, list[Event]()
    for condition in new.conditions:
        was = old.condition(condition.type) or Condition(condition.type, "")
        if _is_news(was, condition):
            type_ = WARNING if condition.type in _BAD else NORMAL
            found.append(Event(type_, _reason(condition), condition.message))
            if condition.type == ConditionType.CREATED:
                found.extend(_of_creation(case))
    found.extend(_of_edit(case, stage, new))
    return tuple(found)


def evictions(pods: Iterable[Pod]) -> tuple[Event, ...]:
    """Return the event that goes with the deletion of workers that were taken away."""
    evicted = [pod for pod in pods if is_disruption(pod)]
    if not evicted:
        return ()
    message = f"replaced after eviction: {listed(pod.name for pod in evicted)}"
    return (Event(WARNING, Reason.EVICTED, bounded(message)),)


_BAD: Final = frozenset((ConditionType.FAILED, ConditionType.BLOCKED))


def _is_news(was: Condition, new: Condition) -> bool:
    """Tell whether a condition became True, blocks for another reason, or a resume."""
    if new.status == "True":
        blocks_anew = new.type == ConditionType.BLOCKED and was.reason != new.reason
        return was.status != "True" or blocks_anew
    resume = (ConditionType.SUSPENDED, "True", "False")
    return (new.type, was.status, new.status) == resume


def _reason(condition: Condition) -> str:
    """Return the reason of the event: upstream's word where it has one."""
    invalid = condition.reason == Reason.INVALID_SPEC
    return "ValidationError" if invalid else condition.reason


def _of_creation(case: Case) -> Iterator[Event]:
    for role, replica in case.job.replicas.items():
        if replica.pod_spec.get("restartPolicy"):
            message = (
                f"the restartPolicy in the {role} template is overridden by the"
                " restartPolicy of the replica spec"
            )
            yield Event(WARNING, "SetPodTemplateRestartPolicy", message)


def _of_edit(case: Case, stage: Stage, new: JobStatus) -> Iterator[Event]:
    """Tell once a generation that pods keep what they were made from (B5.9)."""
    old = case.job.status
    before, after = old.observed_generation, new.observed_generation
    edited = before is not None and after is not None and after > before
    type_ = ConditionType.SUSPENDED
    toggled = old.is_true(type_) != new.is_true(type_)
    if edited and not toggled and stage in ACTIVE and (roles := outdated(case)):
        message = (
            f"the change of {' and '.join(roles)} is for pods made from now on;"
            " suspend and resume the job for all"
        )
        yield Event(WARNING, "SpecChanged", message)
