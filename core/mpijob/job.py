# SPDX-License-Identifier: Apache-2.0
"""What the user asked for: an MPIJob, as `kubeflow.org/v2beta1` has it.

Rule 1: the defaults of the API (B1.3) are the defaults of these classes. The two that
depend on the role, the restart policies, are given by whoever makes a `ReplicaSpec`.

Rule 2: a pod template is opaque. It is a mapping that we pass on, share and never
change (B1.4).
"""

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from attrs import frozen

from mpijob.loose import NOTHING, Manifest, mapping, mappings
from mpijob.problems import Problem
from mpijob.status import JobStatus

API_VERSION: Final = "kubeflow.org/v2beta1"
KIND: Final = "MPIJob"


class MPIImplementation(enum.StrEnum):
    """Whose `mpirun` the launcher calls, `spec.mpiImplementation`."""

    OPEN_MPI = "OpenMPI"
    INTEL = "Intel"
    MPICH = "MPICH"


class LauncherCreationPolicy(enum.StrEnum):
    """When the launcher is made, `spec.launcherCreationPolicy`."""

    AT_STARTUP = "AtStartup"
    WAIT_FOR_WORKERS_READY = "WaitForWorkersReady"


class CleanPodPolicy(enum.StrEnum):
    """What goes when the job has ended, `spec.runPolicy.cleanPodPolicy` (B5.5)."""

    NONE = "None"
    RUNNING = "Running"
    ALL = "All"


class RestartPolicy(enum.StrEnum):
    """What follows the end of a container, `restartPolicy` of a replica (B2.6)."""

    NEVER = "Never"
    ON_FAILURE = "OnFailure"
    ALWAYS = "Always"
    EXIT_CODE = "ExitCode"


class Role(enum.StrEnum):
    """The part that a pod plays, spelled as in `spec.mpiReplicaSpecs`."""

    LAUNCHER = "Launcher"
    WORKER = "Worker"


class ReplicaSpec(NamedTuple):
    """The pods of one role: `spec.mpiReplicaSpecs.Launcher` or `.Worker`."""

    template: Manifest
    restart_policy: RestartPolicy
    replicas: int = 1

    @property
    def metadata(self) -> Manifest:
        """The metadata of the template."""
        return mapping(self.template.get("metadata"))

    @property
    def pod_spec(self) -> Manifest:
        """The pod spec of the template."""
        return mapping(self.template.get("spec"))

    @property
    def containers(self) -> Sequence[Manifest]:
        """The containers of the template; validation has seen to there being one."""
        return mappings(self.pod_spec.get("containers")) or (NOTHING,)


class SchedulingPolicy(NamedTuple):
    """What a gang scheduler is told, `spec.runPolicy.schedulingPolicy`."""

    min_available: int | None = None
    queue: str = ""
    min_resources: Manifest | None = None  # Resource name -> quantity.
    priority_class: str = ""
    schedule_timeout_seconds: int | None = None


class RunPolicy(NamedTuple):
    """How the job lives and ends, `spec.runPolicy`."""

    clean_pod_policy: CleanPodPolicy = CleanPodPolicy.NONE
    ttl_seconds_after_finished: int | None = None
    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None
    suspend: bool = False
    managed_by: str | None = None
    scheduling_policy: SchedulingPolicy = SchedulingPolicy()


@frozen
class MPIJob:
    """One MPIJob, with what its status remembers (B4.9)."""

    name: str
    namespace: str = "default"
    launcher: ReplicaSpec | None = None  # None is a problem: the launcher is required.
    worker: ReplicaSpec | None = None  # None: the job has no workers.
    slots_per_worker: int = 1
    run_launcher_as_worker: bool = False
    ssh_auth_mount_path: str = "/root/.ssh"
    launcher_creation_policy: LauncherCreationPolicy = LauncherCreationPolicy.AT_STARTUP
    mpi_implementation: MPIImplementation = MPIImplementation.OPEN_MPI
    run_policy: RunPolicy = RunPolicy()
    uid: str = ""  # Empty: the job is in no cluster yet.
    resource_version: str = ""
    generation: int = 1
    created: datetime | None = None
    terminating: bool = False
    annotations: Mapping[str, str] = NOTHING
    labels: Mapping[str, str] = NOTHING
    status: JobStatus = JobStatus()
    malformed: tuple[
        Problem, ...
    ] = ()  # What could not be read; the default stands in.

    @property
    def workers(self) -> int:
        """The number of workers asked for; never negative."""
        return 0 if self.worker is None else max(self.worker.replicas, 0)

    @property
    def waits_for_workers(self) -> bool:
        """Whether the launcher is made only when every worker is Ready (B5.1)."""
        policy = self.launcher_creation_policy
        return policy is LauncherCreationPolicy.WAIT_FOR_WORKERS_READY

    @property
    def backoff_limit(self) -> int:
        """How many failures the workers may have; 6 as in `batch/v1` (B5.3)."""
        limit = self.run_policy.backoff_limit
        return 6 if limit is None or limit < 0 else limit

    @property
    def replicas(self) -> Mapping[Role, ReplicaSpec]:
        """The specs of the roles that the job has."""
        both = {Role.LAUNCHER: self.launcher, Role.WORKER: self.worker}
        return {role: replica for role, replica in both.items() if replica is not None}
