# SPDX-License-Identifier: Apache-2.0
"""What laws, readers and real clusters found in the shell, each as its shortest story.

Those of the core are in test_regressions; those that the search told, as lines of a
story, in properties/test_stories; what a controller recorded, in test_recordings.
"""

import io
import re

import pytest

from mpijob import Confirm, Event
from mpijob.actions import Delete, job_ref
from mpijob.names import Ref
from mpijob_operator.controller.memory import NEW, Progress, after, behind
from mpijob_operator.documents import read
from mpijob_operator.executor import Answer, start
from mpijob_operator.requests import request_of
from tests.builders import a_job

JOB = a_job()
OK = Answer(200, {"metadata": {"uid": "job", "generation": 1}})
REFUSED = Answer(403, {"reason": "Forbidden", "message": "no"})
EVICTED = Event("Warning", "MPIJobEvicted", "pod pi-worker-0 was evicted")
# A DNS subdomain, as the API server has it for the name of an Event.
SUBDOMAIN = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)


@pytest.mark.rule("B4.7")
def test_an_event_has_a_name_that_the_api_server_takes() -> None:
    asked = request_of(JOB, EVICTED)
    assert SUBDOMAIN.fullmatch(f"{asked.body['metadata']['generateName']}x7k2p")


@pytest.mark.rule("B4.7")
def test_an_eviction_is_told_with_its_deletion_and_not_without() -> None:
    pod = Ref("v1", "Pod", "hpc", "pi-worker-0")
    gone = Delete(pod, "u", "", "Background", "it was evicted")
    plan = ((Confirm(job_ref(JOB), "job", 1),), (gone,), (EVICTED,))
    for answer, told in ((REFUSED, False), (OK, True)):
        execution = start(JOB, plan).answered(0, OK).answered(0, answer)
        assert bool(execution.ready()) is told


@pytest.mark.parametrize("text", ["5", "{} 5", '"x" {}', "[1] null"])
def test_json_that_is_no_object_is_told_and_ends_nothing(text: str) -> None:
    assert read(["-"], io.BytesIO(text.encode())).errors


@pytest.mark.rule("B8.2")
def test_what_another_process_wrote_is_waited_for_like_our_own() -> None:
    lost = start(JOB, ((Confirm(job_ref(JOB), "job", 1),),)).answered(0, Answer(0))
    known = after(NEW, lost, 100.0, 5.0)
    pods = ("v1", "Pod")
    listed_before, listed_since = Progress("9", 104.0), Progress("9", 105.0)
    assert [*behind(known, {pods: listed_before})] == [pods]
    assert [*behind(known, {pods: listed_since})] == []
