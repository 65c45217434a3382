# SPDX-License-Identifier: Apache-2.0
"""The lives of the corpus, step by step: what upstream did, but for the patterns.

Each step stands alone: the core is asked about what upstream saw, each of its wishes
is granted until it has none left, and what it did is compared as a whole.
`tests.lives` says for each step how.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from attrs import evolve

from tests.corpus_case import Asked, Object, differences, params, steps
from tests.deviations_of_life import conditions, key_of
from tests.granting import ours, with_fields
from tests.lives import HOW, Way, by_patterns

pytestmark = pytest.mark.rule(
    *("B2.1", "B3.2", "B4.1", "B4.2", "B4.4", "B4.5", "B4.6", "B4.7"),
    *("B5.1", "B5.2", "B5.4", "B5.5", "B5.7", "B5.8", "B5.9"),
    *("B6.1", "B6.2", "B7.5", "B8.1", "B8.2", "B8.7"),
)


def table() -> Iterator[Any]:
    """Give each step with the way in which it is compared."""
    for case, ways in HOW.items():
        for asked, way in zip(steps(case), ways, strict=True):
            number = asked.record["step"]
            yield pytest.param(asked, way, id=f"{case} {number}")


@pytest.mark.parametrize(("asked", "way"), [*table()])
def test_a_step_is_upstreams_but_for_the_patterns(asked: Asked, way: Way) -> None:
    assert differences(way(asked), ours(asked), asked) == []


def test_the_table_says_of_every_step_how_it_is_compared() -> None:
    lives = {str(param.id) for param in params(lambda case: case["steps"])}
    assert HOW.keys() == lives
    for case, ways in HOW.items():
        assert len(ways) == len(steps(case))


# --- What upstream's lives do not reach ---------------------------------------


def step(case: str, number: int) -> Asked:
    return steps(case)[number - 1]


def changed(asked: Asked, kind: str, fields: Object) -> Asked:
    """Return the question with a child of the job changed."""
    key = key_of(asked, kind)
    child = with_fields(asked.children[key], fields)
    return evolve(asked, children={**asked.children, key: child})


def without(asked: Asked, *words: str) -> Asked:
    """Return the question without the children whose key has one of the words."""
    kept = {
        key: child
        for key, child in asked.children.items()
        if not any(word in key for word in words)
    }
    return evolve(asked, children=kept)


def with_status(asked: Asked, status: Object) -> Asked:
    return evolve(asked, job={**asked.job, "status": status})


@pytest.mark.rule("B5.6")
def test_a_ttl_of_zero_takes_the_job_after_its_result_was_written() -> None:
    now = "2030-01-01T00:04:00Z"
    ended = {"type": "Complete", "status": "True", "lastTransitionTime": now}
    status = {"conditions": [ended], "completionTime": now, "succeeded": 1}
    asked = evolve(step("life-ttl-zero", 3), now=now)
    said = ours(changed(asked, "Job", {"status": status}))
    assert conditions(said.status)["Succeeded"]["status"] == "True"
    assert said.status["completionTime"] == now
    assert "MPIJob/lc-ttl" in said.deleted
    assert not said.created


SUSPENDED: Final = {"conditions": [{"type": "Suspended", "status": "True"}]}


def stopped() -> Asked:
    """Return the evicted job of Kueue's once its launcher Job has stopped."""
    asked = step("life-kueue-admission", 5)
    job = {"spec": {"suspend": True}, "status": SUSPENDED}
    asked = with_status(changed(asked, "Job", job), ours(asked).status)
    return without(asked, "launcher-aaaaa")


def gone() -> Asked:
    """Return it once all that was deleted is gone."""
    asked = with_status(stopped(), ours(stopped()).status)
    return without(asked, "worker", "launcher")


@pytest.mark.rule("B6.1")
def test_a_launcher_that_has_stopped_goes_and_every_worker_with_it() -> None:
    said = ours(stopped())
    pods = {"Pod/lc-kueue-worker-0", "Pod/lc-kueue-worker-1"}
    assert said.deleted == {"Job/lc-kueue-launcher", *pods}
    assert said.status["startTime"]
    assert said.status["replicaStatuses"]["Worker"]["active"] == 2


@pytest.mark.rule("B4.5", "B4.6")
def test_what_is_counted_and_started_ends_when_nothing_is_left() -> None:
    said = ours(gone())
    assert "startTime" not in said.status
    assert not any("active" in c for c in said.status["replicaStatuses"].values())
    assert conditions(said.status)["Suspended"]["status"] == "True"
    assert not said.created
    assert not said.deleted


@pytest.mark.rule("B4.6", "B6.1", "B6.2")
def test_a_resumed_job_starts_anew_from_its_present_spec() -> None:
    admitted = step("life-kueue-admission", 7)
    before = ours(gone()).status
    asked = with_status(evolve(admitted, children=gone().children), before)
    said, upstreams = ours(asked), by_patterns(admitted)
    workers = {k: c for k, c in said.created.items() if c["kind"] == "Pod"}
    theirs = {k: c for k, c in upstreams.created.items() if c["kind"] == "Pod"}
    one, other = (
        evolve(a, created=c) for a, c in ((upstreams, theirs), (said, workers))
    )
    found = [text for text in differences(one, other, asked) if "created" in text]
    assert found == []
    assert said.status["startTime"] == asked.now
    assert said.events == {("Normal", "MPIJobResumed", "MPIJob resumed")}


@pytest.mark.rule("B6.2")
def test_a_launcher_made_on_a_resume_has_what_kueue_gave_the_template() -> None:
    admitted = step("life-kueue-admission", 7)
    asked = with_status(evolve(admitted, children=gone().children), ours(gone()).status)
    (template,) = (
        c["spec"]["template"]
        for c in ours(asked).created.values()
        if c["kind"] == "Job"
    )
    (theirs,) = (
        write["body"]["spec"]["template"]
        for write in admitted.record["writes"]
        if write["kind"] == "Job"
    )
    for field in ("nodeSelector", "tolerations", "schedulingGates"):
        assert template["spec"].get(field) == theirs["spec"].get(field)
    labels = template["metadata"]["labels"]
    assert labels.items() <= theirs["metadata"]["labels"].items()
