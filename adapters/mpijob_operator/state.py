# SPDX-License-Identifier: Apache-2.0
"""The state of a cluster, as `kubectl get ... -o yaml` prints it.

Lists, several documents and files, in any order: it is a set of objects. Of two with
one name the later counts.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, cast

from mpijob import sightings
from mpijob.job import API_VERSION, KIND
from mpijob.loose import NOTHING, Manifest, mapping, text
from mpijob_operator.documents import Document
from mpijob_operator.field_path import printable
from mpijob_operator.manifests import DEFAULT_NAMESPACE, Key

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

# Every job that has started has these until it is deleted; a state without any was
# most likely asked for without them.
ALWAYS: Final = ("Service", "ConfigMap", "Secret")


class State(NamedTuple):
    """What is there."""

    objects: tuple[Manifest, ...]
    jobs: Mapping[Key, Document]  # Of our version of the API.
    repeated: tuple[str, ...] = ()  # What is in it twice, as a sentence.

    @property
    def missing(self) -> tuple[str, ...]:
        """The kinds that should be there, where no object of any of them is."""
        kinds = {value.get("kind") for value in self.objects}
        return () if kinds & set(ALWAYS) else ALWAYS

    def pods(self, namespace: str) -> Iterator[tuple[str, Manifest]]:
        """Yield the pods of a namespace by their names, whoever made them."""
        for value in self.objects:
            where, name = _key(value)
            if value.get("kind") == "Pod" and where == namespace:
                yield name, value

    def uid_of(self, key: Key) -> str:
        """Return the uid of a job by what its children say; empty where they differ.

        A state without the MPIJob itself still tells whose the children are.
        """
        namespace, name = key
        owners = {
            owner.uid
            for value in self.objects
            if _key(value)[0] == namespace
            and (owner := sightings.owner(mapping(value.get("metadata")))).kind == KIND
            and owner.name == name
        }
        return owners.pop() if len(owners) == 1 else ""


def _key(value: Manifest) -> Key:
    metadata = mapping(value.get("metadata"))
    return text(metadata, "namespace") or DEFAULT_NAMESPACE, text(metadata, "name")


def state_of(found: Iterable[Document]) -> State:
    """Sort what was read."""
    by_name: dict[tuple[str, str, Key], Document] = {}
    repeated: list[str] = []
    for document in found:
        group = document.api_version.rpartition("/")[0]
        whole = (group, document.kind, _key(document.value))
        if whole in by_name:
            name = printable(whole[2][1])
            place = document.place_of()
            repeated.append(f"{place}: {document.kind} {name} is there twice")
        by_name[whole] = document
    jobs = {
        key: document
        for (_, kind, key), document in by_name.items()
        if kind == KIND and document.api_version == API_VERSION
    }
    objects = tuple(document.value for document in by_name.values())
    return State(objects, jobs, tuple(repeated))


def applied(new: Manifest, old: Manifest) -> Manifest:
    """Return an object after `kubectl apply` of a manifest to it.

    What kubectl applied before and the manifest does not have any more goes; what
    others put there stays. An object that kubectl did not apply tells nothing of that:
    the manifest is then all there is to be, as with `kubectl replace`, labels and
    annotations apart.
    """
    metadata = mapping(old.get("metadata"))
    notes = mapping(metadata.get("annotations"))
    last = _last_applied(text(notes, LAST_APPLIED))
    ours = mapping(new.get("metadata"))
    merged = {
        key: _merged(mapping(last_part.get(key)), ours.get(key), metadata.get(key))
        for last_part in (mapping(last.get("metadata")),)
        for key in ("labels", "annotations")
        if key in ours or key in metadata
    }
    spec = new.get("spec")
    if last:
        spec = _merged(mapping(last.get("spec")), spec, old.get("spec"))
    return {**old, "metadata": {**metadata, **merged}, "spec": spec}


def _last_applied(annotation: str) -> Manifest:
    try:
        return mapping(json.loads(annotation)) if annotation else NOTHING
    # Nested more deeply than any manifest that was applied, it is none.
    except (ValueError, RecursionError):
        return NOTHING


def _merged(last: Manifest, new: object, old: object) -> object:
    """Merge as a JSON merge patch of three sides does: lists are one value."""
    if isinstance(old, Mapping) and (new is None or isinstance(new, Mapping)):
        sides = cast("Manifest", new or NOTHING), cast("Manifest", old)
        return dict(_merged_fields(last, *sides))
    return new


def _merged_fields(
    last: Manifest, new: Manifest, old: Manifest
) -> Iterator[tuple[str, object]]:
    for key, value in old.items():
        if key in new:
            yield key, _merged(mapping(last.get(key)), new[key], value)
        elif key not in last:
            yield key, value
    for key, value in new.items():
        if key not in old:
            yield key, value
