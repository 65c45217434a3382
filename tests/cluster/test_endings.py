# SPDX-License-Identifier: Apache-2.0
"""What is left of a job: each cleanPodPolicy with each way to end (B5.5)."""

from collections.abc import Callable, Mapping
from typing import Final

import pytest
from attrs import frozen

from mpijob.loose import NOTHING
from tests.cluster.tiers import one_quick
from tests.controlplane.pod_life import End
from tests.controlplane.stage import Json, Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

# Enough to start in, on a busy machine.
DEADLINE_S: Final = 5


@frozen
class Ending:
    """How a job ends, and which of its pods are left by policy."""

    happens: Callable[[Stage], object]
    reason: str
    left: dict[str, set[str]]
    policy: Mapping[str, int] = NOTHING


def launcher_ends(code: int) -> Callable[[Stage], object]:
    return lambda stage: stage.script("pi-launcher-*", run_s=0.0, ends=(End(code),))


def a_worker_fails(stage: Stage) -> None:
    stage.nodes.end(stage.key("pi-worker-0"), End(1))


BOTH: Final = {"pi-worker-0", "pi-worker-1"}
# By itself a launcher leaves its pod; the operator ends a job by deleting the Job.
BY_ITSELF: Final = {
    "None": {"launcher", *BOTH},
    "Running": {"launcher"},
    "All": set[str](),
}
ENDINGS: Final = {
    "success": Ending(launcher_ends(0), "MPIJobSucceeded", BY_ITSELF),
    "failure": Ending(launcher_ends(1), "BackoffLimitExceeded", BY_ITSELF),
    "deadline": Ending(
        lambda _: None,
        "DeadlineExceeded",
        {"None": BOTH, "Running": set(), "All": set()},
        {"activeDeadlineSeconds": DEADLINE_S},
    ),
    "workers": Ending(
        a_worker_fails,
        "WorkerBackoffLimitExceeded",
        # The one that failed is finished, and not running.
        {"None": BOTH, "Running": {"pi-worker-0"}, "All": set()},
    ),
}


@pytest.mark.rule("B5.5", "B5.3", "B5.4", "B4.3", "B4.5")
@pytest.mark.parametrize("policy", BY_ITSELF)
@pytest.mark.parametrize("ending", one_quick(ENDINGS))
def test_pods_are_cleaned_as_the_policy_says(
    stage: Stage, policy: str, ending: str
) -> None:
    how = ENDINGS[ending]
    run = {"cleanPodPolicy": policy, "backoffLimit": 0, **how.policy}
    stage.operator().start()
    launcher = {"restartPolicy": "Never"}
    stage.submit(mpijob("pi", runPolicy=run, Launcher=launcher))
    stage.wait_for("pi", "Running")
    how.happens(stage)
    end = stage.wait_for("pi", "Succeeded" if ending == "success" else "Failed")
    assert end["reason"].split("/")[0] == how.reason
    left = how.left[policy]
    stage.wait(lambda: set(stage.pods("pi")) == left, f"the pods left are {left}")
    stage.wait_quiet()
    pods: dict[str, Json] = stage.pods("pi")
    assert set(pods) == left
    # After the end the count follows the pods.
    alive = [p for p in pods.values() if p["status"]["phase"] == "Running"]
    assert sum(stage.active("pi").values()) == len(alive)
