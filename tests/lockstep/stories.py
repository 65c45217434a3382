# SPDX-License-Identifier: Apache-2.0
"""Programs by which the two servers were once told apart, each with what it showed."""

from collections.abc import Mapping
from typing import Any, Final

from tests.lockstep.faults import ELSEWHERE, OTHERS
from tests.lockstep.objects import BOGUS, FORMER, KINDS, NOW, Json, merged
from tests.lockstep.programs import Program, Step, Verb

HELD: Final[Json] = {"metadata": {"finalizers": ["example.org/x"]}}
FREE: Final[Json] = {"metadata": {"finalizers": None}}
LABEL: Final[Json] = {"metadata": {"labels": {"i": "p"}}}


def create(kind: str, body: Json | None = None) -> Step:
    return Step("create", kind, "a", merged(KINDS[kind].base, body or {}))


def apply(kind: str, body: Json | None = None, **more: Any) -> Step:  # noqa: ANN401 - Of a step.
    return Step("apply", kind, "a", merged(KINDS[kind].base, body or {}), **more)


def touch(kind: str, body: Json, **more: Any) -> Step:  # noqa: ANN401 - Of a step.
    return Step("apply", kind, "a", body, "touch", uid=more.pop("uid", NOW), **more)


def delete(kind: str, policy: str = "", **more: Any) -> Step:  # noqa: ANN401 - Of a step.
    return Step("delete", kind, "a", policy=policy, **more)


def edit(kind: str, body: Json, verb: Verb = "edit") -> Step:
    return Step(verb, kind, "a", body, "n")


BIND: Final = Step("bind", "Pod", "a")


def kill(grace: int) -> Step:
    return Step("kill", "Pod", "a", grace=grace)


def refused(kind: str, fault: Json) -> Program:
    """Return a program that makes and changes objects with something amiss."""
    base = KINDS[kind].base
    return (
        create(kind, fault),
        delete(kind, "Background"),
        create(kind),
        edit(kind, fault),
        Step("apply", kind, "b", merged(base, fault), force=True),
        apply(kind, fault, force=True),
        edit(kind, {"metadata": {"labels": {"i": "p"}}}),
    )


_QUEUE: Final[Json] = {"spec": {"queue": "q"}}
_OWNER: Final[Json] = {**KINDS["MPIJob"].identity, "name": "a", "uid": BOGUS}
_OWNERS: Final[Json] = {"metadata": {"ownerReferences": [_OWNER]}}
_BLOCKED: Final[Json] = {
    "metadata": {"ownerReferences": [{**_OWNER, "blockOwnerDeletion": True}]}
}

STORIES: Final[Mapping[str, Program]] = {
    "a custom resource counts its generations": (
        apply("PodGroup"),
        touch("PodGroup", _QUEUE),
        touch("PodGroup", LABEL),
    ),
    "a version alone keeps no apply from making what is missing": tuple(
        apply(kind, version=BOGUS) for kind in KINDS
    ),
    "a conflict is told before a wrong uid": (
        create("PodGroup"),
        apply("PodGroup", {"spec": {"minMember": 2}}, uid=BOGUS),
        apply("PodGroup", {"spec": {"minMember": 2}}, version=BOGUS),
    ),
    "a wrong version is told before a wrong uid": (
        create("ConfigMap"),
        touch("ConfigMap", LABEL, uid=BOGUS, version=BOGUS),
    ),
    "what is of no type is told without a reason, whatever the guard": (
        apply("ConfigMap", {"nonsense": 1}),
        apply("ConfigMap", {"nonsense": 1}, uid=BOGUS),
        create("ConfigMap"),
        apply("ConfigMap", {"nonsense": 1}, uid=BOGUS),
    ),
    "a binding is no generation": (create("Pod"), BIND, delete("Pod")),
    "a pod is seen to go before it is gone": (apply("Pod"), delete("Pod")),
    "a pod is told by when it must have ended": (
        create("Pod"),
        BIND,
        delete("Pod", "Background"),
        kill(60),
        kill(5),
        delete("Pod", "Foreground"),
        kill(0),
    ),
    "a pod held by a finalizer alone takes another": (
        create("Pod", HELD),
        kill(0),
        delete("Pod", "Foreground"),
        delete("Pod", "Background"),
        edit("Pod", FREE),
    ),
    "a pod that nobody runs has no grace": (
        create("Pod", HELD),
        kill(5),
        BIND,
        edit("Pod", FREE),
    ),
    "a pod begins pending": (
        apply("Pod"),
        edit("Pod", {"status": {"phase": "Pending", "message": "p"}}, "edit status"),
        edit("Pod", {"status": {"phase": "Running"}}, "edit status"),
    ),
    "a job begins with a status": (
        apply("Job"),
        edit("Job", {"status": {"active": 1}}, "edit status"),
    ),
    "a later deletion is taken back, or made one in the foreground": (
        create("Job", HELD),
        delete("Job", "Background"),
        delete("Job", "Foreground"),
        delete("Job", ""),
        delete("Job", "Orphan"),
        delete("Job", "Background"),
        edit("Job", FREE),
    ),
    "a deletion that takes the last finalizer away": (
        create("Service"),
        delete("Service", "Foreground"),
        delete("Service", "Background"),
    ),
    "and with a version, which is compared with none": (
        create("PodGroup"),
        delete("PodGroup", "Foreground"),
        edit("PodGroup", LABEL),
        delete("PodGroup", "Background", version=NOW),
        delete("PodGroup", "Background", uid=NOW),
    ),
    "a job is orphaned where nothing is said": (create("Job"), delete("Job", uid=NOW)),
    "what is gone with its last finalizer is told as it was": (
        create("ConfigMap", HELD),
        delete("ConfigMap", "Background"),
        edit("ConfigMap", FREE),
        create("ConfigMap"),
    ),
    "an apply takes the last finalizer away": (
        apply("Secret", HELD),
        delete("Secret", "Background"),
        apply("Secret", LABEL),
    ),
    "an apply puts no finalizer on what goes": (
        create("Service", HELD),
        delete("Service"),
        touch("Service", {"metadata": {"finalizers": ["example.org/y"]}}),
        touch("Service", {"metadata": {"finalizers": ["example.org/y"]}}, uid=BOGUS),
        touch("Service", HELD),
    ),
    "the answer to an apply that ends an object counts its generation": (
        apply("PodGroup", HELD),
        edit("PodGroup", {"spec": {"minMember": 2}}),
        delete("PodGroup"),
        apply("PodGroup", force=True),
    ),
    "a custom resource's status is not replaced unseen": (
        create("MPIJob"),
        Step("put status", "MPIJob", "a", {"status": {}}),
        Step("put status", "MPIJob", "a", {"status": {}}, version=NOW),
        Step("put status", "MPIJob", "a", {"status": {}}, version=FORMER),
    ),
    "nobody owns anything: of the server's own kinds, both ways": (
        apply("ConfigMap"),
        edit("ConfigMap", {"metadata": {"managedFields": []}}, "forget"),
        apply("ConfigMap"),
        edit("ConfigMap", {"metadata": {"managedFields": [{}]}}, "forget"),
    ),
    "nobody owns anything: of a custom resource, one way": (
        apply("PodGroup"),
        edit("PodGroup", {"metadata": {"managedFields": []}}, "forget"),
        edit("PodGroup", {"metadata": {"managedFields": [{}]}}, "forget"),
    ),
    "an apply that ends an object takes its owners away": (
        create("PodGroup", _OWNERS),
        apply("PodGroup", merged(HELD, _BLOCKED), force=True),
        delete("PodGroup"),
        apply("PodGroup"),
    ),
    **{
        f"a {name} is refused": (create("Job", fault),)
        for name, fault in OTHERS.items()
    },
    "a Service stays where it is": (create("Service"), edit("Service", ELSEWHERE)),
    "an MPIJob has a spec": (
        Step("create", "MPIJob", "a", LABEL),
        create("MPIJob"),
        edit("MPIJob", {"spec": None}),
    ),
    "a number that is null in an apply is none": (
        apply("Job"),
        touch("Job", {"spec": {"ttlSecondsAfterFinished": None}}),
    ),
    "what an apply leaves of a list is nothing, not null": (
        apply("Job", merged(HELD, _OWNERS)),
        apply("Job"),
        delete("Job", "Background"),
    ),
}
