# SPDX-License-Identifier: Apache-2.0
"""How a condition changes, and when its two times do."""

import pytest

from mpijob.conditions import false, true, with_condition
from mpijob.status import Condition, JobStatus
from tests.builders import at, cases

OLD = Condition("Running", "True", "Why", "words", at(-60), at(-90))
CREATED = Condition("Created", "True", "Made", "", at(-99), at(-99))


@pytest.mark.rule("B4.4")
@cases("said, now, updated, moved", {
    "status moves both": (false("Running", "Not", "words"), 0, 0, 0),
    "reason moves one": (true("Running", "New", "words"), 0, 0, -90),
    "message moves one": (true("Running", "Why", "new"), 0, 0, -90),
    "more words move one": (true("Running", "Why", "words too"), 0, 0, -90),
    "clock runs back": (false("Running", "Why", "words"), -999, -60, -90),
})  # fmt: skip
def test_times_move_with_what_they_date(
    said: Condition, now: int, updated: int, moved: int
) -> None:
    new = with_condition(JobStatus((OLD,)), said, at(now))
    words = (said.type, said.status, said.reason, said.message)
    assert new.conditions == (Condition(*words, at(updated), at(moved)),)


@pytest.mark.rule("B4.4")
@pytest.mark.parametrize(("old", "new"), [("True", "False"), ("False", "True")])
def test_a_condition_turns_either_way(old: str, new: str) -> None:
    before = JobStatus((OLD._replace(status=old),))
    after = with_condition(before, Condition("Running", new, "Why", "words"), at(0))
    assert after.conditions == (
        Condition("Running", new, "Why", "words", at(0), at(0)),
    )


@pytest.mark.rule("B4.4")
def test_the_same_words_are_no_change() -> None:
    old = JobStatus((CREATED, OLD))
    assert with_condition(old, true("Running", "Why", "words"), at(0)) is old


@pytest.mark.rule("B4.4")
def test_a_new_condition_has_both_times() -> None:
    new = with_condition(JobStatus((OLD,)), true("Failed", "Why", "words"), at(0))
    assert new.conditions == (
        OLD,
        Condition("Failed", "True", "Why", "words", at(0), at(0)),
    )


@pytest.mark.rule("B4.1")
def test_conditions_keep_their_place() -> None:
    old = JobStatus((CREATED, OLD, Condition("Suspended", "False")))
    new = with_condition(old, false("Running", "Not", ""), at(0))
    assert [c.type for c in new.conditions] == ["Created", "Running", "Suspended"]
    assert new.conditions[0] is CREATED
    assert new.conditions[1].status == "False"


@pytest.mark.rule("B4.4")
def test_a_condition_that_somebody_left_without_times_gets_them() -> None:
    old = JobStatus((Condition("Running", "True", "Why", "words"),))
    new = with_condition(old, false("Running", "Not", "words"), at(0))
    condition = new.conditions[0]
    assert condition.last_update_time == condition.last_transition_time == at(0)
    kept = with_condition(old, true("Running", "New", "words"), at(0)).conditions[0]
    assert (kept.last_update_time, kept.last_transition_time) == (at(0), None)


@pytest.mark.rule("B4.1")
def test_messages_are_bounded() -> None:
    for said in (true("Failed", "Why", "x" * 2000), false("Failed", "Why", "x" * 2000)):
        assert said.message == "x" * 1021 + "..."
    assert true("T", "R", "m") == Condition("T", "True", "R", "m")
    assert false("T", "R", "m") == Condition("T", "False", "R", "m")
