# SPDX-License-Identifier: Apache-2.0
"""The control plane as a test asks for it: once for all tests of a run."""

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path

import pytest
from attrs import frozen

from mpijob.loose import NOTHING
from tests.controlplane.client import Client
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
    """A control plane with MPIJobs, and nodes."""

    plane: ControlPlane
    nodes: Nodes

    def wake(self) -> None:
        """Start the controllers, and have pods run."""
        needed_programs("kube-controller-manager")
        # Late: the garbage collector asks but twice a minute what kinds there are.
        self.plane.start_controllers()
        self.nodes.start()

    def stage(self, folder: Path) -> Stage:
        """Return a new namespace of it, to be closed."""
        return Stage(self.plane, self.nodes, folder)


@contextlib.contextmanager
def still_cluster(
    folder: Path,
    *,
    users: Mapping[str, str] = USERS,
    flags: Mapping[str, str] = NOTHING,
    prepare: Callable[[Client], object] = install,
) -> Generator[Cluster]:
    """Start a cluster where nobody acts until it is woken; pods stay as put."""
    plane = ControlPlane(needed_programs(), folder, users, flags)
    with contextlib.ExitStack() as ends:
        ends.callback(plane.stop)
        plane.start()
        with contextlib.closing(plane.client()) as client:
            prepare(client)
        nodes = Nodes(plane.kubeconfig())
        ends.callback(nodes.stop)
        yield Cluster(plane, nodes)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster in which pods run, for all tests that bring an operator.

    A module that wants another gives its own fixture this name.
    """
    with still_cluster(tmp_path_factory.mktemp("cluster")) as shared:
        shared.wake()
        yield shared


@pytest.fixture
def stage(
    cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> Iterator[Stage]:
    """A namespace of the cluster, for one test; its report says what was asked."""
    with contextlib.closing(cluster.stage(tmp_path)) as own:
        yield own
        if own.is_proxied:
            record_property("requests", len(own.proxy.log))


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[Stage]:
    """A stage on a control plane of its own, whose end disturbs nobody."""
    with (
        still_cluster(tmp_path_factory.mktemp("own")) as cluster,
        contextlib.closing(cluster.stage(tmp_path)) as alone,
    ):
        cluster.wake()
        yield alone
