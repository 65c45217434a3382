# SPDX-License-Identifier: Apache-2.0
"""Laws of one call: what its answer depends on, and what it never does."""

import random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import strategies as st

from mpijob import Apply, Create, Desired, encode_status, names
from mpijob.job import Role
from mpijob.lifetimes import Fate, fate_of
from mpijob.loose import mapping, sequence
from mpijob.names import Child
from mpijob.stage import Stage
from properties.canonical import canonical
from properties.deepfreeze import deepfreeze
from properties.laws import law, sometimes
from properties.lives import (
    WAITS,
    any_view,
    lives,
    losing,
    moments,
    seen,
    shrinking,
    waiting,
)
from properties.sights import POD_STATES, hostile_questions, questions, reference
from properties.small_cluster import SmallCluster
from properties.strategies import (
    FORMER,
    NAMESPACE,
    UID,
    Edit,
    Json,
    Question,
    evenly,
    kept,
)

_LEFT_ALONE = (Stage.NOT_OURS, Stage.DELETED, Stage.UNSEEN)
_ENDED = (Stage.SUCCEEDED, Stage.FAILED, Stage.EXPIRED)


# --- P2: a satisfied job is left alone ----------------------------------------


@pytest.mark.rule("B4.4", "B8.3")
@law(moments, often=("something is left to do", "nothing is"))
def test_a_granted_wish_is_not_wished_again(life: SmallCluster) -> None:
    """When all that was asked for is granted, two more looks ask for nothing."""
    work = life.reconcile()
    sometimes("something is left to do", when=work > 0)
    sometimes("nothing is", when=work == 0)
    life.settle(2)
    if not life.gone:
        assert life.question.plan == ()


@pytest.mark.rule("B4.4")
@law(any_view, often=("a status is written",))
def test_a_status_is_written_once(question: Question) -> None:
    """The status that was just written is the status of the next look."""
    answer = question.answer
    sometimes("a status is written", when=answer.status != question.job.status)
    written = {**question.manifest, "status": encode_status(answer.status)}
    assert evolve(question, manifest=written).job.status == answer.status


# --- P3: the order of things is immaterial ------------------------------------


def reordered(value: object, dice: random.Random) -> Any:  # noqa: ANN401 - JSON.
    """Return JSON with the keys of each object in another order."""
    if entries := sequence(value):
        return [reordered(part, dice) for part in entries]
    if fields := mapping(value):
        items = [(key, reordered(part, dice)) for key, part in fields.items()]
        dice.shuffle(items)
        return dict(items)
    return value


@pytest.mark.rule("B3.1", "B3.2")
@law(any_view, st.randoms(use_true_random=False), often=("two objects change places",))
def test_the_order_of_observation_is_immaterial(
    question: Question, dice: random.Random
) -> None:
    """Kubernetes lists in no promised order, so neither do we depend on one."""
    objects = list(question.objects)
    dice.shuffle(objects)
    sometimes("two objects change places", when=tuple(objects) != question.objects)
    other = evolve(
        question,
        manifest=reordered(question.manifest, dice),
        objects=tuple(reordered(each, dice) for each in objects),
    )
    assert canonical(other) == canonical(question)


# --- P4: inputs are only read -------------------------------------------------


@pytest.mark.rule("B1.4")
@law(evenly(hostile_questions(), any_view), often=("there are objects",))
def test_inputs_are_only_read(question: Question) -> None:
    """No input is ever changed, at any depth, by reading, deciding or planning."""
    sometimes("there are objects", when=bool(question.objects))
    frozen = evolve(
        question,
        manifest=deepfreeze(question.manifest),
        objects=tuple(deepfreeze(each) for each in question.objects),
    )
    assert canonical(frozen) == canonical(question)


# --- P7: others' business is not ours -----------------------------------------


def bystanders(job: Json) -> st.SearchStrategy[Json]:
    """Draw an object that is none of the job's business, however like a child."""
    name = job["metadata"]["name"]
    ours = reference("MPIJob", name, UID)
    former = reference("MPIJob", name, FORMER)
    labels = {names.JOB_NAME_LABEL: name, names.OPERATOR_NAME_LABEL: names.OPERATOR}
    return st.builds(
        _bystander,
        st.sampled_from(["Pod", "Job", "Service", "PodGroup", "Lease", "MPIJob"]),
        st.sampled_from(
            [
                (f"{name}-worker-0", "elsewhere", [ours], labels),
                (name, "elsewhere", [ours], labels),
                (f"{name}-launcher", "elsewhere", [ours], labels),
                ("web-7d", NAMESPACE, [former], labels),
                (f"{name}-worker-0x", NAMESPACE, [], labels),
                (f"{name}x-worker-0", NAMESPACE, [former], {}),
            ]
        ),
        st.sampled_from(POD_STATES),
    )


def _bystander(kind: str, who: tuple[str, str, list[Json], Json], status: Json) -> Json:
    name, namespace, owners, labels = who
    metadata: Json = {"name": name, "namespace": namespace, "labels": labels}
    metadata |= {"uid": "u-by", "ownerReferences": owners}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "status": status}


@st.composite
def with_bystanders(draw: st.DrawFn) -> tuple[Question, tuple[Json, ...]]:
    question = draw(any_view)
    others = draw(st.lists(bystanders(question.manifest), min_size=1, max_size=3))
    return question, tuple(others)


@pytest.mark.rule("B8.1")
@law(with_bystanders(), often=("there are children", "a pod comes along"))
def test_what_is_not_ours_changes_nothing(
    drawn: tuple[Question, tuple[Json, ...]],
) -> None:
    """Objects of other namespaces, owners and names do not enter the answer."""
    question, others = drawn
    sometimes("there are children", when=bool(question.objects))
    sometimes("a pod comes along", when=any(o["kind"] == "Pod" for o in others))
    assert canonical(question.having(*others)) == canonical(question)


@pytest.mark.rule("B8.1", "B8.4")
@law(moments, moments, often=("both have pods",))
def test_two_jobs_are_two_questions(one: SmallCluster, two: SmallCluster) -> None:
    """Two jobs of one namespace are answered as if each were alone."""
    mine, theirs = one.question, renamed(two.question)
    pods = [any(o["kind"] == "Pod" for o in q.objects) for q in (mine, theirs)]
    sometimes("both have pods", when=all(pods))
    assert canonical(mine.having(*theirs.objects)) == canonical(mine)
    assert canonical(theirs.having(*mine.objects)) == canonical(theirs)


def renamed(question: Question) -> Question:
    """Return the same life of a job of another name and uid."""
    name = question.manifest["metadata"]["name"]
    return evolve(
        question,
        manifest=_renamed(question.manifest, name),
        objects=tuple(_renamed(each, name) for each in question.objects),
    )


def _renamed(value: object, name: str) -> Any:  # noqa: ANN401 - JSON.
    if fields := mapping(value):
        return {key: _renamed(part, name) for key, part in fields.items()}
    if entries := sequence(value):
        return [_renamed(part, name) for part in entries]
    if value == name or (isinstance(value, str) and value.startswith(f"{name}-")):
        return f"two{value}"
    return f"two-{value}" if value == UID or str(value).startswith("u-") else value


# --- P31, P36, P29: workers ---------------------------------------------------


def made(question: Question) -> set[str]:
    """Return the names of what is to be made."""
    desired = question.answer.desired
    return {each.name for each in desired if isinstance(each, Create)}


def each_pod(question: Question) -> list[tuple[int, Json]]:
    """Return the pods of the job's namespace, each with its place."""
    return [
        (index, each)
        for index, each in enumerate(question.objects)
        if each["kind"] == "Pod" and each["metadata"]["namespace"] == NAMESPACE
    ]


def replaced(question: Question, index: int, pod: Json) -> Question:
    """Return the question with another pod in that place."""
    objects = [*question.objects]
    objects[index] = pod
    return evolve(question, objects=tuple(objects))


@pytest.mark.rule("B3.2", "B5.1", "B4.2")
@law(any_view, st.integers(0, 9), often=("a pod is there",))
def test_a_terminating_pod_is_not_alive(question: Question, which: int) -> None:
    """A pod on its way out is no host, lets nothing start, and holds its name."""
    pods = each_pod(question)
    if not sometimes("a pod is there", when=bool(pods)):
        return
    index, pod = pods[which % len(pods)]
    going = kept(pod)
    going["metadata"]["deletionTimestamp"] = "2030-01-01T11:59:59Z"
    after = replaced(question, index, going)
    name = pod["metadata"]["name"]
    assert name not in made(after)
    assert not made(after) - made(question) - {names.launcher(question.job)}
    for each in after.answer.desired:
        if each.child is Child.CONFIG_MAP and each.manifest:
            script = each.manifest["data"]["discover_hosts.sh"]
            mine = mapping(going["metadata"].get("labels")).get(names.JOB_ROLE_LABEL)
            assert mine != "worker" or f"echo {name}." not in script


@pytest.mark.rule("B5.1")
@law(
    evenly(questions(WAITS), any_view, seen(losing), seen(waiting()), seen(waiting())),
    st.integers(0, 9),
    often=("there is a worker", "it was the last"),
)
def test_one_more_ready_worker_holds_nothing_back(
    question: Question, which: int
) -> None:
    """What is made with fewer workers Ready is made with more of them Ready."""
    indexed = names.worker_index
    workers = [
        (index, pod)
        for index, pod in each_pod(question)
        if indexed(question.job, pod["metadata"]["name"]) is not None
    ]
    if not sometimes("there is a worker", when=bool(workers)):
        return
    index, pod = workers[which % len(workers)]
    before = replaced(question, index, {**pod, "status": {"phase": "Running"}})
    after = replaced(question, index, {**pod, "status": POD_STATES[0]})
    sometimes("it was the last", when=made(before) < made(after))
    assert made(before) <= made(after)


@pytest.mark.rule("B5.7", "B8.7")
@law(
    evenly(any_view, seen(shrinking), seen(losing)),
    often=("too many", "too few"),
)
def test_workers_are_as_many_as_asked_for(question: Question) -> None:
    """Workers 0 to n-1 are kept or made, each once; all beyond are to go."""
    job, answer = question.job, question.answer
    held = question.answer.status.condition("Blocked")
    if fate_of(Child.WORKER, answer.stage) is not Fate.WANT or answer.needs:
        return
    if held is not None and held.status == "True":
        return
    wanted = [each.name for each in answer.desired if each.child is Child.WORKER]
    assert sorted(wanted) == sorted(names.worker(job, i) for i in range(job.workers))
    going = {each.ref.name for each in answer.unwanted if each.ref.kind == "Pod"}
    assert not going & made(question)
    beyond = {
        pod.name
        for pod in question.observed.pods
        if pod.owner.uid == job.uid and not pod.terminating and pod.name not in wanted
    }
    assert beyond <= going
    sometimes("too many", when=bool(beyond))
    sometimes("too few", when=bool(made(question)))


# --- P35: an answer for every question ----------------------------------------


@pytest.mark.rule("B8.4", "B1.5")
@law(hostile_questions(), often=("a problem", "no problem", "all is read"))
def test_there_is_an_answer_for_every_question(question: Question) -> None:
    """No job and no cluster, however spoilt, makes the function raise."""
    answer = question.answer
    sometimes("a problem", when=bool(answer.problems))
    sometimes("no problem", when=not answer.problems)
    sometimes("all is read", when=not answer.needs)
    assert canonical(question)
    assert encode_status(answer.status) is not None
    assert answer.requeue_after is None or answer.requeue_after.total_seconds() > 0


@st.composite
def spoilt_lives(draw: st.DrawFn) -> Question:
    """Draw a job in mid-life that an edit made invalid."""
    life = draw(lives())
    life.user_edits(draw(st.sampled_from(_SPOILING)))
    return life.question


_SPOILING: tuple[Edit, ...] = (
    ("spec.slotsPerWorker", -1),
    ("spec.mpiReplicaSpecs.Worker.replicas", 10**5),
    ("spec.mpiReplicaSpecs.Launcher.template.spec.containers", []),
    ("spec.runPolicy.backoffLimit", "x"),
)


@pytest.mark.rule("B1.7")
@law(
    evenly(hostile_questions(), spoilt_lives()),
    often=("it was never valid", "an edit spoilt it", "it is suspended"),
)
def test_for_an_invalid_job_nothing_is_made_or_changed(question: Question) -> None:
    """While the spec is invalid no child is made, changed, or deleted for it."""
    answer = question.answer
    if not answer.problems or answer.stage in _LEFT_ALONE or answer.needs:
        return
    actions = [action for step in question.plan for action in step]
    assert not [each for each in actions if isinstance(each, Create | Apply)]
    sometimes("it is suspended", when=question.job.status.is_true("Suspended"))
    if answer.stage is Stage.HELD:
        sometimes("an edit spoilt it")
        assert answer.unwanted == ()
        assert answer.status.is_true("Blocked")
        assert answer.status.verdict is None
    elif answer.because.startswith("The spec is invalid"):
        sometimes("it was never valid")
        condition = answer.status.condition("Failed")
        assert condition is not None
        assert condition.reason == "InvalidSpec"


def kind_of(each: Desired) -> str:
    """Return the kind of what is to be made."""
    return each.child.value.rpartition(" ")[2]


# --- P11: identity is the uid -------------------------------------------------


@pytest.mark.rule("B8.1")
@law(moments, often=("there are children",))
def test_a_job_made_anew_takes_nothing_over(life: SmallCluster) -> None:
    """Of a former job of the name nothing is adopted, changed, counted or deleted."""
    sometimes("there are children", when=bool(life.objects))
    manifest = kept(life.manifest)
    manifest["metadata"]["uid"], manifest["status"] = "u-new", {}
    question = evolve(life.question, manifest=manifest)
    answer = question.answer
    if answer.stage in _LEFT_ALONE or answer.problems:
        return
    there = {(each["kind"], each["metadata"]["name"]) for each in question.objects}
    assert not {(kind_of(each), each.name) for each in answer.desired} & there
    assert not (answer.unwanted)
    assert not (answer.touches)
    assert not (answer.numbering)
    worker = answer.status.worker
    assert worker is None or worker.succeeded == worker.failed == 0
    assert Role.WORKER not in answer.outdated
