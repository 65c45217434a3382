# SPDX-License-Identifier: Apache-2.0
"""What we say to Prometheus.

The first names are mpi-operator's, so that dashboards go on. No label holds what a user
can make many of, but for those of `mpi_operator_job_info`: it is there to be joined
with, and has one series for each job that has a launcher.

Counters begin at zero with each process and count what it did: that a job was created,
or has ended, is counted when we have written the status that says so, and once.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import mpijob
from mpijob.names import Child
from mpijob.status import ConditionType, JobStatus
from mpijob_operator.controller.caches import Caches
from mpijob_operator.controller.controller import Look
from mpijob_operator.controller.store import Key
from mpijob_operator.executor import Reply, reply_of
from mpijob_operator.requests import PLURALS

# From a quiet look to one at a thousand workers, whose writes take a while.
LOOK_S: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
WAIT_S: Final = (0.001, 0.01, 0.1, 0.3, 1, 3, 10, 30, 100)
REQUEST_S: Final = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 5, 10, 30)
# A job may start in seconds, or stand in a queue for days.
START_S: Final = (1, 3, 10, 30, 60, 180, 600, 1_800, 7_200, 86_400)

# The result of a look that leaves nothing to do.
QUIET: Final = "quiet"

# What paths call a kind, for requests that are known by their path.
_KINDS: Final = {plural: kind for kind, plural in PLURALS.items()}


# Every metric, with what it says; those of the process itself come beside them.
HELP: Final[Mapping[str, str]] = {
    # mpi-operator's.
    "mpi_operator_jobs_created_total": "MPIJobs that were new to the operator.",
    "mpi_operator_jobs_successful_total": "MPIJobs that succeeded.",
    "mpi_operator_jobs_failed_total": "MPIJobs that failed.",
    "mpi_operator_job_info": "1 for each MPIJob with a launcher Job, to join with.",
    "mpi_operator_is_leader": "Whether this process leads.",
    # Ours.
    "mpi_operator_jobs": "MPIJobs, by where they stand.",
    "mpi_operator_jobs_blocked": "MPIJobs that something is in the way of, by reason.",
    "mpi_operator_job_start_seconds": "From creation until a job first ran.",
    "mpi_operator_reconciles_total": "Looks at a job, by what became of them.",
    "mpi_operator_reconcile_duration_seconds": "How long looks took, writes included.",
    "mpi_operator_queue_depth": "Jobs that wait for a look, or for a time to look.",
    "mpi_operator_queue_wait_seconds": "How long jobs that were due had to wait.",
    "mpi_operator_api_requests_total": "Requests; the code is none without an answer.",
    "mpi_operator_api_request_duration_seconds": "How long answers took to come.",
    "mpi_operator_lists_total": "Whole lists read, at the start and after trouble.",
}


class Metrics:
    """The metrics of one process: a witness of what the controller does."""

    def __init__(self) -> None:
        # When a series began is of no use here, and would be a series more for each.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types.
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, *labels: str) -> Counter:
            return Counter(name, HELP[name], labels, registry=registry)

        def histogram(name: str, buckets: Sequence[float], *labels: str) -> Histogram:
            help_ = HELP[name]
            return Histogram(name, help_, labels, registry=registry, buckets=buckets)

        self.created = counter("mpi_operator_jobs_created_total")
        self.successful = counter("mpi_operator_jobs_successful_total")
        self.failed = counter("mpi_operator_jobs_failed_total")
        leader = "mpi_operator_is_leader"
        self.is_leader = Gauge(leader, HELP[leader], registry=registry)
        self.start_s = histogram("mpi_operator_job_start_seconds", START_S)
        self.looks = counter("mpi_operator_reconciles_total", "result")
        self.look_s = histogram("mpi_operator_reconcile_duration_seconds", LOOK_S)
        self.wait_s = histogram("mpi_operator_queue_wait_seconds", WAIT_S)
        self.requests = counter(
            "mpi_operator_api_requests_total", "verb", "kind", "code"
        )
        self.request_s = histogram(
            "mpi_operator_api_request_duration_seconds", REQUEST_S, "verb"
        )
        self._jobs = _Jobs()
        registry.register(self._jobs)
        self._caches: Caches | None = None
        # Jobs as they were when a status was written and the answer was lost: the next
        # look shows whether it was written.
        self._unsure: dict[Key, mpijob.MPIJob] = {}

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return prometheus_client.generate_latest(self.registry)

    def watch(self, caches: Caches) -> None:
        """Tell of these caches from now on."""
        self._caches = caches
        self.registry.register(_Caches(caches))

    # --- What is told --------------------------------------------------------

    def leads(self, *, leads: bool) -> None:
        """Take note that we lead, or do not."""
        self.is_leader.set(int(leads))

    def asked(self, verb: str, kind: str, code: int, seconds: float) -> None:
        """Take note of a request; code 0 where there was no answer."""
        kind = _KINDS.get(kind, kind)
        self.requests.labels(verb, kind, str(code) if code else "none").inc()
        self.request_s.labels(verb).observe(seconds)

    def took(self, waited_s: float) -> None:
        """Take note of how long a job that was due had to wait."""
        self.wait_s.observe(waited_s)

    def looked(
        self, key: Key, answer: mpijob.Reconciliation, result: str, seconds: float
    ) -> None:
        """Take note of a look."""
        self.looks.labels(result).inc()
        self.look_s.observe(seconds)
        if self._is_there(key):
            self._jobs.put(key, answer)
        if result == QUIET and key in self._unsure:
            self._became(self._unsure.pop(key), answer.status)

    def acted(self, look: Look) -> None:
        """Take note of a plan that was carried out, or half of it."""
        if look.key in self._unsure:
            self._became(self._unsure.pop(look.key), look.job.status)
        for action, answer in look.answers:
            if isinstance(action, mpijob.WriteStatus):
                reply = reply_of(action, answer)
                if reply is Reply.DONE:
                    self._became(look.job, action.status)
                elif reply is Reply.UNKNOWN and self._is_there(look.key):
                    self._unsure[look.key] = look.job

    def left(self, key: Key) -> None:
        """Take note of a job that is gone."""
        self._jobs.drop(key)
        self._unsure.pop(key, None)

    def _is_there(self, key: Key) -> bool:
        """Tell whether a job is known; it may be gone before its last look is over."""
        return self._caches is None or key in self._caches.store.jobs

    def _became(self, job: mpijob.MPIJob, after: JobStatus) -> None:
        """Count what a status says that the job's own did not."""
        before = job.status
        if not before.is_true(ConditionType.CREATED):
            self.created.inc(after.is_true(ConditionType.CREATED))
        if before.verdict is None:
            self.successful.inc(after.verdict is ConditionType.SUCCEEDED)
            self.failed.inc(after.verdict is ConditionType.FAILED)
        first = before.condition(ConditionType.RUNNING) is None
        if first and after.is_true(ConditionType.RUNNING) and job.created is not None:
            self.start_s.observe((datetime.now(UTC) - job.created).total_seconds())


class _Jobs(Collector):
    """Where each job stands, and which has a launcher; counted when asked for."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[str, str, str]] = {}
        # A stage that nobody is in any more says 0, and so does a reason.
        self._stages: set[str] = set()
        self._reasons: set[str] = set()

    def put(self, key: Key, answer: mpijob.Reconciliation) -> None:
        stage = answer.stage.value
        self._stages.add(stage)
        if blocked := _blocked(answer.status):
            self._reasons.add(blocked)
        self._known[key] = stage, _launcher(answer.desired), blocked

    def drop(self, key: Key) -> None:
        self._known.pop(key, None)

    def collect(self) -> Iterator[Metric]:
        name = "mpi_operator_jobs"
        jobs = GaugeMetricFamily(name, HELP[name], labels=["stage"])
        tally = Tally(stage for stage, _, _ in self._known.values())
        for stage in sorted(self._stages):
            jobs.add_metric([stage], tally[stage])
        yield jobs
        name = "mpi_operator_jobs_blocked"
        blocked = GaugeMetricFamily(name, HELP[name], labels=["reason"])
        tally = Tally(reason for _, _, reason in self._known.values())
        for reason in sorted(self._reasons):
            blocked.add_metric([reason], tally[reason])
        yield blocked
        name = "mpi_operator_job_info"
        info = GaugeMetricFamily(name, HELP[name], labels=["launcher", "namespace"])
        for key, (_, launcher, _) in self._known.items():
            if launcher:
                info.add_metric([launcher, key.namespace], 1)
        yield info


def _launcher(desired: Iterable[mpijob.Desired]) -> str:
    """Return the name of the launcher Job, empty where there is to be none."""
    return next((one.name for one in desired if one.child is Child.LAUNCHER), "")


def _blocked(status: JobStatus) -> str:
    """Return why a job is Blocked, empty where it is not."""
    condition = status.condition(ConditionType.BLOCKED)
    told = status.is_true(ConditionType.BLOCKED)
    return condition.reason if condition and told else ""


class _Caches(Collector):
    """The queue and the reflectors, as they are when asked for."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches

    def collect(self) -> Iterator[Metric]:
        name = "mpi_operator_queue_depth"
        yield GaugeMetricFamily(name, HELP[name], len(self._caches.queue))
        name = "mpi_operator_lists_total"
        lists = CounterMetricFamily(name, HELP[name], labels=["kind"])
        tally: Tally[str] = Tally()
        for reflector in self._caches.reflectors:
            tally[reflector.kind.kind] += reflector.relists
        for kind, number in sorted(tally.items()):
            lists.add_metric([kind], number)
        yield lists
