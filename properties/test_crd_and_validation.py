# SPDX-License-Identifier: Apache-2.0
"""The CRD and the function are of one mind about what a job may say (B1.5, B1.6).

Three are asked about each manifest: the CRD (its schema, then its CEL rules, which the
API server leaves out where the schema was broken), `mpijob validate`, and the function
without a schema. Where they may differ is listed in docs/beyond-the-crd.md.
"""

import pathlib
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import strategies as st

from mpijob_operator.field_path import path_text
from properties.laws import law, sometimes
from properties.strategies import chance, fresh_jobs, kept, plain_job, spoilt
from tests.beyond import (
    ABSENT,
    BEYOND,
    LEFT,
    Heard,
    Json,
    Part,
    Path,
    changed,
    heard,
    listed,
    unmatched,
)
from tests.controlplane.cases import ACCEPTED, CORPUS, REFUSED, corpus_job

# --- Fields, and what each is set to --------------------------------------------

_POLICY: Final = ("spec", "runPolicy")
_GANG: Final = (*_POLICY, "schedulingPolicy")
_ROLES: Final = ("spec", "mpiReplicaSpecs")

# No field can be all of these; most can be only one or two.
ANY_PART: Final[tuple[Part, ...]] = (
    *(ABSENT, None, {}, [], "", "x", "always", True, False),
    *(0, 1, -1, 2.5, 2**31 - 1, 2**31, 2**63, -(2**70)),
    *([None], [{}], {"x": None}, {"a": "b"}),
)

# What is right, nearly right, or wrong for this field alone.
FIELDS: Final[dict[Path, tuple[Part, ...]]] = {
    ("spec",): (),
    ("spec", "slotsPerWorker"): (8, "8", 2.0),
    ("spec", "runLauncherAsWorker"): ("true",),
    ("spec", "sshAuthMountPath"): (
        *("/", "//", "/etc/mpi", "/etc/mpi//", "/etc/mpi/x", "/etc/mpix", "etc/mpi"),
        *("/keys", "/keys/", "/" + "k" * 4095, "/" + "k" * 4096, "/\u00e9", "/a\n"),
    ),
    ("spec", "launcherCreationPolicy"): ("AtStartup", "atStartup", "WaitForWorkers"),
    ("spec", "mpiImplementation"): ("Intel", "intel", "OpenMPI", "Open MPI", "MPICH "),
    _POLICY: ({"backoffLimit": 1},),
    (*_POLICY, "cleanPodPolicy"): ("None", "none", "Running", "All", "Finished"),
    (*_POLICY, "ttlSecondsAfterFinished"): (),
    (*_POLICY, "activeDeadlineSeconds"): (2**63 - 1,),
    (*_POLICY, "backoffLimit"): (),
    (*_POLICY, "suspend"): ("false",),
    (*_POLICY, "managedBy"): (
        *("kubeflow.org/mpi-operator", "kueue.x-k8s.io/multikueue"),
        *("Kubeflow.org/mpi-operator", "example.com/other"),
    ),
    _GANG: ({"queue": "q"},),
    (*_GANG, "minAvailable"): (3, 4),
    (*_GANG, "queue"): (),
    (*_GANG, "minResources"): ({"cpu": 1}, {"cpu": "500m"}, {"cpu": 0.5}, {"x": [1]}),
    (*_GANG, "priorityClass"): (),
    (*_GANG, "scheduleTimeoutSeconds"): (),
    _ROLES: ({"Worker": None}, {"Worker": {}}, {"Launcher": None}),
    ("metadata", "labels"): ({"app": "x"}, {"app": 1}),
    ("metadata", "annotations"): ({"a": True},),
    ("status",): ({"conditions": [{}]}, {"conditions": [{"type": "A"}] * 2}),
}

NAMES: Final = (
    *("pi", "p", "a-1", "a--b", "3d", "Pi", "pI", "-pi", "pi-", "p_i", "p.i", "p i"),
    *(" pi", "pi\n", "p\u00ed", "p/i", "a" * 54, "a" * 55, "a" * 63, "a" * 300, "_"),
)
# What may stand beside Launcher and Worker, and does not.
OTHER_ROLES: Final = ("Master", "launcher", "WORKER", "Worker ", "PS")

_OF_ROLE: Final[dict[Path, tuple[Part, ...]]] = {
    (): ({"template": None}, {"replicas": 1}),
    ("replicas",): (2, 10, 11, 20_000),
    ("restartPolicy",): (
        *("Never", "never", "OnFailure", "On Failure", "ExitCode", "Always"),
    ),
    ("template",): ({"spec": None}, {"spec": {}}, {"metadata": {}}),
}
_CONTAINER: Final[Path] = ("spec", "containers", 0)
_PLACES: Final[tuple[Part, ...]] = (
    *("/etc/mpi", "/etc/mpi/", "/root/.ssh", "/keys", "", 1, []),
)
_VOLUMES: Final[tuple[Part, ...]] = ("ssh-auth", "mpi-job-config", "v", "", 1, [], {})
_OF_TEMPLATE: Final[dict[Path, tuple[Part, ...]]] = {
    ("metadata",): (),
    ("metadata", "labels"): ({"app": 1},),
    ("spec",): (),
    ("spec", "containers"): ([{"name": "a"}] * 2, [{"name": "a"}, None]),
    _CONTAINER: ({"image": "mpi"},),
    (*_CONTAINER, "env"): (
        [{"name": "A"}] * 2,
        [{"name": "A", "value": 1}],
        [{"name": []}],
    ),
    (*_CONTAINER, "ports"): ([{"containerPort": 1}] * 2, [{"containerPort": "ssh"}]),
    (*_CONTAINER, "resources"): ({"limits": {"cpu": "lots"}}, {"limits": {"cpu": 1}}),
    (*_CONTAINER, "volumeMounts"): tuple(
        [{"name": "v", "mountPath": place}] for place in _PLACES
    ),
    ("spec", "volumes"): tuple([{"name": "v"}, {"name": name}] for name in _VOLUMES),
    ("spec", "initContainers"): ([{"name": "a", "restartPolicy": 1}],),
    ("spec", "restartPolicy"): ("Always",),
    ("spec", "priority"): (),
    ("spec", "notAField"): (),
}


def _parts() -> Iterator[tuple[Path, Part]]:
    """Give each field with each thing that it is set to."""
    for path, parts in FIELDS.items():
        yield from ((path, part) for part in (*ANY_PART, *parts))
    yield from ((("metadata", "name"), name) for name in NAMES)
    yield from ((("metadata",), {"generateName": start}) for start in ("pi-", "Pi-"))
    role: Part = plain_job()["spec"]["mpiReplicaSpecs"]["Worker"]
    of_others: tuple[Part, ...] = (role, {}, None)
    for other in OTHER_ROLES:
        yield from (((*_ROLES, other), part) for part in of_others)
    for own in ("Launcher", "Worker"):
        for path, parts in _OF_ROLE.items():
            at: Path = (*_ROLES, own, *path)
            yield from ((at, part) for part in (*ANY_PART, *parts))
    for path, parts in _OF_TEMPLATE.items():
        at = (*_ROLES, "Worker", "template", *path)
        yield from ((at, part) for part in (*ANY_PART, *parts))
        at = (*_ROLES, "Launcher", "template", *path)
        yield from ((at, part) for part in parts)


PARTS: Final = tuple(_parts())


# --- Manifests ------------------------------------------------------------------

# Good jobs and bad ones that others thought of, and where the three are told to differ:
# what else is wrong there must still be told.
_GOOD: Final = (*map(corpus_job, CORPUS), *ACCEPTED.values())
_BAD: Final = tuple(job for job, _ in REFUSED.values())
_BEYOND: Final = tuple(rule.job for rule in BEYOND)
_LEFT: Final = tuple(rule.job for rule in LEFT)


@st.composite
def manifests(draw: st.DrawFn, *more: tuple[Json, ...]) -> Heard:
    """Draw a job with a few fields set to anything, and hear what is said of it."""
    known = (_GOOD, _BAD, _BEYOND, _LEFT, *more)
    job: Json = draw(st.one_of(fresh_jobs(), *map(st.sampled_from, known)))
    if draw(chance(4)):
        job = changed(job, ("metadata", "name"), draw(st.sampled_from(NAMES)))
    for path, part in draw(st.lists(st.sampled_from(PARTS), max_size=2)):
        job = changed(job, path, part)
    if draw(chance(4)):
        job = {**job, "spec": draw(spoilt(job.get("spec") or {}))}
    return heard(job)


# --- The laws ---------------------------------------------------------------------


def refused_by_the_crd_alone(said: Heard) -> object:
    return unmatched(said.crd, said.validate)


def refused_beyond_the_crd(said: Heard) -> object:
    if said.crd:
        return ()
    return [problem for problem in said.validate if not listed(problem, BEYOND)]


def left_to_the_schema(said: Heard) -> object:
    quiet = unmatched(said.crd, said.function)
    return [problem for problem in quiet if not listed(problem, LEFT)]


def taken_and_not_read(said: Heard) -> object:
    return () if said.crd else said.malformed


@pytest.mark.rule("B1.5", "B1.6")
@law(
    manifests(_BAD, _BAD),
    often=("the schema refuses it", "a rule does", "both take it"),
)
def test_what_the_crd_refuses_validate_refuses(said: Heard) -> None:
    """What the CRD refuses, `mpijob validate` refuses, and names the same field."""
    sometimes("the schema refuses it", when=said.by_schema)
    sometimes("a rule does", when=bool(said.crd) and not said.by_schema)
    sometimes("both take it", when=not said.crd and not said.validate)
    assert not refused_by_the_crd_alone(said)


@pytest.mark.rule("B1.5", "B1.6")
@law(manifests(_BEYOND, _BEYOND), often=("validate alone refuses it",))
def test_what_validate_refuses_beyond_the_crd_is_listed(said: Heard) -> None:
    """What `mpijob validate` refuses and the CRD takes is in a short list."""
    sometimes("validate alone refuses it", when=bool(said.validate) and not said.crd)
    assert not refused_beyond_the_crd(said)


@pytest.mark.rule("B1.5", "B1.6")
@law(
    manifests(_LEFT, _BAD), often=("they agree", "the function leaves it to the schema")
)
def test_what_the_crd_refuses_the_function_refuses(said: Heard) -> None:
    """The function needs no CRD: what it would not refuse is in a short list."""
    quiet = bool(unmatched(said.crd, said.function))
    sometimes("the function leaves it to the schema", when=quiet)
    sometimes("they agree", when=bool(said.crd) and not quiet)
    assert not left_to_the_schema(said)


@pytest.mark.rule("B1.1", "B1.6")
@law(manifests(_GOOD, _GOOD), often=("the CRD takes it",))
def test_what_the_crd_takes_can_be_read(said: Heard) -> None:
    """What the CRD takes the decoder reads without a complaint."""
    sometimes("the CRD takes it", when=not said.crd)
    assert not taken_and_not_read(said)


@pytest.mark.parametrize(
    "field", [*dict.fromkeys(path for path, _ in PARTS)], ids=path_text
)
@pytest.mark.rule("B1.5", "B1.6")
def test_whatever_one_field_is_set_to(field: Path) -> None:
    """Whatever one field is set to, the CRD, `validate` and the function agree."""
    for part in (part for path, part in PARTS if path == field):
        said = heard(changed(kept(plain_job()), field, part))
        assert not refused_by_the_crd_alone(said), part
        assert not refused_beyond_the_crd(said), part
        assert not left_to_the_schema(said), part
        assert not taken_and_not_read(said), part


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.parent.name)
@pytest.mark.rule("B1.5", "B1.6")
def test_of_every_job_of_the_corpus(path: pathlib.Path) -> None:
    """Of every job of the corpus the CRD, `validate` and the function agree."""
    said = heard(corpus_job(path))
    assert not refused_by_the_crd_alone(said)
    assert not refused_beyond_the_crd(said)
    assert not left_to_the_schema(said)
    assert not taken_and_not_read(said)
