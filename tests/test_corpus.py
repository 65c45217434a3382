# SPDX-License-Identifier: Apache-2.0
"""Fresh jobs of the corpus: what upstream makes of each, but for the listed patterns.

A difference that no pattern of `corpus/expected-differences.md` explains is a failure,
and so is a pattern that explains nothing.
"""

import copy
import re
from typing import Any, Final

import pytest
from attrs import evolve

import mpijob
import mpijob_crd
from mpijob import sightings
from mpijob_operator.schema import Schema
from tests.corpus_case import (
    CORPUS,
    Answer,
    Asked,
    Object,
    differences,
    fresh,
    params,
    steps,
    upstream,
    upstream_step,
)
from tests.deviations_of_life import BY_COMPARISON, d04, d20, d22, expected
from tests.granting import as_sent, ours, world_of
from tests.lives import BY_HAND, HOW, NOT_SHOWN

pytestmark = pytest.mark.rule(
    *("B1.3", "B1.4", "B2.1", "B2.2", "B2.3", "B2.4", "B2.5", "B2.6"),
    *("B3.1", "B3.3", "B4.5", "B4.7", "B5.6", "B5.8"),
    *("B7.1", "B7.2", "B7.3", "B7.4"),
)

VALID: Final = params(lambda case: case["valid"])
INVALID: Final = params(lambda case: not case["valid"])


@pytest.mark.parametrize("case", VALID)
def test_a_fresh_job_is_upstreams_but_for_the_patterns(case: str) -> None:
    asked = fresh(case)
    wanted, _ = expected(upstream(asked), asked)
    assert differences(wanted, ours(asked), asked) == []


# --- Invalid jobs -------------------------------------------------------------

_LAUNCHER: Final = "spec.mpiReplicaSpecs.Launcher"
_WORKER: Final = "spec.mpiReplicaSpecs.Worker"
_POLICY: Final = "spec.runPolicy"
_POD: Final = "template.spec"

# The faults that the function names, by their paths.
FAULTS: Final[dict[str, set[str]]] = {
    "invalid-backoff-negative": {f"{_POLICY}.backoffLimit"},
    "invalid-containers-not-a-list": {f"{_WORKER}.{_POD}.containers"},
    "invalid-deadline-negative": {f"{_POLICY}.activeDeadlineSeconds"},
    "invalid-implementation-case": {"spec.mpiImplementation"},
    "invalid-launcher-policy-always": {f"{_LAUNCHER}.restartPolicy"},
    "invalid-launcher-replicas-zero": {f"{_LAUNCHER}.replicas"},
    "invalid-managedby-unknown": {f"{_POLICY}.managedBy"},
    "invalid-min-available-too-many": {f"{_POLICY}.schedulingPolicy.minAvailable"},
    "invalid-mount-collision": {
        f"{_LAUNCHER}.{_POD}.containers[0].volumeMounts[0].mountPath"
    },
    "invalid-name-digit-first": {"metadata.name"},
    "invalid-name-too-long": {"metadata.name"},
    "invalid-no-replica-specs": {"spec.mpiReplicaSpecs"},
    "invalid-schedule-timeout-negative": {
        f"{_POLICY}.schedulingPolicy.scheduleTimeoutSeconds"
    },
    "invalid-template-empty": {f"{_WORKER}.{_POD}.containers"},
    "invalid-unknown-replica-type": {"spec.mpiReplicaSpecs.Master"},
    "invalid-volume-name-collision": {f"{_LAUNCHER}.{_POD}.volumes[0].name"},
    "invalid-worker-no-containers": {f"{_WORKER}.{_POD}.containers"},
    "invalid-worker-replicas-negative": {f"{_WORKER}.replicas"},
    "invalid-wrong-type": {"spec.slotsPerWorker"},
}
# Those that are the schema's: no API server takes such a job, upstream's CRD or ours.
FAULTS_OF_SCHEMA: Final[dict[str, set[str]]] = {
    "env-duplicates": {
        f"{_LAUNCHER}.{_POD}.containers[0].env[2]",
        f"{_WORKER}.{_POD}.containers[0].env[2]",
        # Its `y` is true to kubectl; upstream was asked by somebody who reads text.
        f"{_WORKER}.{_POD}.containers[0].env[2].value",
    },
    "invalid-bad-quantity": {f"{_WORKER}.{_POD}.containers[0].resources.limits.cpu"},
    "invalid-container-without-name": {f"{_WORKER}.{_POD}.containers[0].name"},
}


def problems(asked: Asked) -> set[str]:
    job = mpijob.decode(asked.job)
    answer = mpijob.reconcile(job, sightings.observed([], job), world_of(asked))
    return {problem.path for problem in answer.problems}


@pytest.mark.parametrize("case", INVALID)
@pytest.mark.rule("B1.5")
def test_every_fault_of_an_invalid_job_is_named_with_its_path(case: str) -> None:
    asked = fresh(case)
    assert problems(asked) == FAULTS.get(case, set())
    if case in FAULTS_OF_SCHEMA:
        found = Schema(mpijob_crd.schema()).problems_of(asked.job)
        assert {problem.path for problem in found} == FAULTS_OF_SCHEMA[case]


@pytest.mark.parametrize(
    "case", [param for param in INVALID if param.id not in FAULTS_OF_SCHEMA]
)
@pytest.mark.rule("B1.7", "B5.8")
def test_an_invalid_job_has_no_child_and_fails_at_once(case: str) -> None:
    asked = fresh(case)
    wanted = d22(d20(d04(upstream(asked), asked), asked), asked)
    said = ours(asked)
    counts = ("replicaStatuses", "observedGeneration")
    status = {k: v for k, v in said.status.items() if k not in counts}
    assert differences(wanted, evolve(said, status=status), asked) == []
    assert not any("active" in c for c in said.status.get(counts[0], {}).values())


@pytest.mark.parametrize("case", sorted(FAULTS_OF_SCHEMA))
@pytest.mark.rule("B1.6")
def test_upstreams_crd_refuses_what_only_the_schema_names(case: str) -> None:
    assert fresh(case).record["accepted"] is False


def test_each_invalid_case_has_its_faults_in_the_tables() -> None:
    cases = {str(param.id) for param in INVALID}
    assert cases == FAULTS.keys() | FAULTS_OF_SCHEMA.keys()


# --- The patterns -------------------------------------------------------------


def uses() -> dict[str, set[str]]:
    """Return for each pattern the jobs and steps in which it explains something."""
    found: dict[str, set[str]] = {}
    for param in VALID:
        asked = fresh(str(param.id))
        for pattern in expected(upstream(asked), asked)[1]:
            found.setdefault(pattern, set()).add(asked.case)
    for case, ways in HOW.items():
        for index, (asked, way) in enumerate(zip(steps(case), ways, strict=True), 1):
            used = expected(upstream_step(asked, as_sent), asked)[1]
            for pattern in BY_HAND.get(way, used):
                found.setdefault(pattern, set()).add(f"{case} {index}")
    found["D4"] = {case for case in FAULTS if upstream(fresh(case)).created}
    found["D20"] = set(FAULTS)
    return found


def test_every_pattern_explains_something_or_says_why_not() -> None:
    text = (CORPUS / "expected-differences.md").read_text()
    listed = set(re.findall(r"\*\*(D\d+)\b", text))
    used = uses().keys()
    assert listed == used | BY_COMPARISON.keys() | NOT_SHOWN.keys()
    assert not used & NOT_SHOWN.keys()


# --- The comparison -----------------------------------------------------------


def tampered(answer: Answer, path: str, value: object) -> Answer:
    """Return an answer with one field set, or with one removed."""
    created = copy.deepcopy(dict(answer.created))
    *parents, last = path.split(" ")
    place: Any = created
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    if value is None:
        del place[int(last) if isinstance(place, list) else last]
    else:
        place[last] = value
    return evolve(answer, created=created)


_POD_OF_LAUNCHER: Final = "Job/pi-launcher spec template spec"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("Secret/pi-ssh", None, id="a child less"),
        pytest.param("Service/other", {"kind": "Service"}, id="a child more"),
        pytest.param("Service/pi metadata labels app", None, id="a label less"),
        pytest.param("Pod/pi-worker-0 metadata labels x", "y", id="a label more"),
        pytest.param("Pod/pi-worker-1 spec hostname", "pi", id="another name"),
        pytest.param(
            f"{_POD_OF_LAUNCHER} containers 0 env 3 value", "no", id="another variable"
        ),
        pytest.param(f"{_POD_OF_LAUNCHER} volumes 0", None, id="a volume less"),
        pytest.param(
            f"{_POD_OF_LAUNCHER} containers 0 resources limits memory",
            "1025Mi",
            id="another quantity",
        ),
        pytest.param("ConfigMap/pi-config data hostfile", "\n", id="another hostfile"),
        pytest.param("Secret/pi-ssh immutable", False, id="a flag not set"),
        pytest.param("Job/pi-launcher spec backoffLimit", 0, id="a zero more"),
    ],
)
def test_the_comparison_sees(path: str, value: object) -> None:
    asked = fresh("real-pi-openmpi")
    wanted, _ = expected(upstream(asked), asked)
    assert differences(wanted, tampered(ours(asked), path, value), asked) != []


@pytest.mark.parametrize(
    ("theirs", "own"),
    [
        pytest.param({"a": 1}, {"a": 1, "b": ""}, id="empty, and absent"),
        pytest.param({"a": 1}, {"a": 1, "b": False}, id="false, and absent"),
        pytest.param(
            {"a": {"limits": {"m": "1536Mi"}}},
            {"a": {"limits": {"m": "1.5Gi"}}},
            id="a quantity, and the same in other words",
        ),
    ],
)
def test_the_comparison_takes_as_equal(theirs: Object, own: Object) -> None:
    asked = fresh("real-pi-openmpi")
    one, other = Answer(status=theirs), Answer(status=own)
    assert differences(one, other, asked) == []
