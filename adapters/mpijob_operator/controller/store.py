# SPDX-License-Identifier: Apache-2.0
"""What the watches show, sorted by job: the caches that a look reads.

Kept of each object is what the core decides by (`mpijob.sightings`), and the JSON only
where a recording is made. An object is filed under each job that it says it belongs to:
by its label, and by its controller, since either may be wrong.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from attrs import frozen

import mpijob
from mpijob import names, sightings
from mpijob.job import KIND
from mpijob.loose import Manifest, mapping, text
from mpijob.names import Ref
from mpijob.observed import LauncherJob, Live, Pod
from mpijob.sightings import Sighting
from mpijob_operator.executor import age


class Key(NamedTuple):
    """Which job: where it is, and its name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@frozen
class Seen:
    """One object as it was last seen."""

    sighting: Sighting
    manifest: Manifest | None = None  # Only where recordings are made.


Bucket = dict[Ref, Seen]


class Store:
    """Jobs and their children; written by reflectors, read by looks."""

    def __init__(self, *, keeps_manifests: bool = False) -> None:
        self.jobs: dict[Key, mpijob.MPIJob] = {}
        self.manifests: dict[Key, Manifest] = {}
        self.children: dict[Key, Bucket] = {}
        self.keeps_manifests = keeps_manifests
        self._filed: dict[Ref, tuple[Key, ...]] = {}

    # --- What reflectors write -------------------------------------------------

    def put_job(self, value: Manifest) -> Key:
        """Take in an MPIJob as it now is."""
        job = mpijob.decode(value)
        key = Key(job.namespace, job.name)
        self.jobs[key] = job
        if self.keeps_manifests:
            self.manifests[key] = value
        return key

    def drop_job(self, key: Key) -> None:
        """Take an MPIJob out."""
        self.jobs.pop(key, None)
        self.manifests.pop(key, None)

    def put(self, value: Manifest) -> tuple[Key, ...]:
        """Take in a child as it now is; return the jobs that it concerns."""
        ref = ref_of(value)
        sighting = sightings.sighting(value)
        before = self._filed.get(ref, ())
        if sighting is None:
            return before
        keys = _keys(ref, sighting)
        for key in before:
            if key not in keys:
                self._remove(key, ref)
        seen = Seen(sighting, value if self.keeps_manifests else None)
        for key in keys:
            self.children.setdefault(key, {})[ref] = seen
        self._filed[ref] = keys
        return before if keys == before else (*before, *keys)

    def drop(self, ref: Ref) -> tuple[Key, ...]:
        """Take a child out; return the jobs that it concerned."""
        keys = self._filed.pop(ref, ())
        for key in keys:
            self._remove(key, ref)
        return keys

    def refs(self, api_version: str, kind: str, namespace: str = "") -> Iterator[Ref]:
        """Yield what is known of a kind, in one namespace or in all."""
        for ref in self._filed:
            if ref[:2] == (api_version, kind) and namespace in ("", ref.namespace):
                yield ref

    def _remove(self, key: Key, ref: Ref) -> None:
        bucket = self.children[key]
        del bucket[ref]
        if not bucket:
            del self.children[key]

    # --- What a look reads -----------------------------------------------------

    def bucket(self, key: Key) -> Mapping[Ref, Seen]:
        """Return what is filed under a job."""
        return self.children.get(key, {})


def sights(
    job: mpijob.MPIJob, bucket: Mapping[Ref, Seen], strangers: Iterable[Seen] = ()
) -> tuple[Seen, ...]:
    """Put together what one look sees, each object once.

    Args:
        job: The job that is looked at.
        bucket: What the caches show of it.
        strangers: What was read live by name, since no cache may show it.
    """
    found = {**bucket}
    for seen in strangers:
        ref = _ref_of(job, seen.sighting)
        found[ref] = newer(seen, found.get(ref))
    return tuple(found.values())


def observed(job: mpijob.MPIJob, seen: Iterable[Seen]) -> mpijob.Observed:
    """Return what the core is told of what was seen."""
    return sightings.assembled((one.sighting for one in seen), job)


def newer(one: Seen, other: Seen | None) -> Seen:
    """Return the later of two sights of one name."""
    if other is None:
        return one
    ours, theirs = one.sighting.resource_version, other.sighting.resource_version
    return one if age(ours) >= age(theirs) else other


def with_live(
    bucket: Mapping[Ref, Seen], live: Mapping[Live, Iterable[Seen]], job: mpijob.MPIJob
) -> dict[Ref, Seen]:
    """Return what the caches show, with what was read live in its place."""
    replaced = {"Pod": Live.PODS, "Job": Live.LAUNCHER}
    kept = {
        ref: seen for ref, seen in bucket.items() if replaced.get(ref.kind) not in live
    }
    read = (seen for some in live.values() for seen in some)
    return {**kept, **{_ref_of(job, seen.sighting): seen for seen in read}}


def ref_of(value: Manifest) -> Ref:
    """Return where an object that a cluster returned is."""
    metadata = mapping(value.get("metadata"))
    return Ref(
        text(value, "apiVersion"),
        text(value, "kind"),
        text(metadata, "namespace") or "default",
        text(metadata, "name"),
    )


def _ref_of(job: mpijob.MPIJob, sighting: Sighting) -> Ref:
    if isinstance(sighting, Pod):
        return Ref("v1", "Pod", job.namespace, sighting.name)
    if isinstance(sighting, LauncherJob):
        return Ref("batch/v1", "Job", job.namespace, sighting.name)
    return sighting.ref


def _keys(ref: Ref, sighting: Sighting) -> tuple[Key, ...]:
    """Return the jobs that an object says it belongs to."""
    claims = [sighting.labels.get(names.JOB_NAME_LABEL, "")]
    if sighting.owner.kind == KIND:
        claims.append(sighting.owner.name)
    return tuple(Key(ref.namespace, name) for name in dict.fromkeys(claims) if name)
