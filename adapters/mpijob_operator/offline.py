# SPDX-License-Identifier: Apache-2.0
"""Ask the function without a cluster: of files, of a state, or of an edit to it.

Rule: what is answered is the core's. Here is only what it is asked: which job, with
which uid, status and generation, and what of it is there.

An observation from files counts as a live one: there is nothing newer to look at.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from attrs import evolve

import mpijob
from mpijob import sightings
from mpijob.loose import NOTHING, Manifest, mapping, text
from mpijob.names import Child
from mpijob.status import ConditionType, JobStatus, Reason
from mpijob_operator import documents, keypair, manifests, options, pod_waits
from mpijob_operator.documents import OBSERVED_BYTES_MAX, Document, InputError
from mpijob_operator.manifests import DEFAULT_NAMESPACE, Key, Manifested, key_text
from mpijob_operator.state import State, applied, state_of
from mpijob_operator.streams import Streams

LIVE: Final = frozenset(mpijob.Live)

# What the API server alone writes: a manifest that has it came out of a cluster.
_SERVERS: Final = ("resourceVersion", "generation", "deletionTimestamp")


class Asked(NamedTuple):
    """One job to be asked about."""

    manifested: Manifested
    manifest: Manifest  # As it would be in the cluster.
    before: Manifest | None = None  # As it is there now.
    observed: mpijob.Observed = mpijob.Observed(live=LIVE)
    # Why pods do not run, by their names, in the cluster's words.
    waits: Mapping[str, str] = NOTHING

    @property
    def job(self) -> mpijob.MPIJob:
        """The job."""
        return mpijob.decode(self.manifest)

    @property
    def edited(self) -> bool:
        """Whether a spec that is in the cluster would change."""
        before = self.before
        return before is not None and before.get("spec") != self.manifest.get("spec")


class Planned(NamedTuple):
    """One job, the function's answer, and what is left to do."""

    asked: Asked
    job: mpijob.MPIJob
    answer: mpijob.Reconciliation
    steps: mpijob.Plan

    @property
    def problems(self) -> tuple[mpijob.Problem, ...]:
        """All that is wrong with the job, or with the edit."""
        found = (*self.answer.problems, *_refused_edit(self.asked))
        return manifests.all_problems(self.asked.manifested, found)

    @property
    def warnings(self) -> tuple[mpijob.Problem, ...]:
        """All that is likely a mistake."""
        return (*self.answer.warnings, *self.asked.manifested.dropped)

    def seen(self, action: mpijob.Apply) -> Manifest:
        """Return the object that an apply changes, as it was seen."""
        things = self.asked.observed.things
        return next((t.manifest for t in things if t.uid == action.uid), NOTHING)


def _refused_edit(asked: Asked) -> Iterator[mpijob.Problem]:
    """Yield what the CRD says of an edit: the function never sees two specs."""
    old, new = (_policy(each) for each in (asked.before or NOTHING, asked.manifest))
    was, path = old.get("managedBy"), "spec.runPolicy.managedBy"
    if was and was != new.get("managedBy"):
        yield mpijob.Problem(path, "cannot change once it is set", "make a new job")


def _policy(manifest: Manifest) -> Manifest:
    return mapping(mapping(manifest.get("spec")).get("runPolicy"))


class Question(NamedTuple):
    """What a command line asks about, and the surroundings."""

    asked: tuple[Asked, ...]
    world: mpijob.World
    state: State | None = None  # None: nothing was said of a cluster.
    failed: bool = False  # Something could not be read, and it was said.


def planned(asked: Asked, world: mpijob.World) -> Planned:
    """Ask the function about one job."""
    job = asked.job
    answer = mpijob.reconcile(job, asked.observed, world)
    return Planned(asked, job, answer, mpijob.plan(job, asked.observed, answer))


def question(arguments: argparse.Namespace, streams: Streams) -> Question | None:
    """Read what the options name; say what could not be read.

    Returns:
        None where nothing sensible can be asked: the state or the surroundings are not
        known.
    """
    world = options.world(arguments, streams)
    files = options.names(arguments.filename)
    found = documents.read(files, streams.stdin)
    for error in found.errors:
        streams.error(str(error), error.hint)
    default = _default_namespace(arguments)
    jobs = list(manifests.jobs_of(found.documents, arguments.namespace, default))
    namespaces = {job.key[0] for job in jobs if isinstance(job, Manifested)}
    state, state_read = _state(arguments, namespaces or {default}, streams)
    if world is None or not state_read:
        return None
    failed = bool(found.errors)
    if files:
        given, refused = _given(found.documents, jobs, streams)
        failed = failed or refused
        if not given and not failed:
            streams.error("there is no MPIJob in what was given", AN_MPIJOB)
            failed = True
    else:
        given = [
            manifests.manifested(document)
            for key, document in (state.jobs.items() if state else ())
            if arguments.namespace in (None, key[0])
        ]
    asked = (_asked(each, state, streams, edit=bool(files)) for each in given)
    return Question(tuple(asked), world, state, failed)


AN_MPIJOB: Final = "an MPIJob begins with apiVersion: kubeflow.org/v2beta1"


def _given(
    found: tuple[Document, ...],
    jobs: list[Manifested | InputError],
    streams: Streams,
) -> tuple[list[Manifested], bool]:
    """Return the MPIJobs of manifests, and whether one had to be refused."""
    for other in manifests.others_of(found):
        streams.note(other)
    given = [each for each in jobs if isinstance(each, Manifested)]
    wrong = [each for each in jobs if isinstance(each, InputError)]
    wrong.extend(manifests.repeated(given))
    for error in wrong:
        streams.error(str(error), error.hint)
    once = {each.key: each for each in reversed(given)}
    return [each for each in given if once[each.key] is each], bool(wrong)


def _state(
    arguments: argparse.Namespace, namespaces: set[str], streams: Streams
) -> tuple[State | None, bool]:
    """Return the state of the cluster, if one is given, and whether it was all read."""
    names = options.names(arguments.observed)
    if not names and not getattr(arguments, "live", False):
        return None, True
    found = documents.read(names, streams.stdin, bytes_max=OBSERVED_BYTES_MAX)
    if not names:
        read = _live(arguments, namespaces, streams)
        if read is None:
            return None, False
        found = documents.of_text("cluster", read)
    for error in found.errors:
        streams.error(str(error), error.hint)
    jobs = filter(manifests.is_job, found.documents)
    wrong = [error for error in map(manifests.wrong_version, jobs) if error]
    for error in wrong:
        streams.error(str(error), error.hint)
    state = state_of(found.documents)
    for repeated in state.repeated:
        streams.warning(f"{repeated}; the later one counts")
    return state, not found.errors and not wrong


def _default_namespace(arguments: argparse.Namespace) -> str:
    """Return the namespace of what names none: with --live, kubectl's."""
    if arguments.namespace or not getattr(arguments, "live", False):
        return arguments.namespace or DEFAULT_NAMESPACE
    try:
        # Here, because the way to a cluster takes longer than most plans.
        from mpijob_operator.controller import connection  # noqa: PLC0415 - see above.
    except ModuleNotFoundError:
        return DEFAULT_NAMESPACE
    return connection.namespace(arguments.kubeconfig) or DEFAULT_NAMESPACE


def _live(
    arguments: argparse.Namespace, namespaces: set[str], streams: Streams
) -> str | None:
    """Return what the cluster holds, as kubectl prints it; None if it does not tell."""
    try:
        from mpijob_operator.controller import live  # noqa: PLC0415 - as above.
    except ModuleNotFoundError:
        streams.error("what talks to a cluster is not installed", keypair.NEEDED)
        return None
    asked = {""} if arguments.all_namespaces else namespaces
    try:
        return live.state(arguments.kubeconfig, sorted(asked))
    except live.Unread as error:
        streams.error(str(error), error.hint)
        return None


def _asked(
    given: Manifested, state: State | None, streams: Streams, *, edit: bool
) -> Asked:
    """Put a job together with what is there of it."""
    key = given.key
    there = state.jobs.get(key) if state else None
    if not edit:
        manifest: Manifest = given.value
        before: Manifest | None = given.value
    elif there is not None:
        before = manifests.schema().with_defaults(there.value)
        manifest = _edited(given, there.value, before)
    else:
        before = None
        manifest = _fresh(given.value, _uid(given, state, key, streams))
    observed = mpijob.Observed(live=LIVE)
    if state is not None:
        job = mpijob.decode(manifest)
        observed = evolve(
            sightings.observed(state.objects, job),
            live=LIVE,
            refusals=tuple(_told(job.status)),
        )
        begun = job.status.start_time is not None or observed.pods
        if begun and state.missing:
            kinds = ", ".join(state.missing)
            streams.note(
                f"the state has no {kinds} at all: they count as missing",
                f"{options.ALL} prints all",
            )
    pods = state.pods(key[0]) if state else ()
    waits = {name: words for name, pod in pods if (words := pod_waits.why(pod))}
    return Asked(given, manifest, before, observed, waits)


# What is in the way and is seen, without a status that tells of it.
_SEEN: Final = frozenset(
    (Reason.RESOURCE_EXISTS, Reason.INVALID_SPEC, Reason.UNREADABLE_CHILD)
)


def _told(status: JobStatus) -> Iterator[mpijob.Refusal]:
    """Yield what the status says was refused.

    Only the operator heard it; until it was tried again it stands, as there.
    """
    blocked = status.condition(ConditionType.BLOCKED)
    if blocked is None or blocked.status != "True" or blocked.reason in _SEEN:
        return
    for child in Child:
        what, _, words = blocked.message.partition(": ")
        kind, _, name = what.rpartition(" ")
        if kind == child.value:
            yield mpijob.Refusal(child, name, blocked.reason, words)


def _edited(given: Manifested, old: Manifest, before: Manifest) -> Manifest:
    """Return the object after the edit, with the generation that it then has.

    What the manifest leaves to a default is merged as not said: it may be said already.
    """
    after = manifests.schema().with_defaults(applied(given.document.value, old))
    if after.get("spec") == before.get("spec"):
        return after
    metadata = mapping(after.get("metadata"))
    generation = metadata.get("generation")
    counted = generation + 1 if isinstance(generation, int) else 2
    return {**after, "metadata": {**metadata, "generation": counted}}


def _uid(given: Manifested, state: State | None, key: Key, streams: Streams) -> str:
    uid = text(given.value.get("metadata"), "uid")
    if uid or state is None or not (found := state.uid_of(key)):
        return uid
    streams.note(
        f"the state has children of MPIJob {key_text(key)} and not the job itself:"
        " its status counts as lost"
    )
    return found


def _fresh(value: Manifest, uid: str) -> Manifest:
    """Return a job that is in no cluster: what only a cluster knows of it is left out.

    The uid stays, so that what `kubectl get -o yaml` printed can be planned with owner
    references.
    """
    metadata = mapping(value.get("metadata"))
    kept = {key: metadata[key] for key in metadata if key not in _SERVERS}
    fresh = {**value, "metadata": {**kept, **({"uid": uid} if uid else NOTHING)}}
    fresh.pop("status", None)
    return fresh


def report(planned: Planned, streams: Streams) -> bool:
    """Say what is wrong with a job, and what is likely so; tell whether it is wrong."""
    document = planned.asked.manifested.document
    for problem in _in_order(document, planned.warnings):
        streams.warning(_placed(document, problem), problem.hint)
    for problem in _in_order(document, planned.problems):
        streams.error(_placed(document, problem), problem.hint)
    return bool(planned.problems)


def possible(plans: Iterable[Planned], streams: Streams) -> list[Planned]:
    """Return what can come to be: the rest the API server would refuse, we say so.

    A job that is in a cluster as it is was taken there, by whatever schema.
    """
    found: list[Planned] = []
    for planned in plans:
        asked = planned.asked
        if asked.manifested.refused and (asked.before is None or asked.edited):
            name = key_text(asked.manifested.key)
            streams.note(f"MPIJob {name} is passed over: the API server refuses it")
        else:
            found.append(planned)
    return found


def _placed(document: Document, problem: mpijob.Problem) -> str:
    return f"{document.place_of(problem.path)}: {problem}"


def _in_order(
    document: Document, problems: tuple[mpijob.Problem, ...]
) -> Iterator[mpijob.Problem]:
    yield from sorted(problems, key=lambda problem: document.line_of(problem.path))
