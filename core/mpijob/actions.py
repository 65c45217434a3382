# SPDX-License-Identifier: Apache-2.0
"""What there is to do, as data: each action with all that carrying it out needs.

An action says what makes it harmless when our view was old (B8.2): `GUARDS` is the
table. Nothing here acts.
"""

import enum
from typing import NamedTuple

from mpijob.job import API_VERSION, KIND, MPIJob
from mpijob.loose import Manifest
from mpijob.names import Child, Ref
from mpijob.status import JobStatus


class Keep(NamedTuple):
    """A child that exists, is to stay, and is not described again.

    Pods and a started Job cannot be changed, and Kueue writes to pods after us (B6.2).
    """

    child: Child
    name: str

    @property
    def manifest(self) -> None:
        """Nothing is said of it."""
        return


class Create(NamedTuple):
    """A child to be made once; refused where its name exists."""

    child: Child
    manifest: Manifest

    @property
    def name(self) -> str:
        """The name of the child."""
        return str(self.manifest["metadata"]["name"])


class Apply(NamedTuple):
    """A child of exactly these fields, by server-side apply whenever they differ."""

    child: Child
    manifest: Manifest
    uid: str  # Empty: only where the name is free.

    @property
    def name(self) -> str:
        """The name of the child."""
        return str(self.manifest["metadata"]["name"])


Desired = Keep | Create | Apply


class Manager(enum.StrEnum):
    """The field managers of applies; one a purpose.

    An apply under a manager removes what the manager applied before and does not
    mention now, so no two purposes share one.
    """

    CHILDREN = "mpi-operator"
    LABELS = "mpi-operator-labels"
    FAILURE = "mpi-operator-failure"
    SUSPEND = "mpi-operator-suspend"


class Touch(NamedTuple):
    """One field of an object put as it should be, by an apply of it alone."""

    manager: Manager
    ref: Ref
    uid: str
    resource_version: str  # Empty: the uid alone guards it.
    fields: Manifest  # Without apiVersion, kind and name.


class Delete(NamedTuple):
    """This very object is to go."""

    ref: Ref
    uid: str
    resource_version: str  # Empty: the uid alone guards it.
    propagation: str
    why: str


class WriteStatus(NamedTuple):
    """Replace the status of the MPIJob as it was when we decided."""

    ref: Ref
    uid: str
    resource_version: str
    status: JobStatus


class Confirm(NamedTuple):
    """Read the MPIJob live: go on only if it is what we decided on (B8.2)."""

    ref: Ref
    uid: str
    generation: int


class Event(NamedTuple):
    """Record an Event about the MPIJob; what comes of it stops nothing."""

    type: str  # Normal or Warning.
    reason: str
    message: str


Action = Create | Apply | Touch | Delete | WriteStatus | Confirm | Event

# fmt: off
GUARDS: dict[type[Action], str] = {
    Create:      "the name must be free; a guarded status write or Confirm came before",
    Apply:       "uid, or the name must be free and the same came before",
    Touch:       "uid; resourceVersion too for a failure number and for suspend",
    Delete:      "uid; resourceVersion too for the MPIJob and the launcher Job",
    WriteStatus: "resourceVersion of the MPIJob",
    Confirm:     "reads only",
    Event:       "none: a lost or late event harms nothing",
}
# fmt: on


def job_ref(job: MPIJob) -> Ref:
    """Return where the MPIJob itself is."""
    return Ref(API_VERSION, KIND, job.namespace, job.name)
