# SPDX-License-Identifier: Apache-2.0
"""What a kubelet does next with a pod, given the pod and the habits of its programs.

Nothing here waits or sends: `next_step` is asked at each change of a pod, and its
answer is carried out by `nodes`.
"""

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from attrs import frozen

Json = dict[str, Any]

# What a program ends with that was asked to, and that was made to.
SIGTERM_CODE: Final = 143
SIGKILL_CODE: Final = 137


@frozen
class End:
    """How a program ends: its code, and what is said of it."""

    code: int = 0
    reason: str = ""  # Of the container: OOMKilled; else told by the code.
    message: str = ""  # What the program left as its termination message.
    # Of the pod: Evicted. A pod that is evicted is not started again.
    pod_reason: str = ""


@frozen
class Habits:
    """How pods live where nobody interferes; times in seconds.

    The defaults are those of a fast worker: it runs at once, and until it is deleted.
    """

    binds: bool = True  # Whether the scheduler finds it a node.
    waiting: str = ""  # ImagePullBackOff: its container waits, and never starts.
    start_s: float = 0.0
    ready_s: float | None = 0.0  # None: it never becomes Ready.
    run_s: float | None = None  # None: it runs until it is stopped.
    # Of each run in turn; the last one goes for all that follow.
    ends: tuple[End, ...] = (End(),)
    restart_s: float = 0.1  # From an end to the next start in the same pod.
    stop_s: float = 0.0  # From the deletion to the end.
    stop_code: int = SIGTERM_CODE


class Verb(enum.Enum):
    """What is asked of the API server for a pod."""

    BIND = "bind"
    STATUS = "status"
    REMOVE = "remove"


class Step(NamedTuple):
    """What to do next with a pod, and how long after it came to be as it is."""

    verb: Verb
    delay_s: float = 0.0
    status: Mapping[str, Any] = {}
    ends: bool = False  # Whether a run of its program ends with it.


def phase(pod: Json) -> str:
    """Return the phase of a pod."""
    return str(pod.get("status", {}).get("phase", "Pending"))


def is_over(pod: Json) -> bool:
    """Tell whether the pod has ended."""
    return phase(pod) in ("Succeeded", "Failed")


def conditions(pod: Json) -> list[Json]:
    """Return the conditions of a pod."""
    known: list[Json] | None = pod.get("status", {}).get("conditions")
    return known or []


def is_true(pod: Json, type_: str) -> bool:
    """Tell whether a condition of the pod is True."""
    found = conditions(pod)
    return any(c["type"] == type_ and c["status"] == "True" for c in found)


def next_step(pod: Json, habits: Habits, end: End | None, runs: int) -> Step | None:
    """Return what is due next, None where only somebody else can change the pod.

    Args:
        pod: The pod as last seen.
        habits: How its program lives.
        end: How it was told to end, None where it was not.
        runs: How many runs of its kind have ended before.
    """
    if pod["metadata"].get("deletionTimestamp"):
        return _going(pod, habits)
    if is_over(pod):
        return None
    if not pod["spec"].get("nodeName"):
        gated = bool(pod["spec"].get("schedulingGates"))
        return Step(Verb.BIND) if habits.binds and not gated else None
    if end is not None:
        return Step(Verb.STATUS, 0.0, ended(pod, end), ends=True)
    if phase(pod) != "Running":
        return _starting(pod, habits)
    return _running(pod, habits, runs)


def _going(pod: Json, habits: Habits) -> Step | None:
    if not pod["spec"].get("nodeName"):
        return None  # The API server removes it, or whoever has a finalizer on it.
    if not is_over(pod):
        status = stopped(pod, End(habits.stop_code))
        return Step(Verb.STATUS, habits.stop_s, status)
    if pod["metadata"].get("deletionGracePeriodSeconds"):
        return Step(Verb.REMOVE)
    return None


def _starting(pod: Json, habits: Habits) -> Step | None:
    if not habits.waiting:
        status = running(pod, ready=habits.ready_s == 0.0)
        return Step(Verb.STATUS, habits.start_s, status)
    if pod["status"].get("containerStatuses"):
        return None
    state = {"waiting": {"reason": habits.waiting, "message": "Back-off pulling image"}}
    return Step(Verb.STATUS, 0.0, _with(pod, state, phase="Pending"))


def _running(pod: Json, habits: Habits, runs: int) -> Step | None:
    if "waiting" in pod["status"]["containerStatuses"][0]["state"]:
        status = running(pod, ready=habits.ready_s == 0.0)
        return Step(Verb.STATUS, habits.restart_s, status)
    if not is_true(pod, "Ready") and habits.ready_s is not None:
        return Step(Verb.STATUS, habits.ready_s, running(pod, ready=True))
    if habits.run_s is None:
        return None
    end = habits.ends[min(runs, len(habits.ends) - 1)]
    return Step(Verb.STATUS, habits.run_s, ended(pod, end), ends=True)


# --- Statuses -------------------------------------------------------------------------


def stamp() -> str:
    """Return the time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def running(pod: Json, *, ready: bool) -> Json:
    """Return the status of a pod whose program runs."""
    known = _container(pod).get("state", {}).get("running")
    state = {"running": known or {"startedAt": stamp()}}
    status = _with(pod, state, phase="Running", ready=ready)
    return {"podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}], **status}


def ended(pod: Json, end: End) -> Json:
    """Return the status after the end of a program; it may be started again."""
    policy = pod["spec"].get("restartPolicy", "Always")
    again = policy == "Always" or (policy == "OnFailure" and end.code)
    if not again or end.pod_reason:
        return stopped(pod, end)
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    restarts = _container(pod).get("restartCount", 0) + 1
    last = _terminated(pod, end)
    changed = {"restartCount": restarts, "lastState": last}
    return _with(pod, state, phase="Running", changed=changed)


def stopped(pod: Json, end: End) -> Json:
    """Return the status of a pod that ended for good."""
    failed = bool(end.code or end.pod_reason)
    state = _terminated(pod, end)
    status = _with(pod, state, phase="Failed" if failed else "Succeeded")
    if end.pod_reason:
        status |= {"reason": end.pod_reason, "message": "The node was low on memory."}
        status["conditions"] = disrupted({"status": status}, "TerminationByKubelet")
    return status


def disrupted(pod: Json, reason: str) -> list[Json]:
    """Return the conditions of a pod that was taken from its node."""
    said = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "lastTransitionTime": stamp(),
    }
    return [*(c for c in conditions(pod) if c["type"] != said["type"]), said]


def _container(pod: Json) -> Json:
    statuses: list[Json] = pod.get("status", {}).get("containerStatuses") or [{}]
    return statuses[0]


def _terminated(pod: Json, end: End) -> Json:
    now = stamp()
    known = _container(pod).get("state", {}).get("running", {})
    said: Json = {
        "exitCode": end.code,
        "reason": end.reason or ("Error" if end.code else "Completed"),
        "startedAt": known.get("startedAt", now),
        "finishedAt": now,
    }
    return {"terminated": {**said, "message": end.message} if end.message else said}


def _with(
    pod: Json,
    state: Json,
    *,
    phase: str,
    ready: bool = False,
    changed: Mapping[str, Any] = {},
) -> Json:
    """Return the status with its containers in this state."""
    before, now = pod.get("status", {}), stamp()
    known = _container(pod)
    containers = [
        {
            "name": c["name"],
            "image": c["image"],
            "imageID": "",
            "ready": ready,
            "started": "running" in state,
            "restartCount": known.get("restartCount", 0),
            "state": state,
            "lastState": known.get("lastState", {}),
            **changed,
        }
        for c in pod["spec"]["containers"]
    ]
    word = "True" if ready else "False"
    told = {"Ready", "ContainersReady"}
    others = [c for c in conditions(pod) if c["type"] not in told]
    fresh = [{"type": t, "status": word, "lastTransitionTime": now} for t in told]
    return {
        "startTime": now,
        **before,
        "phase": phase,
        "containerStatuses": containers,
        "conditions": [*others, *fresh],
    }
