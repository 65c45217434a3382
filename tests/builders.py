# SPDX-License-Identifier: Apache-2.0
"""Jobs and sightings for the tests of the core: each shows only what it is about.

The job is `pi` in namespace `hpc`, its uid is `job`, and it is noon. Its launcher Job
has the uid `launcher`; its workers are `pi-worker-<index>`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from attrs import evolve

from mpijob import decode, names, plan, reconcile
from mpijob.case import Case, case_of
from mpijob.job import MPIJob
from mpijob.loose import NOTHING, Manifest
from mpijob.names import Ref
from mpijob.observed import (
    Ended,
    JobCondition,
    LauncherJob,
    Live,
    Observed,
    Owner,
    Pod,
    Refusal,
    Thing,
    Unreadable,
)
from mpijob.plan import Plan
from mpijob.reconcile import Reconciliation
from mpijob.status import Condition, JobStatus
from mpijob.world import Settings, World

NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
WORLD: Final = World(NOON)
SUSPEND: Final = {"suspend": True}
LIVE: Final = frozenset(Live)
OURS: Final = Owner("MPIJob", "pi", "job")
THEIRS: Final = Owner("ReplicaSet", "web", "somebody")


def cases(names: str, table: Mapping[str, Any]) -> pytest.MarkDecorator:
    """Parametrize a test by a table: what each case is called, and its values."""
    return pytest.mark.parametrize(names, table.values(), ids=table)


def at(seconds: float) -> datetime:
    """Return noon and so many seconds."""
    return NOON + timedelta(seconds=seconds)


def world(**settings: Any) -> World:  # noqa: ANN401 - the fields of Settings.
    """Return noon under these settings."""
    return World(NOON, Settings(**settings))


# --- What is asked ------------------------------------------------------------


def a_template(main: Manifest = NOTHING, **spec: object) -> dict[str, Any]:
    """Return a pod template of one container."""
    return {"spec": {"containers": [{"name": "mpi", "image": "pi", **main}], **spec}}


def a_manifest(  # noqa: PLR0913 - the parts of an MPIJob.
    name: str = "pi",
    workers: int | None = 1,
    *,
    launcher: Manifest = NOTHING,
    worker: Manifest = NOTHING,
    policy: Manifest = NOTHING,
    metadata: Manifest = NOTHING,
    **spec: object,
) -> dict[str, Any]:
    """Return an MPIJob as JSON; fields of the spec by their own names."""
    roles = {"Launcher": {"template": a_template(), **launcher}}
    if workers is not None:
        roles["Worker"] = {"replicas": workers, "template": a_template(), **worker}
    given = {"name": name, "namespace": "hpc", "uid": "job", "resourceVersion": "7"}
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {**given, "generation": 1, **metadata},
        "spec": {"mpiReplicaSpecs": roles, "runPolicy": policy, **spec},
    }


def a_job(
    name: str = "pi",
    workers: int | None = 1,
    *,
    status: JobStatus = JobStatus(),
    **parts: Any,  # noqa: ANN401 - those of a_manifest.
) -> MPIJob:
    """Return an MPIJob as the core reads it."""
    return evolve(decode(a_manifest(name, workers, **parts)), status=status)


# --- What is remembered -------------------------------------------------------


def a_condition(
    type_: str,
    status: str = "True",
    reason: str = "",
    message: str = "",
    since: float = -60,
) -> Condition:
    """Return a condition, by default a minute old."""
    return Condition(type_, status, reason, message, at(since), at(since))


def a_status(*said: Condition | str, **fields: Any) -> JobStatus:  # noqa: ANN401 - JobStatus'.
    """Return a status of these conditions; True where only the type is given."""
    conditions = tuple(c if isinstance(c, Condition) else a_condition(c) for c in said)
    return JobStatus(conditions, **fields)


STARTED: Final = a_status("Created", start_time=at(-60))
RUNNING: Final = a_status("Created", "Running", start_time=at(-60))
STOPPED: Final = a_status("Created", "Suspended")
STOPPING: Final = a_status("Created", "Suspended", start_time=at(-60))


# --- What is seen -------------------------------------------------------------


def a_worker(index: int = 0, phase: str = "Running", **fields: Any) -> Pod:  # noqa: ANN401 - Pod's.
    """Return a worker pod of the job."""
    pod = Pod(
        f"pi-worker-{index}",
        uid=f"pod-{index}",
        resource_version=f"{index + 100}",
        owner=OURS,
        labels={
            "training.kubeflow.org/operator-name": "mpi-operator",
            "training.kubeflow.org/job-name": "pi",
        },
        phase=phase,
        ready=phase == "Running",
    )
    return pod._replace(**fields)


def failed(index: int = 0, exit_code: int = 1, **fields: Any) -> Pod:  # noqa: ANN401 - Pod's.
    """Return a worker whose container ended with an exit code a good while ago."""
    ended = Ended("mpi", main=True, exit_code=exit_code, finished_at=at(-30))
    return a_worker(index, "Failed", **{"ended": (ended,), **fields})


def a_launcher(*conditions: str, **fields: Any) -> LauncherJob:  # noqa: ANN401 - LauncherJob's.
    """Return the launcher Job of the job; its conditions are a minute old."""
    job = LauncherJob(
        "pi-launcher",
        uid="launcher",
        resource_version="5",
        owner=OURS,
        labels=names.child_labels(a_job()),
        suspend="Suspended" in conditions,
        conditions={type_: JobCondition(since=at(-60)) for type_ in conditions},
    )
    return job._replace(**fields)


def a_launcher_pod(phase: str = "Running", **fields: Any) -> Pod:  # noqa: ANN401 - Pod's.
    """Return a pod of the launcher Job."""
    owner = Owner("Job", "pi-launcher", "launcher")
    pod = Pod("pi-launcher-abcde", uid="pod-l", owner=owner, phase=phase)
    return pod._replace(**fields)


_APIS: Final = {
    "PodGroup": "scheduling.volcano.sh/v1beta1",
    "Workload": "scheduling.k8s.io/v1beta1",
}
_NAMES: Final = {"ConfigMap": "pi-config", "Secret": "pi-ssh"}


def a_thing(kind: str, api: str = "", **fields: Any) -> Thing:  # noqa: ANN401 - Thing's.
    """Return a child that is neither pod nor Job; a PodGroup is volcano's."""
    ref = Ref(api or _APIS.get(kind, "v1"), kind, "hpc", _NAMES.get(kind, "pi"))
    thing = Thing(ref, uid=kind.lower(), owner=OURS)
    return thing._replace(**fields)


Sighting = Pod | LauncherJob | Thing | Refusal | Unreadable


def seen(*found: Sighting, live: frozenset[Live] = LIVE) -> Observed:
    """Return an observation of these objects, by default a live one."""
    return Observed(
        things=tuple(t for t in found if isinstance(t, Thing)),
        launcher=next((j for j in found if isinstance(j, LauncherJob)), None),
        pods=tuple(p for p in found if isinstance(p, Pod)),
        refusals=tuple(r for r in found if isinstance(r, Refusal)),
        unreadable=tuple(u for u in found if isinstance(u, Unreadable)),
        live=live,
    )


# --- What is answered ---------------------------------------------------------


def the_case(job: MPIJob, *found: Sighting, world: World = WORLD) -> Case:
    """Return the evidence, sorted."""
    return case_of(job, seen(*found), world)


def answer(job: MPIJob, *found: Sighting, world: World = WORLD) -> Reconciliation:
    """Reconcile."""
    return reconcile(job, seen(*found), world)


def steps(job: MPIJob, *found: Sighting, world: World = WORLD) -> Plan:
    """Plan."""
    observed = seen(*found)
    return plan(job, observed, reconcile(job, observed, world))


def summary(status: JobStatus) -> dict[str, str]:
    """Return each condition's status, and its reason where it has one."""
    return {c.type: f"{c.status} {c.reason}".rstrip() for c in status.conditions}


def spec_of(manifest: Manifest) -> Mapping[str, Any]:
    """Return the pod spec of a pod or of a Job."""
    spec: Mapping[str, Any] = manifest["spec"]
    return spec["template"]["spec"] if manifest["kind"] == "Job" else spec
