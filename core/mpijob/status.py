# SPDX-License-Identifier: Apache-2.0
"""What we tell the user: `status` of an MPIJob, and the memory that it is (B4.9).

Times are aware datetimes in UTC, whole seconds, as the API keeps them.
"""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from attrs import frozen

from mpijob.loose import NOTHING

# What is remembered between two calls, and where (B4.9). Nothing else is: who loses the
# status loses the verdict and the counts, nothing more.
REMEMBERED: Final[Mapping[str, str]] = {
    "the verdict, startTime, completionTime, times of conditions": "status",
    "that a suspension is under way": "condition Suspended, until nothing is left",
    "failures of workers": "an annotation on the pod, then status, then the pod goes",
    "launcher failures and successes": "the launcher Job; status once it is gone",
    "workers' successes": "status, the largest number seen",
    "what a pod was made from": "an annotation on the pod, a hash",
}


class ConditionType(enum.StrEnum):
    """The types of condition that we write (B4.1)."""

    CREATED = "Created"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    BLOCKED = "Blocked"


class Reason(enum.StrEnum):
    """The reasons that we give; a refusal or a launcher may bring others."""

    CREATED = "MPIJobCreated"
    RUNNING = "MPIJobRunning"
    NOT_RUNNING = "MPIJobNotRunning"
    SUSPENDED = "MPIJobSuspended"
    RESUMED = "MPIJobResumed"
    SUCCEEDED = "MPIJobSucceeded"
    FAILED = "MPIJobFailed"
    EVICTED = "MPIJobEvicted"
    UNBLOCKED = "Unblocked"
    RESOURCE_EXISTS = "ErrResourceExists"
    INVALID_SPEC = "InvalidSpec"
    INVALID = "Invalid"
    FORBIDDEN = "Forbidden"
    QUOTA_EXCEEDED = "QuotaExceeded"
    ADMISSION_DENIED = "AdmissionDenied"
    UNREADABLE_CHILD = "UnreadableChild"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    WORKER_FAILED = "WorkerFailed"
    WORKER_BACKOFF_LIMIT_EXCEEDED = "WorkerBackoffLimitExceeded"


class Condition(NamedTuple):
    """One condition, as upstream's JobCondition has it."""

    type: str
    status: str  # "True", "False" or "Unknown".
    reason: str = ""
    message: str = ""
    last_update_time: datetime | None = None
    last_transition_time: datetime | None = None


class ReplicaStatus(NamedTuple):
    """The counts of one role (B4.5, B4.9)."""

    active: int = 0
    succeeded: int = 0
    failed: int = 0
    selector: str = ""


@frozen
class JobStatus:
    """The whole status. What we do not know is kept in `other`, untouched."""

    conditions: tuple[Condition, ...] = ()
    launcher: ReplicaStatus | None = None
    worker: ReplicaStatus | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    observed_generation: int | None = None
    other: Mapping[str, Any] = NOTHING

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of a type, None where there is none."""
        return next((c for c in self.conditions if c.type == type_), None)

    def is_true(self, type_: str) -> bool:
        """Tell whether the condition of a type is there and True."""
        condition = self.condition(type_)
        return condition is not None and condition.status == "True"

    @property
    def verdict(self) -> ConditionType | None:
        """The end that was written: Succeeded, Failed, or None while there is none."""
        for condition in self.conditions:
            if condition.status == "True" and condition.type in _VERDICTS:
                return ConditionType(condition.type)
        return None

    @property
    def active(self) -> int:
        """The pods that may hold a node, of both roles."""
        return sum(r.active for r in (self.launcher, self.worker) if r is not None)


_VERDICTS = frozenset((ConditionType.SUCCEEDED, ConditionType.FAILED))
