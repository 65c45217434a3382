# SPDX-License-Identifier: Apache-2.0
"""What an edit means for pods that exist, by the hash of what they are made from."""

import pytest

from mpijob.edits import outdated
from mpijob.job import MPIJob, Role
from mpijob.pods import template_hash
from tests.builders import Sighting, a_job, a_launcher, a_worker, cases, the_case

JOB = a_job(workers=2)
assert JOB.worker is not None
assert JOB.launcher is not None
W, L = template_hash(JOB, JOB.worker), template_hash(JOB, JOB.launcher)


@pytest.mark.rule("B5.9", "B4.9")
@cases("job, found, expected", {
    "nothing made": (JOB, [], []),
    "as it is": (JOB, [a_worker(0, template_hash=W)], []),
    "another": (JOB, [a_worker(0, template_hash="x")], ["Worker"]),
    "half of them": (JOB, [a_worker(0, template_hash=W), a_worker(1,
        template_hash="x")], ["Worker"]),
    "somebody else's says nothing": (JOB, [a_worker(0), a_worker(1, template_hash=W)],
        []),
    "one says it": (JOB, [a_worker(0), a_worker(1, template_hash="x")], ["Worker"]),
    "it has ended": (JOB, [a_worker(0, "Succeeded", template_hash="x")], []),
    "launcher as it is": (JOB, [a_launcher(template_hash=L)], []),
    "launcher another": (JOB, [a_launcher(template_hash="x")], ["Launcher"]),
    "launcher says nothing": (JOB, [a_launcher()], []),
    "launcher has ended": (JOB, [a_launcher("Failed", template_hash="x")], []),
    "both": (JOB, [a_launcher(template_hash="x"), a_worker(0, template_hash="x")],
        ["Launcher", "Worker"]),
    "no workers": (a_job(workers=None), [a_worker(0, template_hash="x")], []),
    "slots": (a_job(slotsPerWorker=2), [a_worker(0, template_hash=W)], ["Worker"]),
    "number of workers": (a_job(workers=9), [a_worker(0, template_hash=W)], []),
})  # fmt: skip
def test_a_role_is_outdated_when_a_live_pod_is(
    job: MPIJob, found: list[Sighting], expected: list[str]
) -> None:
    assert outdated(the_case(job, *found)) == tuple(Role(role) for role in expected)
