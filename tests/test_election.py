# SPDX-License-Identifier: Apache-2.0
"""One leader at a time: what is sent for the Lease, and when a reign begins and ends.

Each story is played in a time of its own, in which nobody waits.
"""

import asyncio
from typing import Any

import pytest

from mpijob_operator.controller.election import (
    ATTEMPT_S,
    DEADLINE_S,
    JITTER,
    LEASE_S,
    REQUESTS_MAX,
    RETRY_S,
)
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb
from tests.electing import (
    Stage,
    Trouble,
    another_leads,
    candidate,
    refused,
    run,
    said,
    silence,
    within,
)

pytestmark = pytest.mark.rule("B8.8")


# --- How a reign begins ------------------------------------------------------


def test_who_finds_no_lease_creates_it_and_leads() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        assert not election.leads()
        await within(0.1, election)
        assert election.leads()
        assert election.holder == "one"
        assert stage.sent == [(0.0, "GET"), (0.0, "POST")]
        assert stage.leases.spec == {
            "holderIdentity": "one",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-01-02T00:00:00.000000Z",
            "renewTime": "2026-01-02T00:00:00.000000Z",
            "leaseTransitions": 0,
        }

    run(story)


def test_a_lease_that_does_not_change_is_taken_once_it_has_run_out() -> None:
    async def story(stage: Stage) -> None:
        another_leads(stage)
        election = candidate(stage)
        standing = await within(LEASE_S - 0.1, election)
        assert not election.leads()
        assert election.holder == "another"
        await asyncio.sleep(RETRY_S)
        assert election.leads()
        assert not standing.done()
        assert stage.leases.spec["leaseTransitions"] == 5
        assert stage.leases.spec["acquireTime"] == stage.leases.spec["renewTime"]

    run(story)


def test_what_others_wrote_into_the_lease_stays() -> None:
    async def story(stage: Stage) -> None:
        another_leads(stage, holderIdentity="", preferredHolder="two")
        await within(0.1, candidate(stage))
        assert stage.leases.lease is not None
        assert stage.leases.lease["metadata"]["labels"] == {"a": "b"}
        assert stage.leases.spec["preferredHolder"] == "two"

    run(story)


def test_a_lease_that_is_renewed_is_never_taken() -> None:
    async def story(stage: Stage) -> None:
        first, second = candidate(stage, "one"), candidate(stage, "two")
        await within(0.1, first)
        await within(200.0, second)
        assert first.leads()
        assert not second.leads()
        assert stage.leases.spec["leaseTransitions"] == 0

    run(story)


def test_a_time_that_another_machine_wrote_is_not_compared() -> None:
    async def story(stage: Stage) -> None:
        another_leads(stage, renewTime="1999-01-01T00:00:00.000000Z")
        election = candidate(stage)
        await within(LEASE_S - 0.1, election)
        assert not election.leads()

    run(story)


def test_who_waits_asks_with_a_jitter() -> None:
    async def story(stage: Stage) -> None:
        another_leads(stage)
        await within(5.0, candidate(stage, chance=1.0))
        step = RETRY_S * (1 + JITTER)
        assert stage.sent == [(0.0, "GET"), (step, "GET"), (2 * step, "GET")]

    run(story)


def test_of_two_that_begin_together_one_leads() -> None:
    async def story(stage: Stage) -> None:
        both = candidate(stage, "one"), candidate(stage, "two")
        await asyncio.gather(*(within(0.1, each) for each in both))
        assert [each.leads() for each in both] == [True, False]

    run(story)


def test_a_lease_that_was_seen_and_is_gone_is_not_taken_at_once() -> None:
    async def story(stage: Stage) -> None:
        another_leads(stage)
        election = candidate(stage)
        await within(1.0, election)
        stage.leases.lease = None
        await asyncio.sleep(LEASE_S)
        assert not election.leads()
        await asyncio.sleep(2 * RETRY_S)
        assert election.leads()

    run(story)


def test_a_lease_that_was_given_back_and_is_gone_is_not_taken_at_once() -> None:
    async def story(stage: Stage) -> None:
        another_leads(stage)
        election = candidate(stage)
        await within(RETRY_S + 0.1, election)
        another_leads(stage, holderIdentity="")
        stage.trouble = lambda r: said(refused(500)) if r.verb is Verb.REPLACE else None
        await asyncio.sleep(RETRY_S)
        stage.leases.lease = None
        await asyncio.sleep(LEASE_S)
        assert not election.leads()
        await asyncio.sleep(2 * RETRY_S)
        assert election.leads()

    run(story)


def test_a_lease_in_our_name_is_ours_though_the_answer_was_lost() -> None:
    async def story(stage: Stage) -> None:
        def lost(request: Request) -> Trouble:
            if request.verb is not Verb.CREATE:
                return None
            stage.leases.answer(request)
            return said(Answer(0))

        stage.trouble = lost
        election = candidate(stage)
        await within(0.1, election)
        assert stage.leases.holder == "one"
        assert not election.leads()
        await asyncio.sleep(RETRY_S)
        assert election.leads()

    run(story)


# --- How it goes on, and ends ------------------------------------------------


def test_a_leader_renews_at_even_times_with_one_write_each() -> None:
    async def story(stage: Stage) -> None:
        await within(7.0, candidate(stage))
        assert stage.sent[2:] == [(2.0, "PUT"), (4.0, "PUT"), (6.0, "PUT")]
        assert stage.leases.spec["renewTime"] == "2026-01-02T00:00:06.000000Z"
        assert stage.leases.spec["acquireTime"] == "2026-01-02T00:00:00.000000Z"

    run(story)


def test_a_reign_ends_when_no_renewal_is_answered() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        standing = await within(0.1, election)
        stage.trouble = lambda _: silence()
        await asyncio.sleep(DEADLINE_S - 0.2)
        assert election.leads()
        assert election.leads(for_s=0.05)
        assert not election.leads(for_s=0.2)
        await asyncio.sleep(0.2)
        assert not election.leads()
        assert standing.done()
        assert not await election.release()

    run(story)


@pytest.mark.parametrize("code", [0, 403, 429, 500])
def test_a_reign_ends_when_every_renewal_fails(code: int) -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        standing = await within(0.1, election)
        stage.trouble = lambda _: said(refused(code))
        await asyncio.sleep(DEADLINE_S)
        assert standing.done()
        assert len(stage.sent) < 8

    run(story)


@pytest.mark.parametrize("times", [1, 2])
def test_a_renewal_that_fails_is_tried_again(times: int) -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        standing = await within(0.1, election)
        left = times

        def trouble(_: Request) -> Trouble:
            nonlocal left
            left -= 1
            return said(Answer(0)) if left >= 0 else None

        stage.trouble = trouble
        await asyncio.sleep(60.0)
        assert election.leads()
        assert not standing.done()

    run(story)


def test_one_renewal_that_hangs_does_not_cost_the_lease() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        standing = await within(0.1, election)
        hung: list[Request] = []

        def hangs_once(request: Request) -> Trouble:
            if hung:
                return None
            hung.append(request)
            return silence()

        stage.trouble = hangs_once
        await asyncio.sleep(60.0)
        assert election.leads()
        assert not standing.done()
        # And it is cut off, the lease read, and written.
        then = RETRY_S + ATTEMPT_S
        assert stage.sent[2:5] == [(RETRY_S, "PUT"), (then, "GET"), (then, "PUT")]

    run(story)


def test_who_was_stopped_for_longer_than_its_reign_renews_nothing() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        standing = await within(0.1, election)
        sent = len(stage.sent)
        loop: Any = asyncio.get_running_loop()
        loop.now += DEADLINE_S
        assert not election.leads()
        await asyncio.wait([standing])
        assert len(stage.sent) == sent

    run(story)


def test_a_lease_in_another_name_ends_a_reign_at_once() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        standing = await within(0.1, election)
        another_leads(stage)
        await asyncio.sleep(RETRY_S)
        assert not election.leads()
        assert standing.done()
        assert election.holder == "another"

    run(story)


def test_a_leader_whose_lease_was_deleted_makes_it_anew() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        standing = await within(0.1, election)
        stage.leases.lease = None
        await asyncio.sleep(RETRY_S)
        assert election.leads()
        assert stage.leases.holder == "one"
        assert stage.leases.spec["leaseTransitions"] == 0
        assert not standing.done()

    run(story)


def test_a_lease_that_somebody_annotated_is_renewed() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        await within(0.1, election)
        assert stage.leases.lease is not None
        stage.leases.lease["metadata"]["resourceVersion"] = "77"
        stage.leases.lease["metadata"]["annotations"] = {"who": "was here"}
        await asyncio.sleep(RETRY_S)
        assert stage.sent[2:] == [(2.0, "PUT"), (2.0, "GET"), (2.0, "PUT")]
        assert stage.leases.lease["metadata"]["annotations"] == {"who": "was here"}
        assert election.leads()

    run(story)


def test_who_wrote_what_is_not_sent_back() -> None:
    async def story(stage: Stage) -> None:
        bodies: list[Any] = []

        def noted(request: Request) -> None:
            bodies.append(request.body)

        another_leads(stage, holderIdentity="")
        assert stage.leases.lease is not None
        stage.leases.lease["metadata"]["managedFields"] = [{"manager": "test"}]
        stage.trouble = noted
        await within(0.1, candidate(stage))
        assert "managedFields" not in bodies[-1]["metadata"]

    run(story)


def test_a_write_whose_version_is_not_told_is_followed_by_a_look() -> None:
    async def story(stage: Stage) -> None:
        def silent(request: Request) -> Trouble:
            if request.verb is Verb.GET:
                return None
            return said(Answer(stage.leases.answer(request).code))

        stage.trouble = silent
        election = candidate(stage)
        await within(RETRY_S + 0.1, election)
        assert election.leads()
        assert stage.sent[2:] == [(2.0, "GET"), (2.0, "PUT")]

    run(story)


def test_an_attempt_sends_a_bounded_number_of_requests() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        await within(0.1, election)
        before = len(stage.sent)

        def always_too_late(request: Request) -> Trouble:
            return said(refused(409)) if request.verb is Verb.REPLACE else None

        stage.trouble = always_too_late
        await asyncio.sleep(RETRY_S)
        assert len(stage.sent) - before == REQUESTS_MAX

    run(story)
