# SPDX-License-Identifier: Apache-2.0
"""The lists in docs/beyond-the-crd.md: each example is what its row says (B1.5, B1.6).

That nothing is missing from the lists, properties/test_crd_and_validation.py tries.
"""

import pytest

import mpijob
from mpijob_operator import manifests, offline
from mpijob_operator.documents import Document
from tests.beyond import (
    BEYOND,
    LEFT,
    WORLD,
    Json,
    Rule,
    heard,
    listed,
    same_field,
    unmatched,
)
from tests.controlplane.cases import CHANGES
from tests.controlplane.offline import refusals


@pytest.mark.parametrize("rule", BEYOND, ids=lambda rule: rule.id)
@pytest.mark.rule("B1.5", "B1.6")
def test_what_the_crd_takes_and_validate_refuses(rule: Rule) -> None:
    said = heard(rule.job)
    assert said.crd == ()
    assert said.validate
    assert {listed(problem, BEYOND) for problem in said.validate} == {rule}


@pytest.mark.parametrize("rule", LEFT, ids=lambda rule: rule.id)
@pytest.mark.rule("B1.5", "B1.6")
def test_what_the_crd_refuses_and_the_function_takes(rule: Rule) -> None:
    said = heard(rule.job)
    assert said.crd
    assert {listed(problem, LEFT) for problem in said.crd} == {rule}
    assert said.function == ()
    assert not unmatched(said.crd, said.validate)


def test_each_row_has_a_name_and_a_reason_of_its_own() -> None:
    rows = (*BEYOND, *LEFT)
    assert len({row.id for row in rows}) == len(rows)
    assert all(row.why.endswith(".") for row in rows)


@pytest.mark.parametrize(
    "problem",
    [
        mpijob.Problem("spec.runPolicy.schedulingPolicy.minAvailable", "is 0"),
        mpijob.Problem("metadata.name", "is 'Pi', and must be a DNS-1035 label"),
        mpijob.Problem("spec.volumes[0].name", "the operator adds a volume"),
    ],
    ids=lambda problem: problem.path,
)
def test_nothing_else_is_on_the_list(problem: mpijob.Problem) -> None:
    assert listed(problem, BEYOND) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [pytest.param(old, new, id=id_) for id_, (old, new, _) in CHANGES.items()],
)
@pytest.mark.rule("B1.5", "B1.6")
def test_a_change_that_the_crd_refuses_plan_refuses(old: Json, new: Json) -> None:
    job = manifests.manifested(Document(new, "job.json", ("", 1)))
    asked = offline.Asked(job, job.value, before=old)
    found = offline.planned(asked, WORLD).problems
    for said in refusals(new, old):
        path, _, message = said.partition(": ")
        problem = mpijob.Problem(path, message)
        assert any(same_field(problem, other) for other in found)
