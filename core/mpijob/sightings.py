# SPDX-License-Identifier: Apache-2.0
"""From the JSON that a cluster returns to the few fields that we decide by.

Reading is total: garbage in a field counts as nothing said. What cannot even be told
apart is `Unreadable`.

Unlike mpi-operator: a malformed object is one job's trouble, never another's (B8.4).
"""

from collections.abc import Callable, Iterable, Mapping
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
    single = api_version == "v1" and kind in _SINGLES
    return thing(value) if single or _is_group(api_version, kind) else None


def assembled(seen: Iterable[Sighting], job: MPIJob) -> Observed:
    """Sort what was seen in the namespace of a job into what matters to it."""
    pods: list[Pod] = []
    groups: list[Thing] = []
    single: dict[str, Thing] = {}
    launcher: LauncherJob | None = None
    for one in seen:
        if isinstance(one, Pod):
            if _concerns(one, job):
                pods.append(one)
        elif isinstance(one, LauncherJob):
            launcher = one if one.name == names.launcher(job) else launcher
        elif one.ref.kind in _SINGLES:
            if one.name == _SINGLES[one.ref.kind](job):
                single[one.ref.kind] = one
        elif one.name == names.service(job):
            groups.append(one)
    return Observed(
        service=single.get("Service"),
        config_map=single.get("ConfigMap"),
        secret=single.get("Secret"),
        launcher=launcher,
        pod_groups=tuple(sorted(groups, key=lambda g: (g.ref.api_version, g.ref.kind))),
        pods=tuple(pods),
    )


_SINGLES: Final[Mapping[str, Callable[[MPIJob], str]]] = {
    "Service": names.service,
    "ConfigMap": names.config_map,
    "Secret": names.secret,
}

_GROUP_APIS: Final = frozenset(
    ("scheduling.volcano.sh", "scheduling.x-k8s.io", "scheduling.k8s.io")
)


def _is_group(api_version: str, kind: str) -> bool:
    known = api_version.partition("/")[0] in _GROUP_APIS
    return known and kind in ("PodGroup", "Workload")


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


def thing(value: Manifest) -> Thing:
    """Read a Service, ConfigMap, Secret, PodGroup or Workload."""
    metadata = mapping(value.get("metadata"))
    namespace = text(metadata, "namespace") or "default"
    kind, name = text(value, "kind"), text(metadata, "name")
    return Thing(
        ref=Ref(text(value, "apiVersion"), kind, namespace, name),
        uid=text(metadata, "uid"),
        resource_version=text(metadata, "resourceVersion"),
        owner=owner(metadata),
        labels=strings(metadata.get("labels")),
        terminating=is_going(metadata),
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
        name=text(metadata, "name"),
        uid=text(metadata, "uid"),
        resource_version=text(metadata, "resourceVersion"),
        owner=owner(metadata),
        labels=strings(metadata.get("labels")),
        terminating=is_going(metadata),
        suspend=spec.get("suspend") is True,
        conditions=_job_conditions(status.get("conditions")),
        succeeded=count(status.get("succeeded")),
        failed=count(status.get("failed")),
        completion_time=time_of(status.get("completionTime")),
        template_hash=text(template.get("annotations"), names.TEMPLATE_HASH),
    )


def _job_conditions(values: object) -> dict[str, JobCondition]:
    result: dict[str, JobCondition] = {}
    for entry in map(strings, sequence(values)):
        if entry.get("status") == "True":
            result[text(entry, "type")] = JobCondition(
                text(entry, "reason"),
                text(entry, "message"),
                time_of(entry.get("lastTransitionTime")),
            )
    return result


def pod(value: Manifest) -> Pod:
    """Read a pod; how its containers ended only where the pod Failed."""
    metadata, status = mapping(value.get("metadata")), mapping(value.get("status"))
    spec = mapping(value.get("spec"))
    annotations = strings(metadata.get("annotations"))
    labels = strings(metadata.get("labels"))
    true = _true_conditions(status.get("conditions"))
    phase = text(status, "phase") or "Pending"
    number = text(annotations, names.FAILURE_NUMBER)
    return Pod(
        name=text(metadata, "name"),
        uid=text(metadata, "uid"),
        resource_version=text(metadata, "resourceVersion"),
        owner=owner(metadata),
        labels=labels,
        phase=phase,
        ready="Ready" in true,
        terminating=is_going(metadata),
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
        scheduler=_scheduler(spec, labels, annotations),
    )


def _true_conditions(values: object) -> frozenset[str]:
    entries = map(strings, sequence(values))
    return frozenset(e.get("type", "") for e in entries if e.get("status") == "True")


def _scheduler(
    spec: Manifest, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> str:
    job = labels.get(names.JOB_NAME_LABEL)
    if job is None:
        return ""
    if text(spec.get("schedulingGroup"), "podGroupName") == job:
        return KUBERNETES
    if annotations.get(names.VOLCANO_GROUP) == job:
        return VOLCANO
    if labels.get(names.SCHEDULER_PLUGINS_GROUP) == job:
        return text(spec, "schedulerName")
    return ""


def _ended(spec: Manifest, status: Manifest) -> tuple[Ended, ...]:
    main = next((c.get("name") for c in mappings(spec.get("containers"))), None)
    result: list[Ended] = []
    for key in ("initContainerStatuses", "containerStatuses"):
        for value in mappings(status.get(key)):
            state = mapping(value.get("state"))
            name, is_main = value.get("name"), value.get("name") == main
            if ended := mapping(state.get("terminated")):
                is_main = is_main and key == "containerStatuses"
                result.append(_ending(str(name), ended, main=is_main))
    return tuple(result)


def _ending(name: str, state: Manifest, *, main: bool) -> Ended:
    return Ended(
        container=name,
        main=main,
        exit_code=integer(state.get("exitCode")),
        signal=count(state.get("signal")),
        reason=text(state, "reason"),
        message=text(state, "message"),
        started_at=time_of(state.get("startedAt")),
        finished_at=time_of(state.get("finishedAt")),
    )
