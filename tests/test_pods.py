# SPDX-License-Identifier: Apache-2.0
"""What launcher and worker pods share: the key, its mode, a hash of the template."""

from typing import Any

import pytest

from mpijob.job import MPIJob
from mpijob.pods import names_ssh_port, security, ssh_path, ssh_volume, template_hash
from tests.builders import a_job, a_template, cases


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
    assert ssh_path(a_job(sshAuthMountPath=path)) == "/keys"


ROOT, HOME = "/root/.ssh", "/home/mpi/.ssh"


@pytest.mark.rule("B2.4")
@cases("pod, container, path, mode", {
    "nothing said, root's place": ({}, {}, ROOT, 0o600),
    "nothing said, with a slash": ({}, {}, f"{ROOT}/", 0o600),
    "nothing said, elsewhere": ({}, {}, HOME, None),
    "a group, and no user": ({"fsGroup": 7}, {}, HOME, None),
    "the pod is not root": ({"runAsNonRoot": True}, {}, ROOT, None),
    "nor the container": ({}, {"runAsNonRoot": True}, ROOT, None),
    "the pod is root": ({"runAsUser": 0}, {}, HOME, 0o600),
    "the container is root": ({}, {"runAsUser": 0}, HOME, 0o600),
    "root": ({"runAsUser": 9, "fsGroup": 7}, {"runAsUser": 0}, HOME, 0o600),
    "a user without a group": ({"runAsUser": 9}, {}, ROOT, None),
    "a user with a group": ({"runAsUser": 9, "fsGroup": 7}, {}, ROOT, 0o640),
    "group 0": ({"runAsUser": 0, "fsGroup": 0}, {"runAsUser": 9}, ROOT, 0o640),
    "a container has no group": ({"runAsUser": 9}, {"fsGroup": 7}, ROOT, None),
    "null says nothing": ({"runAsUser": 0}, {"runAsUser": None}, HOME, 0o600),
    "the container wins": ({"runAsNonRoot": True}, {"runAsNonRoot": False}, ROOT,
        0o600),
})  # fmt: skip
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
@cases("job", {
    "t": a_job(worker={"template": a_template({"image": "new"})}),
    "restartPolicy": a_job(worker={"restartPolicy": "OnFailure"}),
    "slots": a_job(slotsPerWorker=2),
    "implementation": a_job(mpiImplementation="Intel"),
    "mount path": a_job(sshAuthMountPath="/keys"),
    "launcher as worker": a_job(runLauncherAsWorker=True),
})  # fmt: skip
def test_what_pods_are_made_from_changes_the_hash(job: MPIJob) -> None:
    assert worker_hash(job) != worker_hash(a_job())


@pytest.mark.rule("B4.9", "B5.9")
@cases("job", {
    "another number of workers": a_job(workers=5),
    "another name": a_job("e"),
    "a trailing slash": a_job(sshAuthMountPath="/root/.ssh/"),
    "suspended": a_job(policy={"suspend": True}),
    "the launcher": a_job(launcher={"template": a_template(x=1)}),
    "another order of keys": a_job(worker={"template": {"spec": {"containers": [{
        "image": "pi", "name": "mpi"}]}}}),
})  # fmt: skip
def test_what_pods_are_not_made_from_keeps_the_hash(job: MPIJob) -> None:
    assert worker_hash(job) == worker_hash(a_job())


def test_a_hash_outlives_a_release() -> None:
    # Running pods carry it: another text here would call all of them outdated.
    assert worker_hash(a_job()) == "15049cf8"
