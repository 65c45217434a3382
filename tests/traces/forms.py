# SPDX-License-Identifier: Apache-2.0
"""What is compared of a Job and its pods: what the operator can tell apart, and more.

Names and uids that the server chooses are left out, times are told by whether there is
one. A pod that was counted while its finalizer is still there is taken as let go, and
what the Job's status counts apart, for a while, is taken as counted.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from mpijob.loose import Manifest, count, mapping, mappings, sequence, strings
from mpijob_operator.simulation.cluster import owner_uids
from mpijob_operator.simulation.deeds import is_true, released, spec_of, status_of
from mpijob_operator.simulation.job_controller import TRACKING, is_tracked

Json = dict[str, Any]

_COUNTS: Final = ("active", "ready", "terminating", "succeeded", "failed")
_TIMES: Final = ("startTime", "completionTime")


def folded(job: Json, pods: Iterable[Json]) -> tuple[Json, list[Json]]:
    """Return a Job that has counted what it counts apart, and its pods let go.

    A pod that nothing holds any more is gone.
    """
    status = dict(status_of(job))
    apart = mapping(status.pop("uncountedTerminatedPods", None))
    for field in ("succeeded", "failed"):
        counted = sequence(apart.get(field))
        status[field] = count(status.get(field)) + len(counted)
    left = (let_go(pod, counted_apart(job)) for pod in pods)
    return {**job, "status": status}, [pod for pod in left if not is_let_go(pod)]


def counted_apart(job: Json) -> frozenset[object]:
    """Return the uids of the pods that a Job counts apart."""
    apart = mapping(status_of(job).get("uncountedTerminatedPods"))
    fields = (sequence(apart.get(field)) for field in ("succeeded", "failed"))
    return frozenset(uid for counted in fields for uid in counted)


def let_go(pod: Json, counted: Collection[object]) -> Json:
    """Return a pod that is let go if it was counted."""
    return released(pod, TRACKING) if pod["metadata"]["uid"] in counted else pod


def is_let_go(value: Manifest) -> bool:
    """Tell whether nothing holds an object that is on its way out."""
    metadata = value["metadata"]
    held = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
    return "deletionTimestamp" in metadata and not held


def form_of_job(job: Manifest) -> Json:
    """Return what is compared of a Job."""
    metadata, status = job["metadata"], status_of(job)
    return {
        "suspend": spec_of(job).get("suspend") is True,
        "going": "deletionTimestamp" in metadata,
        "finalizers": sorted(map(str, sequence(metadata.get("finalizers")))),
        "owned": bool(owner_uids(job)),
        "conditions": sorted(map(_condition, mappings(status.get("conditions")))),
        **{field: count(status.get(field)) for field in _COUNTS},
        **{field: field in status for field in _TIMES},
    }


def _condition(value: Manifest) -> str:
    entry = strings(value)
    words = (entry.get(key, "") for key in ("type", "status", "reason", "message"))
    return _without_pod(" ".join(words))


def _without_pod(words: str) -> str:
    """Take the name that chance gave to a pod from what a condition says."""
    before, pod, after = words.partition(" for pod ")
    return f"{before}{pod}{after[after.find(' ') :]}" if pod else words


def form_of_pod(pod: Manifest, job_uid: str) -> Json:
    """Return what is compared of a pod."""
    metadata, status = pod["metadata"], status_of(pod)
    containers = mappings(status.get("containerStatuses"))
    states = [mapping(entry.get("state")) for entry in containers]
    labels = strings(metadata.get("labels"))
    return {
        "phase": status.get("phase", "Pending"),
        "going": "deletionTimestamp" in metadata,
        "tracked": is_tracked(pod),
        "ready": is_true(pod, "Ready"),
        "disrupted": is_true(pod, "DisruptionTarget"),
        "reason": status.get("reason", ""),
        "exits": [mapping(s.get("terminated")).get("exitCode") for s in states],
        "restarts": [count(entry.get("restartCount")) for entry in containers],
        "owned": job_uid in owner_uids(pod),
        "labels": {k: v for k, v in labels.items() if k not in _CHOSEN},
        "annotations": sorted(strings(metadata.get("annotations"))),
        "nodeSelector": mapping(spec_of(pod).get("nodeSelector")),
    }


# Two names each for the name of the Job and its uid, the older ones not in memory.
_CHOSEN: Final = frozenset(
    (
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-name",
        "controller-uid",
        "job-name",
    )
)


def form(owner: Json | None, job: Json | None, pods: Iterable[Json]) -> Json:
    """Return the normal form of all that one program is about."""
    uid = _uid_of(job, pods := list(pods))
    if job is not None:
        job, pods = folded(job, pods)
    told = [form_of_pod(pod, uid) for pod in pods if not is_let_go(pod)]
    return {
        "owner": owner is not None,
        "job": None if job is None else form_of_job(job),
        "pods": sorted(told, key=str),
    }


def _uid_of(job: Json | None, pods: list[Json]) -> str:
    """Return the uid of the Job, which its pods know when it is gone."""
    if job is not None:
        return str(job["metadata"]["uid"])
    labels = (strings(pod["metadata"].get("labels")) for pod in pods)
    uids = (known.get("batch.kubernetes.io/controller-uid") for known in labels)
    return next(filter(None, uids), "")


def differences(one: Json, other: Json) -> list[str]:
    """Say where two forms differ, each time what the first has and the second."""
    left, right = dict(_told(one)), dict(_told(other))
    return [
        f"{path}: {left.get(path)!r} and {right.get(path)!r}"
        for path in {**left, **right}
        if left.get(path) != right.get(path)
    ]


def _told(whole: Json) -> Iterator[tuple[str, object]]:
    """Yield each value of a form, and where it is."""
    yield "owner", whole["owner"]
    for key, value in mapping(whole["job"]).items():
        yield f"job.{key}", value
    for index, pod in enumerate(mappings(whole["pods"])):
        for key, value in pod.items():
            yield f"pods[{index}].{key}", value
