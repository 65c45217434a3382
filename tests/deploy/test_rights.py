# SPDX-License-Identifier: Apache-2.0
"""Who may do what once the operator is installed: itself, and people (B8.6).

The API server's own judge is asked, and people try. Each test here is run for each way
of installing.
"""

import contextlib
import functools
import itertools
from typing import Final

import pytest

from mpijob_operator.controller.permissions import PERMISSIONS, Scope
from tests.controlplane.cases import job
from tests.controlplane.client import Client
from tests.controlplane.harness import ControlPlane, wait_until
from tests.deploy.installing import (
    ACCOUNT,
    MPIJOBS,
    NARROW,
    PATHS,
    PEOPLE,
    RBAC,
    TEAM,
    Way,
)
from tests.test_deploy import Json

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.slow,
    pytest.mark.rule("B8.6"),
]

# --- The operator -------------------------------------------------------------

VERBS: Final = (
    *("get", "list", "watch", "create", "update", "patch"),
    *("delete", "deletecollection"),
)
# All that the table names, and what an operator may be tempted by.
RESOURCES: Final = (
    *{(each.group, each.resource, each.subresource) for each in PERMISSIONS},
    ("", "endpoints", ""),
    ("", "events", ""),
    ("", "namespaces", ""),
    ("", "nodes", ""),
    ("", "persistentvolumeclaims", ""),
    ("", "pods", "exec"),
    ("", "pods", "log"),
    ("", "pods", "status"),
    ("", "serviceaccounts", ""),
    ("", "serviceaccounts", "token"),
    ("apps", "deployments", ""),
    ("batch", "jobs", "status"),
    ("kubeflow.org", "mpijobs", "scale"),
    ("rbac.authorization.k8s.io", "clusterroles", ""),
    ("rbac.authorization.k8s.io", "rolebindings", ""),
)


def may(admin: Client, account: str, **attributes: str) -> bool:
    """Ask the API server's own judge."""
    spec = {"user": account, "resourceAttributes": attributes}
    reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer = admin.create(reviews, {"spec": spec}).expect(201)
    return bool(answer["status"]["allowed"])


def is_granted(verb: str, group: str, resource: str, namespace: str) -> bool:
    scopes = {Scope.JOBS: "", Scope.CLUSTER: "", Scope.LOCK: "mpi-operator"}
    return any(
        verb in each.verbs
        for each in PERMISSIONS
        if (each.group, each.full_resource) == (group, resource)
        and scopes[each.scope] in ("", namespace)
        and not each.name
    )


def test_the_account_may_do_what_the_table_says_and_nothing_else(
    way: Way, admin: Client
) -> None:
    del way
    wrong: list[str] = []
    for namespace in (TEAM, "mpi-operator"):
        for (group, resource, subresource), verb in itertools.product(RESOURCES, VERBS):
            full = "/".join(filter(None, (resource, subresource)))
            answer = may(
                admin,
                ACCOUNT,
                group=group,
                resource=resource,
                subresource=subresource,
                verb=verb,
                namespace=namespace,
            )
            if answer != is_granted(verb, group, full, namespace):
                wrong.append(f"{verb} {full}.{group} in {namespace}: {answer}")
    assert not wrong


def test_of_leases_and_definitions_the_account_has_one_each(
    way: Way, admin: Client
) -> None:
    del way
    named = [each for each in PERMISSIONS if each.name]
    assert {each.resource for each in named} == {"leases", "customresourcedefinitions"}
    for each in named:
        for verb, name in itertools.product(each.verbs, (each.name, "another")):
            answer = may(
                admin,
                ACCOUNT,
                group=each.group,
                resource=each.resource,
                verb=verb,
                namespace="mpi-operator" if each.scope is Scope.LOCK else "",
                name=name,
            )
            assert answer == (name == each.name), f"{verb} {each.resource} {name}"


def test_for_one_namespace_the_account_may_do_nothing_in_another(
    narrow: Json, admin: Client
) -> None:
    del narrow
    for permission in (p for p in PERMISSIONS if p.scope is Scope.JOBS):
        places = (TEAM, "default", "")
        for verb, where in itertools.product(permission.verbs, places):
            answer = may(
                admin,
                NARROW,
                group=permission.group,
                resource=permission.resource,
                subresource=permission.subresource,
                verb=verb,
                namespace=where,
            )
            assert answer == (where == TEAM), f"{verb} {permission} in {where!r}"


# --- People -------------------------------------------------------------------


def holds_mpijobs(admin: Client, role: str) -> bool:
    found = admin.get(f"{RBAC}/clusterroles/{role}").expect(200)
    rules: list[Json] = found.get("rules") or []
    return any("mpijobs" in rule.get("resources", ()) for rule in rules)


@pytest.mark.parametrize("person", ["ada", "ed", "kate"])
def test_who_may_edit_can_run_a_job(
    person: str,
    way: Way,
    plane: ControlPlane,
    admin: Client,
) -> None:
    del way
    role = PEOPLE[person]
    wait_until(lambda: holds_mpijobs(admin, role), f"{role} has the rules")
    with contextlib.closing(plane.client(person)) as client:
        wait_until(lambda: client.get(MPIJOBS).code == 200, f"{person} may read")
        client.create(MPIJOBS, job()).expect(201)
        scaled = {"spec": {"replicas": 3}}
        client.merge(f"{MPIJOBS}/pi/scale", scaled).expect(200)
        client.delete(f"{MPIJOBS}/pi").expect(200)
        elsewhere = MPIJOBS.replace(TEAM, "default")
        assert client.create(elsewhere, job()).code == 403


def test_who_may_view_cannot_run_a_job(
    way: Way, plane: ControlPlane, admin: Client
) -> None:
    del way
    admin.create(MPIJOBS, job()).expect(201)
    with contextlib.closing(plane.client("vi")) as client:
        wait_until(lambda: client.get(f"{MPIJOBS}/pi").code == 200, "vi may read")
        assert client.create(MPIJOBS, job()).code == 403
        assert client.merge(f"{MPIJOBS}/pi", {"spec": {}}).code == 403
        assert client.delete(f"{MPIJOBS}/pi").code == 403
    admin.delete(f"{MPIJOBS}/pi").expect(200)


@pytest.mark.parametrize("word", ["admin", "edit", "view"])
def test_roles_of_kubeflow_and_of_kubernetes_gather_ours(
    word: str, way: Way, admin: Client
) -> None:
    del way
    label = f"rbac.authorization.kubeflow.org/aggregate-to-kubeflow-{word}"
    gathering: Json = {
        "metadata": {"name": f"kubeflow-{word}"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]},
    }
    admin.create(PATHS["ClusterRole"], gathering).expect(201, 409)
    for role in (f"kubeflow-{word}", word):
        wait_until(functools.partial(holds_mpijobs, admin, role), f"{role} has them")
