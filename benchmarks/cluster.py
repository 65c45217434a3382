# SPDX-License-Identifier: Apache-2.0
"""Measure the controller on a real API server, as ratios within one run.

The yardstick is a bare writer: 32 connections that send the bodies which users and the
operator send, and do nothing else. Both are on the same machine as the API server, in
turn.

`python benchmarks/cluster.py` prints the table; `--keep` writes it to CLUSTER.md as
well, `--check` ends with 1 where a limit is not kept.
"""

import argparse
import asyncio
import contextlib
import platform
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import orjson

import mpijob
from mpijob_operator.controller.api import AT_ONCE
from mpijob_operator.controller.connection import connect
from mpijob_operator.keypair import key_pair
from mpijob_operator.requests import CONTENT_TYPES, filled, request_of
from tests.controlplane.harness import ControlPlane, programs
from tests.controlplane.nodes import Nodes
from tests.controlplane.operator import Operator
from tests.controlplane.stage import USER, Stage, install
from tests.controlplane.stage import mpijob as a_job

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "CLUSTER.md"
MIB: Final = 2**20
# Alternating; the middle one counts.
ROUNDS: Final = 3
WAIT_S: Final = 300
JOBS: Final = 200
MANY_JOBS: Final = 2_000
RATE_MIN: Final = 0.7
RSS_MAX_MIB: Final = 100
LOOKS_MAX: Final = 200
GAP_MAX_S: Final = 3

Json = dict[str, Any]
Post = tuple[str, str, Json]


class Row(NamedTuple):
    """One figure, and what it may be."""

    what: str
    figure: str
    limit: str
    kept: bool | None  # None: no limit was set.
    bound: str  # What bounds it.

    @property
    def verdict(self) -> str:
        """Whether the limit is kept."""
        return {True: "PASS", False: "OVER", None: ""}[self.kept]


# --- The yardstick --------------------------------------------------------------------


class Bodies(NamedTuple):
    """What the operator sends of some jobs until their children are there."""

    told: list[Post]  # Statuses and Events.
    children: list[Post]


def bodies(manifests: Iterable[Json]) -> Bodies:
    """Return what the operator sends of MPIJobs as the API server returns them."""
    found = Bodies([], [])
    world = mpijob.World(datetime.now(UTC))
    for manifest in manifests:
        job = mpijob.decode(manifest)
        answer = mpijob.reconcile(job, mpijob.Observed(), world)
        for step in mpijob.plan(job, mpijob.Observed(), answer):
            for action in step:
                made = isinstance(action, mpijob.Create | mpijob.Apply)
                posts = found.children if made else found.told
                posts.append(_post(job, action))
    return found


def _post(job: mpijob.MPIJob, action: mpijob.Action) -> Post:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    request = filled(
        request_of(job, action), key_pair=key_pair, now=lambda: now, instance="bench"
    )
    query = "&".join(f"{k}={v}" for k, v in request.query.items())
    path = f"{request.path}?{query}"
    return request.verb.value, path, {**request.body}


async def write_bare(kubeconfig: Path, posts: Iterable[Post]) -> float:
    """Send everything over 32 connections; return the seconds that it took."""
    connection = await connect(str(kubeconfig))
    connector = aiohttp.TCPConnector(limit=2 * AT_ONCE, ssl=connection.tls)
    rest = iter(posts)
    async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        headers = await connection.headers()

        async def writer() -> None:
            for verb, path, body in rest:
                kind = CONTENT_TYPES[_VERBS[verb]]
                async with session.request(
                    verb,
                    f"{connection.server}{path}",
                    data=orjson.dumps(body, default=dict),
                    headers={**headers, "Content-Type": kind},
                ) as response:
                    await response.read()
                    if not response.ok:
                        raise AssertionError(await response.text())

        begun = time.monotonic()
        await asyncio.gather(*(writer() for _ in range(AT_ONCE)))
        return time.monotonic() - begun


_VERBS: Final = {verb.value: verb for verb in CONTENT_TYPES}


def write(stage: Stage, posts: Iterable[Post]) -> float:
    """Send everything as whom the operator is; return the seconds that it took."""
    return asyncio.run(write_bare(stage.plane.kubeconfig(USER), posts))


def submit(stage: Stage, jobs: Iterable[Json]) -> float:
    """Create MPIJobs as fast as the bare writer can; return the seconds."""
    path = stage.path("mpijobs")
    posts: list[Post] = [("POST", path, job) for job in jobs]
    return asyncio.run(write_bare(stage.plane.kubeconfig(), posts))


# --- What is seen of the operator --------------------------------------------------


def cpu_s(operator: Operator) -> float:
    """Return the processor time that it took so far."""
    return metric(operator, "process_cpu_seconds_total")


def rss(operator: Operator) -> float:
    """Return its resident memory, in bytes."""
    return metric(operator, "process_resident_memory_bytes")


def metric(operator: Operator, name: str, **labels: str) -> float:
    """Return the sum of a metric's series that have these labels."""
    found = series(operator, name)
    return sum(value for known, value in found if labels.items() <= known.items())


def series(operator: Operator, name: str) -> Iterator[tuple[dict[str, str], float]]:
    """Yield the series of a metric."""
    _, text = operator.ask("/metrics")
    for line in text.splitlines():
        match = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if match:
            yield dict(re.findall(r'(\w+)="([^"]*)"', match[1] or "")), float(match[2])


def requests(operator: Operator) -> Counter[tuple[str, str]]:
    """Return how many requests it made, by verb and kind; watches apart."""
    return Counter(
        {
            (labels["verb"], labels["kind"]): int(value)
            for labels, value in series(operator, "mpi_operator_api_requests_total")
            if labels["verb"] != "watch" and labels["kind"] != "Lease"
        }
    )


def until(what: Callable[[], bool], why: str) -> float:
    """Wait; return how long it took."""
    begun = time.monotonic()
    while not what():
        if time.monotonic() - begun > WAIT_S:
            raise AssertionError(why)
        time.sleep(0.02)
    return time.monotonic() - begun


# --- What is measured --------------------------------------------------------------


@contextlib.contextmanager
def running(stage: Stage, **flags: str) -> Generator[Operator]:
    """An operator that is ready."""
    operator = stage.operator(**flags)
    operator.start()
    try:
        yield operator
    finally:
        operator.end()


class Made(NamedTuple):
    """One round of making children."""

    bare: float  # Writes a second: MPIJobs, statuses, Events, children.
    bare_children: float
    ours: float  # The same writes.
    ours_children: float  # Children and statuses, in the same time.
    cpu: float  # Seconds for 1,000 objects.
    seconds: float

    @property
    def ratio(self) -> float:
        """How near it comes to the bare writer."""
        return self.ours / self.bare


def made(plane: ControlPlane, nodes: Nodes, jobs: int, workers: int) -> Made:
    """Make jobs, bare and by the operator, in turn; return the middle round."""
    rounds: list[Made] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            bare, ours = (Stage(plane, nodes, _sub(folder, n)) for n in ("a", "b"))
            wanted = [a_job(f"job-{number}", workers) for number in range(jobs)]
            bare_s = submit(bare, wanted)
            found = bodies(bare.client.get(bare.path("mpijobs")).expect(200)["items"])
            bare_s += write(bare, found.told)
            bare_s += (children_s := write(bare, found.children))
            children = len(found.children)
            writes = jobs + len(found.told) + children
            with running(ours) as operator:
                before = cpu_s(operator)
                begun = time.monotonic()
                submit(ours, wanted)
                _until_there(ours, "jobs", jobs)
                seconds = time.monotonic() - begun
                cpu = cpu_s(operator) - before
            rounds.append(
                Made(
                    writes / bare_s,
                    children / children_s,
                    writes / seconds,
                    (children + jobs) / seconds,
                    cpu * 1_000 / children,
                    seconds,
                )
            )
            bare.close()
            ours.close()
    return sorted(rounds, key=lambda each: each.ratio)[len(rounds) // 2]


def _count(stage: Stage, kind: str) -> int:
    """Count without reading everything."""
    page = stage.client.get(stage.path(kind), limit="1").expect(200)
    left: int = page["metadata"].get("remainingItemCount", 0)
    return len(page["items"]) + left


def _until_there(stage: Stage, kind: str, number: int) -> None:
    until(lambda: _count(stage, kind) == number, f"{number} {kind} are there")


def _sub(folder: str, name: str) -> Path:
    path = Path(folder) / name
    path.mkdir()
    return path


def making(plane: ControlPlane, nodes: Nodes) -> Iterator[Row]:
    """Measure how fast children are made."""
    for jobs, workers, peer in ((JOBS, 8, 14.6), (1, 1_000, 9.8)):
        found = made(plane, nodes, jobs, workers)
        what = f"{jobs} jobs of" if jobs > 1 else "one job of"
        what = f"{what} {workers:,} workers"
        yield Row(
            f"{what}: object writes a second / a bare writer's",
            f"{found.ratio:.2f} ({found.ours:.0f} / {found.bare:.0f})",
            f"at least {RATE_MIN}",
            found.ratio >= RATE_MIN,
            "the API server, for which our watches are work, too",
        )
        ratio = found.ours_children / found.bare_children
        yield Row(
            "... children and statuses / children that are all a writer has to write",
            f"{ratio:.2f} ({found.ours_children:.0f} / {found.bare_children:.0f})",
            "",
            None,
            "MPIJobs, statuses and Events cost an API server more than a child",
        )
        yield Row(
            f"{what}: from the first create to the last child",
            f"{found.seconds:.1f} s",
            f"mpi-operator: {peer} s, on another day",
            None,
            "as above",
        )
        yield Row(
            f"{what}: processor time for 1,000 objects",
            f"{found.cpu:.2f} s",
            "",
            None,
            "TLS and HTTP of each request",
        )


def whole_life(plane: ControlPlane, nodes: Nodes) -> Iterator[Row]:
    """Count the requests of one job's whole life."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(plane, nodes, Path(folder))
        stage.script("job-launcher-*", run_s=2.0)
        with running(stage) as operator:
            time.sleep(1)  # It looks for what mpi-operator left, once.
            before = requests(operator)
            stage.submit(a_job("job", 8, runPolicy={"cleanPodPolicy": "All"}))
            stage.wait_for("job", "Succeeded")
            _until_there(stage, "pods", 0)
            time.sleep(2)
            spent = requests(operator) - before
        stage.close()
    limits = {
        "creates": 12,
        "status writes": 5,
        "events": 4,
        "ConfigMap applies": 3,
        "reads": 3,
    }
    counted = _sorted_out(spent)
    for what, limit in limits.items():
        yield Row(
            f"whole life of a job of 8 workers: {what}",
            str(counted[what]),
            f"at most {limit}",
            counted[what] <= limit,
            "",
        )
    deletes = str(counted["deletes"])
    yield Row("... deletes", deletes, "", None, "one a worker, one for the Job")


def _sorted_out(spent: Counter[tuple[str, str]]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for (verb, kind), number in spent.items():
        if kind == "Event":
            counted["events"] += number
        elif verb == "replace":
            counted["status writes"] += number
        elif verb in ("get", "read"):
            counted["reads"] += number
        elif verb == "delete":
            counted["deletes"] += number
        elif kind == "ConfigMap":
            counted["ConfigMap applies"] += number
            counted["creates"] += number > 0
        else:
            counted["creates"] += number
    return counted


def memory(plane: ControlPlane, nodes: Nodes) -> Iterator[Row]:
    """Measure the memory with 200 jobs and 10,000 pods of others."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(plane, nodes, Path(folder))
        pods: list[Post] = [
            ("POST", stage.path("pods"), _foreign(number)) for number in range(10_000)
        ]
        asyncio.run(write_bare(plane.kubeconfig(), pods))
        with running(stage) as operator:
            submit(stage, (a_job(f"job-{number}", 8) for number in range(JOBS)))
            _until_there(stage, "jobs", JOBS)
            time.sleep(2)
            size = rss(operator)
        stage.close()
    yield Row(
        "memory with 200 jobs of 8 workers and 10,000 pods of others",
        f"{size / MIB:.0f} MiB",
        "at most 100 MiB (mpi-operator: 152)",
        size <= RSS_MAX_MIB * MIB,
        "70 MiB are the interpreter and its libraries",
    )


def _foreign(number: int) -> Json:
    container = {"name": "main", "image": "example/other:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"other-{number}", "labels": {"app": "other"}},
        "spec": {"containers": [container]},
    }


def coalescing(plane: ControlPlane, nodes: Nodes) -> Iterator[Row]:
    """Count the looks at one job of whose pods 10,000 updates are told."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(plane, nodes, Path(folder))
        with running(stage) as operator:
            stage.submit(a_job("job", 1_000))
            _until_there(stage, "jobs", 1)
            time.sleep(3)
            before = metric(operator, "mpi_operator_reconciles_total")
            path = f"{stage.path('pods')}/job-worker-{{}}/status"
            updates: list[Post] = [
                ("PATCH", path.format(pod), _update(turn))
                for turn in range(10)
                for pod in range(1_000)
            ]
            asyncio.run(write_bare(plane.kubeconfig(), _merges(updates)))
            time.sleep(3)
            looks = metric(operator, "mpi_operator_reconciles_total") - before
        stage.close()
    yield Row(
        "looks at a job of 1,000 workers for 10,000 updates of its pods",
        f"{looks:.0f}",
        "at most 200",
        looks <= LOOKS_MAX,
        "a window of 0.1 s and 0.5 ms a pod",
    )


def _update(turn: int) -> Json:
    condition = {"type": "Example", "status": "True", "reason": f"Turn{turn}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "status": {"conditions": [condition]},
    }


def _merges(posts: Iterable[Post]) -> Iterator[Post]:
    """Have each sent as an apply of that status alone."""
    for verb, path, body in posts:
        yield verb, f"{path}?fieldManager=bench&force=true", body


def starting(plane: ControlPlane, nodes: Nodes) -> Iterator[Row]:
    """Measure a start with 2,000 jobs, and the gap of a restart."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(plane, nodes, Path(folder))
        suspended = {"suspend": True}
        jobs = (a_job(f"job-{n}", 8, runPolicy=suspended) for n in range(MANY_JOBS))
        submit(stage, jobs)
        first = stage.operator(leader_elect="true", lock_namespace=stage.namespace)
        begun = time.monotonic()
        first.start()
        ready = time.monotonic() - begun
        until(lambda: metric(first, "mpi_operator_is_leader") == 1, "the first leads")
        _until_there(stage, "configmaps", MANY_JOBS)
        time.sleep(2)
        gaps = [_gap(stage, first, number) for number in range(ROUNDS)]
        first.end()
        stage.close()
    yield Row("start to ready with 2,000 jobs", f"{ready:.1f} s", "", None, "the lists")
    gap = statistics.median(gaps)
    yield Row(
        "a restart with 2,000 jobs: until a new job has its launcher",
        f"{gap:.1f} s",
        "at most 3 s (mpi-operator: 16.6)",
        gap <= GAP_MAX_S,
        "imports, lists, and a first look at every job",
    )


def _gap(stage: Stage, operator: Operator, number: int) -> float:
    """Stop and start the operator, and see how long a new job has to wait."""
    before = _count(stage, "jobs")
    begun = time.monotonic()
    operator.stop()
    stage.submit(a_job(f"late-{number}", 1))
    operator.start(ready=False)
    _until_there(stage, "jobs", before + 1)
    return time.monotonic() - begun


MEASURED: Final = {
    "making": making,
    "life": whole_life,
    "memory": memory,
    "coalescing": coalescing,
    "starting": starting,
}


def report(rows: Iterable[Row], version: str) -> str:
    """Return the table."""
    head = "| what | figure | limit |  | what bounds it |\n"
    head += "| --- | ---: | --- | --- | --- |\n"
    lines = "".join(
        f"| {row.what} | {row.figure} | {row.limit} | {row.verdict} | {row.bound} |\n"
        for row in rows
    )
    python = f"CPython {platform.python_version()}, Kubernetes {version}"
    return f"{head}{lines}\n{python}, {platform.machine()}.\n"


@contextlib.contextmanager
def cluster(*, alive: bool) -> Generator[tuple[ControlPlane, Nodes]]:
    """A fresh control plane; one that is alive has controllers and nodes."""
    with tempfile.TemporaryDirectory() as folder:
        users = {"admin": "system:masters", USER: ""}
        plane = ControlPlane(programs(), Path(folder), users=users)
        plane.start()
        nodes = Nodes(plane.kubeconfig())
        try:
            with contextlib.closing(plane.client()) as client:
                install(client)
            if alive:
                plane.start_controllers()
                nodes.start()
            yield plane, nodes
        finally:
            nodes.stop()
            plane.stop()


INTRODUCTION: Final = """\
# What the controller was measured at

`make bench-cluster` prints this table anew; `make bench-cluster ARGS=--keep` keeps it
here. etcd, the API server, the operator and whoever measures share one machine. Rates
are the middle of three rounds, the bare writer and the operator in turn: it sends the
same bodies over 32 connections (the user's MPIJobs first, then their statuses and
Events, then the children) and does nothing else. Pods are left Pending, and no other
controller runs, but for the life of one job.

"""


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write CLUSTER.md")
    parser.add_argument("--check", action="store_true", help="end with 1 if over")
    parser.add_argument("only", nargs="*", help=f"of {', '.join(MEASURED)}")
    asked = parser.parse_args()
    rows: list[Row] = []
    version = ""
    for name, measure in MEASURED.items():
        if not asked.only or name in asked.only:
            with cluster(alive=name == "life") as (plane, nodes):
                for row in measure(plane, nodes):
                    print(" | ".join(row[:3]), row.verdict, flush=True)
                    rows.append(row)
                version = plane.client().get("/version").body["gitVersion"]
    table = report(rows, version)
    print(table)
    if asked.keep:
        RESULTS.write_text(INTRODUCTION + table, "utf-8")
    return int(asked.check and any(row.kept is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
