# SPDX-License-Identifier: Apache-2.0
"""The other half of `tests.deviations`: status, events and what follows a start.

They come after those of the children, for what a status says depends on these.
"""

import copy
import re
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import evolve

from tests.corpus_case import ANY, Answer, Asked, Object, fresh, part, upstream
from tests.deviations import OF_CHILDREN, Pattern, d06, labels_of, number
from tests.deviations_of_gangs import d18, d19
from tests.granting import afterwards, as_sent

_ROLES: Final = ("Launcher", "Worker")
_NAMES: Final = {
    "Service": "{}",
    "ConfigMap": "{}-config",
    "Secret": "{}-ssh",
    "Job": "{}-launcher",
    "PodGroup": "{}",
}


def conditions(status: Object) -> dict[str, Object]:
    """Return the conditions of a status by their type."""
    return {c["type"]: c for c in status.get("conditions", ())}


def is_true(status: Object, *types: str) -> bool:
    """Tell whether a condition of one of the types is True."""
    found = conditions(status)
    return any(found.get(t, {}).get("status") == "True" for t in types)


def _ended(status: Object) -> bool:
    return is_true(status, "Succeeded", "Failed")


def said(type_: str, status: str, reason: str, message: str, at: str) -> Object:
    """Return a condition that changed at a time."""
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": at,
        "lastUpdateTime": at,
    }


def with_conditions(status: Object, *new: Object) -> Object:
    """Return the status with these conditions in it."""
    both = {**conditions(status), **{c["type"]: c for c in new}}
    return {**status, "conditions": list(both.values())}


def _without(status: Object, type_: str) -> Object:
    kept = [c for t, c in conditions(status).items() if t != type_]
    return {**status, "conditions": kept}


def key_of(asked: Asked, kind: str) -> str:
    """Return the key of a child of the job."""
    return f"{kind}/{_NAMES[kind].format(asked.name)}"


def _is_ours(child: Object) -> bool:
    owners = child["metadata"].get("ownerReferences", ())
    return any(owner["kind"] in ("MPIJob", "Job") for owner in owners)


# --- Which children -----------------------------------------------------------


def d04(answer: Answer, _: Asked) -> Answer:
    """B1.7: an invalid job has no child."""
    return evolve(answer, created={}, events=frozenset(), status={})


def d27(answer: Answer, asked: Asked) -> Answer:
    """B5.5: cleanPodPolicy All takes the launcher Job as well."""
    key = key_of(asked, "Job")
    everything = asked.policy.get("cleanPodPolicy") == "All"
    if not (everything and _ended(answer.status) and key in asked.children):
        return answer
    return evolve(answer, deleted=answer.deleted | {key})


def d31(answer: Answer, asked: Asked) -> Answer:
    """B5.7: exactly the workers beyond the number asked for are deleted."""
    if _ended(answer.status) or is_true(answer.status, "Suspended"):
        return answer
    surplus = frozenset(
        key
        for key in answer.deleted
        if (index := worker_index(asked, key)) is None or index >= asked.workers
    )
    return evolve(answer, deleted=surplus)


def worker_index(asked: Asked, key: str) -> int | None:
    """Return the index of a worker pod, None for any other child."""
    match = re.fullmatch(rf"Pod/{re.escape(asked.name)}-worker-(\d+)", key)
    return int(match[1]) if match else None


def d33(answer: Answer, asked: Asked) -> Answer:
    """B8.1: a foreign object is a condition too, and all but the pods goes on."""
    foreign = [key for key, child in asked.children.items() if not _is_ours(child)]
    if not foreign:
        return answer
    start = upstream(fresh(asked.case))
    held = ("Pod", "Job", *(key.partition("/")[0] for key in foreign))
    made = {k: c for k, c in start.created.items() if c["kind"] not in held}
    reason = "ErrResourceExists"  # The event says it in the words of the condition.
    status = with_conditions(
        start.status, said("Blocked", "True", reason, ANY, asked.now)
    )
    events = frozenset(event for event in answer.events if event[1] != reason)
    return evolve(answer, created=made, status=status, events=events)


def d38(answer: Answer, asked: Asked) -> Answer:
    """B8.1: what upstream made lacks our labels, and gets them while it is needed.

    The PodGroup too, though the pattern does not name it.
    """
    if _ended(answer.status):
        return answer
    applied, touched = dict(answer.applied), dict(answer.touched)
    for kind in _NAMES:
        child = asked.children.get(key := key_of(asked, kind))
        labels = labels_of(asked)
        if child is None or not _is_ours(child) or key in answer.deleted:
            continue
        if child["metadata"].get("labels") != labels:
            if kind in ("Secret", "Job"):
                touched[key] = {"metadata": {"labels": labels}}
            else:
                applied.setdefault(key, as_sent(child))
    return d06(evolve(answer, applied=applied, touched=touched), asked)


def d32(answer: Answer, asked: Asked) -> Answer:
    """B3.2: hosts in the order of their numbers, and none that goes or shall go."""
    applied = copy.deepcopy(dict(answer.applied))
    for child in applied.values():
        if child["kind"] == "ConfigMap":
            script = child["data"]["discover_hosts.sh"]
            child["data"]["discover_hosts.sh"] = _discovered(asked, script)
    return evolve(answer, applied=applied)


def _discovered(asked: Asked, script: str) -> str:
    first, *lines = script.splitlines(keepends=True)
    hosts: list[tuple[int, str]] = []
    for line in lines:
        pod = f"Pod/{line.removeprefix('echo ').partition('.')[0]}"
        found = worker_index(asked, pod)
        index = -1 if found is None else found  # The launcher.
        stays = index < 0 or _stays(asked.children.get(pod))
        if index < asked.workers and stays:
            hosts.append((index, line))
    return "".join([first, *(line for _, line in sorted(hosts))])


def _stays(pod: Object | None) -> bool:
    return pod is not None and "deletionTimestamp" not in pod["metadata"]


# --- Status -------------------------------------------------------------------


def d20(answer: Answer, asked: Asked) -> Answer:
    """B1.7: an invalid job has failed, at once and for good."""
    if not managed_here(asked):
        return answer
    created = said("Created", "True", "MPIJobCreated", _CREATED.format(asked), FIRST)
    failed = said("Failed", "True", "InvalidSpec", ANY, asked.now)
    status = {"conditions": [created, failed], "completionTime": asked.now}
    return evolve(answer, status=status)


_CREATED: Final = "MPIJob {0.namespace}/{0.name} is created."
FIRST: Final = "2030-01-01T00:01:00Z"


def managed_here(asked: Asked) -> bool:
    """Tell whether the job is this operator's (B5.8)."""
    return asked.policy.get("managedBy") in (None, "", "kubeflow.org/mpi-operator")


def d21(answer: Answer, asked: Asked) -> Answer:
    """B1.2: the status tells the generation that it speaks of."""
    if not managed_here(asked):
        return answer
    generation = asked.job["metadata"]["generation"]
    return evolve(answer, status={**answer.status, "observedGeneration": generation})


def d23(answer: Answer, asked: Asked) -> Answer:
    """B4.1, B4.2, B4.4: Running is taken back, with a reason and a time of its own."""
    if not answer.status:
        return answer
    old, new = (conditions(s).get("Running") for s in (asked.status, answer.status))
    if is_true(answer.status, "Suspended") and "startTime" not in answer.status:
        return evolve(answer, status=_without(answer.status, "Running"))
    if new is None or (old is not None and old["status"] == "False"):
        return answer
    at = answer.status.get("completionTime", asked.now)
    lost = said("Running", "False", "MPIJobNotRunning", ANY, at)
    if _ended(answer.status) or not _runs(answer, asked):
        return evolve(answer, status=with_conditions(answer.status, lost))
    return answer


def _runs(answer: Answer, asked: Asked) -> bool:
    """Tell whether launcher and every worker are up, once the answer was granted."""
    left = afterwards(answer, asked)
    up = {
        key
        for key, child in left.items()
        if child["kind"] == "Pod"
        and _phase(child) in ("Running", "Succeeded")
        and "deletionTimestamp" not in child["metadata"]
    }
    workers = {f"Pod/{asked.name}-worker-{index}" for index in range(asked.workers)}
    job = left.get(key_of(asked, "Job"), {"metadata": {}})
    launchers = {key for key in up if worker_index(asked, key) is None}
    owners = {left[k]["metadata"]["ownerReferences"][0]["uid"] for k in launchers}
    return workers <= up and job["metadata"].get("uid") in owners


def d24(answer: Answer, asked: Asked) -> Answer:
    """B4.5, B4.9: `active` is all that may hold a node, and no count is lost."""
    if not (answer.status and managed_here(asked)):
        return answer
    wanted = not (_ended(answer.status) or is_true(answer.status, "Suspended"))
    left = afterwards(answer, asked)
    pods = {key: child for key, child in left.items() if child["kind"] == "Pod"}
    indices = {key: worker_index(asked, key) for key in pods}
    workers = [pods[key] for key, index in indices.items() if index is not None]
    launchers = [pods[key] for key, index in indices.items() if index is None]
    there = sum(
        index is not None and index < asked.workers for index in indices.values()
    )
    job = left.get(key_of(asked, "Job"))
    busy = wanted or (job is not None and not _finished(job))
    active = {
        "Launcher": max(_live(launchers), int(busy)),
        "Worker": _live(workers) + (asked.workers - there if wanted else 0),
    }
    seen = (
        c for key, c in asked.children.items() if worker_index(asked, key) is not None
    )
    succeeded = {"Worker": sum(_phase(pod) == "Succeeded" for pod in seen)}
    counts = copy.deepcopy(part(answer.status, "replicaStatuses"))
    for role in _ROLES:
        mine = {"active": active[role], "succeeded": succeeded.get(role, 0)}
        kept = {k: v for k, v in part(counts, role).items() if k != "active"}
        counts[role] = {**kept, **{k: v for k, v in mine.items() if v}}
    return evolve(answer, status={**answer.status, "replicaStatuses": counts})


def _phase(pod: Object) -> str:
    return str(part(pod, "status").get("phase", "Pending"))


def _live(pods: Iterable[Object]) -> int:
    return sum(_phase(pod) not in ("Succeeded", "Failed") for pod in pods)


def _finished(job: Object) -> bool:
    return is_true(part(job, "status"), "Complete", "Failed")


def d39(answer: Answer, asked: Asked) -> Answer:
    """B1.2: each count comes with the selector of its pods."""
    if not managed_here(asked):
        return answer
    counts = copy.deepcopy(part(answer.status, "replicaStatuses"))
    for role in _ROLES:
        labels = {
            **{k: v for k, v in labels_of(asked).items() if k != "app"},
            "training.kubeflow.org/job-role": role.lower(),
        }
        text = ",".join(f"{key}={value}" for key, value in labels.items())
        counts[role] = {**counts.get(role, {}), "selector": text}
    return evolve(answer, status={**answer.status, "replicaStatuses": counts})


def d22(answer: Answer, asked: Asked) -> Answer:
    """B4.7: one event a transition, whenever it was told before; and B1.8's warning.

    An event has the words of its condition; upstream's MPIJobRunning lacks their stop.
    """
    told = set(_transitions(answer, asked))
    for type_, reason, message in answer.events:
        stop = "." if reason == "MPIJobRunning" else ""
        if reason != "SetPodTemplateRestartPolicy":
            told.add((type_, reason, message + stop))
    return evolve(answer, events=frozenset(told))


def _transitions(answer: Answer, asked: Asked) -> Iterator[tuple[str, str, str]]:
    before = conditions(asked.status)
    for type_, condition in conditions(answer.status).items():
        old = before.get(type_, {}).get("status")
        resumed = type_ == "Suspended" and old == "True"
        if condition["status"] != old and (condition["status"] == "True" or resumed):
            kind = "Warning" if type_ in ("Failed", "Blocked") else "Normal"
            invalid = condition["reason"] == "InvalidSpec"
            reason = "ValidationError" if invalid else condition["reason"]
            yield kind, reason, condition["message"]
    if "Created" not in before and "Created" in conditions(answer.status):
        for role in _ROLES:
            if asked.template(role).get("restartPolicy"):
                yield "Warning", "SetPodTemplateRestartPolicy", f"{ANY}: {role}"


ALL: Final[tuple[Pattern, ...]] = (
    *(d33, *OF_CHILDREN, d18, d19),
    *(d27, d31, d38, d32),
    *(d23, d24, d39, d21, d22),
)

# Shown by how a life is compared, and not by a change of upstream's answer.
BY_COMPARISON: Final = {
    "D34": "a wish whose guards are not those of the object is not granted",
    "D40": "the status that is left at the end of a step is compared",
}


def expected(answer: Answer, asked: Asked) -> tuple[Answer, frozenset[str]]:
    """Return upstream's answer with every pattern applied, and which changed it."""
    used: set[str] = set()
    for pattern in ALL:
        new = pattern(answer, asked)
        if new != answer:
            used.add(number(pattern))
        answer = new
    return answer, frozenset(used)
