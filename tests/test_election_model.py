# SPDX-License-Identifier: Apache-2.0
"""Never may two write: elections as the network and the clocks will have them.

Candidates are the shipped ones. Their clocks begin anywhere and run up to 1 % fast or
slow. Each may stop for any time at any point, requests for the Lease may land at any
time or never, and answers be lost, or late; the Lease may be deleted. What a leader
sends about jobs lands within `WRITE_S` after it asked whether it leads.

A law that holds for broken candidates as well says nothing: each of those below must
get caught.
"""

from collections.abc import Callable
from typing import ClassVar, Final

import pytest
from attrs import define, evolve
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,  # pyright: ignore[reportUnknownVariableType] - of Hypothesis.
)

from mpijob_operator.controller import election
from mpijob_operator.controller.api import WRITE_S
from mpijob_operator.controller.election import (
    DEADLINE_S,
    LEASE_S,
    SKEW_S,
    Candidacy,
)
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb
from tests.electing import Leases, wall

pytestmark = pytest.mark.rule("B8.8")

NEVER: Final = float("-inf")
WHO: Final = st.integers(0, 2)
# Around everything that is waited for; and longer than anything.
WHILE: Final = st.sampled_from(
    [0.01, 1.0, 2.0, 2.6, 4.9, 7.4, 7.6, 12.0, 14.8, 15.2, 60.0]
)


@define
class Sent:
    """A request for the Lease."""

    request: Request
    asked: float  # By the clock of who sent it.
    answer: Answer | None = None  # None: it has not landed.


@define
class Elector:
    """A candidate, its clock, and what it waits for."""

    known: Candidacy
    rate: float
    offset: float
    waits: Sent | None = None
    led: float = NEVER  # The last moment at which it led, by the true time.

    def clock(self, now: float) -> float:
        return self.offset + self.rate * now

    def leads(self, now: float) -> bool:
        return self.clock(now) < self.known.until

    def passes(self, now: float, then: float) -> None:
        """Let time pass; it leads until its reign or this time is over."""
        if self.leads(now):
            end = (self.known.until - self.offset) / self.rate
            self.led = max(self.led, min(then, end))


class AnyElection(RuleBasedStateMachine):
    """Three candidates, one Lease, and everything that may go wrong between them."""

    candidate: ClassVar[Callable[..., Candidacy]] = Candidacy

    def __init__(self) -> None:
        super().__init__()
        self.leases, self.now = Leases(), 0.0
        self.electors: list[Elector] = []
        self.astray: list[Sent] = []  # Nobody waits for them; they may land still.

    @initialize(
        clocks=st.lists(
            st.tuples(st.sampled_from([0.99, 1.0, 1.01]), st.floats(0, 1e6)),
            min_size=3,
            max_size=3,
        )
    )
    def everybody_starts(self, clocks: list[tuple[float, float]]) -> None:
        for number, (rate, offset) in enumerate(clocks):
            known = self.candidate(f"elector-{number}", "mpi-operator")
            self.electors.append(Elector(known, rate, offset))

    @rule(seconds=WHILE)
    def time_passes(self, seconds: float) -> None:
        for elector in self.electors:
            elector.passes(self.now, self.now + seconds)
        self.now += seconds

    @rule(who=WHO)
    def looks_and_tries(self, who: int) -> None:
        """A whole attempt, without a hitch."""
        self.reads_anew(who)
        for _ in range(election.REQUESTS_MAX):
            self.sends(who)
            self.it_lands(who)
            self.is_answered(who)

    @rule(who=WHO, other=WHO, seconds=WHILE)
    def is_answered_late(self, who: int, other: int, seconds: float) -> None:
        """What was written is seen by another long before the answer is there."""
        self.sends(who)
        self.it_lands(who)
        self.looks_and_tries(other)
        self.time_passes(seconds)
        self.is_answered(who)

    @rule(who=WHO, seconds=WHILE)
    def writes_in_vain(self, who: int, seconds: float) -> None:
        self.time_passes(seconds)
        self.sends(who)
        self.the_answer_is_lost(who)

    @rule(who=WHO)
    def reads_anew(self, who: int) -> None:
        elector = self.electors[who]
        elector.known = evolve(elector.known, current=False)

    @rule(who=WHO)
    def sends(self, who: int) -> None:
        elector = self.electors[who]
        now = elector.clock(self.now)
        request = elector.known.request(now, wall(now))
        if elector.waits is None and request is not None:
            elector.waits = Sent(request, now)

    @rule(who=WHO)
    def it_lands(self, who: int) -> None:
        sent = self.electors[who].waits
        if sent is not None and sent.answer is None:
            sent.answer = self.leases.answer(sent.request)

    @rule(who=WHO)
    def is_answered(self, who: int) -> None:
        elector = self.electors[who]
        if elector.waits is not None and elector.waits.answer is not None:
            self._hears(elector, elector.waits.answer)

    @rule(who=WHO)
    def the_answer_is_lost(self, who: int) -> None:
        elector = self.electors[who]
        if elector.waits is not None:
            if elector.waits.answer is None:
                self.astray.append(elector.waits)
            self._hears(elector, Answer(0))

    def _hears(self, elector: Elector, answer: Answer) -> None:
        sent, elector.waits = elector.waits, None
        assert sent is not None
        elector.known = elector.known.answered(
            sent.request, answer, sent.asked, elector.clock(self.now)
        )

    @rule()
    def one_that_went_astray_lands(self) -> None:
        if self.astray:
            self.leases.answer(self.astray.pop(0).request)

    @rule(who=WHO)
    def gives_it_back(self, who: int) -> None:
        """At an end in peace: whatever it sent about jobs was answered before."""
        elector = self.electors[who]
        if elector.waits is None and elector.leads(self.now):
            elector.led = NEVER
            elector.known = evolve(elector.known, renewed=NEVER)
            now = elector.clock(self.now)
            if (request := elector.known.release(wall(now))) is not None:
                elector.waits = Sent(request, now)
                self.it_lands(who)

    @rule()
    def somebody_deletes_the_lease(self) -> None:
        """Where each knows of one: who does not may take what is not there.

        And not while one is being created: nothing can guard a create.
        """
        waiting = (elector.waits for elector in self.electors)
        under_way = [s for s in (*self.astray, *waiting) if s and not s.answer]
        creates = any(sent.request.verb is Verb.CREATE for sent in under_way)
        if not creates and all(elector.known.lease for elector in self.electors):
            self.leases.lease = None

    @invariant()
    def never_may_two_write(self) -> None:
        """A write that the one sent in its reign has landed before the other's."""
        for elector in self.electors:
            if elector.leads(self.now):
                elector.led = self.now
                for other in self.electors:
                    if other is not elector:
                        assert other.led + WRITE_S <= self.now, "two may write"


TestAnyElection = AnyElection.TestCase


def test_between_two_reigns_there_is_time_for_what_was_sent_and_for_clocks() -> None:
    assert LEASE_S - DEADLINE_S > WRITE_S + SKEW_S


# --- What must get caught ----------------------------------------------------------


class CountsFromTheAnswer(Candidacy):
    """Leads from when the answer was there."""

    def answered(
        self, request: Request, answer: Answer, asked: float, now: float
    ) -> Candidacy:
        del asked
        return super().answered(request, answer, now, now)


class BelievesALostWrite(Candidacy):
    """Takes no answer for a yes."""

    def answered(
        self, request: Request, answer: Answer, asked: float, now: float
    ) -> Candidacy:
        if answer.code == 0 and request.verb is not Verb.GET:
            version = request.body["metadata"].get("resourceVersion", "")
            body = {"metadata": {"resourceVersion": version}}
            return super().answered(request, Answer(200, body), asked, now)
        return super().answered(request, answer, asked, now)


class IsImpatient(Candidacy):
    """Takes the lease after the leader's own deadline."""

    def is_free(self, now: float) -> bool:
        return super().is_free(now + LEASE_S - DEADLINE_S)


class LeadsAsLongAsTheLease(Candidacy):
    """Has no deadline of its own."""

    @property
    def until(self) -> float:
        return self.renewed + LEASE_S


class TakesWhatWasDeleted(Candidacy):
    """Finds no lease, and asks for nothing more."""

    def is_free(self, now: float) -> bool:
        return not self.lease or super().is_free(now)


class WritesOverAnything(Candidacy):
    """Knows another's version, and does not look whose it is."""

    def is_free(self, now: float) -> bool:
        del now
        return True


BROKEN: Final[tuple[Callable[..., Candidacy], ...]] = (
    CountsFromTheAnswer,
    BelievesALostWrite,
    IsImpatient,
    LeadsAsLongAsTheLease,
    TakesWhatWasDeleted,
    WritesOverAnything,
)


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN)
def test_the_law_catches(broken: Callable[..., Candidacy]) -> None:
    class Broken(AnyElection):
        candidate = broken

    profile = settings(
        max_examples=1_500,
        stateful_step_count=60,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
    )
    with pytest.raises(AssertionError, match="two may write"):
        run_state_machine_as_test(Broken, settings=profile)
