# SPDX-License-Identifier: Apache-2.0
"""The ways to install the operator, and who is there to use it."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pytest
import yaml

import mpijob_crd
from mpijob_operator import installation
from mpijob_operator.commands.manifests import default_image
from mpijob_operator.installation import Installation
from tests.controlplane.client import Client
from tests.controlplane.harness import ControlPlane, wait_until
from tests.states import said
from tests.test_deploy import CHART, DEPLOY, Json
from tests.test_deploy_helm import helm

ACCOUNT: Final = "system:serviceaccount:mpi-operator:mpi-operator"
NARROW: Final = "system:serviceaccount:narrow:mpi-operator"
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


Way = Callable[[ControlPlane], None]

WAYS: Final[Mapping[str, Way]] = {
    "helm": by_helm,
    "mpijob manifests": by_the_command,
    "kustomize": by_kustomize,
    "kustomize, applied by the client": by_kustomize_on_the_client,
}


def meant() -> list[Json]:
    """Return all that is installed; the CRD first."""
    crd: Json = yaml.load(mpijob_crd.text(), yaml.CSafeLoader)
    return [crd, *installation.objects(MONITORED)]


def removed(admin: Client, objects: Sequence[Json]) -> None:
    """Take away what was installed, and wait until it is gone."""
    paths = [path(each) for each in reversed(objects)]
    for each in paths:
        admin.delete(each).expect(200, 202, 404)
    # Once more, where it must be: the controller that gathers roles applies them, and
    # so may make one anew that has just been deleted.
    for each in paths:
        wait_until(functools.partial(is_gone, admin, each), f"{each} is gone")


def is_gone(admin: Client, there: str) -> bool:
    return admin.delete(there).code == 404
