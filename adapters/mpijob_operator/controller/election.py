# SPDX-License-Identifier: Apache-2.0
"""One leader at a time, by a Lease.

Rule 1: whoever leads knows it by its own clock alone. `leads` is a comparison, and no
answer, no lock and no other machine's time enters.

Rule 2: a lease has run out when its record did not change for as long as it holds, by
the clock of whoever watches it. Times of two machines are never compared.

Theory of operation
===================

A leader writes the record anew every `RETRY_S`, each time only over the version that
it knows. It leads until `DEADLINE_S` after the *start* of the last write that
succeeded. Others see that write later than it started, and wait `LEASE_S` from there:
between two reigns are at least `LEASE_S - DEADLINE_S`, whatever was lost, delayed or
stopped. What the old leader sent lands within `api.WRITE_S`: before the next reign
begins, and with `SKEW_S` to spare for clocks that do not run alike (B8.8).

A write whose answer was lost may have been done: it counts as none, and the Lease is
read before the next.

`Candidacy` is a value, and no I/O is near it; `Election` asks and waits.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

from attrs import evolve, frozen

from mpijob.loose import NOTHING, Manifest, integer, mapping, text
from mpijob.names import Ref
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb

LEASE: Final = "mpi-operator"  # Its name, as mpi-operator's.

LEASE_S: Final = 15.0
DEADLINE_S: Final = 7.5
RETRY_S: Final = 2.0
# How far two clocks may drift apart within a lease, and then some: NTP allows 0.05 %.
SKEW_S: Final = 2.0
# One write that hangs must not cost the lease: there is time for another.
ATTEMPT_S: Final = 3.0
# To read the Lease and to write it, and once more after a write that came too late.
REQUESTS_MAX: Final = 4
# Those who wait do not all ask at once.
JITTER: Final = 0.2
# A record may ask for more time than ours; whoever wrote it was not to ask for ever.
LEASE_MAX_S: Final = 300.0

_NEVER: Final = float("-inf")
_OK: Final = 200
_DONE: Final = (_OK, 201)
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409

_log: Final = logging.getLogger(__name__)


class Send(Protocol):
    """Sends one request, as `api.Api` does."""

    async def __call__(self, request: Request, *, led: bool) -> Answer:
        """Send it, led or not; code 0 where nobody knows what became of it."""
        ...


@frozen
class Record:
    """Who holds the lease, as the Lease says."""

    holder: str = ""
    renewed: str = ""  # When, by the holder's clock: compared for change alone.
    lease_s: float = LEASE_S
    transitions: int = 0


@frozen
class Candidacy:
    """What one candidate knows; each time is of its own clock."""

    identity: str
    namespace: str
    lease: Manifest = NOTHING  # As last seen; empty where there is none.
    record: Record | None = None  # None: no lease was ever seen.
    seen: float = _NEVER  # When the record was first seen as it is.
    current: bool = False  # Whether the lease is as last seen, for all we know.
    renewed: float = _NEVER  # When our last write that succeeded was begun.

    @property
    def until(self) -> float:
        """Until when we lead: nobody else can have the lease before."""
        return self.renewed + DEADLINE_S

    @property
    def holder(self) -> str:
        """Who holds the lease, as last seen; empty: nobody."""
        return self.record.holder if self.record else ""

    @property
    def is_ours(self) -> bool:
        """Whether the lease is in our name, led by or not."""
        return self.holder == self.identity

    def is_free(self, now: float) -> bool:
        """Tell whether the lease may be taken."""
        if self.record is None or (self.lease and not self.record.holder):
            return True
        return now >= self.seen + self.record.lease_s

    def request(self, now: float, wall: datetime) -> Request | None:
        """Return what to send, None while another holds the lease."""
        if not self.current:
            return Request(Verb.GET, self._ref)
        # In our name, though it ran out: nobody has taken it since.
        ours = self.is_ours if self.lease else now < self.until
        if not ours and not self.is_free(now):
            return None
        verb = Verb.REPLACE if self.lease else Verb.CREATE
        return Request(verb, self._ref, self._written(self.identity, wall))

    def release(self, wall: datetime) -> Request | None:
        """Return what to send to give the lease back, None where it is not ours."""
        if self.current and not (self.is_ours and self.lease):
            return None
        if not self.current:
            return Request(Verb.GET, self._ref)
        return Request(Verb.REPLACE, self._ref, self._written("", wall))

    def answered(
        self, request: Request, answer: Answer, asked: float, now: float
    ) -> "Candidacy":
        """Return what is known after an answer.

        Args:
            request: What was sent.
            answer: What was said.
            asked: When sending it was begun.
            now: When the answer was there.
        """
        if request.verb is Verb.GET:
            if answer.code == _OK:
                return self._saw(answer.body, now)
            if answer.code != _NOT_FOUND:
                return evolve(self, current=False)
            # Somebody deleted it: whoever held it may not know yet, so that it holds
            # as long as if it had been renewed at this moment.
            seen = now if self.lease else self.seen
            return evolve(self, lease=NOTHING, seen=seen, current=True)
        if answer.code not in _DONE:
            return evolve(self, current=False)
        version = {"resourceVersion": answer.resource_version}
        metadata = {**mapping(request.body.get("metadata")), **version}
        after = self._saw({**request.body, "metadata": metadata}, now)
        renewed = asked if after.is_ours else _NEVER
        # Without its version the lease cannot be written over.
        return evolve(after, current=bool(answer.resource_version), renewed=renewed)

    def _saw(self, lease: Manifest, now: float) -> "Candidacy":
        record = record_of(lease)
        return evolve(
            self,
            lease=lease,
            record=record,
            seen=self.seen if record == self.record else now,
            current=True,
            renewed=self.renewed if record.holder == self.identity else _NEVER,
        )

    @property
    def _ref(self) -> Ref:
        return Ref("coordination.k8s.io/v1", "Lease", self.namespace, LEASE)

    def _written(self, holder: str, wall: datetime) -> Manifest:
        """Return the lease as it is, in this name; others' fields stay."""
        record, now = self.record or Record(), _micro_time(wall)
        spec = {
            "leaseTransitions": record.transitions,
            **mapping(self.lease.get("spec")),
            "holderIdentity": holder,
            "leaseDurationSeconds": int(LEASE_S),
            "renewTime": now,
        }
        if holder and holder != record.holder:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = record.transitions + (self.record is not None)
        metadata = {**mapping(self.lease.get("metadata"))}
        metadata.pop("managedFields", None)
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {**metadata, "name": LEASE, "namespace": self.namespace},
            "spec": spec,
        }


def record_of(lease: Manifest) -> Record:
    """Return what a Lease says; what is not as expected is not said."""
    spec = mapping(lease.get("spec"))
    seconds = integer(spec.get("leaseDurationSeconds")) or 0
    return Record(
        holder=text(spec, "holderIdentity"),
        renewed=text(spec, "renewTime"),
        lease_s=min(max(seconds, LEASE_S), LEASE_MAX_S),
        transitions=integer(spec.get("leaseTransitions")) or 0,
    )


def clock() -> float:
    """Return the seconds since the machine started, its sleep included where known."""
    boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(boot)


def _micro_time(wall: datetime) -> str:
    return wall.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _wall() -> datetime:
    return datetime.now(UTC)


def _chance() -> float:
    # Spreads candidates apart; nothing is decided by it.
    return random.random()  # noqa: S311 - see above.


def _more_to_send(request: Request, answer: Answer) -> bool:
    """Tell whether an answer is reason to go on at once: it brought news."""
    if request.verb is Verb.GET:
        return answer.code in (_OK, _NOT_FOUND)
    # What is not there can be created, but not where there is no such namespace.
    gone = answer.code == _NOT_FOUND and request.verb is Verb.REPLACE
    return gone or answer.code == _CONFLICT


class Election:
    """One candidate, from its candidacy to the end of its reign."""

    def __init__(  # noqa: PLR0913 - three of them are for tests.
        self,
        send: Send,
        *,
        identity: str,
        namespace: str,
        clock: Callable[[], float] = clock,
        wall: Callable[[], datetime] = _wall,
        chance: Callable[[], float] = _chance,
    ) -> None:
        self._send, self._clock, self._wall = send, clock, wall
        self._chance = chance
        self._known = Candidacy(identity, namespace)
        self._begun = _NEVER  # When the last attempt was.
        self._told = ""  # The leader, or the trouble, that was logged last.

    @property
    def holder(self) -> str:
        """Who holds the lease, as last seen; empty: nobody."""
        return self._known.holder

    def leads(self, for_s: float = 0.0) -> bool:
        """Tell whether we lead, and will for so long even if no renewal succeeds."""
        return self._clock() + for_s < self._known.until

    async def run(self) -> None:
        """Wait for the lease and hold it; return once it is lost.

        Guarantees: before this is called, and once it has returned, `leads` is False.
        """
        await self.campaign()
        await self.reign()

    async def campaign(self) -> None:
        """Return when we lead."""
        await self._attempt(ATTEMPT_S)
        while not self.leads():
            await asyncio.sleep(RETRY_S * (1 + JITTER * self._chance()))
            await self._attempt(ATTEMPT_S)
        _log.info("elected", extra={"identity": self._known.identity})

    async def reign(self) -> None:
        """Renew the lease; return when we lead no more."""
        while self.leads():
            due = min(self._begun + RETRY_S, self._known.until)
            await asyncio.sleep(max(due - self._clock(), 0.0))
            left = self._known.until - self._clock()
            if left > 0:
                await self._attempt(min(left, ATTEMPT_S))
        _log.error("lease lost", extra={"holder": self.holder})

    async def release(self) -> bool:
        """Give the lease back; tell whether it was done.

        Assumptions: `run` is over or was cancelled, and whatever was sent was answered
        or is older than `api.WRITE_S`: who waits for the lease takes it at once.
        """
        if not self.leads():
            return False  # Another may have it, or it runs out before long.
        self._known = evolve(self._known, renewed=_NEVER)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ATTEMPT_S):
                for _ in range(REQUESTS_MAX):
                    request = self._known.release(self._wall())
                    if request is None or not await self._goes_on(request):
                        break
        return not self.holder

    async def _attempt(self, within_s: float) -> None:
        """Take the lease, or hold it, if that is possible."""
        self._begun = self._clock()
        if not self.leads():
            # What was seen of another's lease is old by now.
            self._known = evolve(self._known, current=False)
        try:
            async with asyncio.timeout(within_s):
                for _ in range(REQUESTS_MAX):
                    request = self._known.request(self._clock(), self._wall())
                    if request is None:
                        self._tell(logging.INFO, "waiting for the lease")
                        return
                    if not await self._goes_on(request):
                        return
        except TimeoutError:
            self._tell(logging.WARNING, "no answer about the lease")

    async def _goes_on(self, request: Request) -> bool:
        """Send a request; tell whether there is more to send in this attempt."""
        # Until it is answered nobody knows; and it may be cut off.
        self._known = evolve(self._known, current=False)
        asked = self._clock()
        answer = await self._send(request, led=False)
        self._known = self._known.answered(request, answer, asked, self._clock())
        more = _more_to_send(request, answer)
        if not more and answer.code not in _DONE:
            self._tell(logging.WARNING, "cannot have the lease", answer)
        return more

    def _tell(self, level: int, message: str, answer: Answer | None = None) -> None:
        """Log what keeps us from leading, once."""
        said = answer.message if answer else self.holder
        if self._told != (told := f"{message}: {said}"):
            self._told = told
            key = "why" if answer else "holder"
            _log.log(level, message, extra={key: said})
