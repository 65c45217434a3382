# SPDX-License-Identifier: Apache-2.0
"""The control plane as a test asks for it: once for all tests of a run."""

import os
from collections.abc import Iterator

import pytest

from tests.controlplane.harness import ControlPlane, missing, programs


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A ready API server, without controllers until a test starts them."""
    folder = programs()
    if absent := missing(folder):
        reason = f"no {' and no '.join(absent)} here: run `make controlplane`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    plane = ControlPlane(folder, tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
