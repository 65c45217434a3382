# SPDX-License-Identifier: Apache-2.0
"""From the JSON that a cluster returns to the few fields that we decide by.

Reading is total: garbage in a field counts as nothing said. What cannot even be told
apart is `Unreadable`.

Unlike mpi-operator: a malformed object is one job's trouble, never another's (B8.4).
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final

from mpijob import names
from mpijob.job import MPIJob
from mpijob.loose import (
    NOTHING,
    Manifest,
    count,
    integer,
    is_going,
    mapping,
    mappings,
    sequence,
    strings,
    text,
)
from mpijob.names import Ref
from mpijob.observed import (
    NOBODY,
    Ended,
    JobCondition,
    LauncherJob,
    Observed,
    Owner,
    Pod,
    Thing,
    Unreadable,
)
from mpijob.wire import time_of
from mpijob.world import KUBERNETES, VOLCANO

Sighting = Pod | LauncherJob | Thing
"""What is kept of one object of a cluster."""


def observed(objects: Iterable[Manifest], job: MPIJob) -> Observed:
    """Sort what a cluster holds into what matters to one job.

    Objects of other namespaces, kinds and jobs are passed over. The order of the
    objects is immaterial.
    """
    near = (v for v in map(mapping, objects) if _namespace(v) == job.namespace)
    return assembled(filter(None, map(sighting, near)), job)


def sighting(value: Manifest) -> Sighting | None:
    """Read one object; None where no job ever has a child of its kind."""
    kind, api_version = text(value, "kind"), text(value, "apiVersion")
    if not text(value.get("metadata"), "name"):
        return None
    if (api_version, kind) == ("v1", "Pod"):
        return pod(value)
    if (api_version, kind) == ("batch/v1", "Job"):
        return launcher_job(value)
    known = api_version.partition("/")[0] in _APIS.get(kind, ())
    return thing(value) if known else None


def assembled(seen: Iterable[Sighting], job: MPIJob) -> Observed:
    """Sort what was seen in the namespace of a job into what matters to it."""
    pods: list[Pod] = []
    things: list[Thing] = []
    launcher: LauncherJob | None = None
    for one in seen:
        if isinstance(one, Pod):
            if _concerns(one, job):
                pods.append(one)
        elif isinstance(one, LauncherJob):
            launcher = one if one.name == names.launcher(job) else launcher
        elif one.name == _NAMES.get(one.ref.kind, names.service)(job):
            things.append(one)
    things.sort(key=attrgetter("ref"))
    return Observed(tuple(things), launcher, tuple(pods))


_GROUPS: Final = ("scheduling.volcano.sh", "scheduling.x-k8s.io", "scheduling.k8s.io")

# The API groups that have a kind of child, but for pods and Jobs.
_APIS: Final[Mapping[str, tuple[str, ...]]] = {
    "Service": ("v1",),
    "ConfigMap": ("v1",),
    "Secret": ("v1",),
    "PodGroup": _GROUPS,
    "Workload": _GROUPS,
}
_NAMES: Final = {"ConfigMap": names.config_map, "Secret": names.secret}


def _concerns(pod: Pod, job: MPIJob) -> bool:
    if pod.labels.get(names.JOB_NAME_LABEL) == job.name:
        return True
    if names.worker_index(job, pod.name) is not None:
        return True
    return bool(job.uid) and pod.owner.uid == job.uid


def _namespace(value: Manifest) -> str:
    return text(value.get("metadata"), "namespace") or "default"


def unreadable(value: Manifest, message: str) -> Unreadable:
    """Say of an object that nothing could be made of it."""
    kind, name = text(value, "kind"), text(value.get("metadata"), "name")
    return Unreadable(kind or "object", name or "without a name", message)


def owner(metadata: Manifest) -> Owner:
    """Return the controller of an object."""
    for reference in mappings(metadata.get("ownerReferences")):
        if reference.get("controller") is True:
            return Owner(*(text(reference, key) for key in ("kind", "name", "uid")))
    return NOBODY


def _identity(
    metadata: Manifest,
) -> tuple[str, str, str, Owner, Mapping[str, str], bool]:
    """Read what is known of every object: the fields that its type begins with."""
    return (
        text(metadata, "name"),
        text(metadata, "uid"),
        text(metadata, "resourceVersion"),
        owner(metadata),
        strings(metadata.get("labels")),
        is_going(metadata),
    )


def thing(value: Manifest) -> Thing:
    """Read a Service, ConfigMap, Secret, PodGroup or Workload."""
    metadata, kind = mapping(value.get("metadata")), text(value, "kind")
    name, *_ = identity = _identity(metadata)
    return Thing(
        Ref(text(value, "apiVersion"), kind, _namespace(value), name),
        *identity[1:],
        # No key enters the memory of whoever decides (B8.5).
        manifest=NOTHING if kind == "Secret" else value,
        applied=_applied(metadata),
    )


def _applied(metadata: Manifest) -> frozenset[str]:
    for entry in mappings(metadata.get("managedFields")):
        if entry.get("manager") == names.OPERATOR and entry.get("operation") == "Apply":
            fields = mapping(mapping(entry.get("fieldsV1")).get("f:spec"))
            return frozenset(key.removeprefix("f:") for key in fields)
    return frozenset()


def launcher_job(value: Manifest) -> LauncherJob:
    """Read a `batch/v1` Job."""
    metadata, status = mapping(value.get("metadata")), mapping(value.get("status"))
    spec = mapping(value.get("spec"))
    template = mapping(mapping(spec.get("template")).get("metadata"))
    return LauncherJob(
        *_identity(metadata),
        suspend=spec.get("suspend") is True,
        conditions={
            type_: JobCondition(
                text(said, "reason"),
                text(said, "message"),
                time_of(said.get("lastTransitionTime")),
            )
            for type_, said in _true_conditions(status).items()
        },
        succeeded=count(status.get("succeeded")),
        failed=count(status.get("failed")),
        completion_time=time_of(status.get("completionTime")),
        template_hash=text(template.get("annotations"), names.TEMPLATE_HASH),
    )


def pod(value: Manifest) -> Pod:
    """Read a pod; how its containers ended only where the pod Failed."""
    metadata, status = mapping(value.get("metadata")), mapping(value.get("status"))
    spec, annotations = mapping(value.get("spec")), metadata.get("annotations")
    true = _true_conditions(status)
    phase = text(status, "phase") or "Pending"
    number = text(annotations, names.FAILURE_NUMBER)
    return Pod(
        *_identity(metadata),
        phase=phase,
        ready="Ready" in true,
        disrupted="DisruptionTarget" in true,
        reason=text(status, "reason"),
        message=text(status, "message"),
        node=text(spec, "nodeName"),
        created=time_of(metadata.get("creationTimestamp")),
        start_time=time_of(status.get("startTime")),
        ended=_ended(spec, status) if phase == "Failed" else (),
        failure=int(number)
        if number.isdecimal() and len(number) < names.DIGITS
        else None,
        template_hash=text(annotations, names.TEMPLATE_HASH),
        scheduler=_scheduler(spec, metadata),
    )


def _true_conditions(status: Manifest) -> dict[str, dict[str, str]]:
    """Return the conditions that are True, by type."""
    entries = map(strings, sequence(status.get("conditions")))
    return {e.get("type", ""): e for e in entries if e.get("status") == "True"}


def _scheduler(spec: Manifest, metadata: Manifest) -> str:
    labels, annotations = metadata.get("labels"), metadata.get("annotations")
    job = text(labels, names.JOB_NAME_LABEL)
    if not job:
        return ""
    if text(spec.get("schedulingGroup"), "podGroupName") == job:
        return KUBERNETES
    if text(annotations, names.VOLCANO_GROUP) == job:
        return VOLCANO
    if text(labels, names.SCHEDULER_PLUGINS_GROUP) == job:
        return text(spec, "schedulerName")
    return ""


def _ended(spec: Manifest, status: Manifest) -> tuple[Ended, ...]:
    main = next((c.get("name") for c in mappings(spec.get("containers"))), None)
    return tuple(
        Ended(
            container=str(value.get("name")),
            main=key == "containerStatuses" and value.get("name") == main,
            exit_code=integer(state.get("exitCode")),
            signal=count(state.get("signal")),
            reason=text(state, "reason"),
            message=text(state, "message"),
            started_at=time_of(state.get("startedAt")),
            finished_at=time_of(state.get("finishedAt")),
        )
        for key in ("initContainerStatuses", "containerStatuses")
        for value in mappings(status.get(key))
        if (state := mapping(mapping(value.get("state")).get("terminated")))
    )
