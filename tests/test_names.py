# SPDX-License-Identifier: Apache-2.0
"""Names are part of the API: other programs look for them, so they are literal here."""

import pytest

from mpijob import names
from mpijob.job import Role
from tests.builders import a_job

OPERATOR = {"training.kubeflow.org/operator-name": "mpi-operator"}
PODS = {**OPERATOR, "training.kubeflow.org/job-name": "pi"}


@pytest.mark.rule("B2.1")
def test_each_child_is_named_after_the_job() -> None:
    job = a_job("pi")
    assert [
        names.service(job),
        names.config_map(job),
        names.secret(job),
        names.launcher(job),
        names.worker(job, 12),
    ] == ["pi", "pi-config", "pi-ssh", "pi-launcher", "pi-worker-12"]


@pytest.mark.parametrize(("pod", "index"), [
    ("pi-worker-0", 0),
    ("pi-worker-12", 12),
    ("pi-worker-2147483647", 2_147_483_647),
    ("pi-worker-21474836470", None),
    ("pi-worker-012", None),
    ("pi-worker-00", None),
    ("pi-worker-", None),
    ("pi-worker-x", None),
    ("pi-worker-+1", None),
    ("pi-worker--1", None),
    ("pi-worker-²", None),
    ("pi-worker-٣", None),
    ("pi-worker-1-2", None),
    ("pie-worker-1", None),
    ("po-worker-1", None),
    ("worker-1", None),
    ("pi-launcher-0", None),
    ("pi", None),
    ("", None),
])  # fmt: skip
def test_only_the_name_that_we_would_give_has_an_index(
    pod: str, index: int | None
) -> None:
    assert names.worker_index(a_job("pi"), pod) == index


@pytest.mark.rule("B3.1", "B2.1")
@pytest.mark.parametrize(
    ("cluster_domain", "expected"),
    [("", "pi.hpc.svc"), ("cluster.local", "pi.hpc.svc.cluster.local")],
)
def test_the_domain_ends_with_the_clusters_where_one_is_set(
    cluster_domain: str, expected: str
) -> None:
    assert names.domain(a_job("pi"), cluster_domain) == expected


@pytest.mark.rule("B6.2")
def test_pods_are_told_by_the_labels_that_kueue_and_scale_select() -> None:
    job = a_job("pi")
    role = {"training.kubeflow.org/job-role": "worker"}
    assert names.selector(job) == PODS
    assert names.pod_labels(job, Role.WORKER) == {**PODS, **role}
    assert names.role_selector(job, Role.LAUNCHER) == (
        "training.kubeflow.org/operator-name=mpi-operator,"
        "training.kubeflow.org/job-name=pi,"
        "training.kubeflow.org/job-role=launcher"
    )


def test_the_labels_of_what_is_no_pod_narrow_a_watch() -> None:
    assert names.child_labels(a_job("pi")) == {"app": "pi", **PODS}


@pytest.mark.rule("B8.1")
def test_the_job_is_the_controller_of_its_children() -> None:
    assert names.metadata(a_job("pi"), "pi-ssh", {"app": "pi"}) == {
        "name": "pi-ssh",
        "namespace": "hpc",
        "labels": {"app": "pi"},
        "ownerReferences": [
            {
                "apiVersion": "kubeflow.org/v2beta1",
                "kind": "MPIJob",
                "name": "pi",
                "uid": "job",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def test_a_job_in_no_cluster_owns_nothing() -> None:
    job = a_job("pi", metadata={"uid": ""})
    assert names.owner_references(job) == []
    assert "ownerReferences" not in names.metadata(job, "pi", {})


@pytest.mark.rule("B7.1", "B7.6")
@pytest.mark.parametrize(("scheduler", "api"), [
    ("none", ""),
    ("volcano", "scheduling.volcano.sh/v1beta1"),
    ("kubernetes", "scheduling.k8s.io/v1beta9"),
    ("coscheduling", "scheduling.x-k8s.io/v1alpha1"),
    ("zoned", "scheduling.x-k8s.io/v1alpha1"),
    ("Volcano", "scheduling.x-k8s.io/v1alpha1"),
])  # fmt: skip
def test_each_gang_scheduler_has_its_own_pod_group(scheduler: str, api: str) -> None:
    assert names.pod_group_api(scheduler, "v1beta9") == api


def test_the_words_of_the_api_are_spelled_as_upstream_spells_them() -> None:
    assert (
        names.MANAGED_BY,
        names.MULTI_KUEUE,
        names.JOB_ROLE_LABEL,
        names.REPLICA_INDEX_LABEL,
        names.QUEUE_NAME_LABEL,
        names.VOLCANO_QUEUE,
        names.VOLCANO_GROUP,
        names.SCHEDULER_PLUGINS_GROUP,
        names.SSH_VOLUME,
        names.CONFIG_VOLUME,
        names.CONFIG_PATH,
        names.HOSTFILE,
        names.DISCOVER_HOSTS,
        names.SSH_PRIVATE_KEY,
        names.SSH_PUBLIC_KEY,
    ) == (
        "kubeflow.org/mpi-operator",
        "kueue.x-k8s.io/multikueue",
        "training.kubeflow.org/job-role",
        "training.kubeflow.org/replica-index",
        "kueue.x-k8s.io/queue-name",
        "scheduling.volcano.sh/queue-name",
        "scheduling.k8s.io/group-name",
        "scheduling.x-k8s.io/pod-group",
        "ssh-auth",
        "mpi-job-config",
        "/etc/mpi",
        "hostfile",
        "discover_hosts.sh",
        "ssh-privatekey",
        "ssh-publickey",
    )


def test_our_own_annotations_keep_their_names() -> None:
    assert (names.TEMPLATE_HASH, names.FAILURE_NUMBER, names.GANG_SCHEDULING) == (
        "training.kubeflow.org/template-hash",
        "training.kubeflow.org/failure",
        "training.kubeflow.org/gang-scheduling",
    )


def test_children_are_made_in_the_order_in_which_they_are_used() -> None:
    assert [child.value for child in names.Child] == [
        "Workload",
        "PodGroup",
        "Service",
        "ConfigMap",
        "Secret",
        "worker Pod",
        "launcher Job",
    ]
