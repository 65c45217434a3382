# SPDX-License-Identifier: Apache-2.0
"""The Lease, given back, or not to be had: what is done, and what is told.

Each story is played in a time of its own, in which nobody waits.
"""

import asyncio
import logging
from typing import Any

import pytest

from mpijob_operator.controller.election import (
    ATTEMPT_S,
    LEASE_MAX_S,
    LEASE_S,
    RETRY_S,
    clock,
    record_of,
)
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request
from tests.electing import (
    MISSING,
    PATH,
    Stage,
    another_leads,
    candidate,
    cut_off,
    refused,
    run,
    said,
    silence,
    within,
)

pytestmark = pytest.mark.rule("B8.8")


# --- Giving it back ----------------------------------------------------------


def test_a_lease_that_was_given_back_is_taken_at_once() -> None:
    async def story(stage: Stage) -> None:
        first, second = candidate(stage, "one"), candidate(stage, "two")
        standing = await within(0.1, first)
        await within(1.0, second)
        await cut_off(standing)
        assert await first.release()
        assert not first.leads()
        assert stage.leases.holder == ""
        await asyncio.sleep(RETRY_S)
        assert second.leads()
        assert stage.leases.spec["leaseTransitions"] == 1

    run(story)


def test_who_was_cut_off_in_a_renewal_reads_before_it_gives_back() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        standing = await within(0.1, election)

        async def lands_late(request: Request) -> Answer:
            stage.leases.answer(request)
            return await silence()

        stage.trouble = lands_late
        await asyncio.sleep(RETRY_S)
        await cut_off(standing)
        stage.trouble = lambda _: None
        assert await election.release()
        assert [verb for _, verb in stage.sent[-2:]] == ["GET", "PUT"]
        assert stage.leases.holder == ""

    run(story)


def test_only_a_leader_gives_the_lease_back() -> None:
    async def story(stage: Stage) -> None:
        another_leads(stage)
        election = candidate(stage)
        standing = await within(0.1, election)
        await cut_off(standing)
        sent = len(stage.sent)
        assert not await election.release()
        assert len(stage.sent) == sent

    run(story)


def test_what_was_deleted_is_not_given_back() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        standing = await within(0.1, election)
        stage.trouble = lambda _: silence()
        await asyncio.sleep(RETRY_S)
        await cut_off(standing)
        stage.leases.lease, stage.trouble = None, lambda _: None
        sent = len(stage.sent)
        assert not await election.release()
        assert [verb for _, verb in stage.sent[sent:]] == ["GET"]

    run(story)


def test_what_another_holds_is_not_given_back() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        standing = await within(0.1, election)
        await cut_off(standing)
        another_leads(stage)
        assert not await election.release()
        assert stage.leases.holder == "another"

    run(story)


@pytest.mark.parametrize("code", [0, 500])
def test_a_lease_that_cannot_be_given_back_runs_out(code: int) -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        await cut_off(await within(0.1, election))
        stage.trouble = lambda _: said(refused(code))
        assert not await election.release()
        assert not election.leads()

    run(story)


def test_giving_back_ends_though_nobody_answers() -> None:
    async def story(stage: Stage) -> None:
        election = candidate(stage)
        await cut_off(await within(0.1, election))
        stage.trouble = lambda _: silence()
        began = stage.now
        assert not await election.release()
        assert stage.now - began <= ATTEMPT_S + 0.01

    run(story)


# --- What is told ------------------------------------------------------------


def test_trouble_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def story(stage: Stage) -> None:
        stage.leases.namespace_exists = False
        await within(30.0, candidate(stage))

    caplog.set_level(logging.INFO)
    run(story)
    assert [(r.message, vars(r)["why"]) for r in caplog.records] == [
        ("cannot have the lease", MISSING)
    ]


def test_who_leads_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def story(stage: Stage) -> None:
        another_leads(stage)
        await within(20.0, candidate(stage))

    caplog.set_level(logging.INFO)
    run(story)
    assert [r.message for r in caplog.records] == ["waiting for the lease", "elected"]
    assert vars(caplog.records[0])["holder"] == "another"


# --- What a Lease says -------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(40, 40.0, id="longer than ours"),
        pytest.param(1, LEASE_S, id="shorter than ours"),
        pytest.param(10**9, LEASE_MAX_S, id="for ever"),
        pytest.param("soon", LEASE_S, id="no number"),
    ],
)
def test_a_record_holds_as_long_as_the_longer_of_two(
    seconds: object, expected: float
) -> None:
    spec = {"holderIdentity": "a", "leaseDurationSeconds": seconds}
    assert record_of({"spec": spec}).lease_s == expected


@pytest.mark.parametrize("lease", [{}, {"spec": None}, {"spec": {"holderIdentity": 7}}])
def test_a_lease_that_says_nothing_is_held_by_nobody(lease: dict[str, Any]) -> None:
    assert record_of(lease).holder == ""


def test_the_path_is_that_of_the_lease() -> None:
    async def story(stage: Stage) -> None:
        paths: list[str] = []

        def noted(request: Request) -> None:
            paths.append(request.path)

        stage.trouble = noted
        await within(0.1, candidate(stage))
        assert paths == [PATH, PATH.rpartition("/")[0]]

    run(story)


def test_the_clock_never_goes_back() -> None:
    times = [clock() for _ in range(1_000)]
    assert times == sorted(times)
