# SPDX-License-Identifier: Apache-2.0
"""What installs the operator, in a real API server with RBAC enforced (B8.6).

Each way of installing is tried by itself, from an empty cluster to an empty cluster: by
Helm, by what `mpijob manifests` prints, and by `kubectl apply -k`. The CRD that a
Prometheus operator would bring is a sketch of ours.
"""

import contextlib
import functools
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import pytest
import yaml

import mpijob_crd
from mpijob_operator import installation
from mpijob_operator.commands.manifests import default_image
from mpijob_operator.controller.permissions import PERMISSIONS, Scope
from mpijob_operator.installation import Installation
from tests.controlplane.cases import job
from tests.controlplane.client import Client
from tests.controlplane.harness import ControlPlane, missing, programs, wait_until
from tests.controlplane.operator import Operator
from tests.states import said
from tests.test_deploy import CHART, DEPLOY, Json, keyed
from tests.test_deploy_helm import helm

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.slow,
    pytest.mark.rule("B8.6"),
]

ACCOUNT: Final = "system:serviceaccount:mpi-operator:mpi-operator"
TEAM: Final = "team"
# People, and the role that each has in the namespace of the team.
PEOPLE: Final = {
    "ada": "kubeflow-mpijobs-admin",
    "ed": "kubeflow-mpijobs-edit",
    "vi": "kubeflow-mpijobs-view",
    "kate": "edit",  # Kubernetes' own.
}
MPIJOBS: Final = f"/apis/kubeflow.org/v2beta1/namespaces/{TEAM}/mpijobs"
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"

MONITORED: Final = Installation(
    default_image(), service_monitor=True, network_policy=True
)
OPTIONS: Final = ("--with-crd", "--service-monitor", "--network-policy")

# Kind -> the path of its collection; {} is the namespace.
PATHS: Final = {
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "CustomResourceDefinition": (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    ),
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Namespace": "/api/v1/namespaces",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "Role": f"{RBAC}/namespaces/{{}}/roles",
    "RoleBinding": f"{RBAC}/namespaces/{{}}/rolebindings",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ServiceMonitor": ("/apis/monitoring.coreos.com/v1/namespaces/{}/servicemonitors"),
}


def path(each: Json) -> str:
    metadata = each["metadata"]
    folder = PATHS[each["kind"]].format(metadata.get("namespace", ""))
    return f"{folder}/{metadata['name']}"


def a_service_monitor_crd() -> Json:
    names = {
        "kind": "ServiceMonitor",
        "listKind": "ServiceMonitorList",
        "plural": "servicemonitors",
        "singular": "servicemonitor",
    }
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "names": names,
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with its controllers, and people who may do nothing yet."""
    folder = programs()
    if absent := missing(folder, "kube-apiserver", "kube-controller-manager"):
        reason = f"no {' and no '.join(absent)} here: run `make controlplane`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    users = {"admin": "system:masters", ACCOUNT: "", **dict.fromkeys(PEOPLE, "")}
    own = ControlPlane(folder, tmp_path_factory.mktemp("deploy"), users)
    try:
        own.start()
        own.start_controllers()
        yield own
    finally:
        own.stop()


@pytest.fixture(scope="module")
def admin(plane: ControlPlane) -> Iterator[Client]:
    """Who may do everything; a team has its namespace, and Prometheus its operator."""
    with contextlib.closing(plane.client()) as client:
        client.create(PATHS["Namespace"], {"metadata": {"name": TEAM}}).expect(201)
        for person, role in PEOPLE.items():
            body = bound(person, role)
            client.create(PATHS["RoleBinding"].format(TEAM), body).expect(201)
        crds = PATHS["CustomResourceDefinition"]
        client.create(crds, a_service_monitor_crd()).expect(201)
        monitors = "/apis/monitoring.coreos.com/v1/servicemonitors"
        wait_until(lambda: client.get(monitors).code == 200, "monitors are served")
        yield client


def bound(person: str, role: str) -> Json:
    subject = {"apiGroup": installation.RBAC, "kind": "User", "name": person}
    return {
        "metadata": {"name": person},
        "roleRef": {
            "apiGroup": installation.RBAC,
            "kind": "ClusterRole",
            "name": role,
        },
        "subjects": [subject],
    }


# --- Three ways to install ----------------------------------------------------


def ran(plane: ControlPlane, *words: str, text: str = "") -> None:
    """Run a program against the cluster, which must go well."""
    environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig())}
    done = subprocess.run(
        words, input=text, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def kubectl() -> str:
    if found := shutil.which("kubectl"):
        return found
    pytest.skip("no kubectl here")


def by_helm(plane: ControlPlane) -> None:
    values = {"serviceMonitor": {"enabled": True}, "networkPolicy": {"enabled": True}}
    command = (
        *(helm(), "upgrade", "--install", "mpi-operator", str(CHART)),
        *("--namespace", "mpi-operator", "--create-namespace", "--values", "-"),
    )
    ran(plane, *command, text=json.dumps(values))


def by_the_command(plane: ControlPlane) -> None:
    command = (kubectl(), "apply", "--server-side", "-f", "-")
    ran(plane, *command, text=said("manifests", *OPTIONS).out)


def by_kustomize(plane: ControlPlane) -> None:
    folder = str(DEPLOY / "overlays" / "monitored")
    ran(plane, kubectl(), "apply", "--server-side", "-k", folder)


def by_kustomize_on_the_client(plane: ControlPlane) -> None:
    folder = str(DEPLOY / "overlays" / "monitored")
    ran(plane, kubectl(), "apply", "-k", folder)


WAYS: Final[Mapping[str, Callable[[ControlPlane], None]]] = {
    "helm": by_helm,
    "mpijob manifests": by_the_command,
    "kustomize": by_kustomize,
    "kustomize, applied by the client": by_kustomize_on_the_client,
}


def meant() -> list[Json]:
    """Return all that is installed; the CRD first."""
    crd: Json = yaml.load(mpijob_crd.text(), yaml.CSafeLoader)
    return [crd, *installation.objects(MONITORED)]


@pytest.fixture(scope="module", params=WAYS)
def way(
    request: pytest.FixtureRequest, plane: ControlPlane, admin: Client
) -> Iterator[Callable[[ControlPlane], None]]:
    """The operator installed in one way, and gone without a trace after the tests."""
    install = WAYS[request.param]
    install(plane)
    wait_until(lambda: admin.get(MPIJOBS).code == 200, "MPIJobs are served")
    yield install
    paths = [path(each) for each in reversed(meant())]
    for each in paths:
        admin.delete(each).expect(200, 202, 404)
    # Once more, where it must be: the controller that gathers roles applies them, and
    # so may make one anew that has just been deleted.
    for each in paths:
        gone = functools.partial(is_gone, admin, each)
        wait_until(gone, f"{each} is gone")


def is_gone(admin: Client, there: str) -> bool:
    return admin.delete(there).code == 404


def within(whole: Any, part: Any) -> bool:  # noqa: ANN401 - JSON.
    """Tell whether an object says what was asked for; the server may say more."""
    if isinstance(part, dict):
        asked = cast("Json", part)
        return isinstance(whole, dict) and all(
            within(cast("Json", whole).get(key), value) for key, value in asked.items()
        )
    if isinstance(part, list):
        ours: list[Any] = part
        theirs: list[Any] = whole or []
        return len(ours) == len(theirs) and all(map(within, theirs, ours))
    return bool(whole == part)


def test_the_api_server_has_what_is_meant(
    way: Callable[[ControlPlane], None], admin: Client
) -> None:
    del way
    for key, each in keyed(meant()).items():
        stored = admin.get(path(each)).expect(200)
        if each["kind"] == "Namespace":  # Helm makes one without a word to it.
            continue
        assert within(stored, each), key


def test_installed_once_more_nothing_changes(
    way: Callable[[ControlPlane], None], plane: ControlPlane, admin: Client
) -> None:
    def versions() -> dict[str, tuple[int, str]]:
        found: dict[str, tuple[int, str]] = {}
        for each in meant():
            metadata = admin.get(path(each)).expect(200)["metadata"]
            found[path(each)] = metadata.get("generation", 0), metadata["uid"]
        return found

    before = versions()
    way(plane)
    assert versions() == before


# --- What the operator may do -------------------------------------------------

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
    way: Callable[[ControlPlane], None], admin: Client
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
    way: Callable[[ControlPlane], None], admin: Client
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
    admin: Client,
) -> None:
    words = ("manifests", "--namespace", TEAM, "--operator-namespace", "narrow")
    text = said(*words).out
    objects: list[Json] = [
        each
        for each in yaml.load_all(text, yaml.CSafeLoader)
        # Those of people are there from the other installation, and stay.
        if not each["metadata"]["name"].startswith("kubeflow-")
    ]
    account = "system:serviceaccount:narrow:mpi-operator"
    try:
        for each in objects:
            admin.apply(path(each), each, "test").expect(200, 201)
        for permission in (p for p in PERMISSIONS if p.scope is Scope.JOBS):
            places = (TEAM, "default", "")
            for verb, where in itertools.product(permission.verbs, places):
                answer = may(
                    admin,
                    account,
                    group=permission.group,
                    resource=permission.resource,
                    subresource=permission.subresource,
                    verb=verb,
                    namespace=where,
                )
                assert answer == (where == TEAM), f"{verb} {permission} in {where!r}"
    finally:
        for each in objects:
            admin.delete(path(each)).expect(200, 202)


def test_the_operator_starts_with_this_account_and_these_flags(
    way: Callable[[ControlPlane], None],
    plane: ControlPlane,
    admin: Client,
    tmp_path: Path,
) -> None:
    del way
    deployment = admin.get(path(installation.deployment(MONITORED))).expect(200)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    command, *words = container["args"]
    assert command == "run"
    flags = dict(word.removeprefix("--").split("=", 1) for word in words)
    # One process for both ports here; which they are, only a pod may choose.
    del flags["health-port"], flags["monitoring-port"]
    # The client library takes a colon in the name of a file for the end of the name.
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(plane.kubeconfig(ACCOUNT).read_bytes())
    operator = Operator(kubeconfig, tmp_path, flags)
    try:
        operator.start()
        for probe in ("livenessProbe", "readinessProbe"):
            assert operator.ask(container[probe]["httpGet"]["path"])[0] == 200
        leases = "/apis/coordination.k8s.io/v1/namespaces/mpi-operator/leases"
        wait_until(lambda: admin.get(f"{leases}/mpi-operator").code == 200, "it leads")
        assert operator.stop()[0] == 0
        refused = [line for line in operator.lines() if "forbidden" in str(line)]
        assert not refused
    finally:
        operator.end()


def test_the_pod_is_as_restricted_as_its_namespace_asks(
    way: Callable[[ControlPlane], None], admin: Client
) -> None:
    del way
    namespace = "/api/v1/namespaces/mpi-operator"
    strict = {"pod-security.kubernetes.io/enforce": "restricted"}
    admin.merge(namespace, {"metadata": {"labels": strict}}).expect(200)
    deployment = admin.get(path(installation.deployment(MONITORED))).expect(200)
    pod: Json = {
        "metadata": {"name": "probe"},
        "spec": deployment["spec"]["template"]["spec"],
    }
    pods = f"{namespace}/pods"
    admin.create(pods, pod, dryRun="All").expect(201)
    del pod["spec"]["containers"][0]["securityContext"]
    assert (
        "violates PodSecurity" in admin.create(pods, pod, dryRun="All").body["message"]
    )


# --- What people may do -------------------------------------------------------


def holds_mpijobs(admin: Client, role: str) -> bool:
    found = admin.get(f"{RBAC}/clusterroles/{role}").expect(200)
    rules: list[Json] = found.get("rules") or []
    return any("mpijobs" in rule.get("resources", ()) for rule in rules)


@pytest.mark.parametrize("person", ["ada", "ed", "kate"])
def test_who_may_edit_can_run_a_job(
    person: str,
    way: Callable[[ControlPlane], None],
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
    way: Callable[[ControlPlane], None], plane: ControlPlane, admin: Client
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
    word: str, way: Callable[[ControlPlane], None], admin: Client
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


# --- In the place of mpi-operator ---------------------------------------------


def upstreams() -> Json:
    """Return a Deployment as mpi-operator's manifests have it, v0.8.2."""
    labels = dict(installation.LABELS)
    container = {
        "name": "mpi-operator",
        "image": "mpioperator/mpi-operator:0.8.2",
        "imagePullPolicy": "Always",
        "args": ["-alsologtostderr", "--lock-namespace=mpi-operator"],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "mpi-operator",
            "namespace": "mpi-operator",
            "labels": labels,
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "mpi-operator",
                    "containers": [container],
                },
            },
        },
    }


SERVER: Final = ("--server-side",)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((), (), id="client, client"),
        pytest.param((), (*SERVER, "--force-conflicts"), id="client, server"),
        pytest.param(SERVER, (), id="server, client"),
        pytest.param(SERVER, SERVER, id="server, server"),
    ],
)
def test_applied_over_mpi_operator_s_deployment_ours_takes_its_place(
    before: tuple[str, ...],
    after: tuple[str, ...],
    plane: ControlPlane,
    admin: Client,
) -> None:
    theirs, ours = upstreams(), installation.deployment(MONITORED)
    namespace = installation.namespace(MONITORED)
    admin.apply(path(namespace), namespace, "test").expect(200, 201)
    try:
        ran(plane, kubectl(), "apply", *before, "-f", "-", text=json.dumps(theirs))
        ran(plane, kubectl(), "apply", *after, "-f", "-", text=json.dumps(ours))
        assert within(admin.get(path(ours)).expect(200), ours)
    finally:
        admin.delete(path(ours)).expect(200)
