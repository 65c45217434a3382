# SPDX-License-Identifier: Apache-2.0
"""What a person may write in a script, and what is said of a line that is none."""

import re

import pytest

from mpijob_operator.simulation import Script, read
from mpijob_operator.simulation.nodes import Habits
from mpijob_operator.simulation.script import DEEDS, HABITS, LINES_MAX, duration
from tests.builders import cases

EXAMPLES = {
    "INDEX": "1",
    "NUMBER": "4",
    "SEED": "7",
    "CODE": "137",
    "CODES": "137 then 0",
    "TIME": "1m30s",
    "TO": "2m",
    "PATH": "spec.slotsPerWorker",
    "VALUE": "2",
    "KIND": "Pod",
    "NAME": "pi",
    "WORDS": "exceeded quota: small",
}


def spoken(sentence: str) -> str:
    return " ".join(EXAMPLES.get(word, word) for word in sentence.split())


def understood(text: str) -> Script:
    script, errors = read(text, "trouble.txt")
    assert not errors
    return script


def mistake(text: str) -> tuple[str, str]:
    """Return what is said of a script of one mistake, and the hint."""
    _, errors = read(text, "trouble.txt")
    (error,) = errors
    return str(error), error.hint


@pytest.mark.parametrize("sentence", DEEDS)
def test_each_deed_can_be_said(sentence: str) -> None:
    (line,) = understood(f"at 1s: {spoken(sentence)}").lines
    assert callable(line.deed)
    assert line.after == 1


@pytest.mark.parametrize("sentence", HABITS)
def test_each_habit_can_be_said(sentence: str) -> None:
    script = understood(spoken(sentence))
    assert script != Script()
    assert script.lines == ()


@cases(
    "text, expected",
    {
        "runs": ("launcher runs 90s", Habits(launcher_seconds=90.0)),
        "runs on": ("launcher runs forever", Habits(launcher_seconds=None)),
        "codes": (
            "launcher exits 137 then 1 then 0",
            Habits(launcher_codes=(137, 1, 0)),
        ),
        "start": ("pods start in 3s", Habits(start_seconds=(3.0, 3.0))),
        "between": ("pods start in 3s to 500ms", Habits(start_seconds=(0.5, 3.0))),
        "stop": ("pods stop in 1m", Habits(stop_seconds=60.0)),
        "seed": ("seed 7", Habits(seed=7)),
    },
)
def test_a_habit_is_for_the_whole_life(text: str, expected: Habits) -> None:
    assert understood(text).habits == expected


def test_the_end_of_the_looking_is_a_time() -> None:
    assert understood("until 2h").until == 7200


@cases(
    "text, after, condition",
    {
        "a time": ("at 1m30s: suspend", 90.0, ""),
        "a condition": ("when Running: suspend", 0.0, "Running"),
        "after a condition": ("10s after Suspended: resume", 10.0, "Suspended"),
        "spaces": ("  at  5s :  suspend  ", 5.0, ""),
        "a comment": ("at 5s: suspend  # for lunch", 5.0, ""),
    },
)
def test_a_line_says_when_it_happens(text: str, after: float, condition: str) -> None:
    (line,) = understood(text).lines
    assert (line.after, line.condition) == (after, condition)


def test_comments_and_empty_lines_are_passed_over() -> None:
    script = understood("# nothing\n\n   # yet\nat 0s: suspend\n")
    assert len(script.lines) == 1


def test_a_value_may_be_anything_that_json_has() -> None:
    text = 'at 0s: set spec.runPolicy = {"suspend": true}\nat 0s: set spec.x = a b # c'
    lines = understood(text).lines
    values = [getattr(line.deed, "keywords", {})["value"] for line in lines]
    assert values == [{"suspend": True}, "a b"]


def test_a_field_may_be_in_a_list_or_have_a_strange_name() -> None:
    path = "metadata.annotations[kueue.x-k8s.io/workload]"
    (line,) = understood(f"at 0s: set {path} = w").lines
    keywords = getattr(line.deed, "keywords", {})
    assert keywords["path"] == ("metadata", "annotations", "kueue.x-k8s.io/workload")


@cases(
    "text, said",
    {
        "no sentence": ("at 5s: dance", "trouble.txt:1: cannot read 'dance'"),
        "no habit": ("pods dance", "trouble.txt:1: cannot read 'pods dance'"),
        "no time": ("at noon: suspend", "trouble.txt:1: noon is no span of time"),
        "an empty time": ("until ''", "trouble.txt:1: '' is no span of time"),
        "too long a time": ("until 999999999999h", "is no span of time"),
        "no condition": ("when Ready: suspend", "Ready is no condition of an MPIJob"),
        "no when": ("at: suspend", "cannot read when 'at' is"),
        "no number": ("at 5s: scale many", "many is no number"),
        "a huge number": (f"at 5s: scale {'9' * 5000}", "is no number"),
        "no code": ("at 5s: launcher exits 256", "256 is no exit code"),
        "no codes": ("launcher exits 1 then", "is no exit code"),
        "no field": ("at 5s: set status.x = 1", "status.x is no field that can be set"),
        "no path": ("at 5s: set spec..x = 1", "spec..x is no field that can be set"),
        "a deed without a time": ("suspend", "this does not say when it happens"),
        "a deed half said": ("scale many", "this does not say when it happens"),
        "control characters": ("at 5s: \x1b[31m", "cannot read"),
    },
)
def test_a_mistake_is_told_with_its_line(text: str, said: str) -> None:
    message, hint = mistake(text)
    assert said in message
    assert message.startswith("trouble.txt:1: ")
    assert hint
    assert "\x1b" not in message + hint
    assert len(message) < 300


@cases(
    "text, hint",
    {
        "alike": ("at 5s: evict launcher", "say evict worker INDEX"),
        "misspelt": ("at 5s: supend", "say suspend"),
        "a time": ("at 5: suspend", "such as 30s, 1m30s, 2h or 250ms"),
        "the time last": ("evict worker-0 at 3s", "say evict worker INDEX, after the"),
        "when": ("suspend", "say at 30s: suspend | when Running: suspend"),
        "order": ("at 5s: suspend\nat 4s: resume", "put the earlier one first"),
    },
)
def test_a_mistake_comes_with_a_hint(text: str, hint: str) -> None:
    assert hint in mistake(text)[1]


def test_a_mistake_hides_no_other() -> None:
    script, errors = read("at 1s: dance\nat 2s: suspend\nat 3s: sing", "trouble.txt")
    assert [error.line for error in errors] == [1, 3]
    assert len(script.lines) == 1


def test_a_time_after_a_condition_may_be_shorter_than_one_before() -> None:
    assert len(understood("at 1h: suspend\n1s after Suspended: resume").lines) == 2


def test_a_script_has_a_limit() -> None:
    message, _ = mistake("#\n" * (LINES_MAX + 1))
    assert (
        message == f"trouble.txt:{LINES_MAX + 1}: this has more than {LINES_MAX} lines"
    )


def test_a_span_of_time_is_read_as_it_is_said() -> None:
    spans = {"1h1m1s": 3661, "1.5s": 1.5, "20ms": 0.02, "90m": 5400, "1m5ms": 60.005}
    assert {text: duration(text) for text in spans} == spans


def test_every_placeholder_has_an_example_here() -> None:
    words = {word for sentence in (*DEEDS, *HABITS) for word in sentence.split()}
    assert {word for word in words if re.fullmatch("[A-Z]+", word)} == EXAMPLES.keys()
