# SPDX-License-Identifier: Apache-2.0
"""The Job controller, as far as a launcher Job knows it: one pod at a time.

Its conditions come in two steps, the intention first and the end once no pod is left;
what a pod came to is counted before the pod may go. What is to be done about pods is
done first, and told then, together with how many there are. Of three writes by which
the real one counts a pod this one makes one.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from attrs import frozen

from mpijob.loose import Manifest, count, integer, mapping, mappings, sequence
from mpijob.names import Ref
from mpijob.wire import time_of
from mpijob_operator.simulation.cluster import (
    Cluster,
    is_over,
    is_terminating,
    owner_uids,
)
from mpijob_operator.simulation.deeds import (
    Deed,
    Words,
    condition_of,
    conditioned,
    finalizers_of,
    is_true,
    placed,
    released,
    spec_of,
    status_of,
)

WHO: Final = "Job controller"
TRACKING: Final = "batch.kubernetes.io/job-tracking"

# It is quick, and never at once.
LATENCY: Final = 0.05

# As the real one waits after a failed pod, doubled with each.
BACKOFF: Final = 10.0
BACKOFF_MAX: Final = 600.0

# A Job that says nothing has six retries.
BACKOFF_LIMIT: Final = 6


Change = Callable[[Manifest, str], Manifest]
"""What a Job becomes, given the time of day."""


@frozen
class View:
    """A Job, and its pods."""

    cluster: Cluster
    ref: Ref
    job: Manifest
    pods: tuple[tuple[Ref, Manifest], ...]

    @property
    def since(self) -> float:
        """When the last of them changed."""
        refs = (self.ref, *(ref for ref, _ in self.pods))
        return max(self.cluster.since[ref] for ref in refs)

    @property
    def active(self) -> list[tuple[Ref, Manifest]]:
        """The pods that run, or are about to."""
        return [pair for pair in self.pods if _is_active(pair[1])]

    @property
    def tracked(self) -> list[tuple[Ref, Manifest]]:
        """The pods that may not go before they are counted."""
        return [pair for pair in self.pods if is_tracked(pair[1])]

    @property
    def unfinished(self) -> bool:
        """Whether a pod has not ended, going or not."""
        return any(not is_over(pod) for _, pod in self.pods)

    def count(self, field: str) -> int:
        """Return a count of the status."""
        return count(status_of(self.job).get(field))

    @property
    def counts(self) -> dict[str, int]:
        """How many pods there are, as a status tells it."""
        going = (is_terminating(pod) and not is_over(pod) for _, pod in self.pods)
        return {
            "active": len(self.active),
            "ready": sum(is_true(pod, "Ready") for _, pod in self.active),
            "terminating": sum(going),
        }

    @property
    def begins(self) -> bool:
        """Whether it is still to be told when it began, whatever else is written."""
        suspended = spec_of(self.job).get("suspend") is True
        return not suspended and not status_of(self.job).get("startTime")

    def writes(self, change: Change, what: str = "", at: float = 0.0) -> Deed:
        """Return the deed of writing the Job, as it is now, with its counts."""
        moment = max(at, self.since + LATENCY)
        return Deed(moment, WHO, self.ref, what, partial(self._write, change))

    def _write(self, change: Change, cluster: Cluster) -> None:
        live, status = cluster.objects[self.ref], status_of(self.job)
        # Who has seen an older Job is refused.
        if status_of(live) != status:
            return
        counted = {**live, "status": {**status, **self.counts}}
        if self.begins:
            counted = placed(counted, "status.startTime", cluster.stamp)
        cluster.update(self.ref, change(counted, cluster.stamp))

    def says(self, type_: str, reason: str, why: str, at: float = 0.0) -> Deed:
        """Return the deed of writing a condition that is True."""
        told = f"Job {{}} is {type_}: {reason}"
        change = partial(conditioned, type_=type_, status="True", words=(reason, why))
        return self.writes(change, told, at)


def _is_active(pod: Manifest) -> bool:
    return not is_over(pod) and not is_terminating(pod)


def is_tracked(pod: Manifest) -> bool:
    """Tell whether a pod is not counted yet by the Job it is of."""
    return TRACKING in finalizers_of(pod)


def job_controller(cluster: Cluster) -> list[Deed]:
    """Return what the Job controller could do: the first that is due of each Job."""
    deeds = _orphans(cluster)
    for ref, job in cluster.all("Job"):
        pods = cluster.dependents(job["metadata"]["uid"])
        view = View(cluster, ref, job, tuple(p for p in pods if p[0].kind == "Pod"))
        if any(is_true(job, type_) for type_ in _ENDINGS.values()):
            deeds += _releases(view)
            continue
        found = (rule(view) for rule in RULES)
        due = next((due for due in found if due is not None), None)
        deeds += due or _counts(view)
        deeds += _deadline(view)
    return deeds


def _orphans(cluster: Cluster) -> list[Deed]:
    """Return the release of each pod whose Job is gone."""
    jobs = {job["metadata"]["uid"] for _, job in cluster.all("Job")}
    return [
        Deed(cluster.since[ref] + LATENCY, WHO, ref, "", partial(_release, ref))
        for ref, pod in cluster.all("Pod")
        if is_tracked(pod) and jobs.isdisjoint(owner_uids(pod))
    ]


def _release(ref: Ref, cluster: Cluster) -> None:
    cluster.update(ref, released(cluster.objects[ref], TRACKING))


Due = list[Deed] | None
"""What a rule has to do now; None where it is the next rule's turn."""


def _counts_pods(view: View) -> Due:
    """A pod that ended is counted, then it may go; of a Job that fails, any pod is."""
    failing = is_true(view.job, "FailureTarget")
    for ref, pod in view.tracked:
        if failing or is_over(pod):
            at, deed = view.since + LATENCY, partial(_count, job=view.ref, pod=ref)
            return [Deed(at, WHO, view.ref, "", deed)]
    return None


def _lets_go(view: View) -> Due:
    """Of a Job that succeeded, or is on its way out, pods may go as they are."""
    met, going = is_true(view.job, "SuccessCriteriaMet"), is_terminating(view.job)
    if not met and not going:
        return None
    said = met or is_true(view.job, "FailureTarget")
    fails = None if said else _fails(view)
    return fails or _counts(view) or _releases(view) or None


def _releases(view: View) -> list[Deed]:
    at = view.since + LATENCY
    return [Deed(at, WHO, ref, "", partial(_release, ref)) for ref, _ in view.tracked]


def _count(cluster: Cluster, *, job: Ref, pod: Ref) -> None:
    value, ended = cluster.objects[job], cluster.objects[pod]
    field = "succeeded" if status_of(ended)["phase"] == "Succeeded" else "failed"
    total = count(status_of(value).get(field)) + 1
    cluster.update(job, placed(value, f"status.{field}", total))
    cluster.update(pod, released(ended, TRACKING))


# The intention, and the end that follows once no pod is left to end.
_ENDINGS: Final = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}


def _ends(view: View) -> Due:
    for intention, end in _ENDINGS.items():
        said = condition_of(view.job, intention)
        if said.get("status") != "True":
            continue
        if view.unfinished:
            return _deletions(view)
        # The API server lets no Job end without startTime, which goes at a suspension.
        if (told := _counts(view)) or "startTime" not in status_of(view.job):
            return told
        words = said.get("reason", ""), said.get("message", "")
        change = partial(_ended, end=end, words=words)
        return [view.writes(change, f"Job {{}} is {end}")]
    return None


def _ended(job: Manifest, stamp: str, *, end: str, words: Words) -> Manifest:
    if end == "Complete":
        job = placed(job, "status.completionTime", stamp)
    return conditioned(job, stamp, end, "True", words)


def _succeeds(view: View) -> Due:
    if not view.count("succeeded"):
        return None
    why = "Reached expected number of succeeded pods"
    says = [view.says("SuccessCriteriaMet", "CompletionsReached", why)]
    return _deletions(view, uncounted=True) or says


def _fails(view: View) -> Due:
    limit = count(spec_of(view.job).get("backoffLimit", BACKOFF_LIMIT))
    for ref, pod in view.pods:
        if why := _policy_fails(view.job, ref, pod):
            return _failing(view, "PodFailurePolicy", why)
    restarts = sum(_restarts(view.job, pod) for _, pod in view.pods)
    if view.count("failed") > limit or (restarts and restarts >= limit):
        why = "Job has reached the specified backoff limit"
        return _failing(view, "BackoffLimitExceeded", why)
    return None


def _failing(view: View, reason: str, why: str, at: float = 0.0) -> list[Deed]:
    """Return the deletion of what runs; once nothing does, the intention is told."""
    says = [view.says("FailureTarget", reason, why, at)]
    return _deletions(view, at) or says


def _policy_fails(job: Manifest, ref: Ref, pod: Manifest) -> str:
    """Return in what words podFailurePolicy ends the Job, empty where it does not."""
    if status_of(pod).get("phase") != "Failed":
        return ""
    rules = mappings(mapping(spec_of(job).get("podFailurePolicy")).get("rules"))
    for index, rule in enumerate(rules):
        wanted = mapping(rule.get("onExitCodes"))
        for entry in mappings(status_of(pod).get("containerStatuses")):
            ended = mapping(mapping(entry.get("state")).get("terminated"))
            code, name = integer(ended.get("exitCode")), entry.get("name")
            if name == wanted.get("containerName") and code in sequence(
                wanted.get("values")
            ):
                who = f"Container {name} for pod {ref.namespace}/{ref.name}"
                why = f"{who} failed with exit code {code} matching FailJob rule"
                fails = rule.get("action") == "FailJob"
                return f"{why} at index {index}" if fails else ""
    return ""


def _restarts(job: Manifest, pod: Manifest) -> int:
    """Return how often a pod was started again, if that is what counts of it."""
    policy = spec_of(mapping(spec_of(job)["template"])).get("restartPolicy")
    if policy != "OnFailure" or is_over(pod):
        return 0
    statuses = mappings(status_of(pod).get("containerStatuses"))
    return sum(count(entry.get("restartCount")) for entry in statuses)


def _deadline(view: View) -> list[Deed]:
    """Return the end by activeDeadlineSeconds, whatever else is due before it."""
    limit = integer(spec_of(view.job).get("activeDeadlineSeconds"))
    started = time_of(status_of(view.job).get("startTime"))
    over = any(is_true(view.job, type_) for type_ in (*_ENDINGS, *_ENDINGS.values()))
    if limit is None or started is None or over or spec_of(view.job).get("suspend"):
        return []
    at = (started - view.cluster.start).total_seconds() + limit
    why = "Job was active longer than specified deadline"
    return _failing(view, "DeadlineExceeded", why, at)


def _stops(view: View) -> Due:
    """A suspended Job has no pods; of one on its way out nothing is made or told."""
    if is_terminating(view.job):
        return []
    if not spec_of(view.job).get("suspend"):
        return None
    if view.active or is_true(view.job, "Suspended"):
        return _deletions(view, uncounted=True)
    return [view.writes(_suspended, "Job {} is Suspended: JobSuspended")]


def _suspended(job: Manifest, stamp: str) -> Manifest:
    # Without startTime, so that a queue may edit the template.
    kept = {k: v for k, v in status_of(job).items() if k != "startTime"}
    words = ("JobSuspended", "Job suspended")
    return conditioned({**job, "status": kept}, stamp, "Suspended", "True", words)


def _runs(view: View) -> Due:
    """A pod is made, then it is told that the Job runs; while a pod waits, before."""
    makes, tells = _makes_a_pod(view), _counts(view)
    if is_true(view.job, "Suspended"):
        tells = [view.writes(_resumed, "Job {} is resumed")]
    return [*makes, *tells] if view.count("failed") else makes or tells


def _resumed(job: Manifest, stamp: str) -> Manifest:
    words = ("JobResumed", "Job resumed")
    return conditioned(job, stamp, "Suspended", "False", words)


def _makes_a_pod(view: View) -> list[Deed]:
    """One pod, and never a second while the first has not ended."""
    if view.unfinished or "Pod" in view.cluster.refusing:
        return []
    failed = view.count("failed")
    wait = min(BACKOFF * 2.0 ** min(failed - 1, 32), BACKOFF_MAX) if failed else LATENCY
    what = "makes a pod of Job {}"
    deed = partial(_make_pod, ref=view.ref)
    return [Deed(view.since + wait, WHO, view.ref, what, deed)]


def _make_pod(cluster: Cluster, *, ref: Ref) -> None:
    cluster.create(pod_of(ref, cluster.objects[ref]))


def pod_of(ref: Ref, job: Manifest) -> Manifest:
    """Return the pod that is made of a Job as it was seen."""
    template, uid = mapping(spec_of(job)["template"]), job["metadata"]["uid"]
    given = mapping(template.get("metadata"))
    named = {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name}
    owner = {**named, "uid": uid, "controller": True, "blockOwnerDeletion": True}
    labels = {
        **mapping(given.get("labels")),
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": ref.name,
    }
    metadata = {
        "generateName": f"{ref.name}-",
        "namespace": ref.namespace,
        "labels": labels,
        "annotations": mapping(given.get("annotations")),
        "ownerReferences": [owner],
        "finalizers": [TRACKING],
    }
    base = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    return {**base, "spec": template["spec"], "status": {"phase": "Pending"}}


def _counts(view: View) -> list[Deed]:
    """Return the writing of the counts and the start, where others are told."""
    known, counts = status_of(view.job), view.counts.items()
    told = all(count(known.get(field)) == number for field, number in counts)
    return [] if told and not view.begins else [view.writes(lambda job, _: job)]


def _deletions(view: View, at: float = 0.0, *, uncounted: bool = False) -> list[Deed]:
    at, deed = max(at, view.since + LATENCY), _let_go if uncounted else _go
    return [
        Deed(at, WHO, ref, "deletes pod {}", partial(deed, ref))
        for ref, _ in view.active
    ]


def _go(ref: Ref, cluster: Cluster) -> None:
    cluster.delete(ref)


def _let_go(ref: Ref, cluster: Cluster) -> None:
    """Delete a pod and count it as nothing: it ends because we ask, not by itself."""
    _release(ref, cluster)
    cluster.delete(ref)


# The first whose case it is has its turn.
RULES: Final[tuple[Callable[[View], Due], ...]] = (
    _counts_pods,
    _lets_go,
    _ends,
    _fails,
    _succeeds,
    _stops,
    _runs,
)
