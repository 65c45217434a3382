# SPDX-License-Identifier: Apache-2.0
"""Measure speed and memory as ratios, both halves of each within one run.

A second is a different thing on every machine, and on this one a minute later; a ratio
of two things done in turn, over and over, is not. Each half is the median of its turns.

`python benchmarks/run.py` prints the table; `--keep` writes it to RESULTS.md as well,
`--check` ends with 1 where a ratio is over its limit.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import yaml
from attrs import evolve

from mpijob import (
    Apply,
    Create,
    MPIJob,
    Observed,
    Plan,
    World,
    decode,
    plan,
    reconcile,
    sightings,
)

HERE: Final = Path(__file__).parent
EXAMPLE: Final = HERE.parent / "examples/01-pi/mpijob.yaml"
MPIJOB: Final = Path(sys.executable).with_name("mpijob")
RESULTS: Final = HERE / "RESULTS.md"
WORLD: Final = World(datetime(2030, 1, 1, 12, 0, 30, tzinfo=UTC))
Manifest = dict[str, Any]

# The medians of so many turns hardly move from run to run.
TURNS: Final = 21


class Row(NamedTuple):
    """One ratio, and what it may be at most."""

    what: str
    by: str
    ours: str
    theirs: str
    ratio: float
    limit: float

    @property
    def verdict(self) -> str:
        """Whether the limit is kept."""
        return "PASS" if self.ratio <= self.limit else "OVER"


# --- What is measured -------------------------------------------------------------


def a_job(workers: int) -> MPIJob:
    """Return the job of mpijob.yaml with so many workers."""
    manifest = yaml.safe_load((HERE / "mpijob.yaml").read_text())
    manifest["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = workers
    return decode(manifest)


def plan_of(job: MPIJob, observed: Observed) -> Plan:
    """Return what is left to do: the whole way from a decoded job to a plan."""
    return plan(job, observed, reconcile(job, observed, WORLD))


def bodies(steps: Plan) -> list[Manifest]:
    """Return the children that a plan makes, each as it is sent."""
    actions = (action for step in steps for action in step)
    return [dict(a.manifest) for a in actions if isinstance(a, Create | Apply)]


def seen(manifest: Manifest) -> Manifest:
    """Return a child as the cluster shows it; a pod as the captured one, which runs."""
    metadata = manifest["metadata"]
    own = {**metadata, "uid": f"{manifest['kind']}-{metadata['name']}".ljust(36, "0")}
    if manifest["kind"] != "Pod":
        return {**manifest, "metadata": own}
    pod = json.loads((HERE / "pod.json").read_text())
    return {**pod, "metadata": {**pod["metadata"], **own}}


def launcher_pod(job: Manifest) -> Manifest:
    """Return the pod that the Job controller made for a launcher Job."""
    owner = {"kind": "Job", "name": job["metadata"]["name"], "controller": True}
    owners = [{**owner, "uid": seen(job)["metadata"]["uid"]}]
    metadata = {**job["spec"]["template"]["metadata"], "ownerReferences": owners}
    name = f"{job['metadata']['name']}-x7k2p"
    return seen({"kind": "Pod", "metadata": {**metadata, "name": name}})


def steady(workers: int) -> tuple[MPIJob, Observed, list[bytes]]:
    """Return a job of which everything runs, its children, and its pods as JSON."""
    job, observed = a_job(workers), Observed()
    things: dict[str, Manifest] = {}
    pods: list[Manifest] = []
    while made := bodies(plan_of(job, observed)):
        pods += [seen(each) for each in made if each["kind"] == "Pod"]
        pods += [launcher_pod(each) for each in made if each["kind"] == "Job"]
        things |= {each["kind"]: seen(each) for each in made if each["kind"] != "Pod"}
        children = sightings.observed(things.values(), job)
        observed = evolve(children, pods=tuple(map(sightings.pod, pods)))
        job = evolve(job, status=reconcile(job, observed, WORLD).status)
    if left := plan_of(job, observed):
        raise AssertionError(f"not at rest: {left}")
    return job, observed, list(map(orjson.dumps, pods))


# --- How it is measured -------------------------------------------------------------


def turns(*deeds: Callable[[], float]) -> list[float]:
    """Do each in turn, over and over; return the median of what each says it took.

    What is there already is taken from the garbage collector: a deed pays for looking
    through what it makes, and not for what was made for measuring it.
    """
    gc.freeze()
    taken = [[deed() for deed in deeds] for _ in range(TURNS)]
    return [statistics.median(each) for each in zip(*taken, strict=True)]


def timed(deed: Callable[[], object], times: int = 1) -> Callable[[], float]:
    """Return a deed that says how many seconds of processor time another one takes.

    Processor time, because others work on this machine too. The garbage collector is
    on, and a turn is long enough to have its share of it.
    """

    def take() -> float:
        start = time.process_time()
        for _ in range(times):
            deed()
        return (time.process_time() - start) / times

    return take


def process(folder: str, *words: str) -> Callable[[], float]:
    """Return a deed that runs a Python process and says what processor time it took.

    Ours wait for nothing, so that on an idle machine it is the time on the clock.
    Bytecode is cached, as it is wherever a program was run before, in a folder that is
    warmed here.
    """
    environment = {k: v for k, v in os.environ.items() if k not in UNCACHED}
    environment["PYTHONPYCACHEPREFIX"] = folder

    def take() -> float:
        with Path(os.devnull).open("w") as nowhere:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, *words],
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1)],
            )
        _, status, used = os.wait4(pid, 0)
        if status:
            raise AssertionError(f"{words} ended with {status}")
        return used.ru_utime + used.ru_stime

    take()
    return take


UNCACHED: Final = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
    "COVERAGE_PROCESS_START",
)


# --- The rows -----------------------------------------------------------------------


def in_time(what: str, by: str, halves: Sequence[float], limit: float) -> Row:
    """Return the ratio of two times."""
    ours, theirs = halves
    return Row(
        what, by, f"{ours * 1e3:.2f} ms", f"{theirs * 1e3:.2f} ms", ours / theirs, limit
    )


def from_nothing() -> Row:
    """Plan a large job, and write what is to be sent."""
    job = a_job(1_000)
    made = bodies(plan_of(job, Observed()))

    def write() -> None:
        for body in made:
            orjson.dumps(body)

    return in_time(
        "reconcile and plan 1,000 workers from nothing",
        "orjson.dumps of the bodies, one by one",
        turns(timed(lambda: plan_of(job, Observed()), 10), timed(write, 10)),
        2,
    )


def at_rest() -> Row:
    """Plan a large job that is as it should be, and read its pods."""
    job, observed, pods = steady(1_000)

    def read() -> None:
        for pod in pods:
            orjson.loads(pod)

    return in_time(
        "reconcile and plan 1,000 workers that all run: nothing to do",
        "orjson.loads of the API server's pods, one by one",
        turns(timed(lambda: plan_of(job, observed), 10), timed(read, 2)),
        0.5,
    )


def per_worker() -> Row:
    """Plan a very large job and many small ones, of as many workers in all."""
    large, small = a_job(10_000), a_job(100)

    def many() -> None:
        for _ in range(100):
            plan_of(small, Observed())

    return in_time(
        "one job of 10,000 workers from nothing",
        "100 jobs of 100 workers",
        turns(timed(lambda: plan_of(large, Observed())), timed(many)),
        2,
    )


def processes() -> Iterator[Row]:
    """Start the command line, and the library alone."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(MPIJOB), "plan", "-f", str(EXAMPLE)]
        idle = process(folder, "-c", "pass")
        plan_, library = process(folder, *words), process(folder, "-c", "import mpijob")
        halves = turns(plan_, library, idle)
    yield in_time(
        "mpijob plan -f examples/01-pi/mpijob.yaml",
        "python -c pass",
        [halves[0], halves[2]],
        10,
    )
    yield in_time("python -c 'import mpijob'", "python -c pass", halves[1:], 6)


def memory() -> Row:
    """Plan a very large job, and see what that takes at most."""
    job = a_job(10_000)
    size = sum(len(orjson.dumps(b)) for b in bodies(plan_of(job, Observed())))
    tracemalloc.start()
    plan_of(job, Observed())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Row(
        "peak memory of 10,000 workers from nothing",
        "the plan as JSON",
        f"{peak / 1e6:.1f} MB",
        f"{size / 1e6:.1f} MB",
        peak / size,
        3,
    )


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    cells = [("what", "", "compared with", "", "ratio", "limit", "")]
    cells += [("---", "---:", "---", "---:", "---:", "---:", "---")]
    cells += [
        (r.what, r.ours, r.by, r.theirs, f"{r.ratio:.2f}", f"{r.limit:g}", r.verdict)
        for r in rows
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def main() -> int:
    """Measure, print and, where asked, keep and judge."""
    parser = argparse.ArgumentParser(description="Measure speed as ratios.")
    parser.add_argument("--keep", action="store_true", help="write RESULTS.md")
    parser.add_argument("--check", action="store_true", help="end with 1 if over")
    arguments = parser.parse_args()
    rows = [from_nothing(), at_rest(), per_worker(), *processes(), memory()]
    print(table(rows))
    if arguments.keep:
        RESULTS.write_text(
            REPORT.format(
                table=table(rows),
                python=platform.python_version(),
                turns=TURNS,
                machine=platform.machine(),
                orjson=orjson.__version__,
            )
        )
    over = any(row.ratio > row.limit for row in rows)
    return 1 if over and arguments.check else 0


REPORT: Final = """\
# What was measured

`make bench` prints this table anew; `make bench ARGS=--keep` keeps it here.

{table}

CPython {python}, orjson {orjson}, {machine}. Both halves of a ratio are done in turn,
{turns} times each, and compared by their medians: of processor time (user and system),
with the garbage collector on for what they make themselves. Memory is the peak that
tracemalloc saw. Jobs are decoded beforehand: that does not depend on the number of
workers. The pods that are read are copies of one that a real API server returned
(`pod.json`, fetched by `capture.py`), managedFields and status included.
"""

if __name__ == "__main__":
    sys.exit(main())
