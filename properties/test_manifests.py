# SPDX-License-Identifier: Apache-2.0
"""Laws of what is emitted: every manifest can be applied, and says whose it is."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

import pytest

import mpijob_crd
from mpijob import Apply, Create, Delete, Touch, names
from mpijob.loose import Manifest, mapping, mappings, sequence
from mpijob.pods import ROLE_VARIABLE
from mpijob_operator.schema import Schema
from properties.laws import law, sometimes
from properties.lives import any_view
from properties.sights import beginnings, hostile_questions, questions
from properties.strategies import (
    GANG,
    UID,
    Question,
    edited,
    evenly,
    plain_job,
)

with_gangs = evenly(
    any_view, beginnings((GANG, "volcano")), beginnings((GANG, "kubernetes"))
)


_PODS: Final = "spec.mpiReplicaSpecs.Launcher.template.spec"
SIDECAR: Final = (f"{_PODS}.containers.1", {"name": "side", "image": "side"})


def manifests(question: Question) -> list[Manifest]:
    """Return what a plan makes or applies."""
    plan = [action for step in question.plan for action in step]
    return [each.manifest for each in plan if isinstance(each, Create | Apply)]


# The keys of the lists that server-side apply merges by key, where they may occur.
LIST_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "protocol"),
    "ownerReferences": ("uid",),
    "podGroupTemplates": ("name",),
    "items": ("path",),
}


def repeated(value: object, path: str = "") -> Iterator[str]:
    """Yield the paths of lists that have two entries of one key."""
    for key, part in mapping(value).items():
        entries = mappings(part)
        if keys := LIST_KEYS.get(key):
            found = [tuple(entry.get(k) for k in keys) for entry in entries]
            if len(set(found)) < len(found):
                yield f"{path}.{key}"
        yield from repeated(part, f"{path}.{key}")
    for part in sequence(value):
        yield from repeated(part, path)


def nulls(value: object, path: str = "") -> Iterator[str]:
    """Yield the paths of nulls."""
    if value is None:
        yield path
    for key, part in mapping(value).items():
        yield from nulls(part, f"{path}.{key}")
    for part in sequence(value):
        yield from nulls(part, path)


@pytest.mark.rule("B2.3", "B2.4", "B2.5")
@law(
    with_gangs,
    often=("Pod", "Job", "Service", "ConfigMap", "Secret", "PodGroup"),
)
def test_what_is_made_can_be_applied(question: Question) -> None:
    """No list that we emit has two entries of one key, nothing is null, all is JSON."""
    for made in manifests(question):
        sometimes(made["kind"])
        assert list(repeated(made)) == []
        assert list(nulls(made)) == []
        assert json.loads(json.dumps(made, allow_nan=False)) == made


@pytest.mark.rule("B8.1")
@law(
    with_gangs,
    often=("Pod", "Job", "Service", "PodGroup"),
)
def test_every_child_names_its_owner(question: Question) -> None:
    """Each child has the job for its one controller, its namespace and its labels."""
    job = question.job
    for made in manifests(question):
        sometimes(made["kind"])
        metadata = made["metadata"]
        owner = metadata["ownerReferences"]
        assert [each["uid"] for each in owner] == [UID]
        assert owner[0]["controller"] is owner[0]["blockOwnerDeletion"] is True
        assert metadata["namespace"] == job.namespace
        carriers = [metadata["labels"]]
        if made["kind"] == "Job":
            carriers.append(made["spec"]["template"]["metadata"]["labels"])
        for labels in carriers:
            assert names.selector(job).items() <= labels.items()
            assert names.QUEUE_NAME_LABEL not in labels


@pytest.mark.rule("B8.4")
@law(
    evenly(hostile_questions(), questions(("metadata.uid", ""))),
    often=("it is in no cluster", "it is"),
)
def test_every_plan_can_be_sent(question: Question) -> None:
    """Whatever was asked, each action of the plan is JSON with a name to send it to."""
    job = question.job
    sometimes("it is in no cluster", when=not job.uid)
    sometimes("it is", when=bool(job.uid))
    for made in manifests(question):
        assert made["metadata"]["name"]
        assert json.dumps(made)
    for action in [action for step in question.plan for action in step]:
        if isinstance(action, Touch | Delete):
            assert action.ref.name
            assert action.ref.kind


SCHEMA: Final = Schema(mpijob_crd.schema())


@pytest.mark.rule("B1.4", "B1.6", "B2.1")
@law(with_gangs, often=("Pod", "Job"))
def test_what_is_made_of_a_template_is_a_template(question: Question) -> None:
    """Every pod that we make is valid by Kubernetes' own schema of pods."""
    for made in manifests(question):
        if made["kind"] not in ("Pod", "Job"):
            continue
        sometimes(made["kind"])
        template = made["spec"]["template"] if made["kind"] == "Job" else made
        spec = template["spec"]
        job = edited(plain_job(), [(_PODS, spec)])
        assert SCHEMA.problems_of(job) == ()
        assert SCHEMA.warnings_of(job) == ()


@pytest.mark.rule("B1.4", "B2.3")
@law(evenly(questions(), questions(SIDECAR)), often=("a sidecar is there",))
def test_what_the_user_wrote_is_still_there(question: Question) -> None:
    """Of a template nothing is lost or reordered but what the operator must set."""
    for made in manifests(question):
        if made["kind"] not in ("Pod", "Job"):
            continue
        role = "Launcher" if made["kind"] == "Job" else "Worker"
        replica = question.manifest["spec"]["mpiReplicaSpecs"][role]
        given = replica["template"]["spec"]
        spec = made["spec"]["template"]["spec"] if role == "Launcher" else made["spec"]
        left = {k: v for k, v in given.items() if k not in OURS_TO_SET}
        assert left.items() <= spec.items()
        assert spec["containers"][1:] == given["containers"][1:]
        sometimes("a sidecar is there", when=len(given["containers"]) > 1)
        user, main = given["containers"][0], spec["containers"][0]
        for key in ("env", "volumeMounts"):
            theirs = user.get(key, [])
            assert main[key][: len(theirs)] == theirs
        assert spec["volumes"][: len(given.get("volumes", []))] == given.get(
            "volumes", []
        )
        roles = [e["name"] for e in main["env"] if e["name"] == ROLE_VARIABLE]
        assert roles == [ROLE_VARIABLE]


# What B2 says that the operator sets, or adds to, in a pod's spec.
OURS_TO_SET: Final = (
    *("containers", "volumes", "hostname", "subdomain", "restartPolicy"),
    *("dnsPolicy", "dnsConfig", "schedulerName", "schedulingGroup"),
)
