# SPDX-License-Identifier: Apache-2.0
"""What elections are tried with: a Lease in memory, and a loop whose time is free."""

import asyncio
import copy
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from attrs import define, field

from mpijob_operator.controller.election import Election
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb

Json = dict[str, Any]

Trouble = Awaitable[Answer] | None
"""What happens to a request instead: None lets it through."""

EPOCH: Final = datetime(2026, 1, 2, tzinfo=UTC)
PATH: Final = "/apis/coordination.k8s.io/v1/namespaces/mpi-operator/leases/mpi-operator"
MISSING: Final = 'namespaces "mpi-operator" not found'


@define
class Leases:
    """One Lease, and an API server that guards it by its version."""

    lease: Json | None = None
    version: int = 0
    namespace_exists: bool = True

    def answer(self, request: Request) -> Answer:
        """Do what is asked, as the API server would."""
        match request.verb:
            case Verb.GET:
                read = copy.deepcopy(self.lease)
                return refused(404) if read is None else Answer(200, read)
            case Verb.CREATE:
                return self._created(request)
            case _:
                assert request.verb is Verb.REPLACE
                return self._replaced(request)

    def _created(self, request: Request) -> Answer:
        if not self.namespace_exists:
            return refused(404, MISSING)
        if self.lease is not None:
            return refused(409, "already exists")
        return Answer(201, self._stored(request))

    def _replaced(self, request: Request) -> Answer:
        if self.lease is None:
            return refused(404)
        version = self.lease["metadata"]["resourceVersion"]
        if request.body["metadata"]["resourceVersion"] != version:
            return refused(409, "the object has been modified")
        return Answer(200, self._stored(request))

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"]["holderIdentity"])

    @property
    def spec(self) -> Json:
        assert self.lease is not None
        return dict(self.lease["spec"])

    def _stored(self, request: Request) -> Json:
        """Store a body; return what is said of it, which is its metadata."""
        self.version += 1
        self.lease = copy.deepcopy(dict(request.body))
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        self.lease["metadata"]["managedFields"] = [{"manager": "test"}]
        return {"metadata": dict(self.lease["metadata"])}


def refused(code: int, message: str = "no") -> Answer:
    return Answer(code, {"kind": "Status", "message": message})


def wall(seconds: float) -> datetime:
    """Return what a clock on the wall shows so long after an arbitrary time."""
    return EPOCH + timedelta(seconds=seconds)


class FreeTime(asyncio.SelectorEventLoop):
    """A loop that does not wait: where it would, its time goes on by as much."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: FreeTime) -> None:
        super().__init__()
        self._loop = loop

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for ever"
        self._loop.now += max(timeout, 0.0)
        return super().select(0)


def run(story: Callable[["Stage"], Coroutine[Any, Any, None]]) -> None:
    """Play a story in a time of its own."""
    with asyncio.Runner(loop_factory=FreeTime) as runner:
        runner.run(story(Stage()))


@define
class Stage:
    """A Lease, and what becomes of the requests for it."""

    leases: Leases = field(factory=Leases)
    sent: list[tuple[float, str]] = field(factory=list[tuple[float, str]])
    trouble: Callable[[Request], Trouble] = lambda _: None

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def send(self, request: Request, *, led: bool) -> Answer:
        assert not led
        self.sent.append((round(self.now, 3), request.verb.value))
        if (instead := self.trouble(request)) is not None:
            return await instead
        return self.leases.answer(request)


async def silence() -> Answer:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def said(answer: Answer) -> Answer:
    return answer


def candidate(stage: Stage, identity: str = "one", chance: float = 0.0) -> Election:
    return Election(
        stage.send,
        identity=identity,
        namespace="mpi-operator",
        clock=lambda: stage.now,
        wall=lambda: wall(stage.now),
        chance=lambda: chance,
    )


def another_leads(stage: Stage, **spec: Any) -> None:  # noqa: ANN401 - As JSON has it.
    """Have a lease that somebody else holds."""
    stage.leases.lease = {
        "metadata": {
            "name": "mpi-operator",
            "resourceVersion": "1000",
            "labels": {"a": "b"},
        },
        "spec": {
            "holderIdentity": "another",
            "leaseDurationSeconds": 15,
            "renewTime": "2026-01-01T00:00:00.000000Z",
            "leaseTransitions": 4,
            **spec,
        },
    }


async def within(seconds: float, election: Election) -> asyncio.Task[None]:
    """Let a candidate stand for election for some time."""
    standing = asyncio.create_task(election.run())
    await asyncio.sleep(seconds)
    return standing


async def cut_off(standing: asyncio.Task[None]) -> None:
    standing.cancel()
    await asyncio.gather(standing, return_exceptions=True)
