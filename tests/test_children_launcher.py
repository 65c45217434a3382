# SPDX-License-Identifier: Apache-2.0
"""The launcher Job: what mpirun finds around it, and what ends it."""

from typing import Any

import pytest

from mpijob.loose import Manifest
from mpijob.pods import template_hash
from tests.builders import a_job, a_template, spec_of
from tests.test_children import SELECTOR, launcher, main_of, metadata, worker


def env_of(manifest: Manifest) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in main_of(manifest)["env"]}


@pytest.mark.rule("B2.1", "B2.5", "B2.6", "B5.6")
def test_a_launcher_is_this_job() -> None:
    job = a_job()
    assert job.launcher is not None
    manifest = launcher(job)
    assert {**manifest, "spec": 0} == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata("pi-launcher"),
        "spec": 0,
    }
    assert manifest["spec"].keys() == {"podReplacementPolicy", "template"}
    assert manifest["spec"]["podReplacementPolicy"] == "Failed"
    assert manifest["spec"]["template"]["metadata"] == {
        "labels": {**SELECTOR, "training.kubeflow.org/job-role": "launcher"},
        "annotations": {
            "training.kubeflow.org/template-hash": template_hash(job, job.launcher)
        },
    }
    spec = spec_of(manifest)
    assert (spec["hostname"], spec["subdomain"], spec["restartPolicy"]) == (
        "pi-launcher",
        "pi",
        "OnFailure",
    )
    assert "dnsConfig" not in spec
    assert main_of(manifest)["volumeMounts"] == [
        {"name": "ssh-auth", "mountPath": "/root/.ssh"},
        {"name": "mpi-job-config", "mountPath": "/etc/mpi"},
    ]
    assert [volume["name"] for volume in spec["volumes"]] == [
        "ssh-auth",
        "mpi-job-config",
    ]
    assert spec["volumes"][1]["configMap"] == {
        "name": "pi-config",
        "items": [
            {"key": "hostfile", "path": "hostfile", "mode": 0o444},
            {"key": "discover_hosts.sh", "path": "discover_hosts.sh", "mode": 0o555},
        ],
    }


@pytest.mark.rule("B5.3", "B5.4")
def test_limits_are_passed_on_to_the_launcher_job() -> None:
    policy = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": 9,
        "ttlSecondsAfterFinished": 1,
    }
    spec = launcher(a_job(policy=policy))["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 9)
    assert "ttlSecondsAfterFinished" not in spec


def test_a_launcher_gets_no_command_and_no_probe() -> None:
    template = a_template({"ports": [{"name": "ssh"}]})
    main = main_of(launcher(a_job(launcher={"template": template})))
    assert not {"command", "readinessProbe"} & main.keys()


HOSTS, RETRY = "/etc/mpi/hostfile", "-o ConnectionAttempts=10"
NO_GPU = {"NVIDIA_VISIBLE_DEVICES": "", "NVIDIA_DRIVER_CAPABILITIES": ""}
# fmt: off
MPI: dict[str, dict[str, str]] = {
    "OpenMPI": {"OMPI_MCA_orte_keep_fqdn_hostnames": "true",
        "OMPI_MCA_orte_default_hostfile": HOSTS, "OMPI_MCA_plm_rsh_args": RETRY,
        "OMPI_MCA_orte_set_default_slots": "4", "PRTE_MCA_prte_default_hostfile": HOSTS,
        "PRTE_MCA_plm_ssh_args": RETRY, "PRTE_MCA_prte_set_default_slots": "4"},
    "Intel": {"I_MPI_HYDRA_HOST_FILE": HOSTS,
        "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS": RETRY, "I_MPI_PERHOST": "4"},
    "MPICH": {"HYDRA_HOST_FILE": HOSTS, "HYDRA_LAUNCHER_EXTRA_ARGS": RETRY,
        "HYDRA_LAUNCH_EXTRA_ARGS": RETRY},
}
# fmt: on


@pytest.mark.rule("B2.3", "B3.3")
@pytest.mark.parametrize("mpi", MPI)
@pytest.mark.parametrize("works", [False, True])
def test_each_mpi_is_told_in_its_own_words(mpi: str, *, works: bool) -> None:
    job = a_job(mpiImplementation=mpi, slotsPerWorker=4, runLauncherAsWorker=works)
    role = {"K_MPI_JOB_ROLE": "launcher"}
    assert env_of(launcher(job)) == {**role, **MPI[mpi], **({} if works else NO_GPU)}
    assert env_of(worker(job)) == {"K_MPI_JOB_ROLE": "worker"}


@pytest.mark.rule("B2.3")
def test_a_variable_of_the_users_wins() -> None:
    env: list[dict[str, Any]] = [
        {"name": "K_MPI_JOB_ROLE", "valueFrom": {}},
        {"name": "I_MPI_PERHOST", "value": "1"},
        {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"},
    ]
    job = a_job(
        mpiImplementation="Intel", launcher={"template": a_template({"env": env})}
    )
    found = main_of(launcher(job))["env"]
    assert found[:3] == env
    assert sorted(entry["name"] for entry in found[3:]) == [
        "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS",
        "I_MPI_HYDRA_HOST_FILE",
        "NVIDIA_DRIVER_CAPABILITIES",
    ]


@pytest.mark.rule("B2.6")
def test_exit_code_tells_an_error_from_a_signal() -> None:
    def rule(action: str, first: int, last: int) -> dict[str, Any]:
        values = list(range(first, last + 1))
        codes = {"containerName": "mpi", "operator": "In", "values": values}
        return {"action": action, "onExitCodes": codes}

    assert launcher(a_job(launcher={"restartPolicy": "ExitCode"}))["spec"][
        "podFailurePolicy"
    ] == {"rules": [rule("FailJob", 1, 127), rule("Count", 128, 255)]}
    for policy in ("Never", "OnFailure"):
        spec = launcher(a_job(launcher={"restartPolicy": policy}))["spec"]
        assert "podFailurePolicy" not in spec
