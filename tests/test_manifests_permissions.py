# SPDX-License-Identifier: Apache-2.0
"""The table of permissions against what the operator says that it calls (B8.6).

What it really calls, and is granted, only an API server with RBAC can tell.
"""

from collections.abc import Iterator
from typing import Final

import pytest

from mpijob.job import API_VERSION
from mpijob_operator import installation
from mpijob_operator.controller import kinds, permissions
from mpijob_operator.controller.permissions import PERMISSIONS, Scope
from mpijob_operator.requests import PLURALS

pytestmark = pytest.mark.rule("B8.6")

WATCHED: Final = (
    kinds.JOBS,
    *kinds.CHILDREN,
    kinds.PRIORITY_CLASSES,
    *kinds.OTHER_GROUPS,
    *kinds.kubernetes_groups(kinds.KUBERNETES_GROUPS[0]),
)


def granted(group: str, resource: str) -> set[str]:
    return {
        verb
        for each in PERMISSIONS
        if (each.group, each.full_resource) == (group, resource)
        for verb in each.verbs
    }


def group_of(api_version: str) -> str:
    group, slash, _ = api_version.partition("/")
    return group if slash else ""


@pytest.mark.parametrize("watched", WATCHED, ids=lambda w: f"{w.kind}.{w.api_version}")
def test_what_is_watched_may_be_listed_and_watched(watched: kinds.Watched) -> None:
    verbs = granted(group_of(watched.api_version), PLURALS[watched.kind])
    assert {"list", "watch"} <= verbs


def test_nothing_else_may_be_watched() -> None:
    watched = {(group_of(w.api_version), PLURALS[w.kind]) for w in WATCHED}
    allowed = {(p.group, p.full_resource) for p in PERMISSIONS if "watch" in p.verbs}
    assert allowed == watched


def test_no_rule_has_a_wildcard_or_leads_to_more_rights() -> None:
    for each in PERMISSIONS:
        assert "*" not in (each.group, each.resource, *each.verbs)
        assert not {"escalate", "bind", "impersonate"} & set(each.verbs)
        assert each.subresource not in ("exec", "attach", "portforward", "proxy")


def test_the_spec_of_a_job_is_not_ours_to_write() -> None:
    assert granted(group_of(API_VERSION), "mpijobs") == {
        "get",
        "list",
        "watch",
        "delete",
    }
    assert granted(group_of(API_VERSION), "mpijobs/status") == {"update"}


def test_each_row_stands_once_and_says_why() -> None:
    keys = [(p.scope, p.group, p.full_resource, p.name) for p in PERMISSIONS]
    assert len(set(keys)) == len(keys)
    assert all(p.why for p in PERMISSIONS)


def test_the_lease_is_narrowed_to_its_name() -> None:
    narrowed = [p.rule for p in PERMISSIONS if p.scope is Scope.LOCK and p.name]
    (rule,) = narrowed
    assert rule["resourceNames"] == [installation.NAME]
    assert rule["verbs"] == ["get", "update"]


def asked(*namespaces: str, served: frozenset[str] = frozenset()) -> Iterator[str]:
    return map(str, permissions.questions(namespaces, "lock", served))


def test_the_start_asks_about_every_verb_where_it_is_needed() -> None:
    questions = list(asked("a", "b"))
    assert "create pods in namespace a" in questions
    assert "create pods in namespace b" in questions
    assert "update mpijobs/status.kubeflow.org in namespace a" in questions
    assert "update leases.coordination.k8s.io in namespace lock" in questions
    assert "list priorityclasses.scheduling.k8s.io in the cluster" in questions
    assert "create pods in all" in asked()


def test_the_start_asks_about_gang_schedulers_that_are_there() -> None:
    volcano = "create podgroups.scheduling.volcano.sh in all"
    assert volcano not in asked()
    assert volcano in asked(served=frozenset({"scheduling.volcano.sh"}))


def test_a_question_is_a_review_that_the_api_server_takes() -> None:
    status = next(
        q
        for q in permissions.questions(("a",), "lock", ())
        if q.permission is permissions.MPIJOB_STATUS
    )
    assert status.review == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "namespace": "a",
                "verb": "update",
                "group": "kubeflow.org",
                "resource": "mpijobs",
                "subresource": "status",
            }
        },
    }
