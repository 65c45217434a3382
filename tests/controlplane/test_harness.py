# SPDX-License-Identifier: Apache-2.0
"""The control plane does what tests of the operator will ask of it."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.controlplane.harness import ControlPlane, missing, wait_until

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

PODS: Final = "/api/v1/namespaces/default/pods"
JOBS: Final = "/apis/batch/v1/namespaces/default/jobs"
JOB: Final[dict[str, Any]] = {
    "metadata": {"name": "one"},
    "spec": {
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "main", "image": "example/mpi:1"}],
            }
        }
    },
}


@pytest.fixture
def own(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A second control plane, whose controllers disturb nobody."""
    users = {"admin": "system:masters", "nobody": ""}
    folder = tmp_path_factory.mktemp("own")
    plane = ControlPlane(control_plane.programs, folder, users)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


def test_a_user_without_a_role_may_do_nothing(own: ControlPlane) -> None:
    with contextlib.closing(own.client("nobody")) as client:
        assert client.get(PODS).code == 403


def test_controllers_make_the_pods_of_a_job_and_remove_them(own: ControlPlane) -> None:
    if missing(own.programs, "kube-controller-manager"):
        pytest.skip("no kube-controller-manager here: envtest brings none")
    own.start_controllers()
    with contextlib.closing(own.client()) as client:
        client.create(JOBS, JOB).expect(201)

        def pods() -> int:
            return len(client.get(PODS).expect(200)["items"])

        wait_until(lambda: pods() == 1, "the Job has its pod")
        client.delete(f"{JOBS}/one", propagationPolicy="Background").expect(200)
        wait_until(lambda: pods() == 0, "the pod is collected")
