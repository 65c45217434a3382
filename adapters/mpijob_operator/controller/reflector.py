# SPDX-License-Identifier: Apache-2.0
"""Keep a cache of one kind as new as the API server lets us.

A list without a resourceVersion is consistent; one with "0" may go back in time, so
none asks for it. A watch that ends or breaks off is followed by one from the version
that came last, and by no list. What leads to a list: somebody asks for it (`refresh`);
the API server will not go on from our version (410, 400); a watch from it stays silent
where bookmarks are due, as one does from a version that the API server has yet to
reach; or several in a row show nothing and end at once, as where something in between
lets no watch through: then lists must do. Whatever fails is tried again, later each
time: an API server that is in trouble is not helped by being asked.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from attrs import define, evolve, field

from mpijob.loose import Manifest, integer, text
from mpijob_operator.controller.api import (
    JSON,
    METADATA,
    METADATA_LIST,
    Api,
    Unreachable,
    Watch,
)
from mpijob_operator.controller.kinds import Watched
from mpijob_operator.controller.memory import Progress
from mpijob_operator.executor import age

# The server ends a watch after this, and a little at random, so that the watches of a
# thousand clients do not all begin at once.
WATCH_S: Final = 300.0
# Bookmarks come about once a minute. Whoever says nothing for longer is not there.
SILENCE_S: Final = 150.0
FIRST_PAUSE_S: Final = 0.5
PAUSE_MAX_S: Final = 30.0
# A cache that is asked for more often is not made newer by it.
REFRESH_S: Final = 5.0
# A watch that ends sooner is no better than one that fails.
BRIEF_S: Final = 1.0
# So many of those in a row that showed nothing, and it is listed.
BARREN_MAX: Final = 3

# A version that is none to the API server any more, and one that never was.
_UNUSABLE: Final = frozenset((410, 400))
# What a line of a watch shows; of anything else something in between is the author.
_SHOWN: Final = frozenset(("ADDED", "MODIFIED", "DELETED", "BOOKMARK"))

_log: Final = logging.getLogger(__name__)


class Sink(Protocol):
    """Where a reflector writes."""

    def replaced(
        self, kind: Watched, namespace: str, items: Iterable[Manifest]
    ) -> None:
        """Take in a whole list: what is not in it is gone."""
        ...

    def changed(self, kind: Watched, value: Manifest) -> None:
        """Take in an object as it now is."""
        ...

    def gone(self, kind: Watched, value: Manifest) -> None:
        """Take out an object."""
        ...


def _chance() -> float:
    # Spreads clients apart; nothing is decided by it.
    return random.random()  # noqa: S311 - see above.


@define
class Reflector:
    """One kind, in one namespace or in all."""

    api: Api
    kind: Watched
    namespace: str
    sink: Sink
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = _chance
    progress: Progress = field(factory=Progress)
    relists: int = 0
    # Whether a watch can go on from the version that we have.
    _usable: bool = False
    _wanted: bool = False
    _hurry: asyncio.Event = field(factory=asyncio.Event)
    _open: Watch | None = None
    _failures: int = 0
    _barren: int = 0

    @property
    def synced(self) -> bool:
        """Whether it was listed once."""
        return self.progress.listed > float("-inf")

    @property
    def wants_list(self) -> bool:
        """Whether it was asked to list anew, and has not begun."""
        return self._wanted

    def refresh(self, *, at_once: bool = False) -> None:
        """List anew: whoever asks has reason to think that this cache is old.

        Args:
            at_once: Whether to list however new the cache is, and not to wait for the
                end of a pause. Many may ask for the other; for this, one at a time.
        """
        if at_once or self.clock() - self.progress.listed >= REFRESH_S:
            self._wanted = True
            if at_once:
                self._hurry.set()
            if self._open is not None:
                self._open.close()

    async def run(self) -> None:
        """List, watch, and watch on from there; for ever."""
        while True:
            try:
                if self._wanted or not self._usable:
                    await self._list()
                else:
                    await self._watch()
            except Unreachable as trouble:
                if trouble.code in _UNUSABLE:
                    self._usable = False
                if self._usable and self._wanted:
                    continue  # It was broken off for a list.
                await self._pause(trouble)

    async def _list(self) -> None:
        """Take in what there is; whoever asks meanwhile is answered by the next.

        Raises:
            Unreachable: It cannot be told.
        """
        self._wanted = self._usable = False
        self._hurry.clear()
        asked = self.clock()
        accept = METADATA_LIST if self.kind.metadata_only else JSON
        items, version = await self.api.read_all(self._path, self._selector, accept)
        self.progress = Progress(version, asked)
        self._usable, self._barren = True, 0
        self.relists += 1
        self.sink.replaced(self.kind, self.namespace, map(self._typed, items))

    async def _watch(self) -> None:
        """Take in what happens from the version that we have.

        Raises:
            Unreachable: It could not be opened, broke off, or is too old to go on.
        """
        query = {
            **self._selector,
            "resourceVersion": self.progress.version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(WATCH_S * (1 + self.chance()))),
        }
        accept = METADATA if self.kind.metadata_only else JSON
        if self.kind.metadata_only:
            accept = f"{METADATA};stream=watch,{METADATA}"
        async with self.api.watch(self._path, query, accept, SILENCE_S) as watch:
            await self._follow(watch)

    async def _follow(self, watch: Watch) -> None:
        """Take in what a watch shows, until it ends.

        Raises:
            Unreachable: It broke off, ended at once, or is too old to go on.
        """
        opened = self.clock()
        self._open = watch
        shown = False
        try:
            if self._wanted:
                return  # Somebody asked while it was opened.
            async for type_, value in watch.events():
                shown = self._take(type_, value) or shown
        except Unreachable as trouble:
            if isinstance(trouble.__cause__, TimeoutError):
                self._usable = False
            raise
        finally:
            self._open = None
            lasted = self.clock() - opened >= BRIEF_S
            if shown or lasted:
                self._failures = self._barren = 0
            else:
                self._barren += 1
                self._usable = self._usable and self._barren < BARREN_MAX
        if not lasted:
            raise Unreachable(0, "the watch ended at once")

    def _take(self, type_: str, value: Manifest) -> bool:
        """Take in one line of a watch; tell whether it is one.

        Raises:
            Unreachable: It says why no more come.
        """
        if type_ == "ERROR":
            code = integer(value.get("code")) or 0
            raise Unreachable(code, text(value, "message"))
        if type_ not in _SHOWN:
            return False
        version = text(value.get("metadata"), "resourceVersion")
        if age(version) < age(self.progress.version):
            return True  # Told again: what came after it is known (KEP-5504).
        self.progress = evolve(self.progress, version=version)
        if type_ == "DELETED":
            self.sink.gone(self.kind, self._typed(value))
        elif type_ != "BOOKMARK":
            self.sink.changed(self.kind, self._typed(value))
        return True

    async def _pause(self, trouble: Unreachable) -> None:
        self._failures += 1
        longest = min(FIRST_PAUSE_S * 2.0 ** min(self._failures, 16), PAUSE_MAX_S)
        wait = longest * (1 + self.chance()) / 2
        _log.warning(
            "cannot watch",
            extra={
                "kind": self.kind.kind,
                "code": trouble.code,
                "why": str(trouble),
                "again_in_s": round(wait, 1),
            },
        )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), wait)

    @property
    def _path(self) -> str:
        return self.kind.path(self.namespace)

    @property
    def _selector(self) -> dict[str, str]:
        return {"labelSelector": self.kind.selector} if self.kind.selector else {}

    def _typed(self, value: Manifest) -> Manifest:
        """Return an object that says what it is; the items of a list do not."""
        types: dict[str, Any] = {
            "apiVersion": self.kind.api_version,
            "kind": self.kind.kind,
        }
        return {**value, **types}
