# SPDX-License-Identifier: Apache-2.0
"""The whole life of a job on a real API server, as a user sees it."""

from typing import Final

import pytest

from tests.controlplane.pod_life import End
from tests.controlplane.stage import Json, Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

OK: Final = End()
# A pod that ran for five seconds is replaced at once; one that did not waits so long.
REPLACED_S: Final = 30


def uid(pod: Json) -> str:
    found: str = pod["metadata"]["uid"]
    return found


@pytest.mark.rule("B2.1", "B4.1", "B4.2", "B4.5", "B4.7", "B5.2")
def test_a_job_runs_and_succeeds(stage: Stage) -> None:
    stage.run(mpijob("pi"))
    assert stage.active("pi") == {"Launcher": 1, "Worker": 2}
    assert set(stage.pods("pi")) == {"launcher", "pi-worker-0", "pi-worker-1"}
    stage.script("pi-launcher-*", run_s=0.0)
    stage.wait_for("pi", "Succeeded")
    stage.wait_quiet()
    assert stage.events("pi") == ["MPIJobCreated", "MPIJobRunning", "MPIJobSucceeded"]
    assert stage.condition("pi", "Running")["status"] == "False"
    assert stage.status("pi")["completionTime"]


LINES: Final = {
    "OpenMPI": "{}.pi.{}.svc slots=2",
    "Intel": "{}.pi.{}.svc:2",
    "MPICH": "{}.pi.{}.svc:2",
}


@pytest.mark.rule("B3.1", "B3.2")
@pytest.mark.parametrize("implementation", LINES)
def test_each_mpi_finds_its_hosts(stage: Stage, implementation: str) -> None:
    job = mpijob("pi", mpiImplementation=implementation, slotsPerWorker=2)
    stage.run(job)
    line = LINES[implementation]
    hosts = [line.format(f"pi-worker-{n}", stage.namespace) for n in range(2)]
    config = stage.get("configmaps", "pi-config")
    assert config is not None
    assert config["data"]["hostfile"].splitlines() == hosts

    def discovered() -> int:
        config = stage.get("configmaps", "pi-config")
        return 0 if config is None else config["data"]["discover_hosts.sh"].count("pi-")

    stage.wait(lambda: discovered() == 2, "both workers are discovered")


@pytest.mark.rule("B5.6")
def test_a_finished_job_goes_with_its_children(stage: Stage) -> None:
    stage.run(mpijob("pi", runPolicy={"ttlSecondsAfterFinished": 0}))
    stage.script("pi-launcher-*", run_s=0.0)
    stage.wait(lambda: stage.get("mpijobs", "pi") is None, "the job is gone")
    kinds = ("pods", "jobs", "services", "configmaps", "secrets")
    stage.wait(
        lambda: not any(stage.all(kind) for kind in kinds), "its children are gone"
    )
    assert "MPIJobSucceeded" in stage.events("pi")


@pytest.mark.rule("B5.6")
def test_the_children_alone_go_where_the_operator_is_told_so(stage: Stage) -> None:
    stage.operator(ttl="children").start()
    stage.script("pi-launcher-*", run_s=0.0)
    stage.submit(mpijob("pi", runPolicy={"ttlSecondsAfterFinished": 0}))
    stage.wait_for("pi", "Succeeded")
    kinds = ("pods", "jobs", "services", "configmaps", "secrets")
    stage.wait(
        lambda: not any(stage.all(kind) for kind in kinds), "its children are gone"
    )
    assert stage.condition("pi", "Succeeded")["status"] == "True"


@pytest.mark.rule("B5.4", "B5.3")
def test_a_job_past_its_deadline_fails(stage: Stage) -> None:
    stage.script("pi-worker-1", binds=False)
    stage.operator().start()
    stage.submit(mpijob("pi", runPolicy={"activeDeadlineSeconds": 2}))
    assert stage.wait_for("pi", "Failed")["reason"] == "DeadlineExceeded"

    def runs() -> bool:
        launcher = stage.pods("pi").get("launcher", {"status": {"phase": "Failed"}})
        return bool(launcher["status"]["phase"] != "Failed")

    stage.wait(lambda: not runs(), "no launcher runs")


@pytest.mark.rule("B5.4")
def test_the_deadline_covers_waiting_for_workers(stage: Stage) -> None:
    stage.script("pi-worker-1", binds=False)
    stage.operator().start()
    policy = {"activeDeadlineSeconds": 2}
    waits = "WaitForWorkersReady"
    stage.submit(mpijob("pi", runPolicy=policy, launcherCreationPolicy=waits))
    assert stage.wait_for("pi", "Failed")["reason"] == "DeadlineExceeded"
    assert not stage.all("jobs")


@pytest.mark.rule("B5.3", "B4.2", "B4.9")
def test_an_evicted_worker_is_replaced_and_not_counted(stage: Stage) -> None:
    stage.run(mpijob("pi"))
    before = uid(stage.pods("pi")["pi-worker-1"])
    stage.nodes.evict(stage.key("pi-worker-1"))

    def replaced() -> bool:
        pod = stage.pods("pi").get("pi-worker-1")
        return pod is not None and uid(pod) != before

    stage.wait(replaced, "the worker is replaced", REPLACED_S)
    stage.wait_for("pi", "Running")
    stage.wait_quiet()
    assert stage.events("pi").count("MPIJobEvicted") == 1
    assert stage.status("pi")["replicaStatuses"]["Worker"].get("failed", 0) == 0


@pytest.mark.rule("B5.3", "B4.9")
def test_a_failed_worker_is_counted_and_replaced(stage: Stage) -> None:
    stage.run(mpijob("pi"))
    before = uid(stage.pods("pi")["pi-worker-0"])
    stage.nodes.end(stage.key("pi-worker-0"), End(137, "OOMKilled"))

    def counted() -> bool:
        pod = stage.pods("pi").get("pi-worker-0")
        failed = stage.status("pi")["replicaStatuses"]["Worker"].get("failed", 0)
        return failed == 1 and pod is not None and uid(pod) != before

    stage.wait(counted, "the failure is counted once, the worker replaced", REPLACED_S)
    stage.wait_for("pi", "Running")


@pytest.mark.rule("B5.3", "B4.8")
def test_workers_that_fail_too_often_end_the_job(stage: Stage) -> None:
    stage.run(mpijob("pi", runPolicy={"backoffLimit": 0}))
    end = End(137, "OOMKilled", "out of memory in step 7")
    stage.nodes.end(stage.key("pi-worker-0"), end)
    failed = stage.wait_for("pi", "Failed")
    assert failed["reason"] == "WorkerBackoffLimitExceeded"
    for words in ("pi-worker-0", "OOMKilled", "out of memory in step 7"):
        assert words in failed["message"]
    stage.wait(lambda: not stage.all("jobs"), "the launcher is gone")


@pytest.mark.rule("B2.6")
@pytest.mark.parametrize("code", [3, 137])
def test_a_workers_exit_code_decides(stage: Stage, code: int) -> None:
    stage.run(mpijob("pi", Worker={"restartPolicy": "ExitCode"}))
    before = uid(stage.pods("pi")["pi-worker-0"])
    stage.nodes.end(stage.key("pi-worker-0"), End(code))
    if code == 3:
        failed = stage.wait_for("pi", "Failed")
        assert failed["reason"] == "WorkerFailed"
        assert "pi-worker-0" in failed["message"]
        return

    def replaced() -> bool:
        pod = stage.pods("pi").get("pi-worker-0")
        return pod is not None and uid(pod) != before

    stage.wait(replaced, "the worker is replaced", REPLACED_S)


@pytest.mark.rule("B2.6", "B4.1", "B4.8")
@pytest.mark.parametrize(
    ("restarts", "code", "reason"),
    [
        ("Never", 1, "BackoffLimitExceeded"),
        ("OnFailure", 1, "BackoffLimitExceeded"),
        ("ExitCode", 3, "PodFailurePolicy"),
        ("ExitCode", 137, "BackoffLimitExceeded"),
    ],
)
def test_a_launcher_that_fails_ends_the_job(
    stage: Stage, restarts: str, code: int, reason: str
) -> None:
    stage.operator().start()
    stage.script("pi-launcher-*", run_s=0.2, ends=(End(code),))
    launcher = {"restartPolicy": restarts}
    stage.submit(mpijob("pi", Launcher=launcher, runPolicy={"backoffLimit": 0}))
    failed = stage.wait_for("pi", "Failed")
    assert failed["reason"].split("/")[0] == reason
    stage.wait_quiet()
    assert len(stage.all("jobs")) == 1


@pytest.mark.rule("B5.7", "B4.2")
def test_workers_follow_the_number_asked_for(stage: Stage) -> None:
    stage.run(mpijob("pi", 4))
    before = {name: uid(pod) for name, pod in stage.pods("pi").items()}
    template = mpijob("pi")["spec"]["mpiReplicaSpecs"]["Worker"]["template"]
    stage.patch("pi", mpiReplicaSpecs={"Worker": {"replicas": 2}})
    kept = {"launcher", "pi-worker-0", "pi-worker-1"}
    stage.wait(lambda: set(stage.pods("pi")) == kept, "two workers are left")
    # A hole, made while the number grows.
    stage.client.delete(stage.path("pods", "pi-worker-0")).expect(200)
    worker = {"replicas": 5, "template": template}
    stage.patch("pi", mpiReplicaSpecs={"Worker": worker})
    wanted = {"launcher", *(f"pi-worker-{n}" for n in range(5))}
    stage.wait(lambda: set(stage.pods("pi")) == wanted, "five workers are there")
    stage.wait_for("pi", "Running")
    stage.wait_quiet()
    now = {name: uid(pod) for name, pod in stage.pods("pi").items()}
    same = {name for name in before if before[name] == now.get(name)}
    assert same == {"launcher", "pi-worker-1"}
    assert stage.active("pi") == {"Launcher": 1, "Worker": 5}


@pytest.mark.rule("B5.1")
def test_the_launcher_waits_for_ready_workers(stage: Stage) -> None:
    stage.script("pi-worker-1", ready_s=None)
    stage.operator().start()
    stage.submit(mpijob("pi", launcherCreationPolicy="WaitForWorkersReady"))
    stage.wait(lambda: len(stage.pods("pi")) == 2, "the workers are there")
    stage.wait_quiet()
    assert not stage.all("jobs")
    stage.script("pi-worker-1")
    stage.wait_for("pi", "Running")
    assert stage.all("jobs")


@pytest.mark.rule("B3.1", "B3.2", "B2.3")
def test_a_launcher_may_work(stage: Stage) -> None:
    stage.run(mpijob("pi", 1, runLauncherAsWorker=True))
    config = stage.get("configmaps", "pi-config")
    assert config is not None
    hosts = [line.split(".")[0] for line in config["data"]["hostfile"].splitlines()]
    assert hosts == ["pi-launcher", "pi-worker-0"]
    labels = stage.pods("pi")["pi-worker-0"]["metadata"]["labels"]
    assert labels["training.kubeflow.org/replica-index"] == "1"


@pytest.mark.rule("B5.8")
def test_a_job_of_another_manager_is_left_alone(stage: Stage) -> None:
    operator = stage.operator()
    operator.start()
    policy = {"managedBy": "kueue.x-k8s.io/multikueue"}
    made = stage.submit(mpijob("theirs", runPolicy=policy))
    began_after = mpijob("ours")
    stage.submit(began_after)
    stage.wait_for("ours", "Running")
    assert stage.job("theirs") == made
    assert not stage.pods("theirs")


@pytest.mark.rule("B5.8", "B2.1")
def test_the_children_of_a_deleted_job_go(stage: Stage) -> None:
    stage.run(mpijob("pi"))
    stage.client.delete(stage.path("mpijobs", "pi")).expect(200)
    kinds = ("mpijobs", "pods", "jobs", "services", "configmaps", "secrets")
    stage.wait(lambda: not any(stage.all(kind) for kind in kinds), "nothing is left")


@pytest.mark.rule("B1.7")
def test_a_job_that_cannot_be_is_told_so(stage: Stage) -> None:
    stage.operator().start()
    volumes: list[Json] = [{"name": "ssh-auth", "emptyDir": {}}]
    template = mpijob("x")["spec"]["mpiReplicaSpecs"]["Worker"]["template"]
    template["spec"]["volumes"] = volumes
    stage.submit(mpijob("pi", Worker={"template": template}))
    failed = stage.wait_for("pi", "Failed")
    assert failed["reason"] == "InvalidSpec"
    assert "ssh-auth" in failed["message"]
    stage.wait_quiet()
    assert "ValidationError" in stage.events("pi")
    assert not stage.all("pods")
    assert not stage.all("jobs")


@pytest.mark.rule("B8.7")
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("services", "pi"),
        ("configmaps", "pi-config"),
        ("secrets", "pi-ssh"),
        ("pods", "pi-worker-1"),
        ("jobs", "pi-launcher"),
    ],
)
def test_a_child_that_somebody_deletes_comes_back(
    stage: Stage, kind: str, name: str
) -> None:
    stage.run(mpijob("pi"))
    before = stage.get(kind, name)
    assert before is not None
    query = {"propagationPolicy": "Background"}
    stage.client.delete(stage.path(kind, name), **query).expect(200)

    def back() -> bool:
        now = stage.get(kind, name)
        return now is not None and uid(now) != uid(before)

    stage.wait(back, f"{name} is back")
    stage.wait_for("pi", "Running")


@pytest.mark.rule("B8.7")
def test_what_somebody_changes_is_put_back(stage: Stage) -> None:
    stage.run(mpijob("pi"))
    config = stage.path("configmaps", "pi-config")
    change = {"data": {"hostfile": "elsewhere", "theirs": "stays"}}
    stage.client.merge(config, change).expect(200)

    def data() -> Json:
        found: Json = stage.client.get(config).expect(200)["data"]
        return found

    stage.wait(lambda: data()["hostfile"] != "elsewhere", "the hostfile is ours")
    assert data()["theirs"] == "stays"


@pytest.mark.rule("B8.7")
def test_who_applied_a_label_may_take_it_off_whatever_the_status_says(
    stage: Stage,
) -> None:
    """A status sent without labels takes them from their owner, before 1.37."""
    stage.operator().start()
    job = mpijob("pi")
    path = stage.path("mpijobs", "pi")
    notes = {"labels": {"team": "one"}, "annotations": {"example.com/note": "one"}}
    labelled = {**job, "metadata": {**job["metadata"], **notes}}
    stage.client.apply(path, labelled, "helm").expect(201)
    stage.wait_for("pi", "Running")
    stage.wait_quiet()
    stage.client.apply(path, job, "helm").expect(200)
    metadata = stage.client.get(path).expect(200)["metadata"]
    assert not metadata.get("labels")
    assert not metadata.get("annotations")


@pytest.mark.rule("B8.3")
def test_a_job_that_ended_while_nobody_looked_is_told(stage: Stage) -> None:
    operator = stage.run(mpijob("pi"))
    operator.kill()
    stage.script("pi-launcher-*", run_s=0.0)
    stage.wait(
        lambda: stage.all("jobs")["pi-launcher"]["status"].get("succeeded") == 1,
        "the launcher is done",
    )
    operator.start()
    stage.wait_for("pi", "Succeeded")
    assert stage.events("pi").count("MPIJobSucceeded") == 1
