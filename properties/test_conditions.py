# SPDX-License-Identifier: Apache-2.0
"""Laws of the status that is written over another: conditions, times, counts."""

from collections import Counter
from datetime import datetime

import pytest
from attrs import evolve
from hypothesis import strategies as st

from mpijob.conditions import false, true, with_condition
from mpijob.status import Condition, ConditionType, JobStatus
from mpijob.wire import decode_status
from properties.laws import law, sometimes
from properties.lives import (
    any_view,
    cleared,
    ended,
    ending,
    lives,
    resuming,
    seen,
    stopping,
)
from properties.sights import questions, statuses
from properties.small_cluster import SmallCluster
from properties.strategies import LIVE, NOW, Question, edited, evenly, times

FINAL = (ConditionType.SUCCEEDED, ConditionType.FAILED)
turns = evenly(
    any_view,
    *[seen(each) for each in (ending, ended, stopping, cleared, resuming)],
)


def change(question: Question) -> tuple[JobStatus, JobStatus]:
    """Return the status that was, and the one that is to be written."""
    return question.job.status, question.answer.status


def pairs(question: Question) -> list[tuple[Condition, Condition]]:
    """Return each condition as it was and as it will be."""
    old, new = change(question)
    found = [(c, new.condition(c.type)) for c in old.conditions]
    return [(was, will) for was, will in found if will is not None]


# --- What a condition says ----------------------------------------------------


@pytest.mark.rule("B4.1")
@law(turns, often=("there were conditions",))
def test_conditions_keep_their_places(question: Question) -> None:
    """No condition is lost, moved or doubled."""
    old, new = change(question)
    types = [c.type for c in new.conditions]
    assert max(Counter(types).values(), default=1) == 1
    assert types[: len(old.conditions)] == [c.type for c in old.conditions]
    sometimes("there were conditions", when=bool(old.conditions))


@pytest.mark.rule("B4.4")
@law(turns, often=("one flips",))
def test_transition_times_move_with_the_status_alone(question: Question) -> None:
    """A condition's lastTransitionTime moves when its status does, and never back."""
    for was, will in pairs(question):
        before, after = was.last_transition_time, will.last_transition_time
        if was.status == will.status:
            assert after == before
            words = (was.reason, was.message) != (will.reason, will.message)
            sometimes("one only speaks otherwise", when=words)
        elif sometimes("one flips"):
            assert after is not None
            assert before is None or after >= before


@pytest.mark.rule("B4.4")
@law(turns, often=("one is updated",))
def test_update_times_move_with_what_is_said(question: Question) -> None:
    """A condition's lastUpdateTime moves with its words alone, and never back."""
    for was, will in pairs(question):
        before, after = was.last_update_time, will.last_update_time
        said = [(c.status, c.reason, c.message) for c in (was, will)]
        if said[0] == said[1]:
            assert will == was
        elif sometimes("one is updated"):
            assert after is not None
            assert before is None or after >= before


@pytest.mark.rule("B4.1")
@law(turns, often=("something is said",))
def test_what_is_said_is_one_bounded_line(question: Question) -> None:
    """What a condition says anew is one printable line of at most 1,024 bytes."""
    old, new = change(question)
    for condition in new.conditions:
        if condition == old.condition(condition.type):
            continue
        sometimes("something is said")
        assert condition.reason
        assert condition.status in ("True", "False")
        assert len(condition.message.encode()) <= 1024
        assert condition.message.isprintable()


# --- What is final ------------------------------------------------------------


@pytest.mark.rule("B4.3")
@law(evenly(any_view, seen(ended), seen(ending)), often=("it had ended", "it ends"))
def test_the_first_end_is_final(question: Question) -> None:
    """What ended stays so, as it was said; nothing both succeeds and fails."""
    old, new = change(question)
    true_now = [t for t in FINAL if new.is_true(t)]
    if old.verdict is None:
        sometimes("it ends", when=bool(true_now))
        assert len(true_now) <= 1
        return
    sometimes("it had ended")
    for type_ in FINAL:
        assert new.condition(type_) == old.condition(type_)
    assert old.completion_time in (None, new.completion_time)
    assert old.start_time == new.start_time


@pytest.mark.rule("B4.2", "B4.6")
@law(evenly(any_view, seen(ending)), often=("it ends", "it was running"))
def test_the_end_is_written_whole(question: Question) -> None:
    """The write that ends a job has a completionTime, and says that it runs no more."""
    old, new = change(question)
    if old.verdict is not None or not sometimes("it ends", when=bool(new.verdict)):
        return
    assert new.completion_time is not None
    assert new.start_time is None or new.completion_time >= new.start_time
    running, was = new.condition("Running"), old.condition("Running")
    started = old.start_time is not None or was is not None
    assert (running is not None and running.status == "False") or not started
    if running and was and was.status == "True" and was.last_transition_time:
        sometimes("it was running")
        assert running.last_transition_time is not None
        assert running.last_transition_time >= was.last_transition_time


def ahead(question: Question) -> Question:
    """Return the question with a status that has seen a later generation."""
    edit = ("status.observedGeneration", 9)
    return evolve(question, manifest=edited(question.manifest, [edit]))


@pytest.mark.rule("B4.1")
@law(
    evenly(turns, questions().map(ahead)),
    often=("it is reported", "a later generation was seen"),
)
def test_created_never_leaves(question: Question) -> None:
    """Every status that we write says Created, and a generation that never falls."""
    old, new = change(question)
    if new == old:
        return
    sometimes("it is reported")
    later = (old.observed_generation or 0) > question.job.generation
    sometimes("a later generation was seen", when=later)
    assert new.is_true("Created")
    before, after = old.observed_generation, new.observed_generation
    if question.world.settings.observed_generation:
        assert after is not None
        assert after >= max(before or 0, question.job.generation)
    else:
        assert after == before


@pytest.mark.rule("B4.1", "B6.1")
@law(turns, often=("Suspended is True", "Suspended is False"))
def test_suspended_follows_the_spec(question: Question) -> None:
    """Suspended turns True as the spec asks, and False only where the job starts."""
    old, new = change(question)
    said, was = new.condition("Suspended"), old.condition("Suspended")
    if said is None or said == was:
        return
    if sometimes("Suspended is True", when=said.status == "True"):
        assert question.job.run_policy.suspend or old.is_true("Suspended")
    elif sometimes("Suspended is False"):
        assert not question.job.run_policy.suspend
        assert new.start_time is not None


@pytest.mark.rule("B4.6", "B4.9")
@law(evenly(turns, seen(resuming)), often=("it starts", "it started before"))
def test_counts_begin_at_a_start(question: Question) -> None:
    """Within one start the workers' counts never fall; a start begins at zero."""
    old, new = change(question)
    if new == old or new.worker is None:
        return
    if old.start_time is None and new.start_time is not None:
        sometimes("it starts")
        assert new.start_time == question.world.now.replace(microsecond=0)
        assert new.worker.failed == 0
    elif old.worker is not None:
        sometimes("it started before", when=old.start_time is not None)
        assert new.worker.failed >= old.worker.failed
        assert new.worker.succeeded >= old.worker.succeeded


@pytest.mark.rule("B5.1", "B6.1")
@law(evenly(cleared, resuming, lives()), often=("a start", "a clearing"))
def test_a_start_is_from_nothing(life: SmallCluster) -> None:
    """StartTime is set in the write that starts, and cleared when nothing is left."""
    question = life.question
    old, new = change(question)
    if old.start_time is None and sometimes("a start", when=new.start_time is not None):
        assert not question.job.run_policy.suspend
    if new.start_time is None and sometimes("a clearing", when=bool(old.start_time)):
        assert question.live == LIVE
        assert question.observed.launcher is None
        assert not [p for p in question.observed.pods if p.owner.uid == "u-job"]


# --- One condition over any status --------------------------------------------


@st.composite
def sayings(draw: st.DrawFn) -> tuple[JobStatus, Condition, datetime]:
    """Draw a status, what is to be said of one of its conditions, and when."""
    status = decode_status(draw(statuses()))
    types = [c.type for c in status.conditions][:4] or ["Running"]
    how = draw(st.sampled_from([true, false]))
    words = draw(st.sampled_from(["", "words", "w" * 2000, "two\nlines"]))
    said = how(
        draw(st.sampled_from(types)), draw(st.sampled_from(["Why", "Other"])), words
    )
    return status, said, datetime.fromisoformat(draw(times))


@pytest.mark.rule("B4.4")
@law(sayings(), often=("it was said otherwise",))
def test_saying_it_twice_is_saying_it_once(
    drawn: tuple[JobStatus, Condition, datetime],
) -> None:
    """A condition said again changes nothing, and touches no other condition."""
    status, said, now = drawn
    once = with_condition(status, said, now)
    sometimes("it was said otherwise", when=once != status)
    assert with_condition(once, said, NOW) is once
    others = [c for c in once.conditions if c.type != said.type]
    assert others == [c for c in status.conditions if c.type != said.type]


@pytest.mark.rule("B4.4")
@law(sayings(), often=("other words alone", "another status", "the clock ran back"))
def test_each_time_moves_with_what_it_dates(
    drawn: tuple[JobStatus, Condition, datetime],
) -> None:
    """Times of a condition move to now where they move, or stay if now is earlier."""
    status, said, now = drawn
    was = status.condition(said.type)
    will = with_condition(status, said, now).condition(said.type)
    assert will is not None
    if was is None or was.last_update_time is None or was.last_transition_time is None:
        return
    flips = was.status != will.status
    moves = flips or (was.reason, was.message) != (will.reason, will.message)
    sometimes("another status", when=flips)
    sometimes("other words alone", when=moves and not flips)
    sometimes("the clock ran back", when=flips and now < was.last_transition_time)
    updated = max(now, was.last_update_time) if moves else was.last_update_time
    moved = max(now, was.last_transition_time) if flips else was.last_transition_time
    assert will.last_update_time == updated
    assert will.last_transition_time == moved
