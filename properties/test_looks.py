# SPDX-License-Identifier: Apache-2.0
"""Laws of what a look has before it: caches, live reads, and our own past."""

from typing import Final

import pytest
from hypothesis import strategies as st

from mpijob import sightings
from mpijob.names import Ref
from mpijob.observed import Live
from mpijob_operator.controller import memory as memories
from mpijob_operator.controller.memory import NEW, Progress
from mpijob_operator.controller.store import (
    Key,
    Seen,
    Store,
    newer,
    observed,
    ref_of,
    with_live,
)
from mpijob_operator.executor import Answer, End, start
from properties.laws import law, sometimes
from properties.lives import moments
from properties.small_cluster import SmallCluster
from properties.strategies import Json, Question, kept

NOW_S, LANDS_S = 100.0, 5.0
KINDS: Final = (
    ("kubeflow.org/v2beta1", "MPIJob"),
    ("v1", "Pod"),
    ("batch/v1", "Job"),
    ("v1", "ConfigMap"),
)


def seen(value: Json) -> Seen:
    """Return an object as it was seen."""
    sighting = sightings.sighting(value)
    assert sighting is not None
    return Seen(sighting)


# --- P22: our own past --------------------------------------------------------

versions = st.integers(1, 1200)

# When a cache was listed: before what was written, since, or after any doubt as well.
BEFORE_S: Final = NOW_S - LANDS_S - 1
AFTER_S: Final = NOW_S + 1
lists = st.sampled_from([BEFORE_S, NOW_S - 1, AFTER_S])


@pytest.mark.rule("B8.2")
@law(
    st.dictionaries(st.sampled_from(KINDS), versions),
    st.dictionaries(st.sampled_from(KINDS), st.tuples(versions, lists)),
    st.booleans(),
    often=("a cache is behind", "none is", "nobody knows"),
)
def test_no_job_is_looked_at_through_its_own_past(
    written: dict[tuple[str, str], int],
    caches: dict[tuple[str, str], tuple[int, float]],
    unknown: bool,
) -> None:
    """P22: a cache is waited for until it has passed what we wrote, or was listed."""
    known = memories.Memory(
        written={kind: str(version) for kind, version in written.items()},
        wrote=NOW_S - LANDS_S,
        doubt=NOW_S if sometimes("nobody knows", when=unknown) else None,
    )
    progress = {
        kind: Progress(str(version), listed)
        for kind, (version, listed) in caches.items()
    }
    behind = {
        kind
        for kind, (version, listed) in caches.items()
        if (version < written.get(kind, 0) and listed == BEFORE_S)
        or (unknown and listed != AFTER_S)
    }
    assert {*memories.behind(known, progress)} == behind
    sometimes("a cache is behind" if behind else "none is")


@pytest.mark.rule("B8.2", "B8.3")
@law(
    moments,
    st.sampled_from([0, 200, 200, 200, 409, 500]),
    often=("nobody knows", "something was written"),
)
def test_what_became_of_a_plan_is_known_to_the_next_look(
    life: SmallCluster, code: int
) -> None:
    """P25: what was written, and what nobody knows of, is remembered for as long."""
    question = life.question
    execution = start(question.job, question.plan)
    version = 90
    while execution.end is None:
        call, version = execution.ready()[0], version + 1
        body = {"metadata": {"resourceVersion": str(version)}}
        execution = execution.answered(call.number, Answer(code, body))
    after = memories.after(NEW, execution, NOW_S, LANDS_S)
    assert (after.written, after.wrote) == (execution.written, NOW_S)
    sometimes("something was written", when=bool(after.written))
    if sometimes("nobody knows", when=execution.end is End.UNCERTAIN):
        assert after.doubt == NOW_S + LANDS_S
    else:
        assert after.doubt is None
    assert {*after.taken} == {*execution.taken}
    assert after.refusals == execution.refusals


# --- P22: the newer sight -----------------------------------------------------


def at(value: Json, version: int, **labels: str) -> Json:
    """Return an object as it was at some version."""
    copy = kept(value)
    copy["metadata"]["resourceVersion"] = str(version)
    copy["metadata"]["labels"] = labels
    return copy


POD: Final[Json] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "pi-worker-0", "namespace": "hpc", "uid": "u"},
}


@pytest.mark.rule("B8.1")
@law(versions, versions)
def test_of_two_sights_the_newer_counts(one: int, other: int) -> None:
    """P23: of two sights of one object the one of the later version counts."""
    ours, theirs = seen(at(POD, one, a="x")), seen(at(POD, other, a="y"))
    assert newer(ours, theirs) is (ours if one >= other else theirs)
    assert newer(ours, None) is ours


@pytest.mark.rule("B5.2", "B6.1", "B8.2")
@law(
    moments,
    st.sets(st.sampled_from(Live), min_size=1),
    st.integers(0, 9),
    often=("a cache shows what is gone",),
)
def test_what_is_read_live_is_all_there_is(
    life: SmallCluster, needs: set[Live], which: int
) -> None:
    """P22: of a kind that was read live nothing of the cache counts any more."""
    cached = life.question
    key, store = Key(cached.job.namespace, cached.job.name), Store()
    for value in cached.objects:
        store.put(value)
    if life.objects_that_run:
        life.remove(life.objects_that_run[which % len(life.objects_that_run)])
    now = life.question
    live = {need: [seen(v) for v in _read(now, need)] for need in needs}
    found = with_live(store.bucket(key), live, cached.job)
    told = observed(cached.job, found.values())
    there = {ref_of(value) for value in now.objects}
    sometimes("a cache shows what is gone", when=len(there) < len(cached.objects))
    if Live.PODS in needs:
        pods = {Ref("v1", "Pod", key.namespace, pod.name) for pod in told.pods}
        assert pods <= there
    if Live.LAUNCHER in needs and told.launcher is not None:
        assert Ref("batch/v1", "Job", key.namespace, told.launcher.name) in there


def _read(question: Question, need: Live) -> list[Json]:
    kind = "Pod" if need is Live.PODS else "Job"
    return [value for value in question.objects if value["kind"] == kind]
