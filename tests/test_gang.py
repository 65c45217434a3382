# SPDX-License-Identifier: Apache-2.0
"""How many pods are placed together, what they need, and by whose rules."""

from typing import Any

import pytest

from mpijob import gang
from mpijob.job import MPIJob
from mpijob.roster import roster_of
from mpijob.world import PriorityClass, Settings, World
from tests.builders import (
    NOON,
    Sighting,
    a_job,
    a_launcher,
    a_launcher_pod,
    a_template,
    a_worker,
    cases,
    seen,
)

WAIT: dict[str, Any] = {"launcherCreationPolicy": "WaitForWorkersReady"}


def scheduling(**policy: object) -> dict[str, Any]:
    return {"policy": {"schedulingPolicy": policy}}


def role(cpu: object, priority: str = "") -> dict[str, Any]:
    """Return a replica spec that asks for so much CPU at some priority."""
    main = {"resources": {"requests": {"cpu": cpu}}}
    named = {"priorityClassName": priority} if priority else {}
    return {"template": a_template(main, **named)}


@pytest.mark.rule("B7.2")
@cases("job, possible, expected", {
    "workers and the launcher": (a_job(workers=4), 5, 5),
    "the launcher alone": (a_job(workers=None), 1, 1),
    "asked": (a_job(workers=4, **scheduling(minAvailable=2)), 5, 2),
    "capped": (a_job(workers=4, **scheduling(minAvailable=9)), 5, 5),
    "none": (a_job(workers=4, **scheduling(minAvailable=0)), 5, 1),
    "the launcher comes later": (a_job(workers=4, **WAIT), 4, 4),
    "later, but nobody first": (a_job(workers=None, **WAIT), 1, 1),
    "deadlock": (a_job(workers=4, **WAIT, **scheduling(minAvailable=5)), 4, 4),
})  # fmt: skip
def test_a_group_waits_only_for_pods_that_can_exist(
    job: MPIJob, possible: int, expected: int
) -> None:
    assert gang.possible_members(job) == possible
    assert gang.min_member(job) == expected


CLASSES = (PriorityClass("high", 100), PriorityClass("low", -100))
USUAL = PriorityClass("usual", 50, global_default=True)


@pytest.mark.rule("B7.3", "B7.4")
@cases("job, classes, cpu", {
    "all pods": (a_job(workers=3, launcher=role(1), worker=role(10)), CLASSES, "31"),
    "the launcher first at equal priority": (a_job(workers=3, launcher=role(1),
        worker=role(10), **scheduling(minAvailable=2)), CLASSES, "11"),
    "workers first at higher priority": (a_job(workers=3, launcher=role(1),
        worker=role(10, "high"), **scheduling(minAvailable=2)), CLASSES, "20"),
    "a missing name counts 0": (a_job(workers=3, launcher=role(1, "low"),
        worker=role(10), **scheduling(minAvailable=3)), CLASSES, "30"),
    "the default class counts where none is named": (a_job(workers=3, launcher=role(1),
        worker=role(10, "nowhere"), **scheduling(minAvailable=1)), (*CLASSES, USUAL),
        "1"),
    "a class that every cluster has": (a_job(workers=3, launcher=role(1, "high"),
        worker=role(10, "system-node-critical"), **scheduling(minAvailable=1)), CLASSES,
        "10"),
    "the launcher comes later": (a_job(workers=3, launcher=role(1), worker=role(10),
        **WAIT), CLASSES, "30"),
    "only a launcher": (a_job(workers=None, launcher=role(1), **WAIT), CLASSES, "1"),
})  # fmt: skip
def test_a_group_needs_what_its_first_pods_need(
    job: MPIJob, classes: tuple[PriorityClass, ...], cpu: str
) -> None:
    world = World(NOON, priority_classes=classes)
    assert gang.min_resources(job, world) == {"cpu": cpu}


@pytest.mark.rule("B7.3")
def test_given_resources_are_taken_as_they_are() -> None:
    job = a_job(worker=role(10), **scheduling(minResources={"cpu": "1.0"}))
    assert gang.min_resources(job, World(NOON)) == {"cpu": "1.0"}


@pytest.mark.rule("B7.4")
@pytest.mark.parametrize(("name", "value"), [
    ("high", 100),
    ("", 50),
    ("nowhere", None),
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
])  # fmt: skip
def test_a_priority_class_is_found_by_name(name: str, value: int | None) -> None:
    world = World(NOON, priority_classes=(*CLASSES, USUAL))
    found = gang.find_priority_class(name, world)
    assert (found and found.value) == value


@pytest.mark.rule("B7.4")
@pytest.mark.parametrize(("policy", "launcher", "worker", "expected"), [
    ("p", "l", "w", "p"),
    ("", "l", "w", "l"),
    ("", "", "w", "w"),
    ("", "", "", ""),
])  # fmt: skip
def test_the_group_takes_the_first_priority_class(
    policy: str, launcher: str, worker: str, expected: str
) -> None:
    job = a_job(
        launcher=role(1, launcher),
        worker=role(1, worker),
        **scheduling(priorityClass=policy),
    )
    assert gang.group_priority_class(job) == expected


def test_a_job_without_roles_has_no_priority() -> None:
    assert gang.group_priority_class(MPIJob("pi")) == ""


ANNOTATED = {"annotations": {"training.kubeflow.org/gang-scheduling": "volcano"}}
UNDONE = {"annotations": {"training.kubeflow.org/gang-scheduling": "none"}}
GANGED = a_launcher_pod(scheduler="kubernetes")


@pytest.mark.rule("B7.7")
@cases("metadata, setting, pods, expected", {
    "none": ({}, "none", (), "none"),
    "nothing said": ({}, "", (), "none"),
    "the setting": ({}, "sp", (), "sp"),
    "the job's own": (ANNOTATED, "sp", (), "volcano"),
    "the job wants none": (UNDONE, "sp", (), "none"),
    "started before": (ANNOTATED, "sp", (a_worker(scheduler="sp"),), "sp"),
    "started without": (ANNOTATED, "sp", (a_worker(scheduler=""),), "none"),
    "by the launcher": (ANNOTATED, "sp", (a_launcher(), GANGED), "kubernetes"),
})  # fmt: skip
def test_a_start_keeps_its_gang_scheduler(
    metadata: dict[str, Any], setting: str, pods: tuple[Sighting, ...], expected: str
) -> None:
    job = a_job(metadata=metadata)
    settings = Settings(gang_scheduler=setting)
    roster = roster_of(job, seen(*pods))
    assert gang.scheduler_of(job, roster, settings) == expected


@pytest.mark.rule("B7.7")
@cases("template", {
    "a label": {"metadata": {"labels": {"scheduling.x-k8s.io/pod-group": "mine"}}},
    "an annotation": {"metadata": {"annotations": {
        "scheduling.k8s.io/group-name": "mine"}}},
    "a field": {"spec": {"schedulingGroup": {"podGroupName": "mine"}}},
})  # fmt: skip
@pytest.mark.parametrize("named", ["launcher", "worker"])
def test_pods_of_a_group_of_the_users_tell_nothing(
    named: str, template: dict[str, Any]
) -> None:
    parts: dict[str, Any] = {named: {"template": template}}
    job = a_job(**parts)
    roster = roster_of(job, seen(a_worker(scheduler="volcano")))
    assert gang.scheduler_of(job, roster, Settings(gang_scheduler="sp")) == "sp"
