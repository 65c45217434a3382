# SPDX-License-Identifier: Apache-2.0
"""The manifest of each child, as it is sent to the API server."""

import copy
from typing import Any

import pytest

from mpijob import children
from mpijob.job import MPIJob
from mpijob.loose import Manifest
from mpijob.pods import template_hash
from tests.builders import a_job, a_template, cases, spec_of

OPERATOR = {"training.kubeflow.org/operator-name": "mpi-operator"}
SELECTOR = {**OPERATOR, "training.kubeflow.org/job-name": "pi"}
LABELS = {"app": "pi", **SELECTOR}
OWNER = {
    "apiVersion": "kubeflow.org/v2beta1",
    "kind": "MPIJob",
    "name": "pi",
    "uid": "job",
    "controller": True,
    "blockOwnerDeletion": True,
}


def metadata(name: str) -> dict[str, Any]:
    given = {"name": name, "namespace": "hpc", "labels": LABELS}
    return {**given, "ownerReferences": [OWNER]}


def launcher(job: MPIJob, scheduler: str = "none") -> Manifest:
    assert job.launcher is not None
    return children.launcher(job, job.launcher, scheduler)


def worker(job: MPIJob, scheduler: str = "none", domain: str = "") -> Manifest:
    return children.workers(job, [0], scheduler, domain)[0]


def main_of(manifest: Manifest) -> dict[str, Any]:
    main: dict[str, Any] = spec_of(manifest)["containers"][0]
    return main


# --- Service, ConfigMap, Secret -----------------------------------------------


@pytest.mark.rule("B8.1", "B6.2")
@pytest.mark.parametrize("works", [False, True])
def test_the_service_gives_pods_their_names(*, works: bool) -> None:
    assert children.service(a_job(runLauncherAsWorker=works)) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata("pi"),
        "spec": {
            "clusterIP": "None",
            "selector": SELECTOR,
            "publishNotReadyAddresses": works,
        },
    }


@pytest.mark.rule("B3.1", "B3.2")
def test_the_config_map_holds_the_hosts() -> None:
    assert children.config_map(a_job(workers=2), [1], "x.org") == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata("pi-config"),
        "data": {
            "hostfile": "pi-worker-0.pi.hpc.svc.x.org slots=1\n"
            "pi-worker-1.pi.hpc.svc.x.org slots=1\n",
            "discover_hosts.sh": "#!/bin/sh\necho pi-worker-1.pi.hpc.svc.x.org\n",
        },
    }


@pytest.mark.rule("B8.5")
def test_the_secret_is_described_without_its_key() -> None:
    assert children.secret(a_job()) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata("pi-ssh"),
        "type": "kubernetes.io/ssh-auth",
        "immutable": True,
    }


# --- Pods ---------------------------------------------------------------------


KEYS = {
    "secretName": "pi-ssh",
    "items": [
        {"key": "ssh-privatekey", "path": "id_rsa", "mode": 0o600},
        {"key": "ssh-publickey", "path": "id_rsa.pub"},
        {"key": "ssh-publickey", "path": "authorized_keys"},
    ],
}


@pytest.mark.rule("B2.1", "B2.2", "B2.3", "B2.4", "B2.6", "B6.2")
def test_a_worker_is_this_pod() -> None:
    job = a_job(workers=3)
    assert job.worker is not None
    pods = children.workers(job, [0, 2], "none")
    assert [pod["metadata"]["name"] for pod in pods] == ["pi-worker-0", "pi-worker-2"]
    assert pods[1] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "pi-worker-2",
            "namespace": "hpc",
            "labels": {
                **SELECTOR,
                "training.kubeflow.org/job-role": "worker",
                "training.kubeflow.org/replica-index": "2",
            },
            "annotations": {
                "training.kubeflow.org/template-hash": template_hash(job, job.worker)
            },
            "ownerReferences": [OWNER],
        },
        "spec": {
            "containers": [
                {
                    "name": "mpi",
                    "image": "pi",
                    "command": ["/usr/sbin/sshd", "-De"],
                    "env": [{"name": "K_MPI_JOB_ROLE", "value": "worker"}],
                    "volumeMounts": [{"name": "ssh-auth", "mountPath": "/root/.ssh"}],
                }
            ],
            "volumes": [{"name": "ssh-auth", "secret": KEYS}],
            "hostname": "pi-worker-2",
            "subdomain": "pi",
            "restartPolicy": "Never",
            "dnsConfig": {"searches": ["pi.hpc.svc.cluster.local"]},
        },
    }


@pytest.mark.rule("B1.4", "B2.1", "B6.2")
def test_a_template_passes_through_in_value_and_in_order() -> None:
    template: dict[str, Any] = {
        "metadata": {"labels": {"z": "1", "a": "2"}, "annotations": {"k": "v"}},
        "spec": {
            "futureField": {"any": [None, 1.5]},
            "schedulingGates": [{"name": "kueue.x-k8s.io/admission"}],
            "nodeSelector": {"zone": "a"},
            "initContainers": [{"name": "init"}],
            "containers": [
                {"zeta": 1, "name": "mpi", "env": [{"name": "A", "value": "1"}]},
                {"name": "log"},
            ],
            "volumes": [{"name": "data"}],
            "dnsConfig": {"nameservers": ["::1"], "searches": ["x.org"]},
        },
    }
    before = copy.deepcopy(template)
    job = a_job(launcher={"template": template}, worker={"template": template})
    for manifest in (worker(job), launcher(job)):
        spec = spec_of(manifest)
        assert list(spec)[: len(template["spec"])] == list(template["spec"])
        for same in ("futureField", "schedulingGates", "nodeSelector"):
            assert spec[same] is template["spec"][same]
        assert spec["initContainers"] == [{"name": "init"}]
        assert len(spec["containers"]) == 2
        assert spec["containers"][1] is template["spec"]["containers"][1]
        assert list(main_of(manifest))[:3] == ["zeta", "name", "env"]
        assert main_of(manifest)["env"][0] == {"name": "A", "value": "1"}
        assert spec["volumes"][0] == {"name": "data"}
    assert spec_of(worker(job))["dnsConfig"] == {
        "nameservers": ["::1"],
        "searches": ["x.org", "pi.hpc.svc.cluster.local"],
    }
    assert spec_of(launcher(job))["dnsConfig"] is template["spec"]["dnsConfig"]
    assert template == before


@pytest.mark.rule("B6.2")
def test_labels_are_kept_and_ours_win() -> None:
    given = {
        "kueue.x-k8s.io/podset": "worker",
        "kueue.x-k8s.io/queue-name": "q",
        "training.kubeflow.org/job-role": "boss",
        "training.kubeflow.org/replica-index": "77",
    }
    annotations = {
        "kueue.x-k8s.io/workload": "w",
        "training.kubeflow.org/template-hash": "0",
    }
    part = {"metadata": {"labels": given, "annotations": annotations}}
    role = {"template": {**a_template(), **part}}
    job = a_job(launcher=role, worker=role)
    for found, name in (
        (worker(job)["metadata"], "worker"),
        (launcher(job)["spec"]["template"]["metadata"], "launcher"),
    ):
        index = "0" if name == "worker" else "77"
        assert found["labels"] == {
            "kueue.x-k8s.io/podset": "worker",
            **SELECTOR,
            "training.kubeflow.org/job-role": name,
            "training.kubeflow.org/replica-index": index,
        }
        assert found["annotations"]["kueue.x-k8s.io/workload"] == "w"
        assert found["annotations"]["training.kubeflow.org/template-hash"] != "0"


def test_a_working_launcher_is_number_zero() -> None:
    job = a_job(runLauncherAsWorker=True, workers=2)
    labels = launcher(job)["spec"]["template"]["metadata"]["labels"]
    index = "training.kubeflow.org/replica-index"
    assert labels[index] == "0"
    pods = children.workers(job, range(2), "none")
    assert [pod["metadata"]["labels"][index] for pod in pods] == ["1", "2"]
    assert index not in launcher(a_job())["spec"]["template"]["metadata"]["labels"]


def test_a_job_in_no_cluster_has_workers_without_an_owner() -> None:
    job = a_job(metadata={"uid": ""})
    assert "ownerReferences" not in worker(job)["metadata"]
    assert children.workers(a_job(workers=None), [0], "none") == []


@pytest.mark.rule("B2.1")
def test_names_of_the_template_give_way_and_the_host_network_has_its_dns() -> None:
    role = {"template": a_template(hostname="x", subdomain="y", hostNetwork=True)}
    job = a_job(launcher=role, worker=role)
    for manifest, name in (
        (worker(job), "pi-worker-0"),
        (launcher(job), "pi-launcher"),
    ):
        spec = spec_of(manifest)
        assert (spec["hostname"], spec["subdomain"]) == (name, "pi")
        assert spec["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert "dnsPolicy" not in spec_of(worker(a_job()))
    other = a_job(worker={"template": a_template(dnsPolicy="None", hostNetwork=False)})
    assert spec_of(worker(other))["dnsPolicy"] == "None"


@pytest.mark.rule("B2.1")
@pytest.mark.parametrize(("given", "domain", "searches"), [
    ({}, "", ["pi.hpc.svc.cluster.local"]),
    ({}, "x.org", ["pi.hpc.svc.x.org"]),
    ({"searches": ["a"]}, "x.org", ["a", "pi.hpc.svc.x.org"]),
    ({"searches": ["pi.hpc.svc.x.org", "a"]}, "x.org", ["pi.hpc.svc.x.org", "a"]),
])  # fmt: skip
def test_the_search_domain_is_appended_once(
    given: dict[str, Any], domain: str, searches: list[str]
) -> None:
    job = a_job(worker={"template": a_template(dnsConfig=given)})
    assert spec_of(worker(job, domain=domain))["dnsConfig"]["searches"] == searches


SSHD = ["/usr/sbin/sshd", "-De"]
PROBE = {"tcpSocket": {"port": "ssh"}}
OWN = {"httpGet": {"port": 80}}


@pytest.mark.rule("B2.2")
@cases("container, command, probe", {
    "nothing said": ({}, SSHD, None),
    "empty": ({"command": [], "args": []}, SSHD, None),
    "command": ({"command": ["run"]}, ["run"], None),
    "args": ({"args": ["-p", "2222"]}, None, None),
    "port named ssh": ({"ports": [{"name": "ssh"}]}, SSHD, PROBE),
    "port named ssh and a command": ({"ports": [{"name": "ssh"}], "command": ["run"]},
        ["run"], PROBE),
    "probed": ({"ports": [{"name": "ssh"}], "readinessProbe": OWN}, SSHD, OWN),
    "other port": ({"ports": [{"containerPort": 22}]}, SSHD, None),
})  # fmt: skip
def test_a_worker_runs_sshd_and_a_named_port_is_probed(
    container: dict[str, Any], command: list[str] | None, probe: object
) -> None:
    main = main_of(worker(a_job(worker={"template": a_template(container)})))
    assert main.get("command") == command
    assert main.get("readinessProbe") == probe


@pytest.mark.rule("B2.6")
@pytest.mark.parametrize(("role", "policy", "expected"), [
    ("worker", "Never", "Never"),
    ("worker", "OnFailure", "OnFailure"),
    ("worker", "Always", "Always"),
    ("worker", "ExitCode", "Never"),
    ("launcher", "Never", "Never"),
    ("launcher", "OnFailure", "OnFailure"),
    ("launcher", "ExitCode", "Never"),
])  # fmt: skip
def test_the_replicas_restart_policy_wins(
    role: str, policy: str, expected: str
) -> None:
    given: Any = {"restartPolicy": policy, "template": a_template(restartPolicy="X")}
    job = a_job(launcher=given) if role == "launcher" else a_job(worker=given)
    manifest = launcher(job) if role == "launcher" else worker(job)
    assert spec_of(manifest)["restartPolicy"] == expected
