# SPDX-License-Identifier: Apache-2.0
"""What an edit means for pods that exist, by the hash of what they are made from."""

import pytest

from mpijob.edits import outdated
from mpijob.job import MPIJob, Role
from mpijob.pods import template_hash
from tests.builders import Sighting, a_job, a_launcher, a_worker, the_case

JOB = a_job(workers=2)
assert JOB.worker is not None
assert JOB.launcher is not None
W, L = template_hash(JOB, JOB.worker), template_hash(JOB, JOB.launcher)


@pytest.mark.rule("B5.9", "B4.9")
@pytest.mark.parametrize(
    ("job", "found", "expected"),
    [
        pytest.param(JOB, [], [], id="nothing made"),
        pytest.param(JOB, [a_worker(0, template_hash=W)], [], id="as it is"),
        pytest.param(JOB, [a_worker(0, template_hash="x")], ["Worker"], id="another"),
        pytest.param(
            JOB,
            [a_worker(0, template_hash=W), a_worker(1, template_hash="x")],
            ["Worker"],
            id="half of them",
        ),
        pytest.param(
            JOB,
            [a_worker(0), a_worker(1, template_hash=W)],
            [],
            id="somebody else's says nothing",
        ),
        pytest.param(
            JOB,
            [a_worker(0), a_worker(1, template_hash="x")],
            ["Worker"],
            id="one says it",
        ),
        pytest.param(
            JOB, [a_worker(0, "Succeeded", template_hash="x")], [], id="it has ended"
        ),
        pytest.param(JOB, [a_launcher(template_hash=L)], [], id="launcher as it is"),
        pytest.param(
            JOB, [a_launcher(template_hash="x")], ["Launcher"], id="launcher another"
        ),
        pytest.param(JOB, [a_launcher()], [], id="launcher says nothing"),
        pytest.param(
            JOB, [a_launcher("Failed", template_hash="x")], [], id="launcher has ended"
        ),
        pytest.param(
            JOB,
            [a_launcher(template_hash="x"), a_worker(0, template_hash="x")],
            ["Launcher", "Worker"],
            id="both",
        ),
        pytest.param(
            a_job(workers=None), [a_worker(0, template_hash="x")], [], id="no workers"
        ),
        pytest.param(
            a_job(slotsPerWorker=2),
            [a_worker(0, template_hash=W)],
            ["Worker"],
            id="slots",
        ),
        pytest.param(
            a_job(workers=9), [a_worker(0, template_hash=W)], [], id="number of workers"
        ),
    ],
)
def test_a_role_is_outdated_when_a_live_pod_is(
    job: MPIJob, found: list[Sighting], expected: list[str]
) -> None:
    assert outdated(the_case(job, *found)) == tuple(Role(role) for role in expected)
