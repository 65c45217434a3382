# SPDX-License-Identifier: Apache-2.0
"""Any view of a cluster, as JSON: the objects beside a job, and the status it carries.

Nothing here need fit together: a cache lags, a clock is ahead, somebody else has a
name of ours, a pod is of a job that is gone. What does fit together is played in
`lives`.
"""

from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve
from hypothesis import strategies as st

from mpijob import names
from mpijob.job import MPIJob, Role
from mpijob.loose import Manifest
from mpijob.names import Child
from mpijob.observed import Live, Refusal, Unreadable
from mpijob.pods import template_hash
from properties.strategies import (
    FORMER,
    LIVE,
    NAMESPACE,
    Edit,
    Json,
    Question,
    anything,
    chance,
    edited,
    fresh_jobs,
    kept,
    spoilt,
    stamp,
    times,
    worlds,
)

LAUNCHER_UID: Final = "u-launcher"

# --- Status -------------------------------------------------------------------

_TYPES: Final = ("Created", "Running", "Suspended", "Blocked", "Restarting", "Alien")
_VERDICTS: Final = ("Succeeded", "Failed")
_SAID: Final = st.tuples(
    # A verdict hides all else: it comes less often.
    st.sampled_from(_TYPES * 3 + _VERDICTS),
    st.sampled_from(["True", "True", "False", "Unknown"]),
    st.sampled_from(["MPIJobNotRunning", "MPIJobSuspended", "Invalid", "Other"]),
    times,
)
_COUNTS: Final = st.sampled_from(
    [
        {},
        {"active": 1},
        {"active": 2, "failed": 1},
        {"active": 4, "succeeded": 1},
        {"failed": 3},
        {"failed": 9, "active": -1},
    ]
)
_CROWD: Final = [{"type": f"Alien{i}", "status": "True"} for i in range(300)]
_STATUS_EDITS: Final[tuple[Edit, ...]] = (
    ("startTime", stamp(-7200)),
    *[("startTime", stamp(-60))] * 3,
    ("startTime", stamp(3600)),
    ("completionTime", stamp(-60)),
    ("completionTime", stamp(-7200)),
    ("observedGeneration", 1),
    *[("observedGeneration", 3)] * 3,
    ("lastReconcileTime", stamp(-60)),
    ("conditions", _CROWD),
)


@st.composite
def statuses(draw: st.DrawFn) -> Json:
    """Draw any status, of this operator's or not."""
    said = draw(st.lists(_SAID, max_size=4, unique_by=lambda each: each[0]))
    conditions = [
        {
            "type": type_,
            "status": status,
            "reason": reason,
            "message": "words",
            "lastUpdateTime": time,
            "lastTransitionTime": time,
        }
        for type_, status, reason, time in said
    ]
    counts = {"Launcher": draw(_COUNTS), "Worker": draw(_COUNTS)}
    status = {"conditions": conditions, "replicaStatuses": counts}
    return edited(status, draw(st.lists(st.sampled_from(_STATUS_EDITS), max_size=4)))


# --- What every object has ----------------------------------------------------


def reference(kind: str, name: str, uid: str, *, controller: bool = True) -> Json:
    """Return an owner reference."""
    head = {"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}
    return {**head, "controller": controller, "blockOwnerDeletion": True}


def _edits_of_any(owner: Json) -> tuple[Edit, ...]:
    """Return what may be odd about the metadata of a child of this owner."""
    kind, name, uid = owner["kind"], owner["name"], owner["uid"]
    web = reference("ReplicaSet", "web", "u-web")
    aside = reference("ReplicaSet", "web", "u-web", controller=False)
    owners: tuple[Any, ...] = (
        [reference(kind, name, FORMER)],
        [web],
        [reference(kind, name, uid, controller=False)],
        [aside, owner],
        [],
        "garbage",
    )
    return (
        *(("metadata.ownerReferences", each) for each in owners),
        *(("metadata.deletionTimestamp", stamp(at)) for at in (0, -60, 3600)),
        ("metadata.labels", {}),
        ("metadata.labels", None),
        ("metadata.labels.a", "b"),
        ("metadata.namespace", "elsewhere"),
        ("metadata.resourceVersion", "21"),
        ("metadata.creationTimestamp", stamp(3600)),
        ("metadata.creationTimestamp", "yesterday"),
        ("metadata.managedFields", [{"manager": "somebody"}]),
    )


def _object(
    kind: tuple[str, str], name: str, uid: str, owner: Json, labels: Manifest
) -> Json:
    return {
        "apiVersion": kind[0],
        "kind": kind[1],
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": uid,
            "resourceVersion": "20",
            "ownerReferences": [owner],
            "labels": labels,
            "creationTimestamp": stamp(-60),
        },
    }


def _odd(
    draw: st.DrawFn, manifest: Json, owner: Json, edits: Sequence[Edit] = ()
) -> Json:
    """Return an object as it should be, or with up to two oddities."""
    if not draw(chance(3)):
        return kept(manifest)
    known = st.sampled_from([*_edits_of_any(owner), *edits])
    return edited(manifest, draw(st.lists(known, min_size=1, max_size=2)))


# --- Pods ---------------------------------------------------------------------


def _ended(code: object, finished: object = None, **fields: object) -> Json:
    at = {} if finished is None else {"startedAt": stamp(-7200), "finishedAt": finished}
    state = {"terminated": {"exitCode": code, **at, **fields}}
    return {"phase": "Failed", "containerStatuses": [{"name": "mpi", "state": state}]}


_READY: Final = [{"type": "Ready", "status": "True"}]
_TAKEN: Final = [{"type": "DisruptionTarget", "status": "True"}]
POD_STATES: Final[tuple[Json, ...]] = (
    *[{"phase": "Running", "conditions": _READY}] * 5,
    {"phase": "Running"},
    {"phase": "Pending"},
    {},
    {"phase": "Succeeded"},
    {"phase": "Succeeded", "conditions": _READY},
    {"phase": "Failed"},
    _ended(1, stamp(-60)),
    _ended(137, stamp(-60), reason="OOMKilled", message="m" * 5000),
    _ended(0, "yesterday", signal=300),
    {**_ended(2, stamp(-1)), "startTime": stamp(-3)},
    {**_ended("x", stamp(3600)), "conditions": _TAKEN},
    {"phase": "Failed", "reason": "Evicted", "message": "bye\x1b[0m"},
    {"phase": "Unknown"},
    {"phase": "Alien", "conditions": [{"type": "Ready"}, None, "x"]},
)
_FAILURE: Final = "metadata.annotations.training~kubeflow~org/failure"
_POD_EDITS: Final[tuple[Edit, ...]] = (
    *((_FAILURE, number) for number in ("1", "1", "2", "9", "-1", "x", "99999999999")),
    ("metadata.annotations.training~kubeflow~org/template-hash", "0badf00d"),
    ("spec.containers", None),
    ("metadata.labels.scheduling~x-k8s~io/pod-group", "pi"),
)


@st.composite
def _pods(draw: st.DrawFn, job: MPIJob, name: str, *, launcher: str = "") -> Json:
    """Draw a pod of that name; of a launcher Job where its uid is given."""
    role = Role.LAUNCHER if launcher else Role.WORKER
    owner = reference("MPIJob", job.name, job.uid)
    if launcher:
        owner = reference("Job", names.launcher(job), launcher)
    labels = names.pod_labels(job, role)
    pod = _object(("v1", "Pod"), name, f"u-{name}", owner, labels)
    if replica := job.replicas.get(role):
        made_from = {names.TEMPLATE_HASH: template_hash(job, replica)}
        pod["metadata"]["annotations"] = made_from
    pod["spec"] = {"nodeName": "n1", "containers": [{"name": "mpi"}]}
    pod["status"] = draw(st.sampled_from(POD_STATES))
    return _odd(draw, pod, owner, _POD_EDITS)


# --- The launcher Job, and the rest -------------------------------------------

_JOB_STATES: Final[tuple[tuple[str, ...], ...]] = (
    *[()] * 6,
    ("Suspended",),
    ("SuccessCriteriaMet",),
    ("SuccessCriteriaMet", "Complete"),
    ("FailureTarget",),
    ("FailureTarget", "Failed"),
    ("Complete", "Failed"),
)
_JOB_EDITS: Final[tuple[Edit, ...]] = (
    ("spec.suspend", True),
    ("status.succeeded", 1),
    ("status.failed", 2**31 - 1),
    ("status.failed", -1),
    ("status.completionTime", stamp(-60)),
    ("status.completionTime", stamp(-7200)),
)


@st.composite
def _launcher_jobs(draw: st.DrawFn, job: MPIJob) -> Json:
    owner = reference("MPIJob", job.name, job.uid)
    labels = names.child_labels(job)
    name = names.launcher(job)
    result = _object(("batch/v1", "Job"), name, LAUNCHER_UID, owner, labels)
    state, since = draw(st.sampled_from(_JOB_STATES)), draw(times)
    said = {"status": "True", "reason": "BackoffLimitExceeded"}
    conditions = [{"type": t, "lastTransitionTime": since, **said} for t in state]
    result["spec"] = {"suspend": "Suspended" in state}
    result["status"] = {"conditions": conditions}
    return _odd(draw, result, owner, _JOB_EDITS)


_GROUPS: Final = (
    ("scheduling.volcano.sh/v1beta1", "PodGroup"),
    ("scheduling.x-k8s.io/v1alpha1", "PodGroup"),
    ("scheduling.k8s.io/v1beta1", "PodGroup"),
    ("scheduling.k8s.io/v1beta1", "Workload"),
)


@st.composite
def _things(draw: st.DrawFn, job: MPIJob, made: Manifest) -> Json:
    """Draw an object that should look like this, and may not."""
    owner = reference("MPIJob", job.name, job.uid)
    kind = (str(made["apiVersion"]), str(made["kind"]))
    name, labels = made["metadata"]["name"], names.child_labels(job)
    thing = {**made, **_object(kind, name, f"u-{kind[1]}", owner, labels)}
    drift = [(part, draw(anything)) for part in ("spec", "data") if part in made]
    return _odd(draw, thing, owner, [*drift, *drift])


def _made(question: Question) -> list[Manifest]:
    """Return the things that the job would have, and each kind of pod group."""
    asked = question.answer.desired
    made = [each.manifest for each in asked if each.manifest]
    kinds = {"Service", "ConfigMap", "Secret", "PodGroup", "Workload"}
    made = [each for each in made if each["kind"] in kinds]
    metadata = {"name": question.job.name}
    groups = [
        {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": {}}
        for api, kind in _GROUPS
    ]
    return [*made, *groups]


@st.composite
def questions(draw: st.DrawFn, *always: Edit) -> Question:
    """Draw a valid job that says this in any case, and any view of its cluster."""
    manifest = draw(fresh_jobs(*always))
    question = Question(manifest, (), draw(worlds))
    job, objects = question.job, list[Json]()
    if draw(st.booleans()):
        made = _made(question)
        chosen = draw(st.lists(st.sampled_from(made), max_size=6))
        objects += [draw(_things(job, each)) for each in chosen]
    there = draw(st.sampled_from(["all", "some", "none"]))
    for index in range(job.workers + (there == "some")):
        if there == "all" or (there == "some" and draw(st.booleans())):
            objects.append(draw(_pods(job, names.worker(job, index))))
    if draw(chance(8)):
        odd = st.sampled_from([f"{job.name}-worker-01", f"{job.name}-worker-x", "web"])
        objects.append(draw(_pods(job, draw(odd))))
    if draw(st.booleans()):
        objects.append(draw(_launcher_jobs(job)))
    if draw(st.booleans()):
        uid = draw(st.sampled_from([LAUNCHER_UID, LAUNCHER_UID, "u-launcher-before"]))
        pod = f"{names.launcher(job)}-{draw(st.sampled_from('ab'))}"
        objects.append(draw(_pods(job, pod, launcher=uid)))
    status = draw(statuses()) if draw(st.booleans()) else {}
    return evolve(
        question,
        manifest={**manifest, "status": status},
        # A cluster holds one object of a kind and a name.
        objects=tuple({_key(each): each for each in objects}.values()),
    )


def beginnings(*always: Edit) -> st.SearchStrategy[Question]:
    """Draw a valid job that says this in any case, and of which nothing is there."""
    return st.builds(Question, fresh_jobs(*always), st.just(()), worlds)


def _key(manifest: Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return (manifest["apiVersion"], manifest["kind"], metadata["name"])


# --- Anything at all ----------------------------------------------------------

_CHILDREN: Final = st.sampled_from(Child)
_REFUSALS: Final = st.builds(
    Refusal,
    child=_CHILDREN,
    name=st.sampled_from(["pi-worker-0", "pi-launcher", "pi", ""]),
    reason=st.sampled_from(["Invalid", "Forbidden", "QuotaExceeded", ""]),
    message=st.sampled_from(["no", "\u2028\ud800", "w" * 9000]),
)
_UNREADABLE: Final = st.builds(
    Unreadable, kind=st.just("Pod"), name=st.just("x"), message=st.just("is garbage")
)


_ROLES: Final = "spec.mpiReplicaSpecs"
_HOSTILE_EDITS: Final[tuple[Edit, ...]] = (
    ("metadata.uid", ""),
    ("metadata.uid", FORMER),
    ("metadata.name", ""),
    ("metadata.name", "Pi_\U0001f600" * 99),
    ("spec", None),
    ("status", [1]),
    (f"{_ROLES}.Worker.replicas", 0),
    (f"{_ROLES}.Worker.replicas", -(2**31)),
    (f"{_ROLES}.Worker.replicas", 2**31 - 1),
    (f"{_ROLES}.Worker.template.spec.containers", []),
    ("spec.slotsPerWorker", -1),
    (f"{_ROLES}.Launcher.replicas", 2),
    (f"{_ROLES}.Launcher.restartPolicy", "Always"),
    (f"{_ROLES}.Master", {"replicas": 1}),
    ("spec.runPolicy.managedBy", "somebody"),
    ("spec.runPolicy.activeDeadlineSeconds", -1),
    ("spec.runPolicy.ttlSecondsAfterFinished", 10**30),
    ("spec.runPolicy.schedulingPolicy.minAvailable", 99),
    ("spec.sshAuthMountPath", "/etc/mpi/"),
)


@st.composite
def hostile_questions(draw: st.DrawFn) -> Question:
    """Draw a question of which any part may be garbage."""
    question = draw(questions())
    odd = st.lists(st.sampled_from(_HOSTILE_EDITS), max_size=1)
    manifest = draw(spoilt(edited(question.manifest, draw(odd))))
    objects = [draw(spoilt(each)) for each in question.objects]
    unknown = draw(st.lists(_CHILDREN, max_size=1)) if draw(chance(6)) else ()
    return evolve(
        question,
        manifest=manifest,
        objects=tuple(objects),
        refusals=tuple(draw(st.lists(_REFUSALS, max_size=2))),
        unreadable=tuple(draw(st.lists(_UNREADABLE, max_size=1))),
        unknown=frozenset(unknown),
        live=draw(st.sampled_from([LIVE, LIVE, frozenset({Live.PODS}), frozenset()])),
    )
