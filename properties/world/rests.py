# SPDX-License-Identifier: Apache-2.0
"""What must be true where nothing more happens: the job has arrived (P28)."""

from collections.abc import Iterator
from typing import Final

from mpijob import names
from mpijob.job import CleanPodPolicy, MPIJob
from mpijob.loose import NOTHING, Manifest, mapping, mappings
from mpijob.names import Ref
from mpijob.status import ConditionType, JobStatus, Reason
from mpijob_operator.simulation.cluster import is_over, is_terminating
from properties.world.scene import Scene
from properties.world.state import State
from properties.world.truth import generation_of, uid_of

# What is wrong; empty where nothing is; None where the check was not at stake.
Finding = str | None
Judged = tuple[str, Finding]


# Whatever it was: bad luck, somebody's object in the way, an old view.
REFUSED_ONCE: Final = "P33 what was refused once is not refused for good"


def live_pods(state: State, job: MPIJob) -> tuple[list[Ref], list[Ref]]:
    """Return the pods of the job that may hold a node: workers, launchers."""
    workers, launchers = list[Ref](), list[Ref]()
    launcher = names.launcher(job)
    for ref, pod in state.children("Pod"):
        if is_over(pod):
            continue
        if is_orphan(ref, pod) and is_of(pod, job):
            launchers.append(ref)
        for owner in mappings(pod["metadata"].get("ownerReferences")):
            if owner.get("uid") == job.uid:
                workers.append(ref)
            elif owner.get("name") == launcher and is_of(pod, job):
                launchers.append(ref)
    return workers, launchers


def is_orphan(ref: Ref, pod: Manifest) -> bool:
    """Tell whether a pod is a launcher that was left when its Job was deleted."""
    return "-launcher-" in ref.name and not owners_of(pod)


def is_nobodys(ref: Ref, value: Manifest) -> bool:
    """Tell whether it is a pod that was left and has ended: it stays as it is."""
    return ref.kind == "Pod" and is_orphan(ref, value) and is_over(value)


def is_of(pod: Manifest, job: MPIJob) -> bool:
    """Tell whether a launcher pod is of this job and not of one before it."""
    return generation_of(str(pod["metadata"]["uid"])) == generation_of(job.uid)


def active(status: JobStatus) -> tuple[int, int]:
    """Return the launchers and the workers that a status counts as active."""
    pair = (status.launcher, status.worker)
    launcher, worker = (0 if r is None else r.active for r in pair)
    return launcher, worker


def owners_of(value: Manifest) -> set[str]:
    """Return the uids of the owners of an object."""
    owners = mappings(value["metadata"].get("ownerReferences"))
    return {str(owner.get("uid")) for owner in owners}


def of_rest(state: State, job: MPIJob | None, scene: Scene) -> Iterator[Judged]:
    """Judge where nothing more happens."""
    held = [ref for ref, pod in state.children("Pod") if scene.holds(ref, pod)]
    if state.truth.refused:
        yield REFUSED_ONCE, _still_refused(state, job, held)
    if job is not None and job.terminating:
        return
    yield from _of_former(state, job, scene)
    if job is None:
        return
    yield from _remembered(state, job)
    yield from _in_time(job)
    if scene.gang:
        law = "B7.5 a PodGroup is there exactly while the job is to run"
        yield law, _not_grouped(state, job)
    if any(is_orphan(r, p) and not is_over(p) for r, p in state.children("Pod")):
        law = "B5.2 a launcher without its Job is waited for, and told of"
        yield law, _not_waited(state, job)
    elif held:
        law = "P28 it arrives: the status is true where an obstacle never goes"
        yield law, "; ".join(_not_true(state, job, held))
    elif job.status.verdict is not None:
        law = "P17 a finished job is cleaned up as its cleanPodPolicy says"
        yield law, _not_clean(state, job)
    elif job.run_policy.suspend:
        law = "P28 it arrives: a suspended job holds nothing"
        yield law, _not_suspended(state, job)
    elif job.status.is_true(ConditionType.BLOCKED):
        taken = [r.name for r, v in state.world.objects.items() if not owners_of(v)]
        law = "P13 a job is blocked by what is there, and by nothing else"
        yield law, "" if len(taken) > 1 else "Blocked, and nothing is in its way"
    else:
        yield "P29 the workers are 0 to n-1, each once", _not_whole(state, job)
        yield "P28 it arrives: a running job runs", _not_running(state, job)


def _of_former(state: State, job: MPIJob | None, scene: Scene) -> Iterator[Judged]:
    """Judge what is left of a job that is gone, whatever came after it.

    What has no owner is somebody else's; what was left an orphan is so too.
    """
    objects = state.world.objects
    uids = {uid_of(value) for value in objects.values()}
    left = [
        ref.name
        for ref, value in objects.items()
        if (owners := owners_of(value)) and uids.isdisjoint(owners)
        if not scene.holds(ref, value)
    ]
    told = f"{', '.join(left)} is left of a job that is gone" if left else ""
    if job is None:
        yield "P28 it arrives: a deleted job leaves nothing", told
    if state.truth.late:
        yield "P10 what was made too late is gone at rest", told


def _still_refused(state: State, job: MPIJob | None, held: list[Ref]) -> str:
    """Tell what is still missing, or told to be, though nobody refuses it any more.

    A launcher that waits for every worker waits for one that is held, too.
    """
    if job is None or job.terminating:
        return ""  # Nothing more is made, and it will soon be forgotten.
    if told := [refusal.name for refusal in state.memory.refusals]:
        return f"{', '.join(told)} cannot be made"
    status = job.status
    if status.verdict is not None or job.run_policy.suspend:
        return ""
    blocked = status.condition(ConditionType.BLOCKED)
    if blocked and status.is_true(ConditionType.BLOCKED):
        # What is another's keeps it blocked, whatever was refused before.
        taken = blocked.reason == Reason.RESOURCE_EXISTS
        return "" if taken else "the status still says so"
    there = {ref.kind for ref in state.world.objects}
    if held and job.waits_for_workers:
        there.add("Job")
    missing = {"Service", "ConfigMap", "Secret", "Job"} - there
    return f"there is no {', '.join(sorted(missing))}" if missing else ""


def _remembered(state: State, job: MPIJob) -> Iterator[Judged]:
    """Judge what the status tells of what happened on the way."""
    status, truth = job.status, state.truth
    kept = "P15 a launcher that succeeded is a success"
    if truth.result:
        yield kept, f"it ended as {status.verdict}"
    if truth.failures and not truth.meddled:
        count = status.worker.failed if status.worker else 0
        told = f"{truth.failures} workers failed, and status says {count}"
        counted = count == truth.failures or status.verdict is not None
        yield "B4.9 every failure of a worker is counted", "" if counted else told


def _in_time(job: MPIJob) -> Iterator[Judged]:
    """Judge what should be over by now: nobody has to remind the operator of it."""
    policy, status = job.run_policy, job.status
    if status.verdict is not None:
        if policy.ttl_seconds_after_finished is not None:
            yield "B5.6 a job goes when its TTL is over", "it is still there"
    elif policy.active_deadline_seconds is not None and not policy.suspend:
        yield "B5.4 a job ends when its deadline is over", "it goes on"


def _not_clean(state: State, job: MPIJob) -> str:
    workers, launchers = live_pods(state, job)
    policy = job.run_policy.clean_pod_policy
    if launchers:
        return "a launcher still runs"
    if workers and policy is not CleanPodPolicy.NONE:
        return "workers still run"
    pods = [ref for ref, pod in state.children("Pod") if not is_nobodys(ref, pod)]
    if policy is CleanPodPolicy.ALL and pods:
        return "pods are left"
    told = active(job.status)
    real = (len(launchers), len(workers))
    return "" if told == real else f"active says {told}, and there are {real}"


def _not_suspended(state: State, job: MPIJob) -> str:
    status = job.status
    if not status.is_true(ConditionType.SUSPENDED):
        return "no status says so"
    pods = [ref for ref, pod in state.children("Pod") if not is_nobodys(ref, pod)]
    if pods or state.children("Job"):
        return "pods or a launcher Job are left"
    if active(status) != (0, 0) or status.start_time is not None:
        return f"active says {active(status)}, startTime {status.start_time}"
    return ""


def _not_whole(state: State, job: MPIJob) -> str:
    workers = live_pods(state, job)[0]
    wanted = [names.worker(job, index) for index in range(job.workers)]
    found = sorted(ref.name for ref in workers)
    return "" if found == wanted else f"workers {found}, wanted {wanted}"


def _not_running(state: State, job: MPIJob) -> str:
    launchers = live_pods(state, job)[1]
    going = any(is_terminating(pod) for _, pod in state.children("Pod"))
    if len(launchers) != 1 or going:
        return f"{len(launchers)} launchers, or a pod that goes"
    if not job.status.is_true(ConditionType.RUNNING):
        return "Running is not True"
    counted = active(job.status) == (1, job.workers)
    hosts = mapping(_config_map(state).get("data")).get("discover_hosts.sh", "")
    known = hosts.count("echo") == job.workers
    told = f"active says {active(job.status)}, discover_hosts.sh {hosts!r}"
    return "" if counted and known else told


def _not_waited(state: State, job: MPIJob) -> str:
    launchers, told = live_pods(state, job)[1], active(job.status)[0]
    if told < len(launchers):
        return f"active says {told}, and there are {len(launchers)}"
    over = job.status.verdict is not None
    is_told = over or job.status.is_true(ConditionType.BLOCKED)
    return "" if is_told else "no condition says so"


def _not_grouped(state: State, job: MPIJob) -> str:
    groups = [r.name for r, v in state.children("PodGroup") if job.uid in owners_of(v)]
    over = job.status.verdict is not None or job.run_policy.suspend
    good = len(groups) == (not over)
    return "" if good else f"PodGroups {groups}, and it is over: {over}"


def _not_true(state: State, job: MPIJob, held: list[Ref]) -> Iterator[str]:
    """Yield what is not as well as it can be, or not told, where pods are held.

    A suspension that began runs to its end, though it be taken back (B6.1).
    """
    status, (workers, launchers) = job.status, live_pods(state, job)
    ended = status.verdict is not None
    suspended = status.is_true(ConditionType.SUSPENDED) and not ended
    over, known = ended or suspended, {ref.name for ref in held}
    mine = any(job.uid in owners_of(state.world.objects[ref]) for ref in held)
    told, real = active(status), (len(launchers), len(workers))
    if told[0] < real[0] or told[1] < real[1] or (over and told != real):
        yield f"active says {told}, and there are {real}"
    if over and launchers:
        yield "a launcher still runs"
    if suspended and mine and status.start_time is None:
        yield "startTime is gone, and pods are there"
    goes_on = not job.run_policy.suspend
    if not ended and suspended == goes_on and not (suspended and mine):
        yield f"it is to go on: {goes_on}, and Suspended is {suspended}"
    wanted = {names.worker(job, i) for i in range(0 if over else job.workers)}
    stay = ended and job.run_policy.clean_pod_policy is CleanPodPolicy.NONE
    wrong = ({ref.name for ref in workers} ^ wanted) - known
    if wrong and not stay:
        yield f"{sorted(wrong)} should be, or should not"
    if status.is_true(ConditionType.RUNNING) and (over or wanted & known):
        yield f"Running is told, and {sorted(wanted & known)} cannot"


def _config_map(state: State) -> Manifest:
    return next((value for _, value in state.children("ConfigMap")), NOTHING)
