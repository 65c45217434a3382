# SPDX-License-Identifier: Apache-2.0
"""Laws of reading and writing: what is decoded is encoded again, and nothing raises."""

import json
from typing import Any, Final

import pytest
from hypothesis import strategies as st

import mpijob_crd
from mpijob import decode, encode_status, sightings
from mpijob.job import Role
from mpijob.loose import mapping
from mpijob.wire import decode_status
from mpijob_operator.schema import Schema
from properties.laws import law, sometimes
from properties.sights import hostile_questions, questions, statuses
from properties.strategies import (
    Json,
    Question,
    anything,
    evenly,
    fresh_jobs,
    kept,
    spoilt,
)

SCHEMA: Final = Schema(mpijob_crd.schema())
spoilt_jobs = fresh_jobs().flatmap(spoilt)
spoilt_statuses = statuses().flatmap(spoilt)
any_object = st.dictionaries(
    st.sampled_from(["kind", "metadata", "spec", "status", "x"]), anything
)


@pytest.mark.rule("B8.4")
@law(evenly(any_object, spoilt_jobs), often=("a problem", "no problem"))
def test_anything_is_read_as_a_job(manifest: Json) -> None:
    """Whatever JSON claims to be an MPIJob is read; what is not understood is told."""
    job = decode(manifest)
    sometimes("a problem", when=bool(job.malformed))
    sometimes("no problem", when=not job.malformed)
    for problem in job.malformed:
        assert problem.path.startswith("spec")
        assert problem.message


@pytest.mark.rule("B8.4")
@law(fresh_jobs(), st.lists(evenly(any_object, any_object), max_size=3))
def test_anything_is_read_as_a_cluster(manifest: Json, objects: list[Json]) -> None:
    """Whatever JSON a cluster returns is sorted, and garbage is nobody's child."""
    job = decode(manifest)
    seen = sightings.observed(objects, job)
    assert seen.launcher is None
    assert all(pod.owner.uid != job.uid for pod in seen.pods)


@pytest.mark.rule("B4.9", "B8.4")
@law(evenly(statuses(), spoilt_statuses), often=("it has conditions", "it started"))
def test_what_is_decoded_is_encoded_again(manifest: Json) -> None:
    """A status that was read, written and read again is the same status."""
    status = decode_status(manifest)
    sometimes("it has conditions", when=bool(status.conditions))
    sometimes("it started", when=status.start_time is not None)
    written = encode_status(status)
    assert decode_status(written) == status
    assert encode_status(decode_status(written)) == written


@pytest.mark.rule("B1.2")
@law(statuses())
def test_what_we_write_of_a_status_is_plain(manifest: Json) -> None:
    """A written status is JSON without nulls, its times UTC in whole seconds."""
    written = encode_status(decode_status(manifest))
    text = json.dumps(written, allow_nan=False)
    assert json.loads(text) == written
    assert "null" not in text
    times = [written.get("startTime"), written.get("completionTime")]
    for condition in written.get("conditions", ()):
        times += [condition.get("lastUpdateTime"), condition.get("lastTransitionTime")]
    for time in filter(None, times):
        assert len(time) == len("2030-01-01T12:00:00Z")
        assert time.endswith("Z")


@pytest.mark.rule("B1.2")
@law(statuses(), st.dictionaries(st.sampled_from(["x", "lastReconcileTime"]), anything))
def test_what_others_wrote_into_a_status_stays(manifest: Json, others: Json) -> None:
    """Fields of a status that we do not know are written as they were read."""
    written = encode_status(decode_status({**manifest, **others}))
    assert others.items() <= written.items()


@pytest.mark.rule("B1.2", "B1.6")
@law(questions(), often=("a status is written",))
def test_every_status_of_ours_is_valid(question: Question) -> None:
    """A status that we write over a valid one is valid by the CRD's schema."""
    if not valid(question.manifest):
        return
    written = {**question.manifest, "status": encode_status(question.answer.status)}
    sometimes("a status is written", when=written != question.manifest)
    assert valid(written)


def valid(manifest: Json) -> bool:
    """Tell whether the CRD's schema takes a job."""
    return SCHEMA.problems_of(manifest) == ()


@pytest.mark.rule("B1.4")
@law(hostile_questions(), often=("a template is read",))
def test_templates_are_passed_on_untouched(question: Question) -> None:
    """A pod template is the very object that was given, whatever is in it."""
    job, spec = question.job, mapping(question.manifest.get("spec"))
    for role in Role:
        replica = job.replicas.get(role)
        given = mapping(mapping(spec.get("mpiReplicaSpecs")).get(role))
        template: Any = given.get("template")
        if replica is not None and template and isinstance(template, dict):
            sometimes("a template is read")
            assert replica.template is template


@pytest.mark.rule("B1.3")
@law(fresh_jobs(), often=("something was left unsaid",))
def test_defaults_are_those_of_the_crd(manifest: Json) -> None:
    """A job means the same before and after the API server fills in the defaults."""
    filled = kept(SCHEMA.with_defaults(manifest))
    sometimes("something was left unsaid", when=filled != manifest)
    assert decode(filled) == decode(manifest)
    assert SCHEMA.with_defaults(filled) == filled
