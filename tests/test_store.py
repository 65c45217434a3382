# SPDX-License-Identifier: Apache-2.0
"""The store: what the watches show, filed under the jobs that it belongs to."""

from typing import Any

import mpijob
from mpijob.names import JOB_NAME_LABEL, Ref
from mpijob.observed import Live
from mpijob_operator.controller.store import (
    Key,
    Seen,
    Store,
    newer,
    observed,
    ref_of,
    sights,
    with_live,
)

PI = Key("hpc", "pi")
JOB = mpijob.MPIJob("pi", namespace="hpc", uid="u")


def pod(
    name: str = "pi-worker-0", job: str = "pi", owner: str = "pi", version: str = "1"
) -> dict[str, Any]:
    reference = {"kind": "MPIJob", "name": owner, "uid": "u", "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "hpc",
            "resourceVersion": version,
            "labels": {JOB_NAME_LABEL: job} if job else {},
            "ownerReferences": [reference] if owner else [],
        },
    }


def names(store: Store, key: Key = PI) -> list[str]:
    return [ref.name for ref in store.bucket(key)]


def test_a_child_is_filed_by_its_label_and_by_its_owner() -> None:
    store = Store()
    assert store.put(pod(job="pi", owner="")) == (PI,)
    assert store.put(pod("pi-worker-1", job="", owner="pi")) == (PI,)
    assert names(store) == ["pi-worker-0", "pi-worker-1"]
    assert store.put(pod("x", job="", owner="")) == ()


def test_a_child_that_changes_hands_concerns_both() -> None:
    store = Store()
    store.put(pod(job="pi", owner=""))
    assert store.put(pod(job="e", owner="")) == (PI, Key("hpc", "e"))
    assert names(store) == []
    assert names(store, Key("hpc", "e")) == ["pi-worker-0"]


def test_what_is_dropped_is_gone() -> None:
    store = Store()
    store.put(pod())
    assert store.drop(ref_of(pod())) == (PI,)
    assert store.drop(ref_of(pod())) == ()
    assert names(store) == []


def test_a_kind_that_no_job_has_is_passed_over() -> None:
    store = Store()
    assert store.put({**pod(), "kind": "Node"}) == ()


def test_the_refs_of_a_kind_are_those_of_the_namespace() -> None:
    store = Store()
    store.put(pod())
    assert list(store.refs("v1", "Pod")) == [ref_of(pod())]
    assert list(store.refs("v1", "Pod", "hpc")) == [ref_of(pod())]
    assert list(store.refs("v1", "Pod", "other")) == []
    assert list(store.refs("v1", "Service")) == []


def test_manifests_are_kept_only_for_recordings() -> None:
    job = {"metadata": {"name": "pi", "namespace": "hpc"}}
    for keeps in (False, True):
        store = Store(keeps_manifests=keeps)
        store.put(pod())
        assert store.put_job(job) == PI
        assert (PI in store.manifests) is keeps
        (seen,) = store.bucket(PI).values()
        assert (seen.manifest is not None) is keeps
        store.drop_job(PI)
        assert not store.jobs
        assert not store.manifests


def test_of_two_sights_the_newer_counts() -> None:
    store = Store()
    store.put(pod(version="9"))
    stranger = Store()
    stranger.put({**pod(version="10"), "status": {"phase": "Running"}})
    (one,) = stranger.bucket(PI).values()
    seen = observed(JOB, sights(JOB, store.bucket(PI), [one]))
    assert [p.phase for p in seen.pods] == ["Running"]
    (old,) = store.bucket(PI).values()
    assert newer(old, one) is one
    assert newer(old, None) is old


def test_what_was_read_live_replaces_what_the_cache_shows() -> None:
    store = Store()
    store.put(pod())
    store.put(pod("pi-worker-1"))
    service = {**pod("pi"), "kind": "Service"}
    store.put(service)
    live = {Live.PODS: [store.bucket(PI)[ref_of(pod())]]}
    found = with_live(store.bucket(PI), live, JOB)
    assert list(found) == [
        Ref("v1", "Service", "hpc", "pi"),
        Ref("v1", "Pod", "hpc", "pi-worker-0"),
    ]
    assert isinstance(found[ref_of(service)], Seen)
