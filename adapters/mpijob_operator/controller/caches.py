# SPDX-License-Identifier: Apache-2.0
"""Every cache of the process: what reflectors tell, and which jobs that concerns."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from attrs import define, field

import mpijob
from mpijob.job import KIND
from mpijob.loose import Manifest, integer, text
from mpijob.names import Ref
from mpijob_operator.controller.kinds import PRIORITY_CLASSES, Watched
from mpijob_operator.controller.memory import Progress
from mpijob_operator.controller.queue import Queue
from mpijob_operator.controller.reflector import Reflector
from mpijob_operator.controller.store import Key, Store, ref_of
from mpijob_operator.executor import Kind

# A change is looked at together with those that come right after it: a thousand pods
# that start one after the other are a few looks, and not a thousand.
COALESCE_S: Final = 0.1
# Each pod of a job makes a look longer, so the looks become rarer as well.
COALESCE_POD_S: Final = 0.0005


def _nobody(key: Key) -> None:
    del key


@define
class Caches:
    """What is known of the cluster, and how new it is."""

    store: Store
    queue: Queue
    left: Callable[[Key], None] = _nobody  # Told of a job that is gone.
    reflectors: list[Reflector] = field(factory=list[Reflector])
    # Jobs that wait for a cache, and since when.
    waiting: dict[Key, float] = field(factory=dict[Key, float])
    _classes: dict[Ref, mpijob.PriorityClass] = field(
        factory=dict[Ref, mpijob.PriorityClass]
    )

    @property
    def priority_classes(self) -> tuple[mpijob.PriorityClass, ...]:
        """The priority classes of the cluster."""
        return tuple(self._classes.values())

    @property
    def unsynced(self) -> tuple[str, ...]:
        """The kinds that were not listed yet, and where."""
        return tuple(
            f"{reflector.kind.kind} {reflector.namespace}".strip()
            for reflector in self.reflectors
            if not reflector.synced
        )

    def of(self, namespace: str) -> dict[Kind, Reflector]:
        """Return the reflectors that show a namespace."""
        return {
            reflector.kind.key: reflector
            for reflector in self.reflectors
            if reflector.namespace in ("", namespace)
        }

    def progress(self, namespace: str) -> Mapping[Kind, Progress]:
        """Return how far each kind has come."""
        return {kind: each.progress for kind, each in self.of(namespace).items()}

    # --- What reflectors tell ---------------------------------------------------

    def replaced(
        self, kind: Watched, namespace: str, items: Iterable[Manifest]
    ) -> None:
        """Take in a whole list: what is not in it is gone."""
        present: set[Ref] = set()
        for value in items:
            present.add(ref_of(value))
            self.changed(kind, value)
        for ref in [*self._known(kind, namespace)]:
            if ref not in present:
                self._drop(kind, ref)
        # Those that wait for a cache may go on.
        for key in self.waiting:
            self.queue.add(key)

    def changed(self, kind: Watched, value: Manifest) -> None:
        """Take in an object as it now is."""
        if kind.kind == KIND:
            self.queue.add(self.store.put_job(value))
        elif kind == PRIORITY_CLASSES:
            name = text(value.get("metadata"), "name")
            number = integer(value.get("value")) or 0
            default = value.get("globalDefault") is True
            self._classes[ref_of(value)] = mpijob.PriorityClass(name, number, default)
        else:
            self._add(self.store.put(value))

    def gone(self, kind: Watched, value: Manifest) -> None:
        """Take out an object."""
        self._drop(kind, ref_of(value))

    def _known(self, kind: Watched, namespace: str) -> Iterable[Ref]:
        if kind == PRIORITY_CLASSES:
            return self._classes
        if kind.kind != KIND:
            return self.store.refs(*kind.key, namespace)
        return (
            Ref(*kind.key, *key)
            for key in self.store.jobs
            if namespace in ("", key.namespace)
        )

    def _drop(self, kind: Watched, ref: Ref) -> None:
        if kind == PRIORITY_CLASSES:
            self._classes.pop(ref, None)
        elif kind.kind == KIND:
            key = Key(ref.namespace, ref.name)
            self.store.drop_job(key)
            self.waiting.pop(key, None)
            self.queue.forget(key)
            self.left(key)
        else:
            self._add(self.store.drop(ref))

    def _add(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if key in self.store.jobs:
                pods = len(self.store.bucket(key))
                self.queue.add(key, COALESCE_S + COALESCE_POD_S * pods)
