# SPDX-License-Identifier: Apache-2.0
"""How a condition changes, and when its times do (B4.4).

Rule: lastTransitionTime moves exactly when the status does, lastUpdateTime when
anything does, and neither ever runs backwards. A condition keeps its place.
"""

from datetime import datetime

from attrs import evolve

from mpijob.messages import bounded
from mpijob.status import Condition, JobStatus


def true(type_: str, reason: str, message: str) -> Condition:
    """Return what a condition shall say: True, and why. Its times come later."""
    return Condition(type_, "True", reason, bounded(message))


def false(type_: str, reason: str, message: str) -> Condition:
    """Return what a condition shall say: False, and why. Its times come later."""
    return Condition(type_, "False", reason, bounded(message))


def with_condition(status: JobStatus, said: Condition, now: datetime) -> JobStatus:
    """Return the status that says so, the very same where it does already."""
    old = status.condition(said.type)
    if old is None:
        new = said._replace(last_update_time=now, last_transition_time=now)
        return evolve(status, conditions=(*status.conditions, new))
    if _words(old) == _words(said):
        return status
    moved = old.last_transition_time
    if old.status != said.status:
        moved = _not_before(moved, now)
    updated = _not_before(old.last_update_time, now)
    new = said._replace(last_update_time=updated, last_transition_time=moved)
    conditions = tuple(new if c is old else c for c in status.conditions)
    return evolve(status, conditions=conditions)


def _words(condition: Condition) -> tuple[str, str, str]:
    return condition.status, condition.reason, condition.message


def _not_before(old: datetime | None, now: datetime) -> datetime:
    return now if old is None else max(old, now)
