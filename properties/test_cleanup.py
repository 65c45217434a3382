# SPDX-License-Identifier: Apache-2.0
"""Laws of whose an object is, what is told of it, and what goes at the end."""

from typing import Final

import pytest
from attrs import evolve
from hypothesis import strategies as st

from mpijob import Apply, Create, Delete, Touch, names
from mpijob.hostfile import hostfile
from mpijob.loose import mapping, mappings
from mpijob.messages import bounded
from mpijob.names import Child
from mpijob.status import ConditionType
from mpijob.wire import decode
from properties.canonical import canonical
from properties.laws import law, sometimes
from properties.lives import (
    Move,
    cleared,
    lives,
    losing,
    moments,
    seen,
    shrinking,
    stopped,
    stopping,
)
from properties.sights import POD_STATES, beginnings, reference
from properties.small_cluster import SmallCluster
from properties.strategies import (
    UID,
    Edit,
    Json,
    Question,
    edited,
    evenly,
    kept,
    plain_job,
    stamp,
)

_ROUNDS: Final = 8
which = st.integers(0, 9)
RUNNING: Final[tuple[Move, ...]] = (
    ("settle", _ROUNDS),
    ("all_pods_run", 0),
    ("settle", _ROUNDS),
)
running = lives(then=RUNNING)


def is_ours(value: Json) -> bool:
    """Tell whether the job controls an object, as the JSON has it."""
    owners = mappings(value["metadata"].get("ownerReferences"))
    return any(o.get("controller") is True and o.get("uid") == UID for o in owners)


# --- P11, P13: whose it is ----------------------------------------------------

_LOST: Final[tuple[Json, ...]] = (
    {"ownerReferences": [reference("MPIJob", "pi", UID, controller=False)]},
    {"ownerReferences": [], "labels": {}},
    {"ownerReferences": [reference("ReplicaSet", "web", "u-web")], "labels": {}},
)
_USED: Final = ("Service", "ConfigMap", "Secret")
PODS: Final = (Child.WORKER, Child.LAUNCHER)


@pytest.mark.rule("B8.1")
@law(
    evenly(seen(running), seen(moments), seen(losing)),
    which,
    st.sampled_from(_LOST),
    often=("a pod is disowned", "something else is"),
)
def test_what_the_job_does_not_control_is_let_be(
    question: Question, number: int, lost: Json
) -> None:
    """P13: what is the job's no more is neither changed, deleted, nor made twice."""
    ours = [n for n, each in enumerate(question.objects) if is_ours(each)]
    if not ours:
        return
    place = ours[number % len(ours)]
    foreign = kept(question.objects[place])
    foreign["metadata"] |= lost
    others = question.objects[:place] + question.objects[place + 1 :]
    after = evolve(question, objects=(*others, foreign))
    kind, name = foreign["kind"], foreign["metadata"]["name"]
    sometimes("a pod is disowned" if kind == "Pod" else "something else is")
    for action in [action for step in after.plan for action in step]:
        if isinstance(action, Create | Apply):
            made = action.manifest
            assert (made["kind"], made["metadata"]["name"]) != (kind, name)
            # Whatever the pods use would be somebody else's.
            assert kind not in _USED or action.child not in PODS
        elif isinstance(action, Delete | Touch):
            assert action.ref[1::2] != (kind, name)


@pytest.mark.rule("B8.1")
@law(running, often=("a launcher pod is left",))
def test_a_pod_of_an_earlier_job_is_no_launcher(life: SmallCluster) -> None:
    """P11: a launcher pod that is older than the MPIJob is not this one's."""
    question = life.question
    manifest = kept(question.manifest)
    # Launchers that fail are tried anew for a long time.
    late = {"uid": "u-new", "creationTimestamp": stamp(1_000_000)}
    manifest["metadata"] |= late
    manifest["status"] = {}
    prefix = f"{names.launcher(question.job)}-"
    pods = [
        each
        for each in question.objects
        if each["kind"] == "Pod" and each["metadata"]["name"].startswith(prefix)
    ]
    sometimes("a launcher pod is left", when=bool(pods))
    anew = evolve(question, manifest=manifest, objects=tuple(pods))
    assert canonical(anew) == canonical(evolve(anew, objects=()))


@pytest.mark.rule("B8.4")
@law(seen(running), often=("there is a launcher Job",))
def test_a_condition_that_is_false_says_nothing(question: Question) -> None:
    """P35: what a Job says is False, or cannot be read, is as if it did not say it."""
    jobs = [n for n, each in enumerate(question.objects) if each["kind"] == "Job"]
    if not sometimes("there is a launcher Job", when=bool(jobs)):
        return
    objects = [kept(each) for each in question.objects]
    status = objects[jobs[0]].setdefault("status", {})
    said = status.get("conditions", [])
    types = {entry["type"] for entry in said}
    false = ({"Complete", "Failed", "Suspended", "SuccessCriteriaMet"}) - types
    words = [{"type": type_, "status": "False"} for type_ in sorted(false)]
    status["conditions"] = [*words, *said, None, {"status": "Unknown"}]
    assert canonical(evolve(question, objects=tuple(objects))) == canonical(question)


_EXIT_CODE: Final[Edit] = ("spec.mpiReplicaSpecs.Launcher.restartPolicy", "ExitCode")
_NUMBERS: Final = ("x", "-1", "1e3", "\u0663", "\u00b2", " 1", "9" * 30, "", "2")


@pytest.mark.rule("B4.9", "B8.4")
@law(running, which, st.sampled_from(_NUMBERS), often=("it is a number",))
def test_the_number_of_a_failure_may_be_anything(
    life: SmallCluster, number: int, text: str
) -> None:
    """P35: what is no number of ours on a failed worker is no number, and no error."""
    if not life.pods:
        return
    life.pod_becomes((number, POD_STATES[11]))
    pod = life.pods[number % len(life.pods)]
    pod["metadata"].setdefault("annotations", {})[names.FAILURE_NUMBER] = text
    worker = life.question.answer.status.worker
    if sometimes("it is a number", when=text in ("2", "\u0663")):
        return
    before = life.question.job.status.worker
    assert (worker.failed if worker else 0) == (before.failed if before else 0)


@pytest.mark.rule("B5.3", "B4.9")
@law(running, which, often=("a worker fails as it goes",))
def test_what_fails_on_its_way_out_is_no_failure(
    life: SmallCluster, number: int
) -> None:
    """P31: a worker that fails because it was deleted is neither counted nor blamed."""
    if not life.pods:
        return
    life.pod_becomes((number, POD_STATES[11]))
    life.pod_is_terminating(number)
    pod = life.pods[number % len(life.pods)]
    question = life.question
    ours = names.worker_index(question.job, pod["metadata"]["name"]) is not None
    sometimes("a worker fails as it goes", when=ours and is_ours(pod))
    assert not question.answer.numbering
    assert not [gone for gone in question.answer.unwanted if gone.ref.kind == "Pod"]


@pytest.mark.rule("B2.6")
@law(
    evenly(beginnings(_EXIT_CODE), beginnings()),
    often=("it is ExitCode", "it is another"),
)
def test_every_pod_can_be_restarted_by_a_kubelet(question: Question) -> None:
    """P33: every pod that we make has a restartPolicy that Kubernetes takes."""
    launcher = question.job.launcher
    for each in question.answer.desired:
        if each.child in (Child.WORKER, Child.LAUNCHER) and each.manifest:
            spec = each.manifest["spec"]
            pod = spec["template"]["spec"] if "template" in spec else spec
            assert pod["restartPolicy"] in ("Always", "OnFailure", "Never")
            policy = launcher.restart_policy if launcher else ""
            sometimes("it is ExitCode" if policy == "ExitCode" else "it is another")


# --- P29: the hosts that are told ---------------------------------------------


@pytest.mark.rule("B3.2", "B5.7")
@law(seen(shrinking), often=("a worker too many runs",))
def test_no_host_is_told_that_is_not_asked_for(question: Question) -> None:
    """P29: discover_hosts.sh names no worker beyond those that are asked for."""
    job = question.job
    live = [each for each in question.observed.pods if each.phase == "Running"]
    indices = {names.worker_index(job, pod.name) for pod in live}
    beyond = [i for i in indices if i is not None and i >= job.workers]
    sometimes("a worker too many runs", when=bool(beyond))
    for each in question.answer.desired:
        if each.child is Child.CONFIG_MAP and each.manifest:
            script = str(each.manifest["data"]["discover_hosts.sh"])
            assert not [i for i in beyond if f"{names.worker(job, i)}." in script]


@pytest.mark.rule("B3.1")
@law(st.integers(1, 25), st.booleans(), often=("there are ten and more",))
def test_hosts_are_told_in_the_order_of_their_numbers(
    workers: int, works_too: bool
) -> None:
    """P3: the hostfile has the workers by number, after the launcher where it works."""
    job = decode(edited(plain_job("pi", workers), [(_WORKS_TOO, works_too)]))
    sometimes("there are ten and more", when=workers > 10)
    told = [line.split(".")[0] for line in hostfile(job).splitlines()]
    hosts = [names.worker(job, index) for index in range(workers)]
    assert told == [names.launcher(job)] * works_too + hosts


_WORKS_TOO: Final = "spec.runLauncherAsWorker"


@pytest.mark.rule("B4.1", "B4.7")
@law(st.text(min_size=1, max_size=40).map(lambda text: text * 99), often=("it is cut",))
def test_whatever_is_said_fits(text: str) -> None:
    """P33: whatever a message is made of, it is a line that the API server takes."""
    said = bounded(text)
    sometimes("it is cut", when=said.endswith("..."))
    assert len(said.encode()) <= 1024
    assert said.isprintable()


# --- P17, P18: what goes ------------------------------------------------------

_SHRINK: Final[Move] = ("user_edits", ("spec.mpiReplicaSpecs.Worker.replicas", 1))
_OVER: Final[tuple[Move, ...]] = (("launcher_says", "Complete"),)


@st.composite
def finished(draw: st.DrawFn) -> SmallCluster:
    """Draw a job that has just ended, with workers of all kinds left."""
    policy = draw(st.sampled_from(["All", "Running", "None"]))
    clean: Edit = ("spec.runPolicy.cleanPodPolicy", policy)
    life = draw(lives(clean, then=RUNNING))
    life.manifest["spec"].setdefault("runPolicy", {})["cleanPodPolicy"] = policy
    # Only of Running does it matter.
    if policy == "Running" or draw(st.booleans()):
        life.pod_becomes((draw(which), {"phase": "Succeeded"}))
    if draw(st.booleans()):
        life.user_edits(_SHRINK[1])
    life.launcher_says("Complete")
    return life


@pytest.mark.rule("B5.5", "B5.7")
@law(finished(), often=("All", "Running", "None"))
def test_a_finished_job_is_cleaned_up_as_it_says(life: SmallCluster) -> None:
    """P17: at the end exactly the workers go that cleanPodPolicy names, all of them."""
    question = life.question
    answer, policy = question.answer, question.job.run_policy.clean_pod_policy
    fresh = question.job.status.verdict is None
    if not (fresh and answer.status.is_true(ConditionType.SUCCEEDED)):
        return
    sometimes(str(policy))
    workers = [
        each
        for each in question.objects
        if each["kind"] == "Pod"
        and is_ours(each)
        and "deletionTimestamp" not in each["metadata"]
    ]
    over = ("Succeeded", "Failed")
    live = {w["metadata"]["name"] for w in workers if _phase(w) not in over}
    every = {w["metadata"]["name"] for w in workers}
    going = {each.ref.name for each in answer.unwanted if each.ref.kind == "Pod"}
    assert going == {"All": every, "Running": live, "None": set[str]()}[policy]


def _phase(pod: Json) -> object:
    return mapping(pod.get("status")).get("phase")


@pytest.mark.rule("B6.1", "B8.2")
@law(
    evenly(seen(cleared), seen(stopped), seen(stopping)),
    often=("it is freed",),
)
def test_nothing_is_freed_unless_it_was_read_live(question: Question) -> None:
    """P18: no suspended job is said to hold nothing on the word of a cache alone."""
    old, new = question.job.status, question.answer.status
    freed = old.start_time is not None and new.start_time is None
    if sometimes("it is freed", when=freed or (old.active > 0 and new.active == 0)):
        blind = evolve(question, live=frozenset())
        if new.verdict is None:
            assert blind.answer.status == old
            assert blind.answer.needs


@pytest.mark.rule("B6.1")
@law(running, often=("it was stopped by somebody",))
def test_a_launcher_that_somebody_stopped_goes_on(life: SmallCluster) -> None:
    """P6: a launcher Job that somebody else suspended is told to go on.

    With WaitForWorkersReady it waits for them again, which is a law of its own (P19).
    """
    job = life.launcher
    question = life.question
    observed = question.observed.launcher
    if job is None or observed is None or observed.owner.uid != UID:
        return
    active = ("Starting", "Running", "Waiting")
    if question.answer.stage.value not in active or observed.terminating:
        return
    if observed.conditions or question.answer.problems:
        return
    life.launcher_is_suspended(0)
    life.time_passes(99)
    life.settle(_ROUNDS)
    sometimes("it was stopped by somebody")
    after = life.question
    if after.job.waits_for_workers and not _are_ready(after):
        return
    if after.job.status.verdict is None and not life.gone:
        assert job["spec"]["suspend"] is False


def _are_ready(question: Question) -> bool:
    """Tell whether as many workers are Ready and stay as there are to be."""
    job, pods = question.job, question.observed.pods
    staying = {pod.name for pod in pods if pod.ready and not pod.terminating}
    return staying >= {names.worker(job, index) for index in range(job.workers)}
