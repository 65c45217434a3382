# SPDX-License-Identifier: Apache-2.0
"""The scheduler and the kubelets: pods are bound, run, become Ready, end, and go.

What a pod does on a node is told by `Habits`; what somebody does to it in the middle of
its life are the functions at the end.
"""

import random
from datetime import datetime
from functools import partial
from typing import Any, Final

from attrs import frozen

from mpijob import names
from mpijob.job import Role
from mpijob.loose import Manifest, count, mapping, mappings, strings
from mpijob.names import Ref
from mpijob.wire import time_of
from mpijob_operator.simulation.cluster import Cluster, is_over, is_terminating
from mpijob_operator.simulation.deeds import (
    Deed,
    conditioned,
    is_true,
    placed,
    spec_of,
    status_of,
)

SCHEDULER: Final = "scheduler"
KUBELET: Final = "kubelet"

BIND_SECONDS: Final = 0.2
READY_SECONDS: Final = 0.5
GONE_SECONDS: Final = 0.1

# As the kubelet waits before it starts a container again: 10 s, doubled with each.
RESTART_SECONDS: Final = 10.0
RESTART_SECONDS_MAX: Final = 300.0

# What a program ends with that was asked to, and that was made to.
SIGTERM_CODE: Final = 143
SIGKILL_CODE: Final = 137


@frozen
class Habits:
    """How pods live where nobody interferes; times in seconds."""

    # Drawn between the two for each pod, by the seed: pods are never quite alike.
    start_seconds: tuple[float, float] = (1.0, 2.0)
    stop_seconds: float = 1.0
    launcher_seconds: float | None = 10.0  # None: it runs until it is stopped.
    # Of each attempt of a launcher Job; the last one goes for all that follow.
    launcher_codes: tuple[int, ...] = (0,)
    seed: int = 0


AS_USUAL: Final = Habits()


def nodes(habits: Habits, cluster: Cluster) -> list[Deed]:
    """Return what the scheduler and the kubelets could do, one thing a pod."""
    deeds: list[Deed] = []
    for ref, pod in cluster.all("Pod"):
        if is_terminating(pod):
            deeds += _ending(habits, cluster, ref, pod)
        elif not is_over(pod):
            deeds += _living(habits, cluster, ref, pod)
    return deeds


def _ending(habits: Habits, cluster: Cluster, ref: Ref, pod: Manifest) -> list[Deed]:
    """Return the next step of a pod on its way out."""
    since = cluster.since[ref]
    if not is_over(pod):
        wait = habits.stop_seconds if spec_of(pod).get("nodeName") else 0.0
        return [Deed(since + wait, KUBELET, ref, "", partial(_stopped, ref))]
    if pod["metadata"]["deletionGracePeriodSeconds"]:
        what = "removes {}"
        return [Deed(since + GONE_SECONDS, KUBELET, ref, what, partial(_gone, ref))]
    return []


def _living(habits: Habits, cluster: Cluster, ref: Ref, pod: Manifest) -> list[Deed]:
    """Return the next step of a pod that stays."""
    since, spec, status = cluster.since[ref], spec_of(pod), status_of(pod)
    if not spec.get("nodeName"):
        if spec.get("schedulingGates"):
            return []
        return [Deed(since + BIND_SECONDS, SCHEDULER, ref, "", partial(_bound, ref))]
    if status.get("phase") != "Running":
        wait = _start_seconds(habits, pod)
        what = "starts {}"
        return [Deed(since + wait, KUBELET, ref, what, partial(_started, ref))]
    if waiting := _restart_wait(pod):
        what = "starts {} again"
        return [Deed(since + waiting, KUBELET, ref, what, partial(_started, ref))]
    if not is_true(pod, "Ready"):
        what = "finds {} Ready"
        return [Deed(since + READY_SECONDS, KUBELET, ref, what, partial(_ready, ref))]
    return _finishing(habits, cluster, ref, pod)


def _finishing(habits: Habits, cluster: Cluster, ref: Ref, pod: Manifest) -> list[Deed]:
    """Return the end of a launcher's program; a worker's sshd never ends."""
    labels = strings(pod["metadata"].get("labels"))
    if labels.get(names.JOB_ROLE_LABEL) != Role.LAUNCHER.lower():
        return []
    if habits.launcher_seconds is None:
        return []
    codes, attempt = habits.launcher_codes, _attempt(cluster, pod)
    code = codes[min(attempt, len(codes) - 1)]
    at = _started_at(cluster, pod) + habits.launcher_seconds
    what = f"sees {{}} exit with {code}"
    return [Deed(at, KUBELET, ref, what, partial(exit_with, ref=ref, code=code))]


def _attempt(cluster: Cluster, pod: Manifest) -> int:
    """Return how often the program of a launcher Job has ended before."""
    owners = mappings(pod["metadata"].get("ownerReferences"))
    uids = {owner.get("uid") for owner in owners}
    jobs = [job for _, job in cluster.all("Job") if job["metadata"]["uid"] in uids]
    failed = sum(count(status_of(job).get("failed")) for job in jobs)
    return failed + _restarts(pod)


def _start_seconds(habits: Habits, pod: Manifest) -> float:
    seed = f"{habits.seed}/{pod['metadata']['uid']}"
    chance = random.Random(seed)  # noqa: S311 - to be the same in every run.
    return round(chance.uniform(*habits.start_seconds), 1)


def _started_at(cluster: Cluster, pod: Manifest) -> float:
    running = (
        mapping(mapping(entry.get("state")).get("running")) for entry in _statuses(pod)
    )
    times = (time_of(state.get("startedAt")) for state in running)
    return max((_clock(cluster, time) for time in times if time), default=0.0)


def _clock(cluster: Cluster, time: datetime) -> float:
    return (time - cluster.start).total_seconds()


def _statuses(pod: Manifest) -> list[Manifest]:
    return mappings(status_of(pod).get("containerStatuses"))


def _restarts(pod: Manifest) -> int:
    return max((count(e.get("restartCount")) for e in _statuses(pod)), default=0)


def _restart_wait(pod: Manifest) -> float:
    """Return how long the kubelet waits before it starts a container again, else 0."""
    states = (mapping(entry.get("state")) for entry in _statuses(pod))
    if not any("waiting" in state for state in states):
        return 0.0
    return float(min(RESTART_SECONDS * 2 ** (_restarts(pod) - 1), RESTART_SECONDS_MAX))


# --- The steps ---------------------------------------------------------------------


def _bound(ref: Ref, cluster: Cluster) -> None:
    pod = cluster.objects[ref]
    number = int(pod["metadata"]["uid"][:8], 16)
    pod = placed(pod, "spec.nodeName", f"node-{number % NODES}")
    cluster.update(ref, conditioned(pod, cluster.stamp, "PodScheduled", "True"))


# Enough to tell pods' nodes apart in a message.
NODES: Final = 100


def _started(ref: Ref, cluster: Cluster) -> None:
    pod, stamp = cluster.objects[ref], cluster.stamp
    state = {"running": {"startedAt": stamp}}
    status = {"startTime": stamp, **status_of(pod), "phase": "Running"}
    pod = _with_containers({**pod, "status": status}, state, ready=True)
    probed = any(
        "readinessProbe" in c for c in mappings(spec_of(pod).get("containers"))
    )
    ready = "False" if probed else "True"
    cluster.update(ref, conditioned(pod, stamp, "Ready", ready))


def _ready(ref: Ref, cluster: Cluster) -> None:
    pod = cluster.objects[ref]
    cluster.update(ref, conditioned(pod, cluster.stamp, "Ready", "True"))


def _with_containers(
    pod: Manifest, state: Manifest, *, ready: bool, restarts: int | None = None
) -> dict[str, Any]:
    times = _restarts(pod) if restarts is None else restarts
    statuses = [
        {"name": c.get("name"), "ready": ready, "restartCount": times, "state": state}
        for c in mappings(spec_of(pod).get("containers"))
    ]
    return placed(pod, "status.containerStatuses", statuses)


def _stopped(ref: Ref, cluster: Cluster) -> None:
    """End a pod that was asked to go."""
    _end(cluster, ref, SIGTERM_CODE)


def _gone(ref: Ref, cluster: Cluster) -> None:
    cluster.delete(ref, grace=0)


def _end(
    cluster: Cluster, ref: Ref, code: int, *, reason: str = "", why: str = ""
) -> None:
    """End a pod for good, its containers with this code."""
    pod = cluster.objects[ref]
    phase = "Failed" if code or reason else "Succeeded"
    status = {**status_of(pod), "phase": phase}
    if reason:
        status |= {"reason": reason, "message": why}
    pod = {**pod, "status": status}
    if status.get("containerStatuses"):
        pod = _with_containers(pod, _terminated(cluster, pod, code), ready=False)
    cluster.update(ref, conditioned(pod, cluster.stamp, "Ready", "False"))


def _terminated(cluster: Cluster, pod: Manifest, code: int) -> Manifest:
    running = mapping(mapping(_statuses(pod)[0].get("state")).get("running"))
    started = running.get("startedAt", cluster.stamp)
    ended = {"exitCode": code, "startedAt": started, "finishedAt": cluster.stamp}
    return {"terminated": {**ended, "reason": "Error" if code else "Completed"}}


# --- What may happen to a pod in the middle of its life ------------------------------


def exit_with(cluster: Cluster, *, ref: Ref, code: int) -> None:
    """End the program of a pod; the kubelet starts it again where the pod says so."""
    pod = cluster.objects[ref]
    policy = spec_of(pod).get("restartPolicy", "Always")
    if policy == "Always" or (policy == "OnFailure" and code):
        state = {"waiting": {"reason": "CrashLoopBackOff"}}
        restarts = _restarts(pod) + 1
        pod = _with_containers(pod, state, ready=False, restarts=restarts)
        cluster.update(ref, conditioned(pod, cluster.stamp, "Ready", "False"))
    else:
        _end(cluster, ref, code)


def evict(cluster: Cluster, *, ref: Ref) -> None:
    """Take a pod from its node as a kubelet under pressure does: it stays, Failed."""
    why = "The node was low on resource: memory."
    pod, words = cluster.objects[ref], ("TerminationByKubelet", why)
    cluster.update(
        ref, conditioned(pod, cluster.stamp, "DisruptionTarget", "True", words)
    )
    _end(cluster, ref, SIGKILL_CODE, reason="Evicted", why=why)


def preempt(cluster: Cluster, *, ref: Ref) -> None:
    """Take a pod from its node as the scheduler does for a weightier one: it goes."""
    pod, words = cluster.objects[ref], ("PreemptionByScheduler", "preempted")
    cluster.update(
        ref, conditioned(pod, cluster.stamp, "DisruptionTarget", "True", words)
    )
    cluster.delete(ref)
