# SPDX-License-Identifier: Apache-2.0
"""A job's problems: each with its path and its sentence, and all of them at once."""

from typing import Any

import pytest
from attrs import evolve

from mpijob.job import MPIJob, ReplicaSpec, RestartPolicy
from mpijob.problems import Problem
from mpijob.validation import problems_of
from tests.builders import a_job, a_template, cases

ROLES = "spec.mpiReplicaSpecs"
LAUNCHER, WORKER = f"{ROLES}.Launcher", f"{ROLES}.Worker"
SCHEDULING = "spec.runPolicy.schedulingPolicy"
NEGATIVE = "is -1, and must be 0 or more"
MANAGERS = "kubeflow.org/mpi-operator or kueue.x-k8s.io/multikueue"
EMPTY = "containers must have at least one container"
MOUNTED = "and the operator mounts a volume there"
ADDED = "and the operator adds a volume of that name"


def problems(job: MPIJob, scheduler: str = "none") -> list[str]:
    return [str(p) for p in problems_of(job, scheduler, started=False)]


def scheduling(**policy: object) -> dict[str, Any]:
    return {"schedulingPolicy": policy}


def a_role(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    return {"template": a_template(**spec)}


def of_role(role: str, part: dict[str, Any]) -> MPIJob:
    return a_job(launcher=part) if role == "Launcher" else a_job(worker=part)


def with_volume(name: object) -> dict[str, Any]:
    return a_role(volumes=[{"name": "data"}, {"name": name}])


def with_mount(path: object) -> dict[str, Any]:
    mounts = [{"mountPath": "/data"}, {"mountPath": path}]
    return {"template": a_template({"volumeMounts": mounts})}


NO_CONTAINERS: list[tuple[str, Any]] = [
    ("Launcher", []),
    ("Worker", []),
    ("Worker", None),
    ("Launcher", {}),
]


@pytest.mark.rule("B1.5")
@cases("job, expected", {
    "no launcher pod": (a_job(launcher={"replicas": 0}),
        f"{LAUNCHER}.replicas is 0, and must be 1"),
    "two launchers": (a_job(launcher={"replicas": 2}),
        f"{LAUNCHER}.replicas is 2, and must be 1"),
    "launcher that never ends": (a_job(launcher={"restartPolicy": "Always"}),
        (f"{LAUNCHER}.restartPolicy is Always, and must be Never, OnFailure or"
        " ExitCode")),
    "no workers": (a_job(workers=0), f"{WORKER}.replicas is 0, and must be 1 or more"),
    "negative workers": (a_job(workers=-1),
        f"{WORKER}.replicas is -1, and must be 1 or more"),
    "slots": (a_job(slotsPerWorker=-1), f"spec.slotsPerWorker {NEGATIVE}"),
    "ttl": (a_job(policy={"ttlSecondsAfterFinished": -1}),
        f"spec.runPolicy.ttlSecondsAfterFinished {NEGATIVE}"),
    "deadline": (a_job(policy={"activeDeadlineSeconds": -1}),
        f"spec.runPolicy.activeDeadlineSeconds {NEGATIVE}"),
    "backoff limit": (a_job(policy={"backoffLimit": -1}),
        f"spec.runPolicy.backoffLimit {NEGATIVE}"),
    "manager": (a_job(policy={"managedBy": "me"}),
        f"spec.runPolicy.managedBy is 'me', and must be {MANAGERS}"),
    "schedule timeout": (a_job(policy=scheduling(scheduleTimeoutSeconds=-1)),
        f"{SCHEDULING}.scheduleTimeoutSeconds {NEGATIVE}"),
    "minAvailable": (a_job(policy=scheduling(minAvailable=0)),
        f"{SCHEDULING}.minAvailable is 0, and must be 1 or more"),
    "relative mount path": (a_job(sshAuthMountPath="ssh"),
        "spec.sshAuthMountPath is 'ssh', and must be an absolute path below /"),
    "mount path is the root": (a_job(sshAuthMountPath="//"),
        "spec.sshAuthMountPath is '//', and must be an absolute path below /"),
    "mount path of the hostfile": (a_job(sshAuthMountPath="/etc/mpi/"),
        "spec.sshAuthMountPath is /etc/mpi/, and the hostfile is mounted there"),
    **{f"{role}'s volume for the key": (of_role(role, with_volume("ssh-auth")),
        f"{ROLES}.{role}.template.spec.volumes[1].name is ssh-auth, {ADDED}")
        for role in ("Launcher", "Worker")},
    "volume for the hostfile": (a_job(launcher=with_volume("mpi-job-config")),
        f"{LAUNCHER}.template.spec.volumes[1].name is mpi-job-config, {ADDED}"),
    **{f"{role}'s mount at {path}": (of_role(role, with_mount(path)),
        (f"{ROLES}.{role}.template.spec.containers[0].volumeMounts[1].mountPath"
        f" is {path}, {MOUNTED}")) for role, path in (("Launcher", "/root/.ssh"),
        ("Launcher", "/etc/mpi/"), ("Worker", "/root/.ssh/"))},
    **{f"{role} with containers {containers}": (of_role(role,
        a_role(containers=containers)),
        f"{ROLES}.{role}.template.spec.{EMPTY}")
        for role, containers in NO_CONTAINERS},
    "no template": (a_job(launcher={"template": None}),
        f"{LAUNCHER}.template.spec.{EMPTY}"),
    "container is null": (a_job(worker=a_role(containers=[None, {"name": "x"}])),
        f"{WORKER}.template.spec.containers[0] must be a container"),
})  # fmt: skip
def test_a_mistake_is_told_with_its_path(job: MPIJob, expected: str) -> None:
    assert problems(job) == [expected]


@pytest.mark.rule("B1.5")
@cases("job", {
    "the least job": a_job(),
    "no workers at all": a_job(workers=None),
    **{f"launcher {p}": a_job(launcher={"restartPolicy": p}) for p in ("Never",
        "OnFailure", "ExitCode")},
    **{f"worker {p}": a_job(worker={"restartPolicy": p}) for p in ("Never", "OnFailure",
        "ExitCode", "Always")},
    **{m: a_job(policy={"managedBy": m}) for m in ("kubeflow.org/mpi-operator",
        "kueue.x-k8s.io/multikueue")},
    "zeros": a_job(slotsPerWorker=0, policy={"ttlSecondsAfterFinished": 0,
        "activeDeadlineSeconds": 0, "backoffLimit": 0,
        **scheduling(scheduleTimeoutSeconds=0, minAvailable=1)}),
    "the worker has no hostfile of ours": a_job(worker={"template": a_template({
        "volumeMounts": [{"mountPath": "/etc/mpi"}]},
        volumes=[{"name": "mpi-job-config"}])}),
    "the key is elsewhere": a_job(sshAuthMountPath="/keys",
        launcher=with_mount("/root/.ssh"), worker=with_mount("/root/.ssh")),
    "another container's mount": a_job(launcher=a_role(containers=[{"name": "mpi"},
        {"volumeMounts": [{"mountPath": "/etc/mpi"}]}])),
    "mount of garbage": a_job(worker=with_mount(["/root/.ssh"])),
    "the longest name": a_job("a" * 54),
    "the longest name of eleven": a_job("a" * 53, workers=11),
    "digits and dashes": a_job("a-1"),
})  # fmt: skip
def test_what_is_allowed_has_no_problem(job: MPIJob) -> None:
    assert problems(job) == []


@pytest.mark.rule("B1.5")
@pytest.mark.parametrize(
    "name", ["Pi", "1pi", "-pi", "pi-", "p_i", "p.i", "pi\n", "pí", "x" * 200 + "_"]
)
def test_a_name_must_be_a_host_name(name: str) -> None:
    (problem,) = problems_of(a_job(name), "none", started=False)
    assert problem == Problem(
        "metadata.name",
        f"is {name!r:.80}, and must be a DNS-1035 label: a letter first, then"
        " lower case letters, digits and dashes, no dash at the end",
        "the pods of the job get host names made from it",
    )


@pytest.mark.rule("B1.5")
def test_a_name_must_be_there() -> None:
    assert problems(a_job("")) == ["metadata.name is missing, and an MPIJob has a name"]


@pytest.mark.rule("B1.5")
@pytest.mark.parametrize(
    ("length", "workers", "most"),
    [(55, None, 54), (55, 1, 54), (55, 10, 54), (54, 11, 53), (53, 101, 52)],
)
def test_a_name_leaves_room_for_the_last_workers(
    length: int, workers: int | None, most: int
) -> None:
    job = a_job("a" * length, workers)
    last = f"{'a' * length}-worker-{(workers or 1) - 1}"
    (problem,) = problems(job)
    assert problem == (
        f"metadata.name has {length} characters, and must have at most {most}:"
        f" the host name {last} may have 63"
    )


@pytest.mark.rule("B1.5")
@cases("job, expected", {
    "no launcher": (MPIJob("pi"),
        [f"{LAUNCHER} is missing, and an MPIJob has one launcher"]),
    "launcher told already": (MPIJob("pi", malformed=(Problem(LAUNCHER, "is bad"),)),
        [f"{LAUNCHER} is bad"]),
    "replica specs told already": (MPIJob("pi", malformed=(Problem(ROLES, "is bad"),)),
        [f"{ROLES} is bad"]),
    "something else told": (MPIJob("pi", malformed=(Problem("spec.runPolicy",
        "is bad"),)), ["spec.runPolicy is bad",
        f"{LAUNCHER} is missing, and an MPIJob has one launcher"]),
})  # fmt: skip
def test_a_missing_launcher_is_told_once(job: MPIJob, expected: list[str]) -> None:
    assert problems(job) == expected


@pytest.mark.rule("B1.5")
@pytest.mark.parametrize(("scheduler", "started", "expected"), [
    ("volcano", False, True),
    ("volcano", True, False),
    ("none", False, False),
])  # fmt: skip
def test_a_gang_that_can_never_be_complete_is_a_problem_at_first(
    scheduler: str, *, started: bool, expected: bool
) -> None:
    job = a_job(workers=2, policy=scheduling(minAvailable=4))
    problem = Problem(
        f"{SCHEDULING}.minAvailable",
        "is 4, and the job has 3 pods: it would wait for ever",
        "write 3 or less, or leave it out",
    )
    found = problems_of(job, scheduler, started=started)
    assert found == ((problem,) if expected else ())
    fits = a_job(workers=2, policy=scheduling(minAvailable=3))
    assert problems(fits, scheduler) == []


@pytest.mark.rule("B1.5")
@pytest.mark.parametrize("workers", [9_000, 2**17, 2**31 - 1])
def test_more_hosts_than_a_config_map_holds_are_refused(workers: int) -> None:
    (problem,) = problems(a_job("a" * 44, workers))
    start = f"{WORKER}.replicas is {workers}: the hosts would fill "
    assert problem.startswith(start)
    assert problem.endswith(" bytes, and a ConfigMap holds 1048576")
    size = int(problem.removeprefix(start).split()[0])
    assert size > 2**20


@pytest.mark.parametrize("workers", [1_000, 4_000])
def test_as_many_hosts_as_a_config_map_holds_are_taken(workers: int) -> None:
    assert problems(a_job("a" * 44, workers)) == []


@pytest.mark.rule("B1.5")
def test_every_problem_is_told_at_once_in_the_order_of_the_fields() -> None:
    job = a_job(
        "Pi",
        workers=0,
        launcher={"replicas": 2, "restartPolicy": "Always", **with_volume("ssh-auth")},
        policy={"backoffLimit": -1, "managedBy": "me", **scheduling(minAvailable=0)},
        slotsPerWorker=-1,
        sshAuthMountPath="x",
        mpiImplementation="LAM",
    )
    assert [p.split()[0] for p in problems(job)] == [
        "spec.mpiImplementation",
        "metadata.name",
        "spec.slotsPerWorker",
        "spec.sshAuthMountPath",
        "spec.runPolicy.backoffLimit",
        "spec.runPolicy.managedBy",
        f"{SCHEDULING}.minAvailable",
        f"{LAUNCHER}.replicas",
        f"{LAUNCHER}.restartPolicy",
        f"{LAUNCHER}.template.spec.volumes[1].name",
        f"{WORKER}.replicas",
    ]


def test_both_templates_of_a_role_are_checked_alike() -> None:
    empty = ReplicaSpec({}, RestartPolicy.NEVER)
    job = evolve(a_job(), launcher=empty, worker=empty)
    assert [p.split()[0] for p in problems(job)] == [
        f"{LAUNCHER}.template.spec.containers",
        f"{WORKER}.template.spec.containers",
    ]
