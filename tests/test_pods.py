# SPDX-License-Identifier: Apache-2.0
"""What launcher and worker pods share: the key, its mode, a hash of the template."""

from typing import Any

import pytest

from mpijob.job import MPIJob
from mpijob.pods import names_ssh_port, security, ssh_mount, ssh_volume, template_hash
from tests.builders import a_job, a_template


def key_item(job: MPIJob) -> dict[str, Any]:
    assert job.worker is not None
    item: dict[str, Any] = ssh_volume(job, job.worker)["secret"]["items"][0]
    return item


@pytest.mark.rule("B2.4")
def test_the_key_is_where_ssh_looks() -> None:
    job = a_job(sshAuthMountPath="/home/mpi/.ssh")
    assert job.worker is not None
    assert ssh_volume(job, job.worker) == {
        "name": "ssh-auth",
        "secret": {
            "secretName": "pi-ssh",
            "items": [
                {"key": "ssh-privatekey", "path": "id_rsa"},
                {"key": "ssh-publickey", "path": "id_rsa.pub"},
                {"key": "ssh-publickey", "path": "authorized_keys"},
            ],
        },
    }


@pytest.mark.rule("B2.4")
@pytest.mark.parametrize("path", ["/keys", "/keys/", "/keys//"])
def test_a_trailing_slash_means_nothing(path: str) -> None:
    assert ssh_mount(a_job(sshAuthMountPath=path)) == {"ssh-auth": "/keys"}


ROOT, HOME = "/root/.ssh", "/home/mpi/.ssh"


@pytest.mark.rule("B2.4")
@pytest.mark.parametrize(
    ("pod", "container", "path", "mode"),
    [
        pytest.param({}, {}, ROOT, 0o600, id="nothing said, root's place"),
        pytest.param({}, {}, f"{ROOT}/", 0o600, id="nothing said, with a slash"),
        pytest.param({}, {}, HOME, None, id="nothing said, elsewhere"),
        pytest.param({"fsGroup": 7}, {}, HOME, None, id="a group, and no user"),
        pytest.param({"runAsNonRoot": True}, {}, ROOT, None, id="the pod is not root"),
        pytest.param({}, {"runAsNonRoot": True}, ROOT, None, id="nor the container"),
        pytest.param({"runAsUser": 0}, {}, HOME, 0o600, id="the pod is root"),
        pytest.param({}, {"runAsUser": 0}, HOME, 0o600, id="the container is root"),
        pytest.param(
            {"runAsUser": 9, "fsGroup": 7}, {"runAsUser": 0}, HOME, 0o600, id="root"
        ),
        pytest.param({"runAsUser": 9}, {}, ROOT, None, id="a user without a group"),
        pytest.param(
            {"runAsUser": 9, "fsGroup": 7}, {}, ROOT, 0o640, id="a user with a group"
        ),
        pytest.param(
            {"runAsUser": 0, "fsGroup": 0}, {"runAsUser": 9}, ROOT, 0o640, id="group 0"
        ),
        pytest.param(
            {"runAsUser": 9}, {"fsGroup": 7}, ROOT, None, id="a container has no group"
        ),
        pytest.param(
            {"runAsUser": 0}, {"runAsUser": None}, HOME, 0o600, id="null says nothing"
        ),
        pytest.param(
            {"runAsNonRoot": True},
            {"runAsNonRoot": False},
            ROOT,
            0o600,
            id="the container wins",
        ),
    ],
)
def test_the_private_key_has_a_mode_that_ssh_takes(
    pod: dict[str, Any], container: dict[str, Any], path: str, mode: int | None
) -> None:
    template = a_template({"securityContext": container}, securityContext=pod)
    job = a_job(worker={"template": template}, sshAuthMountPath=path)
    assert key_item(job).get("mode") == mode
    assert ("mode" in key_item(job)) is (mode is not None)


def test_garbage_in_a_security_context_says_nothing() -> None:
    context = {"runAsUser": True, "runAsNonRoot": 1, "fsGroup": "7"}
    replica = a_job(worker={"template": a_template(securityContext=context)}).worker
    assert replica is not None
    assert security(replica) == (None, False, None)


@pytest.mark.rule("B2.2")
@pytest.mark.parametrize(
    ("ports", "named"),
    [([{"name": "ssh"}], True), ([{"name": "web"}, {"name": "ssh"}], True)]
    + [
        (ports, False) for ports in ([], [{"name": "web"}], [{"containerPort": 22}], 22)
    ],
)
def test_a_port_of_sshd_is_known_by_its_name(ports: object, *, named: bool) -> None:
    assert names_ssh_port({"ports": ports}) is named


# --- The template's hash ------------------------------------------------------


def worker_hash(job: MPIJob) -> str:
    assert job.worker is not None
    return template_hash(job, job.worker)


@pytest.mark.rule("B4.9", "B5.9")
@pytest.mark.parametrize(
    "job",
    [
        pytest.param(a_job(worker={"template": a_template({"image": "new"})}), id="t"),
        pytest.param(a_job(worker={"restartPolicy": "OnFailure"}), id="restartPolicy"),
        pytest.param(a_job(slotsPerWorker=2), id="slots"),
        pytest.param(a_job(mpiImplementation="Intel"), id="implementation"),
        pytest.param(a_job(sshAuthMountPath="/keys"), id="mount path"),
        pytest.param(a_job(runLauncherAsWorker=True), id="launcher as worker"),
    ],
)
def test_what_pods_are_made_from_changes_the_hash(job: MPIJob) -> None:
    assert worker_hash(job) != worker_hash(a_job())


@pytest.mark.rule("B4.9", "B5.9")
@pytest.mark.parametrize(
    "job",
    [
        pytest.param(a_job(workers=5), id="another number of workers"),
        pytest.param(a_job("e"), id="another name"),
        pytest.param(a_job(sshAuthMountPath="/root/.ssh/"), id="a trailing slash"),
        pytest.param(a_job(policy={"suspend": True}), id="suspended"),
        pytest.param(a_job(launcher={"template": a_template(x=1)}), id="the launcher"),
        pytest.param(
            a_job(
                worker={
                    "template": {
                        "spec": {"containers": [{"image": "pi", "name": "mpi"}]}
                    }
                }
            ),
            id="another order of keys",
        ),
    ],
)
def test_what_pods_are_not_made_from_keeps_the_hash(job: MPIJob) -> None:
    assert worker_hash(job) == worker_hash(a_job())


def test_a_hash_outlives_a_release() -> None:
    # Running pods carry it: another text here would call all of them outdated.
    assert worker_hash(a_job()) == "15049cf8"
