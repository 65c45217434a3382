# SPDX-License-Identifier: Apache-2.0
"""What the CRD says to jobs, by its schema and its CEL, offline (B1.6).

`test_crd_on_api_server` holds a real API server to the same verdicts.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.cases import (
    ACCEPTED,
    CHANGES,
    CORPUS,
    PASSED_ON,
    REFUSED,
    corpus_job,
    is_valid,
    job,
    with_role,
)
from tests.controlplane.offline import SCHEMA, refusals


@pytest.mark.parametrize(
    "path", [p for p in CORPUS if is_valid(p)], ids=lambda p: p.parent.name
)
@pytest.mark.rule("B1.1")
def test_a_valid_job_of_the_corpus_is_taken(path: Path) -> None:
    assert refusals(corpus_job(path)) == ()


@pytest.mark.parametrize(
    "path", [p for p in CORPUS if not is_valid(p)], ids=lambda p: p.parent.name
)
@pytest.mark.rule("B1.5", "B1.6")
def test_an_invalid_job_of_the_corpus_is_refused(path: Path) -> None:
    assert bool(refusals(corpus_job(path))) != (path.parent.name in PASSED_ON)


@pytest.mark.parametrize("manifest", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.rule("B1.3", "B1.5")
def test_what_is_accepted(manifest: dict[str, Any]) -> None:
    assert refusals(manifest) == ()


@pytest.mark.parametrize(("manifest", "words"), REFUSED.values(), ids=REFUSED)
@pytest.mark.rule("B1.5", "B1.6")
def test_what_is_refused(manifest: dict[str, Any], words: str) -> None:
    assert [fault for fault in refusals(manifest) if words in fault]


@pytest.mark.parametrize(("old", "new", "words"), CHANGES.values(), ids=CHANGES)
@pytest.mark.rule("B1.5", "B1.6")
def test_what_may_change(old: dict[str, Any], new: dict[str, Any], words: str) -> None:
    faults = refusals(new, old)
    assert [words in fault for fault in faults] == ([True] if words else [])


@pytest.mark.rule("B1.3", "B1.6")
def test_a_replica_spec_counts_one_where_none_is_said() -> None:
    stored: Any = SCHEMA.with_defaults(with_role("Worker", replicas=None))
    roles = stored["spec"]["mpiReplicaSpecs"]
    assert [roles[role]["replicas"] for role in ("Launcher", "Worker")] == [1, 1]


@pytest.mark.rule("B1.1", "B1.3")
def test_what_is_not_said_gets_the_default() -> None:
    stored: Any = SCHEMA.with_defaults(job(runPolicy={}))
    del stored["spec"]["mpiReplicaSpecs"]
    assert stored["spec"] == {
        "launcherCreationPolicy": "AtStartup",
        "mpiImplementation": "OpenMPI",
        "runLauncherAsWorker": False,
        "runPolicy": {"cleanPodPolicy": "None", "suspend": False},
        "slotsPerWorker": 1,
        "sshAuthMountPath": "/root/.ssh",
    }
