# SPDX-License-Identifier: Apache-2.0
"""One control plane for all tests here: its people, and the operator installed.

Each way of installing goes from an empty cluster to an empty cluster. The CRD that a
Prometheus operator would bring is a sketch of ours.
"""

import contextlib
from collections.abc import Iterator

import pytest
import yaml

from mpijob_operator import installation
from tests.controlplane.client import Client
from tests.controlplane.fixtures import needed_programs
from tests.controlplane.harness import ControlPlane, wait_until
from tests.deploy.installing import (
    ACCOUNT,
    MPIJOBS,
    NARROW,
    PATHS,
    PEOPLE,
    TEAM,
    WAYS,
    Way,
    meant,
    path,
    removed,
)
from tests.states import said
from tests.test_deploy import Json


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


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with its controllers, and people who may do nothing yet."""
    folder = needed_programs("etcd", "kube-apiserver", "kube-controller-manager")
    users = {"admin": "system:masters", **dict.fromkeys((ACCOUNT, NARROW, *PEOPLE), "")}
    own = ControlPlane(folder, tmp_path_factory.mktemp("deploy"), users)
    try:
        own.start()
        own.start_controllers()
        yield own
    finally:
        own.stop()


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package", params=WAYS)
def way(
    request: pytest.FixtureRequest, plane: ControlPlane, admin: Client
) -> Iterator[Way]:
    """The operator installed in one way, and gone without a trace after the tests."""
    install = WAYS[request.param]
    install(plane)
    wait_until(lambda: admin.get(MPIJOBS).code == 200, "MPIJobs are served")
    yield install
    removed(admin, meant())


@pytest.fixture
def narrow(plane: ControlPlane, admin: Client) -> Iterator[Json]:
    """The Deployment of an operator that has the jobs of one namespace."""
    del plane
    words = ("manifests", "--namespace", TEAM, "--operator-namespace", "narrow")
    objects: list[Json] = [
        each
        for each in yaml.load_all(said(*words).out, yaml.CSafeLoader)
        # Those of people are there from the other installation, and stay.
        if not each["metadata"]["name"].startswith("kubeflow-")
    ]
    try:
        for each in objects:
            admin.apply(path(each), each, "test").expect(200, 201)
        yield next(each for each in objects if each["kind"] == "Deployment")
    finally:
        removed(admin, objects)
