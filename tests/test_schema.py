# SPDX-License-Identifier: Apache-2.0
"""What the CRD's schema says of an object, as the API server says it.

The schema is a small one by hand that has each feature of the real one. What happens
to nulls, defaults and unknown fields is what apiextensions-apiserver does: the tests
named after it hold facts read there.
"""

import copy
import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpijob.problems import Problem
from mpijob_operator.field_path import parse_path
from mpijob_operator.json_schema import json_schema
from tests.schema_by_hand import SCHEMA, SPEC, job, with_container

FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a number for text": (
        with_container(image=5),
        "spec.containers[0].image is a number, and must be text",
        "quote it: without quotes YAML reads yes, 0644 or 1e3 as no text",
    ),
    "a boolean for text": (
        with_container(env=[{"name": "a", "value": True}]),
        "spec.containers[0].env[0].value is a boolean, and must be text",
        "quote it: without quotes YAML reads yes, 0644 or 1e3 as no text",
    ),
    "text for a number": (
        job(slots="2"),
        "spec.slots is text, and must be a whole number",
        "write it without quotes",
    ),
    "text for a boolean": (
        with_container(tty="yes"),
        "spec.containers[0].tty is text, and must be true or false",
        "write it without quotes",
    ),
    "a fraction for a whole number": (
        job(slots=1.5),
        "spec.slots is a number, and must be a whole number",
        "",
    ),
    "an object for a list": (
        job(containers={"name": "a"}),
        "spec.containers is an object, and must be a list",
        "",
    ),
    "text for a list": (
        with_container(command="sleep"),
        "spec.containers[0].command is text, and must be a list",
        "",
    ),
    "null in a list": (
        with_container(command=["a", None]),
        "spec.containers[0].command[1] is null, and must be text",
        "",
    ),
    "a field that is missing": (
        job(containers=[{"image": "x"}]),
        "spec.containers[0].name is missing, and must be given",
        "",
    ),
    "one of two fields that are missing": (
        {"kind": "X"},
        "spec is missing, and must be given",
        "",
    ),
    "a word that is not in the list": (
        job(implementation="openmpi"),
        'spec.implementation is "openmpi", and must be OpenMPI or Intel',
        "did you mean OpenMPI?",
    ),
    "a word like none in the list": (
        job(implementation="x" * 99),
        f'spec.implementation is "{"x" * 29}...", and must be OpenMPI or Intel',
        "",
    ),
    "null that the enum does not name": (
        job(rather=None),
        "spec.rather is null, and must be a",
        "",
    ),
    "no quantity": (
        with_container(limits={"cpu": "lots"}),
        (
            'spec.containers[0].limits.cpu is "lots", and must be a quantity, '
            "like 500m or 1.5Gi"
        ),
        "",
    ),
    "neither number nor text": (
        with_container(limits={"nvidia.com/gpu": True}),
        (
            "spec.containers[0].limits[nvidia.com/gpu] is a boolean, and must be "
            "a whole number or text"
        ),
        "quote it: without quotes YAML reads yes, 0644 or 1e3 as no text",
    ),
    "a text that does not match": (
        job(path="x\n\x1b"),
        'spec.path is "x\\n\\x1b", and must match ^/',
        "",
    ),
    "a text that is too long": (
        job(path="/" * 9),
        "spec.path has 9, and must have at most 8 characters",
        "",
    ),
    "below the least": (job(slots=-1), "spec.slots is -1, and must be at least 0", ""),
    "beyond 32 bits": (
        job(slots=2**31),
        "spec.slots is 2147483648, and must be at most 2147483647",
        "",
    ),
    "beyond 64 bits": (
        job(deadline=2.0**63),
        (
            "spec.deadline is 9.223372036854776e+18, and must be at most "
            "9223372036854775807"
        ),
        "",
    ),
    "not above a bound": (job(ratio=0), "spec.ratio is 0, and must be more than 0", ""),
    "not below a bound": (job(share=1), "spec.share is 1, and must be less than 1", ""),
    "not a multiple": (job(step=3), "spec.step is 3, and must be a multiple of 5", ""),
    "too few items": (
        job(containers=[]),
        "spec.containers has 0, and must have at least 1 item",
        "",
    ),
    "too many items": (
        job(containers=[{"name": "a"}] * 4),
        "spec.containers has 4, and must have at most 3 items",
        "",
    ),
    "too many entries": (
        job(labels={"a": "1", "b": "2", "c": "3"}),
        "spec.labels has 3, and must have at most 2 entries",
        "",
    ),
    "too few entries": (
        job(some={}),
        "spec.some has 0, and must have at least 1 entry",
        "",
    ),
    "an item twice": (job(unique=["a", "a"]), "spec.unique has an item twice", ""),
    "no form of several": (
        job(either={"a": "1", "b": "2"}),
        "spec.either does not fit the schema (oneOf)",
        "",
    ),
    "none of several": (job(both=3), "spec.both does not fit the schema (anyOf)", ""),
    "what must not be": (job(both=0), "spec.both does not fit the schema (not)", ""),
    "a name twice in a list": (
        with_container(env=[{"name": "a"}, {"name": "b"}, {"name": "a"}]),
        "spec.containers[0].env[2] has the same name as env[0]",
        "each item of this list needs its own",
    ),
    "two keys twice, one by default": (
        with_container(
            ports=[{"containerPort": 1, "protocol": "TCP"}, {"containerPort": 1}],
        ),
        (
            "spec.containers[0].ports[1] has the same containerPort and protocol "
            "as ports[0]"
        ),
        "each item of this list needs its own",
    ),
    "a value twice in a set": (
        job(groups=[1, 2, 1]),
        "spec.groups[2] has the same value as groups[0]",
        "each item of this list needs its own",
    ),
}


@pytest.mark.rule("B1.6")
@pytest.mark.parametrize(
    ("value", "sentence", "hint"), FAULTS.values(), ids=list(FAULTS)
)
def test_each_fault_is_a_sentence_with_a_path(
    value: dict[str, Any], sentence: str, hint: str
) -> None:
    (problem,) = SCHEMA.problems_of(value)
    assert str(problem) == sentence
    assert problem.hint == hint


@pytest.mark.rule("B1.5", "B1.6")
def test_every_problem_is_named() -> None:
    value = job(slots="2", implementation="mpich", containers=[{}, {"image": 1}])
    assert sorted(problem.path for problem in SCHEMA.problems_of(value)) == [
        "spec.containers[0].name",
        "spec.containers[1].image",
        "spec.containers[1].name",
        "spec.implementation",
        "spec.slots",
    ]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(job(), id="nothing unusual"),
        pytest.param(job(implementation=""), id="an empty word for the default"),
        pytest.param(job(maybe=None, amount=None, free=None), id="null where it may"),
        pytest.param(job(slots=None), id="null for a default"),
        pytest.param(with_container(command=None), id="null that is dropped"),
        pytest.param(with_container(limits={"cpu": 1, "m": "1Gi"}), id="quantities"),
        pytest.param(job(deadline=-(2**63)), id="the least of 64 bits"),
        pytest.param(job(anything={"a": [1]}, free=[1]), id="what is free"),
        pytest.param(job(groups=[1, 10]), id="a set"),
        pytest.param(job(modes=[None]), id="null in a list that has a default"),
        pytest.param(
            with_container(
                ports=[{"containerPort": 1}, {"containerPort": 1, "protocol": "UDP"}],
            ),
            id="ports that differ by protocol",
        ),
        pytest.param(job(unknown=1), id="a field that is unknown"),
    ],
)
def test_what_the_api_server_takes_has_no_problem(value: dict[str, object]) -> None:
    assert SCHEMA.problems_of(value) == ()


def test_no_value_that_may_be_a_secret_is_shown() -> None:
    secret = "hunter2" * 9  # A stand-in for a password.
    value = job(slots=secret, labels=[secret], containers=secret, groups=[secret])
    shown = " ".join(str(problem) for problem in SCHEMA.problems_of(value))
    assert shown
    assert "hunter2" not in shown


def test_a_wrong_type_is_no_word_of_the_list_either() -> None:
    for value, shown in (({"a": 1}, "an object"), (True, "true")):
        problems = SCHEMA.problems_of(job(implementation=value))
        assert {problem.path for problem in problems} == {"spec.implementation"}
        assert f"is {shown}, and must be OpenMPI or Intel" in map(message, problems)


def message(problem: Problem) -> str:
    return problem.message


def test_items_without_a_name_have_none_to_repeat() -> None:
    nameless: list[object] = ["a", "a", {}, {}]
    problems = SCHEMA.problems_of(with_container(env=nameless))
    assert [problem.path for problem in problems] == [
        "spec.containers[0].env[0]",
        "spec.containers[0].env[1]",
        "spec.containers[0].env[2].name",
        "spec.containers[0].env[3].name",
    ]


DEFAULTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "what is missing": ({}, {}),
    "null for a default": ({"slots": None}, {"slots": 1}),
    "null without a default": ({"implementation": None}, {}),
    "null where it may be": ({"maybe": None}, {"maybe": None}),
    "null that the schema does not know": ({"other": None}, {"other": None}),
    "null in a map": ({"labels": {"a": None, "b": "1"}}, {"labels": {"b": "1"}}),
    "null in a map with a default": ({"named": {"a": None}}, {"named": {"a": "x"}}),
    "null in a list": ({"groups": [None]}, {"groups": [None]}),
    "null in a list with a default": ({"modes": [None, "a"]}, {"modes": ["rw", "a"]}),
    "null in a list where it may be": ({"maybes": [None]}, {"maybes": [None]}),
    "a default inside a default": ({}, {"policy": {"clean": "None"}}),
    "a default inside what is given": ({"policy": {}}, {"policy": {"clean": "None"}}),
    "what is given": ({"slots": 0}, {"slots": 0}),
    "an item of a list": (
        {"containers": [{"name": "a", "ports": [{"containerPort": 1}]}]},
        {
            "containers": [
                {"name": "a", "ports": [{"containerPort": 1, "protocol": "TCP"}]},
            ],
        },
    ),
    "a list of the wrong type": ({"containers": 5}, {"containers": 5}),
    "an object of the wrong type": ({"policy": 5}, {"policy": 5}),
}


@pytest.mark.rule("B1.4")
@pytest.mark.parametrize(("spec", "expected"), DEFAULTED.values(), ids=list(DEFAULTED))
def test_defaults_and_nulls_are_as_the_api_server_has_them(
    spec: dict[str, object], expected: dict[str, object]
) -> None:
    value = {"spec": spec}
    before = copy.deepcopy(value)
    always = {"slots": 1, "policy": {"clean": "None"}}
    assert SCHEMA.with_defaults(value) == {"spec": {**always, **expected}}
    assert value == before


@pytest.mark.rule("B1.4")
def test_what_does_not_change_is_shared() -> None:
    value = SCHEMA.with_defaults(job(labels={"a": "1"}))
    assert SCHEMA.with_defaults(value) is value
    changed = {**value, "spec": {**spec_of(value), "slots": None}}
    assert spec_of(SCHEMA.with_defaults(changed))["labels"] is spec_of(value)["labels"]


def spec_of(value: Mapping[str, object]) -> dict[str, object]:
    return cast("dict[str, object]", value["spec"])


UNKNOWN: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "none": (with_container(image="x"), []),
    "in the spec": (job(slot=1), [("spec.slot", "did you mean slots?")]),
    "in an item": (
        with_container(imagePullPolicy="Always", comand=["a"]),
        [
            ("spec.containers[0].imagePullPolicy", ""),
            ("spec.containers[0].comand", "did you mean command?"),
        ],
    ),
    "at the root": ({"specs": {}}, [("specs", "did you mean spec?")]),
    "a key that is odd": (
        job(**{"a.b\x1b": 1}),
        [('spec["a.b\\u001b"]', "")],
    ),
    "in metadata, which is not the schema's": ({"metadata": {"namee": "x"}}, []),
    "in a map": (job(labels={"anything": "x"}), []),
    "in what is kept": (job(anything={"a": 1}, free={"a": 1}), []),
    "in what has the wrong type": (job(slots={"a": 1}, containers=3), []),
    "in an object without fields": (job(some={"a": 1}), [("spec.some.a", "")]),
}


@pytest.mark.rule("B1.4")
@pytest.mark.parametrize(("value", "expected"), UNKNOWN.values(), ids=list(UNKNOWN))
def test_unknown_fields_are_warnings(
    value: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    warnings = SCHEMA.warnings_of(value)
    assert [(warning.path, warning.hint) for warning in warnings] == expected


def test_a_schema_in_json_schema_has_no_word_of_kubernetes() -> None:
    text = json.dumps(json_schema(SCHEMA.open_api))
    assert "x-kubernetes" not in text
    assert "nullable" not in text
    assert "format" not in text


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*SPEC["properties"], "name", "env", "ports", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(values)
def test_any_value_gets_an_answer(value: object) -> None:
    """Whatever stands in a spec, the schema answers, with paths that can be read."""
    found = [*SCHEMA.problems_of({"spec": value}), *SCHEMA.warnings_of({"spec": value})]
    for problem in found:
        assert isinstance(problem, Problem)
        assert parse_path(problem.path)
        assert str(problem).isprintable()


@given(values)
def test_defaults_are_complete_at_once(value: object) -> None:
    """An object with its defaults has nothing more to gain."""
    once = SCHEMA.with_defaults({"spec": value})
    assert SCHEMA.with_defaults(once) == once
