# SPDX-License-Identifier: Apache-2.0
"""What is installed is stored as it is meant, runs, and takes the place of another.

Each test here is run for each way of installing.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from mpijob_operator import installation
from tests.controlplane.client import Client
from tests.controlplane.harness import ControlPlane, wait_until
from tests.controlplane.operator import Operator
from tests.deploy.installing import (
    ACCOUNT,
    MONITORED,
    NARROW,
    Way,
    kubectl,
    meant,
    path,
    ran,
)
from tests.test_deploy import Json, keyed

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.slow,
]

Value = dict[str, Any] | list[Any] | str | float | bool | None


def within(whole: Value, part: Value) -> bool:
    """Tell whether an object says what was asked for; the server may say more."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(within(whole.get(key), value) for key, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(map(within, whole, part))
    return whole == part


def test_the_api_server_has_what_is_meant(way: Way, admin: Client) -> None:
    del way
    for key, each in keyed(meant()).items():
        stored = admin.get(path(each)).expect(200)
        if each["kind"] == "Namespace":  # Helm makes one without a word to it.
            continue
        assert within(stored, each), key


def test_installed_once_more_nothing_changes(
    way: Way, plane: ControlPlane, admin: Client
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


# --- It runs -------------------------------------------------------------------


def runs(plane: ControlPlane, account: str, deployment: Json, folder: Path) -> None:
    """Start the operator as the Deployment would; it must lead, and end in order."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    command, *words = container["args"]
    assert command == "run"
    flags = dict(word.removeprefix("--").split("=", 1) for word in words)
    # One process for both ports here; which they are, only a pod may choose.
    del flags["health-port"], flags["monitoring-port"]
    # The client library takes a colon in the name of a file for the end of the name.
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_bytes(plane.kubeconfig(account).read_bytes())
    operator = Operator(kubeconfig, folder, flags)
    try:
        operator.start()
        for probe in ("livenessProbe", "readinessProbe"):
            assert operator.ask(container[probe]["httpGet"]["path"])[0] == 200
        leads = "mpi_operator_is_leader 1.0"
        wait_until(lambda: leads in operator.ask("/metrics")[1], "it leads")
        assert operator.stop()[0] == 0
        assert not [line for line in operator.lines() if "forbidden" in str(line)]
    finally:
        operator.end()


def test_the_operator_starts_with_its_account_and_its_flags(
    way: Way,
    plane: ControlPlane,
    admin: Client,
    tmp_path: Path,
) -> None:
    del way
    deployment = admin.get(path(installation.deployment(MONITORED))).expect(200)
    runs(plane, ACCOUNT, deployment, tmp_path)


def test_for_one_namespace_the_operator_starts_too(
    way: Way,
    narrow: Json,
    plane: ControlPlane,
    tmp_path: Path,
) -> None:
    del way
    runs(plane, NARROW, narrow, tmp_path)


def test_the_pod_runs_where_nothing_but_restricted_pods_may(
    way: Way, admin: Client
) -> None:
    del way
    namespace = "/api/v1/namespaces/mpi-operator"
    level = "pod-security.kubernetes.io/enforce"

    def enforced(word: str | None) -> None:
        admin.merge(namespace, {"metadata": {"labels": {level: word}}}).expect(200)

    deployment = admin.get(path(installation.deployment(MONITORED))).expect(200)
    pod: Json = {
        "metadata": {"name": "probe"},
        "spec": deployment["spec"]["template"]["spec"],
    }
    pods = f"{namespace}/pods"
    enforced("restricted")
    try:
        admin.create(pods, pod, dryRun="All").expect(201)
        del pod["spec"]["containers"][0]["securityContext"]
        refused = admin.create(pods, pod, dryRun="All").body["message"]
    finally:
        enforced(None)
    assert "violates PodSecurity" in refused


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


def test_mpi_operator_can_come_back(way: Way, admin: Client) -> None:
    """Nothing that ours leaves behind keeps its pods out, or takes a right away."""
    del way
    namespace = "/api/v1/namespaces/mpi-operator"
    pod: Json = {
        "metadata": {"name": "theirs"},
        "spec": upstreams()["spec"]["template"]["spec"],
    }
    admin.create(f"{namespace}/pods", pod, dryRun="All").expect(201)
    account = admin.get(f"{namespace}/serviceaccounts/mpi-operator").expect(200)
    # Their pods do not ask for the token: the account's word counts.
    assert account.get("automountServiceAccountToken") is not False
    roles = {each["metadata"]["name"] for each in meant() if "Role" in each["kind"]}
    assert "mpi-operator" not in roles, "theirs keeps its rights"


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
