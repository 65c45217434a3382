# SPDX-License-Identifier: Apache-2.0
"""The control plane as a test asks for it: once for all tests of a run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.controlplane.harness import ControlPlane, missing, programs
from tests.controlplane.nodes import Nodes
from tests.controlplane.stage import USER, Stage, install

# One may do everything, one what the operator may, and one nothing but ask.
USERS = {"admin": "system:masters", USER: "", "nobody": ""}


def needed_programs(*names: str) -> Path:
    """Return where the programs are; without them a test is skipped, in CI it fails."""
    folder = programs()
    if absent := missing(folder, *names):
        reason = f"no {' and no '.join(absent)} here: run `make controlplane`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A ready API server, without controllers until a test starts them."""
    plane = ControlPlane(needed_programs(), tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


@frozen
class Cluster:
    """A control plane with controllers, MPIJobs and nodes."""

    plane: ControlPlane
    nodes: Nodes


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster in which pods run, for all tests that bring an operator."""
    folder = needed_programs("etcd", "kube-apiserver", "kube-controller-manager")
    plane = ControlPlane(folder, tmp_path_factory.mktemp("cluster"), USERS)
    nodes = None
    try:
        plane.start()
        client = plane.client()
        install(client)
        client.close()
        # Later: the garbage collector asks but twice a minute what kinds there are.
        plane.start_controllers()
        nodes = Nodes(plane.kubeconfig())
        nodes.start()
        yield Cluster(plane, nodes)
    finally:
        if nodes is not None:
            nodes.stop()
        plane.stop()


@pytest.fixture
def stage(cluster: Cluster, tmp_path: Path) -> Iterator[Stage]:
    """A namespace of the cluster, for one test."""
    own = Stage(cluster.plane, cluster.nodes, tmp_path)
    try:
        yield own
    finally:
        own.close()
