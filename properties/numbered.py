# SPDX-License-Identifier: Apache-2.0
"""Where each numbered law has its home: the one place that tries it before all others.

The numbers are those of the plan by which this project is proved. A home is a test, or
a check of the search (`properties.world`), whose name begins with the number. What is
also at stake elsewhere is not listed: the tests that name a number are found by it.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen


@frozen
class Home:
    """A test function, with its file."""

    file: str
    test: str
    # What the test itself asserts to have happened; empty: what its law names `often`.
    stake: str = ""
    says: str = ""  # The law, where the test has no docstring.


@frozen
class Check:
    """A check of the search, by its whole name."""

    law: str


def _law(file: str, test: str, stake: str = "") -> Home:
    return Home(f"properties/test_{file}.py", f"test_{test}", stake)


LIFE: Final = "simulated_cluster"

NUMBERED: Final[Mapping[str, Home | Check]] = {
    "P1": _law(
        "determinism", "equal_questions_get_equal_answers", "questions of all kinds"
    ),
    "P2": _law("reconcile", "a_granted_wish_is_not_wished_again"),
    "P3": _law("reconcile", "the_order_of_observation_is_immaterial"),
    "P4": _law("reconcile", "inputs_are_only_read"),
    "P5": _law(LIFE, "what_is_followed_at_once_ends_the_same_by_any_way"),
    "P6": _law(LIFE, "mending_a_spec_recovers"),
    "P7": _law("reconcile", "what_is_not_ours_changes_nothing"),
    "P8": _law("every_field_counts", "every_field_shows", "every field of the spec"),
    "P9": Check("P9 only what is ours is written or deleted"),
    "P10": Check("P10 nothing is made before a guard held"),
    "P11": _law("reconcile", "a_job_made_anew_takes_nothing_over"),
    "P12": Check("P12 every child names its owner"),
    "P13": _law("plan", "nothing_of_somebody_elses_is_written"),
    "P13b": Check("P13b a Job takes its pods along"),
    "P14": Check("P14 one verdict, and it is the last word"),
    "P15": Check("P15 a job with a result is not run again"),
    "P16": Check("P16 no result is deleted unread"),
    "P17": Check("P17 a finished job is cleaned up as its cleanPodPolicy says"),
    "P18": Check("P18 a job without startTime has nothing left"),
    "P19": Check("P19 the launcher waits for every worker"),
    "P20": _law("trouble", "a_crash_at_any_moment_changes_no_end", "crashes"),
    "P21": _law("plan", "half_a_plan_is_safe"),
    "P22": _law("trouble", "caches_that_lag_change_no_end", "looks at caches that lag"),
    "P23": _law("caches", "no_cache_goes_back_in_time"),
    "P24": _law("caches", "a_cache_shows_its_kind_whole"),
    "P25": _law(
        "trouble",
        "no_answer_changes_no_end",
        "answers that never came, requests that landed later",
    ),
    "P26": Check("P26 no live pod is missing from active"),
    "P27": Check("P27 conditions: one of each type, Running False at the end"),
    "P28": Check("P28 it arrives: a running job runs"),
    "P28b": _law(
        "trouble",
        "a_job_that_nobody_touches_has_one_end_of_each_kind",
        "ends of each kind",
    ),
    "P29": Check("P29 the workers are 0 to n-1, each once"),
    "P30": _law(LIFE, "a_suspension_makes_up_for_any_way"),
    "P31": _law("reconcile", "a_terminating_pod_is_not_alive"),
    "P32": _law(LIFE, "at_rest_we_own_what_we_apply"),
    "P33": Check("P33 what was refused once is not refused for good"),
    "P34": _law("manifests", "what_is_made_can_be_applied"),
    "P35": _law("reconcile", "there_is_an_answer_for_every_question"),
    "P36": _law("reconcile", "one_more_ready_worker_holds_nothing_back"),
    "P37": _law(
        "trouble",
        "trouble_of_every_kind_changes_no_end",
        "crashes, lost answers, late requests, lags",
    ),
    "P38": Check("P38 at rest a look comes to nothing, now and in ten years"),
    "P39": Home(
        "tests/cluster/test_recordings.py",
        "test_each_recording_is_planned_alike",
        "more than five recordings of one life",
        "What the controller sent in a real cluster is what a plan of that sight says.",
    ),
    "P40": Home(
        "tests/cluster/test_takeover.py",
        "test_a_job_that_is_under_way_goes_on",
        "jobs at several moments of their lives",
        "What mpi-operator made stays as it is, and goes on: no pod is made anew.",
    ),
}

# As the plan has them.
NUMBERS: Final = (*(f"P{number}" for number in range(1, 41)), "P13b", "P28b")
