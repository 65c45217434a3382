# SPDX-License-Identifier: Apache-2.0
"""`mpijob run` as a whole: what is started, in which order, and how it ends.

Order is safety here: permissions are asked for before anything is watched, caches are
warm before we lead, nothing is written before, and the Lease is given back only after
the last request was answered (B8.8).
"""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final, TypeVar

from kubernetes.aio import config

from mpijob_operator.controller import health, kinds, logs
from mpijob_operator.controller.api import (
    WRITE_S,
    Api,
    Deposed,
    opened,
)
from mpijob_operator.controller.arrival import (
    Served,
    Unfit,
    adopt,
    discovered,
    permitted,
)
from mpijob_operator.controller.caches import Caches
from mpijob_operator.controller.connection import connect
from mpijob_operator.controller.controller import Controller, Witness
from mpijob_operator.controller.election import Election
from mpijob_operator.controller.flags import Flags
from mpijob_operator.controller.journal import Journal
from mpijob_operator.controller.metrics import Metrics
from mpijob_operator.controller.queue import Queue
from mpijob_operator.controller.recorder import Recorder
from mpijob_operator.controller.reflector import Reflector
from mpijob_operator.controller.store import Store
from mpijob_operator.streams import Streams

DONE: Final = 0
FAILED: Final = 1

# A pod has 30 s to end. Looks under way have so long to end by themselves; then nothing
# more is sent, and what was sent is answered within WRITE_S or can no longer land.
DRAIN_S: Final = 1.0

# So many objects more than before, and garbage is looked for: a burst makes a hundred
# thousand that go by themselves, and the usual 700 took a tenth of its processor time.
GARBAGE: Final = 50_000

# As long as a lease takes that nobody holds.
HASTE_S: Final = 0.5

_log: Final = logging.getLogger(__name__)

_T = TypeVar("_T")


def run(flags: Flags, streams: Streams) -> int:
    """Run until a signal ends it, or the lease is lost; return the exit code."""
    gc.set_threshold(GARBAGE)
    logs.configure(flags.log_format, flags.log_level, sys.stderr)
    try:
        return asyncio.run(_main(flags))
    except Unfit as error:
        streams.error(str(error))
    except config.ConfigException as error:
        streams.error(f"there is no way to a cluster: {error}")
    except health.Unavailable as error:
        streams.error(str(error))
    return FAILED


async def _main(flags: Flags) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    for flag in flags.ignored:
        _log.warning("flag without effect", extra={"flag": flag})
    connection = await connect(flags.kubeconfig, flags.master)
    metrics = Metrics()
    api = await opened(
        connection, per_second=flags.kube_api_qps, burst=flags.kube_api_burst
    )
    api.tally = metrics.asked
    async with contextlib.aclosing(api):
        return await _Process(flags, api, metrics, stop).run()


def _never() -> bool:
    return False


class _Process:
    """What runs, from start to end."""

    def __init__(
        self, flags: Flags, api: Api, metrics: Metrics, stop: asyncio.Event
    ) -> None:
        self.flags, self.api, self.metrics, self.stop = flags, api, metrics, stop
        self.identity = f"{socket.gethostname()}_{uuid.uuid4()}"

    async def run(self) -> int:
        """Start everything, lead, work; return the exit code."""
        flags = self.flags
        served = await self._unless_over(self._asked())
        if served is None:
            return DONE
        controller = self._controller(served)
        async with self._serving(controller), asyncio.TaskGroup() as group:
            watching: list[asyncio.Task[None]] = []

            def watch() -> None:
                reflectors = controller.caches.reflectors
                watching.extend(group.create_task(r.run()) for r in reflectors)

            try:
                if flags.leader_elect:
                    return await self._elected(controller, watch)
                watch()
                if await self._synced(controller, 0.0):
                    self.metrics.leads(leads=True)  # Nobody else is asked.
                    await self._work(controller, None)
                return DONE
            finally:
                for task in watching:
                    task.cancel()

    async def _asked(self) -> Served:
        """Ask what the cluster has and what we may do there.

        Raises:
            Unfit: We cannot work here.
        """
        served = await discovered(self.api, self.flags)
        groups = {watched.api_version.partition("/")[0] for watched in served.watched}
        await permitted(self.api, self.flags, groups)
        return served

    def _controller(self, served: Served) -> Controller:
        flags = self.flags
        store = Store(keeps_manifests=bool(flags.record))
        caches = Caches(store, Queue())
        watched = list(served.watched)
        if flags.namespace:
            # A Role reaches into a namespace, and PriorityClasses are in none.
            _log.info("priority classes are not watched", extra={"why": "--namespace"})
        else:
            watched.append(kinds.PRIORITY_CLASSES)
        for kind in watched:
            for namespace in flags.namespaces if kind.namespaced else ("",):
                caches.reflectors.append(Reflector(self.api, kind, namespace, caches))
        witnesses: list[Witness] = [self.metrics, Journal()]
        if flags.record:
            witnesses.append(Recorder(flags.record))
        controller = Controller(
            self.api,
            caches,
            served.settings,
            instance=self.identity[:128],
            witnesses=tuple(witnesses),
        )
        caches.left = controller.left
        self.metrics.watch(caches)
        return controller

    @contextlib.asynccontextmanager
    async def _serving(self, controller: Controller) -> AsyncGenerator[None]:
        """Answer probes and Prometheus meanwhile.

        Raises:
            health.Unavailable: A port is taken.
        """
        server = health.Health(
            unsynced=lambda: controller.caches.unsynced,
            stuck_s=lambda: controller.stuck_s,
            metrics=self.metrics.text,
        )
        flags = self.flags
        await server.start(flags.bind_address, flags.health_port, flags.monitoring_port)
        try:
            yield
        finally:
            await server.stop()

    # --- Leading ------------------------------------------------------------

    async def _elected(self, controller: Controller, watch: Callable[[], None]) -> int:
        """Wait for the Lease, and for caches that are newer; work; give it back."""
        election = Election(
            self.api.send, identity=self.identity, namespace=self.flags.lock_namespace
        )
        self.api.leads = election.leads
        standing = asyncio.create_task(election.run())
        clean = True
        try:
            # Whoever is alone leads at once, and lists once; a standby keeps warm.
            alone = await self._until(election.leads, standing, HASTE_S)
            since = time.monotonic()
            watch()
            if not await self._synced(controller, 0.0):
                return DONE
            if not await self._until(election.leads, standing):
                return FAILED if standing.done() else DONE
            self.metrics.leads(leads=True)
            _log.info("leading", extra={"identity": self.identity})
            # A cache that was warm may not show yet what the old leader wrote last.
            since = since if alone else time.monotonic()
            if not await self._synced(controller, since):
                return DONE
            code, clean = await self._work(controller, standing)
            return code
        finally:
            self.metrics.leads(leads=False)
            standing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await standing
            # Unlike mpi-operator: the Lease is given back at the end, so that the next
            # one leads at once; not while something that was sent may land (B8.8).
            if clean:
                await election.release()

    async def _until(
        self,
        true: Callable[[], bool],
        standing: "asyncio.Task[None] | None" = None,
        within_s: float = float("inf"),
    ) -> bool:
        """Wait until something is true; tell whether it is.

        It is waited for no longer once the election is over, or a signal came.
        """
        end = time.monotonic() + within_s
        while not true() and time.monotonic() < end:
            over = standing is not None and standing.done()
            if over or await self._stopped(within_s=0.02):
                break
        return true()

    async def _synced(self, controller: Controller, since: float) -> bool:
        """Wait until every cache was listed later than this; tell whether it was."""
        reflectors = controller.caches.reflectors
        for reflector in reflectors:
            if reflector.synced and reflector.progress.listed < since:
                reflector.refresh(at_once=True)

        def listed() -> bool:
            return all(each.progress.listed >= since for each in reflectors)

        if not await self._until(listed):
            return False
        _log.info("synced", extra={"jobs": len(controller.caches.store.jobs)})
        # What the caches hold stays; to look through it for garbage is for nothing.
        gc.collect()
        gc.freeze()
        return True

    async def _work(
        self, controller: Controller, standing: "asyncio.Task[None] | None"
    ) -> tuple[int, bool]:
        """Work until a signal, or until somebody else may lead.

        Returns:
            The exit code, and whether all that was sent was answered.
        """
        asked = adopt(self.api, controller, self.flags.namespaces)
        await self._unless_over(asked, standing)
        workers = [
            asyncio.create_task(controller.work())
            for _ in range(self.flags.threadiness)
        ]
        stop = asyncio.create_task(self.stop.wait())
        ends: list[asyncio.Task[None] | asyncio.Task[bool]] = [stop, *workers]
        if standing is not None:
            ends.append(standing)
        ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        code = DONE if stop in ended else FAILED
        _log.info("stopping", extra={"code": code})
        controller.drain()
        await asyncio.wait(workers, timeout=DRAIN_S)
        self.api.leads = _never
        _, late = await asyncio.wait(workers, timeout=WRITE_S + 0.5)
        for task in (stop, *workers):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Deposed):
            await asyncio.gather(*workers)
        return code, not late

    async def _unless_over(
        self,
        asked: Coroutine[Any, Any, _T],
        standing: "asyncio.Task[None] | None" = None,
    ) -> _T | None:
        """Return what comes of it; None if a signal or the end of a reign is first."""
        asking, stop = asyncio.create_task(asked), asyncio.create_task(self.stop.wait())
        over: list[asyncio.Task[bool] | asyncio.Task[None]] = [stop]
        if standing is not None:
            over.append(standing)
        await asyncio.wait([asking, *over], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if asking.done():
            return asking.result()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        return None

    async def _stopped(self, *, within_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), within_s)
        return self.stop.is_set()
