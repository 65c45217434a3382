# SPDX-License-Identifier: Apache-2.0
"""What the cluster looked like, once: the children of a job, as last seen.

A photograph: each field was true a moment ago, and the kinds were not taken at the
same moment. Only what the core decides by is here; `sightings` reads it from JSON.
"""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from attrs import frozen

from mpijob.loose import NOTHING, Manifest
from mpijob.names import Child, Ref


class Owner(NamedTuple):
    """The controller of an object, from the owner reference with `controller: true`."""

    kind: str = ""
    name: str = ""
    uid: str = ""


NOBODY = Owner()


class Ended(NamedTuple):
    """A container that ended, and how (`state.terminated` of its status)."""

    container: str
    main: bool = False  # containers[0] of the pod.
    exit_code: int | None = None
    signal: int = 0
    reason: str = ""
    message: str = ""  # The termination message, where the program wrote one.
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Pod(NamedTuple):
    """A pod of the job, or one that is in its way."""

    name: str
    uid: str = ""
    resource_version: str = ""
    owner: Owner = NOBODY
    labels: Mapping[str, str] = NOTHING
    terminating: bool = False
    phase: str = "Pending"
    ready: bool = False
    disrupted: bool = False  # Condition DisruptionTarget is True.
    reason: str = ""
    message: str = ""
    node: str = ""
    created: datetime | None = None
    start_time: datetime | None = None
    ended: tuple[Ended, ...] = ()
    failure: int | None = None  # The number of its failure (B4.9).
    template_hash: str = ""  # Empty: made by somebody who writes none.
    scheduler: str = ""  # The gang scheduler that it was made for, else empty.

    @property
    def live(self) -> bool:
        """Whether it may hold a node: it has not ended, terminating or not."""
        return self.phase not in ("Succeeded", "Failed")


class JobCondition(NamedTuple):
    """A condition of a `batch/v1` Job that is True."""

    reason: str = ""
    message: str = ""
    since: datetime | None = None


_ENDINGS: Final = frozenset(
    ("Complete", "Failed", "SuccessCriteriaMet", "FailureTarget")
)


class LauncherJob(NamedTuple):
    """The `batch/v1` Job that runs the launcher."""

    name: str
    uid: str = ""
    resource_version: str = ""
    owner: Owner = NOBODY
    labels: Mapping[str, str] = NOTHING
    terminating: bool = False
    suspend: bool = False  # spec.suspend: what was asked of it.
    conditions: Mapping[str, JobCondition] = NOTHING  # The True ones.
    succeeded: int = 0
    failed: int = 0
    completion_time: datetime | None = None
    template_hash: str = ""

    @property
    def finished(self) -> bool:
        """Whether the Job controller has written its end."""
        return "Complete" in self.conditions or "Failed" in self.conditions

    @property
    def ending(self) -> bool:
        """Whether its result is written or certain; the two come in steps."""
        return not _ENDINGS.isdisjoint(self.conditions)

    @property
    def stopped(self) -> bool:
        """Whether nothing of it can run any more, ended or not (B6.1)."""
        told = self.suspend and "Suspended" in self.conditions
        return self.terminating or told


class Thing(NamedTuple):
    """A Service, ConfigMap, Secret, PodGroup or Workload."""

    ref: Ref
    uid: str = ""
    resource_version: str = ""
    owner: Owner = NOBODY
    labels: Mapping[str, str] = NOTHING
    terminating: bool = False
    manifest: Manifest = NOTHING  # As seen; nothing of a Secret.
    # The fields of `spec` that our applies own, from managedFields.
    applied: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Its name."""
        return self.ref.name


class Live(enum.Enum):
    """What can be read from the API server for one call, past every cache."""

    PODS = "Pods"  # Every pod of the job, by label.
    LAUNCHER = "launcher Job"


class Refusal(NamedTuple):
    """What the cluster answered when a child was last sent to it."""

    child: Child
    name: str
    reason: str  # As a reason of Blocked (B4.1).
    message: str  # The cluster's words.


class Unreadable(NamedTuple):
    """An object of the job that could not be made sense of (B8.4)."""

    kind: str
    name: str
    message: str


@frozen
class Observed:
    """All that was seen for one job.

    A kind in `unknown` was not listed yet: nothing is known of its objects, and
    nothing is decided. What is in `live` was read from the API server for this very
    call, and not from a cache.
    """

    things: tuple[Thing, ...] = ()  # Groups of any gang scheduler included.
    launcher: LauncherJob | None = None
    pods: tuple[Pod, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    unknown: frozenset[Child] = frozenset()
    live: frozenset[Live] = frozenset()
