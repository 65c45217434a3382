# SPDX-License-Identifier: Apache-2.0
"""The whole life of a job on a real API server, as a user sees it."""

import pytest

from tests.controlplane.stage import Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]


def test_a_job_runs_and_succeeds(stage: Stage) -> None:
    stage.operator().start()
    stage.submit(mpijob("pi"))
    stage.wait_for("pi", "Running")
    assert stage.active("pi") == {"Launcher": 1, "Worker": 2}
    stage.script("pi-launcher-*", run_s=0.0)
    stage.wait_for("pi", "Succeeded")
    stage.wait_quiet()
    assert stage.events("pi") == ["MPIJobCreated", "MPIJobRunning", "MPIJobSucceeded"]
