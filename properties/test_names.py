# SPDX-License-Identifier: Apache-2.0
"""Laws of names: they fit where they are used, and no two are the same."""

import re
from typing import Final

import pytest
from hypothesis import strategies as st

from mpijob import names
from mpijob.hostfile import discover_hosts, hostfile
from mpijob.job import MPIJob, ReplicaSpec, RestartPolicy, Role
from mpijob.validation import problems_of
from mpijob.wire import decode
from properties.laws import law, sometimes
from properties.strategies import edited, evenly, plain_job

# RFC 1035 and 1123: the label of a host name, as Kubernetes has them.
LABEL: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_ALPHABET: Final = "abz09-"


@st.composite
def valid_names(draw: st.DrawFn) -> str:
    """Draw a name of the form that a job's must have, of any length."""
    length = draw(st.sampled_from([0, 1, 5, 40, 45, 50, 60]))
    middle = draw(st.text(_ALPHABET, min_size=length, max_size=length))
    return draw(st.sampled_from("az")) + middle + draw(st.sampled_from("z9"))


# What turns the name of a job into the name of one of its children.
SUFFIXES: Final = ("-worker", "-worker-0", "-launcher", "-config", "-ssh", "-0", "x")


def job_of(name: str, workers: int, *, works_too: bool = False) -> MPIJob:
    """Return a job of that name."""
    edits = [("spec.runLauncherAsWorker", works_too)]
    return decode(edited(plain_job(name, workers), edits))


def kinds_and_names(job: MPIJob) -> list[tuple[str, str]]:
    """Return every object of a job that has a name of ours."""
    pods = [("Pod", names.worker(job, i)) for i in range(job.workers)]
    return [
        ("Service", names.service(job)),
        ("ConfigMap", names.config_map(job)),
        ("Secret", names.secret(job)),
        ("Job", names.launcher(job)),
        *pods,
    ]


@pytest.mark.rule("B1.5", "B2.1")
@law(valid_names(), st.integers(0, 12), often=("it fits", "it does not", "barely"))
def test_names_fit(name: str, workers: int) -> None:
    """Where a job's name is accepted, every name made from it is a DNS label."""
    job = job_of(name, workers)
    problems = problems_of(job, "none", started=False)
    sometimes("it does not", when=bool(problems))
    longest = max(len(each) for _, each in kinds_and_names(job))
    if not problems:
        sometimes("it fits")
        sometimes("barely", when=longest > 50)
        for _, each in kinds_and_names(job):
            assert LABEL.fullmatch(each)
            assert len(each) <= 63
        for role in Role:
            for value in names.pod_labels(job, role).values():
                assert len(value) <= 63


@pytest.mark.rule("B1.5")
@law(st.text("aZ0-._ \n\u00e9", max_size=70), often=("it is refused",))
def test_what_is_no_label_is_refused(name: str) -> None:
    """A name that is no DNS label is a problem of the job, told with its path."""
    problems = problems_of(job_of(name, 1), "none", started=False)
    fits = LABEL.fullmatch(name) and len(f"{name}-worker-0") <= 63
    if sometimes("it is refused", when=not fits):
        assert [problem.path for problem in problems] == ["metadata.name"]
    else:
        assert problems == ()


@pytest.mark.rule("B8.1")
@law(
    valid_names(),
    st.lists(st.sampled_from(SUFFIXES), max_size=2).map("".join),
    st.integers(1, 3),
    often=("two jobs", "one job"),
)
def test_names_differ(name: str, suffix: str, workers: int) -> None:
    """No two objects of a job, and none of two jobs, have one kind and name."""
    one, two = job_of(name, workers), job_of(name + suffix, workers)
    mine, theirs = kinds_and_names(one), kinds_and_names(two)
    assert len(set(mine)) == len(mine)
    sometimes("one job", when=one.name == two.name)
    if sometimes("two jobs", when=one.name != two.name):
        assert not set(mine) & set(theirs)
        assert names.selector(one) != names.selector(two)
        pods = [each for kind, each in theirs if kind == "Pod"]
        assert all(names.worker_index(one, pod) is None for pod in pods)


@pytest.mark.rule("B8.4")
@law(valid_names(), st.integers(0, 2**31 - 1))
def test_a_workers_name_tells_its_index(name: str, index: int) -> None:
    """The index of a worker is read back from its name."""
    job = MPIJob(name)
    assert names.worker_index(job, names.worker(job, index)) == index


@pytest.mark.rule("B8.4")
@law(
    st.sampled_from(["pi-worker-", "pi-worker-", "pi-worker", "pj-worker-", ""]),
    evenly(st.integers(0, 99).map(str), st.text("019-x\u0663\u00b2 ", max_size=12)),
    often=("it is a worker's", "it is not"),
)
def test_no_other_name_tells_an_index(prefix: str, rest: str) -> None:
    """What is read as a worker's name is the very name that we would give."""
    job = MPIJob("pi")
    index = names.worker_index(job, prefix + rest)
    if sometimes("it is a worker's", when=index is not None):
        assert index is not None
        assert names.worker(job, index) == prefix + rest
    else:
        sometimes("it is not")


@pytest.mark.rule("B3.1", "B3.2")
@law(
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from(["", "cluster.local"]),
    st.sets(st.integers(0, 11)),
    often=("the launcher works too",),
)
def test_every_host_is_written_once(
    workers: int, works_too: bool, domain: str, running: set[int]
) -> None:
    """The hostfile has each host once, and the script none that it has not."""
    job = job_of(
        "pi", workers, works_too=sometimes("the launcher works too", when=works_too)
    )
    hosts = [re.split("[ :]", line)[0] for line in hostfile(job, domain).splitlines()]
    assert len(set(hosts)) == len(hosts) == workers + works_too
    there = sorted(index for index in running if index < workers)
    script = discover_hosts(job, there, domain).splitlines()
    assert script[0] == "#!/bin/sh"
    found = [line.removeprefix("echo ") for line in script[1:]]
    assert found == [host for host in hosts if host in found]
    assert len(found) == len(there) + works_too


@pytest.mark.rule("B1.5")
@law(st.integers(0, 2**31 - 1), often=("too many", "few enough"))
def test_as_many_hosts_as_a_config_map_holds(workers: int) -> None:
    """A job whose hosts a ConfigMap cannot hold is refused, and no other."""
    replica = ReplicaSpec(
        {"spec": {"containers": [{"name": "mpi"}]}}, RestartPolicy.NEVER, workers
    )
    job = MPIJob("pi", launcher=replica, worker=replica)
    paths = {p.path for p in problems_of(job, "none", started=False)}
    told = "spec.mpiReplicaSpecs.Worker.replicas" in paths
    if sometimes("too many", when=workers > 100_000):
        assert told
    elif sometimes("few enough", when=0 < workers < 1_000):
        assert not told
