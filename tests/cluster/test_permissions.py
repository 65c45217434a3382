# SPDX-License-Identifier: Apache-2.0
"""What the operator may do, against what it does: both ways (B8.6).

The API server's own audit log is the witness. RBAC is enforced, and the operator's user
has the rules of the table and no others: a verb that is missing would be refused, and a
verb that is in the table and not in the log would be one too many.
"""

import contextlib
import functools
import json
import time
from collections.abc import Iterator
from typing import Final

import pytest

from mpijob_operator.controller.permissions import PERMISSIONS, Permission
from tests.controlplane.client import Client
from tests.controlplane.fixtures import USERS, Cluster, still_cluster
from tests.controlplane.harness import ControlPlane, wait_until
from tests.controlplane.operator import Operator
from tests.controlplane.pod_life import End
from tests.controlplane.stage import (
    CRDS,
    RBAC,
    USER,
    Json,
    Stage,
    install,
    mpijob,
)

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

Asked = tuple[str, str, str]
"""A verb, a group and a resource with its subresource."""

GANG: Final = "training.kubeflow.org/gang-scheduling"
GROUP_CRDS: Final = {
    "scheduling.volcano.sh": "v1beta1",
    "scheduling.x-k8s.io": "v1alpha1",
}
PATIENCE_S: Final = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that writes down who asked what, with every gang scheduler."""
    folder = tmp_path_factory.mktemp("audited")
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [{"level": "Metadata", "users": [USER]}, {"level": "None"}],
    }
    (folder / "policy.json").write_text(json.dumps(policy))
    flags = {
        "audit-policy-file": str(folder / "policy.json"),
        "audit-log-path": str(folder / "audit.log"),
        "enable-admission-plugins": "OwnerReferencesPermissionEnforcement",
        "feature-gates": "GenericWorkload=true",
        "runtime-config": "scheduling.k8s.io/v1beta1=true",
    }
    users = {**USERS, "tenant": ""}
    with still_cluster(
        folder, users=users, flags=flags, prepare=install_with_gangs
    ) as audited:
        audited.wake()
        yield audited


def install_with_gangs(client: Client) -> None:
    install(client)
    for group, version in GROUP_CRDS.items():
        client.create(CRDS, pod_group_crd(group, version)).expect(201)
        path = f"/apis/{group}/{version}/podgroups"
        wait_until(functools.partial(_is_served, client, path), path)


def _is_served(client: Client, path: str) -> bool:
    return client.get(path).code == 200


def pod_group_crd(group: str, version: str) -> Json:
    """Return a CRD as a gang scheduler brings it, with any fields."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names = {"plural": "podgroups", "singular": "podgroup", "kind": "PodGroup"}
    served = {"name": version, "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"podgroups.{group}",
            # As one of Kubernetes' own groups has to say, tests too.
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {**names, "listKind": "PodGroupList"},
            "versions": [{**served, "schema": {"openAPIV3Schema": anything}}],
        },
    }


def asked(plane: ControlPlane) -> set[Asked]:
    """Return what the operator asked, and was answered."""
    found: set[Asked] = set()
    for line in (plane.folder / "audit.log").read_text().splitlines():
        entry: Json = json.loads(line)
        target = entry.get("objectRef", {})
        if "resource" not in target:
            continue  # Discovery.
        code: int = entry["responseStatus"]["code"]
        assert code != 403, line
        parts = (target["resource"], target.get("subresource"))
        resource = "/".join(filter(None, parts))
        found.add((entry["verb"], target.get("apiGroup", ""), resource))
        if entry["verb"] == "patch" and code == 201:
            found.add(("create", target.get("apiGroup", ""), resource))
    return found


def granted(served: set[str]) -> set[Asked]:
    """Return what the table grants, of what the cluster has."""
    return {
        (verb, permission.group, permission.full_resource)
        for permission in PERMISSIONS
        if not permission.if_served or permission.group in served
        for verb in permission.verbs
        if not _asks_only(permission)
    }


def _asks_only(permission: Permission) -> bool:
    """Tell whether a permission is looked up by admission, and never requested."""
    return permission.subresource == "finalizers"


def groups_of_gangs(client: Client) -> set[str]:
    found = client.get("/apis").expect(200)["groups"]
    names = {group["name"] for group in found}
    with_groups = set(GROUP_CRDS)
    for version in ("v1beta1", "v1alpha2"):
        resources = client.get(f"/apis/scheduling.k8s.io/{version}")
        kinds = {r["kind"] for r in resources.body.get("resources", [])}
        if "PodGroup" in kinds:
            with_groups.add("scheduling.k8s.io")
    return with_groups & names


@pytest.mark.rule("B8.6")
def test_what_is_granted_is_used_and_what_is_used_is_granted(
    stage: Stage,
) -> None:
    served = groups_of_gangs(stage.client)
    flags = {"leader_elect": "true", "lock_namespace": stage.namespace}
    first = everywhere(stage, ttl="children", **flags)
    gangs = [GANGS[group] for group in sorted(served)]
    whole_lives(stage, gangs)
    foreign(stage, served)
    trouble(stage)
    for gang in gangs:
        stage.wait_for(f"life-{gang}", "Succeeded")
        config = f"life-{gang}-config"
        gone = functools.partial(_is_gone, stage, "configmaps", config)
        stage.wait(gone, f"{config} is gone")
    first.stop()
    # The other setting: the MPIJob itself goes. And a Secret that lost its labels.
    unlabelled(stage, "trouble-ssh")
    second = everywhere(stage, **flags)
    gone = functools.partial(_is_gone, stage, "mpijobs", f"life-{gangs[0]}")
    stage.wait(gone, "the MPIJob is gone")
    labelled = "training.kubeflow.org/operator-name"
    stage.wait(
        lambda: labelled in stage.all("secrets")["trouble-ssh"]["metadata"]["labels"],
        "the Secret has its labels again",
    )
    second.stop()
    used = asked(stage.plane)
    reviews = {use for use in used if use[2] == "selfsubjectaccessreviews"}
    assert used - reviews - granted(served) == set()
    assert granted(served) - used == set()


GANGS: Final = {
    "scheduling.volcano.sh": "volcano",
    "scheduling.x-k8s.io": "other-scheduler",
    "scheduling.k8s.io": "kubernetes",
}


def everywhere(stage: Stage, **flags: str) -> Operator:
    """Start an operator that looks after every namespace."""
    operator = stage.operator(**flags)
    operator.flags.pop("namespace")
    operator.start()
    return operator


def whole_lives(stage: Stage, gangs: list[str]) -> None:
    """Begin a job under each gang scheduler that lives to the end of its TTL."""
    stage.script("life-*-launcher-*", run_s=1.0)
    for gang in gangs:
        policy = {"ttlSecondsAfterFinished": 1, "cleanPodPolicy": "All"}
        job = mpijob(f"life-{gang}", runPolicy=policy)
        job["metadata"]["annotations"] = {GANG: gang}
        stage.submit(job)


def _is_gone(stage: Stage, kind: str, name: str) -> bool:
    return stage.get(kind, name) is None


def foreign(stage: Stage, served: set[str]) -> None:
    """Put somebody else's object at each name of a job, and let them go again."""
    paths = [*foreign_children(stage), *foreign_groups(stage, served)]
    if "scheduling.k8s.io" in served:
        paths += foreign_groups_of_kubernetes(stage)
    for name in ("foreign", "alone"):
        stage.submit(mpijob(name))
        stage.wait_for(name, "Blocked")
    for path in paths:
        assert not _is_ours(stage.client.get(path).expect(200)), path
        deleted = stage.client.delete(path, propagationPolicy="Background")
        deleted.expect(200, 202)
    # Nobody tells the operator that these went: it looks twice a minute.
    stage.wait_for("foreign", "Running", timeout_s=PATIENCE_S)


def _is_ours(value: Json) -> bool:
    """Tell whether the operator wrote to an object, or owns it."""
    managers = {m["manager"] for m in value["metadata"].get("managedFields", [])}
    ours = any(manager.startswith("mpi-operator") for manager in managers)
    return ours or "ownerReferences" in value["metadata"]


def foreign_children(stage: Stage) -> Iterator[str]:
    """Make what has the names of the children of two jobs; give the paths."""
    made: tuple[tuple[str, str, str, Json], ...] = (
        ("v1", "Service", "foreign", {"spec": {"ports": [{"port": 80}]}}),
        ("v1", "ConfigMap", "foreign-config", {}),
        ("v1", "Secret", "foreign-ssh", {}),
        # A Service of another's holds back every pod: this one is of another job.
        ("v1", "Pod", "alone-worker-0", {"spec": _spec()}),
        ("batch/v1", "Job", "foreign-launcher", {"spec": _job()}),
    )
    for api_version, kind, name, rest in made:
        root = "/apis/batch/v1" if "/" in api_version else "/api/v1"
        path = f"{root}/namespaces/{stage.namespace}/{kind.lower()}s"
        body = {"metadata": {"name": name}, **rest}
        stage.client.create(path, body).expect(201)
        yield f"{path}/{name}"


def foreign_groups(stage: Stage, served: set[str]) -> Iterator[str]:
    """Make PodGroups of jobs that then are blocked; give the paths."""
    for group in sorted(served & set(GROUP_CRDS)):
        version = GROUP_CRDS[group]
        path = f"/apis/{group}/{version}/namespaces/{stage.namespace}/podgroups"
        body = {
            "apiVersion": f"{group}/{version}",
            "kind": "PodGroup",
            "metadata": {"name": f"foreign-{version}"},
        }
        stage.client.create(path, body).expect(201)
        job = mpijob(f"foreign-{version}")
        job["metadata"]["annotations"] = {GANG: GANGS[group]}
        stage.submit(job)
        stage.wait_for(f"foreign-{version}", "Blocked")
        yield f"{path}/foreign-{version}"


def foreign_groups_of_kubernetes(stage: Stage) -> list[str]:
    """Put a PodGroup and a Workload of the names of a job there; return their paths."""
    root = f"/apis/scheduling.k8s.io/v1beta1/namespaces/{stage.namespace}"
    policy = {"gang": {"minCount": 1}}
    template = {"name": "other", "schedulingPolicy": policy}
    workload = {"podGroupTemplates": [template]}
    kinds: dict[str, tuple[str, Json]] = {
        "workloads": ("Workload", workload),
        "podgroups": ("PodGroup", {"schedulingPolicy": policy}),
    }
    paths: list[str] = []
    for plural, (kind, spec) in kinds.items():
        body = {
            "apiVersion": "scheduling.k8s.io/v1beta1",
            "kind": kind,
            "metadata": {"name": "foreign-k8s"},
            "spec": spec,
        }
        stage.client.create(f"{root}/{plural}", body).expect(201)
        paths.append(f"{root}/{plural}/foreign-k8s")
    job = mpijob("foreign-k8s")
    job["metadata"]["annotations"] = {GANG: "kubernetes"}
    stage.submit(job)
    stage.wait_for("foreign-k8s", "Blocked")
    return paths


def _spec() -> Json:
    return {"containers": [{"name": "main", "image": "example/other:1"}]}


def _job() -> Json:
    return {"template": {"spec": {**_spec(), "restartPolicy": "Never"}}}


def trouble(stage: Stage) -> None:
    """Let a worker fail, and suspend a job, and resume it."""
    stage.submit(mpijob("trouble"))
    stage.wait_for("trouble", "Running")
    stage.nodes.end(stage.key("trouble-worker-0"), End(code=1))
    stage.wait(
        lambda: stage.status("trouble")["replicaStatuses"]["Worker"].get("failed") == 1,
        "the failure is counted",
    )
    stage.wait_for("trouble", "Running")
    stage.suspend("trouble")
    stage.wait(
        lambda: "startTime" not in stage.status("trouble"), "the job is suspended"
    )
    stage.suspend("trouble", suspend=False)
    stage.wait_for("trouble", "Running")


def unlabelled(stage: Stage, secret: str) -> None:
    """Take our labels from a Secret, as if mpi-operator had made it."""
    keys = ("training.kubeflow.org/operator-name", "training.kubeflow.org/job-name")
    body = {"metadata": {"labels": dict.fromkeys(keys)}}
    stage.client.merge(stage.path("secrets", secret), body).expect(200)
    time.sleep(1)


@pytest.mark.rule("B8.6")
def test_an_apply_that_creates_needs_both_verbs(cluster: Cluster) -> None:
    """The reason for `create` beside `patch` where the operator only applies."""
    plane = cluster.plane
    with contextlib.closing(plane.client()) as admin:
        rules: list[Json] = [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]}
        ]
        role = {"metadata": {"name": "patches"}, "rules": rules}
        group = "rbac.authorization.k8s.io"
        path = f"{RBAC}/namespaces/default"
        admin.create(f"{path}/roles", role).expect(201)
        binding = {
            "metadata": {"name": "patches"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "patches"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "tenant"}],
        }
        admin.create(f"{path}/rolebindings", binding).expect(201)
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
        target = "/api/v1/namespaces/default/configmaps/a"
        with contextlib.closing(plane.client("tenant")) as tenant:
            assert tenant.apply(target, body, "test").code == 403
            rules[0]["verbs"].append("create")
            admin.replace(f"{path}/roles/patches", role).expect(200)
            wait_until(
                lambda: tenant.apply(target, body, "test").code == 201, "it may create"
            )
