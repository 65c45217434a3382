# SPDX-License-Identifier: Apache-2.0
"""The JSON contract: each test asks with bytes, as a host does, and reads JSON.

The corpus gives the questions: each case's fresh job, and each step of the lives that
were recorded. The published schema judges what goes in and what comes out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import mpijob
from mpijob import sightings
from mpijob.names import Child
from mpijob.observed import Live
from mpijob.stage import Stage
from mpijob.wire import decode_status
from mpijob_operator import contract, hook_request
from mpijob_operator.requests import request_of

CORPUS = Path(__file__).parent / "corpus"
NOW = "2030-01-01T00:00:00Z"
LIVE = ["LauncherJob", "Pods"]


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a request for each fresh job and each step of a life."""
    for folder in sorted(path.parent for path in CORPUS.glob("*/case.json")):
        config = json.loads((folder / "case.json").read_text())["config"]
        settings = {
            "gangScheduler": config["gangScheduler"] or "none",
            "clusterDomain": config["clusterDomain"],
        }
        world = {"now": NOW, "settings": settings, "priorityClasses": related(folder)}
        job = yaml.safe_load((folder / "mpijob.yaml").read_text())
        yield folder.name, {"version": "v1", "job": job, "world": world}
        steps = folder / "steps.json"
        for number, step in enumerate(
            json.loads(steps.read_text())["steps"] if steps.exists() else ()
        ):
            seen: list[Any] = list(step["given"]["children"].values())
            yield (
                f"{folder.name}-{number}",
                {
                    "version": "v1",
                    "job": step["given"]["mpijob"],
                    "observed": seen,
                    "live": LIVE,
                    "world": {**world, "now": step["now"]},
                },
            )


def related(folder: Path) -> list[Any]:
    file = folder / "related.yaml"
    if not file.exists():
        return []
    documents = yaml.safe_load_all(file.read_text())
    return [d for d in documents if d["kind"] == "PriorityClass"]


CASES = [pytest.param(request, id=name) for name, request in cases()]
PI: dict[str, Any] = {
    "version": "v1",
    "job": yaml.safe_load((CORPUS / "real-pi-openmpi/mpijob.yaml").read_text()),
    "world": {"now": NOW},
}


def validator(part: str) -> jsonschema_rs.Draft202012Validator:
    definitions = hook_request.schema()["$defs"]
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/$defs/{part}", "$defs": definitions}, validate_formats=True
    )


REQUEST, ANSWER, FAILURE = map(validator, ("request", "answer", "failure"))


def ask(request: object) -> dict[str, Any]:
    """Ask with bytes and read bytes; whatever comes back is of the schema."""
    data = request if isinstance(request, bytes) else json.dumps(request).encode()
    said: dict[str, Any] = json.loads(contract.text(contract.answered(data)))
    judge = FAILURE if "error" in said else ANSWER
    judge.validate(said)
    return said


def test_the_schema_is_json_schema() -> None:
    jsonschema_rs.meta.validate(hook_request.schema())


def test_the_schema_names_every_stage_and_child() -> None:
    defined = hook_request.schema()["$defs"]
    stages = defined["answer"]["properties"]["stage"]["enum"]
    assert stages == [stage.value for stage in Stage]
    assert defined["child"]["enum"] == list(hook_request.CHILD_WORDS.values())
    assert list(hook_request.CHILD_WORDS) == list(Child)
    assert set(defined["live"]["enum"]) == set(hook_request.LIVES)
    assert set(hook_request.LIVES.values()) == set(Live)


def test_the_defaults_of_the_schema_are_those_of_the_settings() -> None:
    fields = hook_request.schema()["$defs"]["settings"]["properties"]
    given = {key: field["default"] for key, field in fields.items()}
    world = hook_request.world({"now": NOW, "settings": given})
    assert world.settings == mpijob.Settings()
    assert len(given) == len(mpijob.Settings._fields)


@pytest.mark.parametrize("request_", CASES)
def test_every_question_has_an_answer_of_the_schema(request_: dict[str, Any]) -> None:
    REQUEST.validate(request_)
    assert "error" not in ask(request_)


def direct(request: Mapping[str, Any]) -> tuple[mpijob.MPIJob, mpijob.Observed, Any]:
    """Ask the function itself, as a Python host does."""
    job = mpijob.decode(request["job"])
    settings = request["world"]["settings"]
    classes = tuple(
        mpijob.PriorityClass(c["metadata"]["name"], c["value"], c.get("globalDefault"))
        for c in request["world"]["priorityClasses"]
    )
    world = mpijob.World(
        hook_request.world({"now": request["world"]["now"]}).now,
        mpijob.Settings(settings["clusterDomain"], settings["gangScheduler"]),
        classes,
    )
    seen = sightings.observed(request.get("observed", []), job)
    live = frozenset(Live) if "live" in request else frozenset[Live]()
    observed = attrs.evolve(seen, live=live)
    return job, observed, mpijob.reconcile(job, observed, world)


def sent(job: mpijob.MPIJob, action: mpijob.Action) -> object:
    return json.loads(json.dumps(request_of(job, action).as_json()))


@pytest.mark.parametrize("request_", CASES)
def test_the_hook_says_what_the_function_says(request_: dict[str, Any]) -> None:
    job, observed, said = direct(request_)
    answer = ask(request_)
    assert answer["stage"] == said.stage.value
    assert decode_status(answer["status"]) == said.status
    assert [p["path"] for p in answer["problems"]] == [p.path for p in said.problems]
    assert [w["message"] for w in answer["warnings"]] == [
        w.message for w in said.warnings
    ]
    assert [(d["policy"], d["name"], d["manifest"]) for d in answer["desired"]] == [
        (type(d).__name__, d.name, d.manifest) for d in said.desired
    ]
    assert [u["uid"] for u in answer["unwanted"]] == [u.uid for u in said.unwanted]
    assert len(answer["events"]) == len(said.events) + len(said.evictions)
    wait = said.requeue_after
    assert answer["requeueAfterSeconds"] == (wait and wait.total_seconds())
    keys = ("method", "path", "query", "body", "slots")
    assert [
        [{k: a[k] for k in keys if k in a} for a in step] for step in answer["steps"]
    ] == [[sent(job, a) for a in step] for step in mpijob.plan(job, observed, said)]


@pytest.mark.rule("B8.5")
def test_a_slot_stands_where_the_key_pair_goes() -> None:
    answer = ask({**PI, "live": LIVE})
    desired = [d for d in answer["desired"] if "slots" in d]
    actions = [a for step in answer["steps"] for a in step if "keys" in a]
    assert [d["child"] for d in desired] == ["Secret"]
    assert "data" not in desired[0]["manifest"]
    assert [(a["slots"], a["keys"]) for a in actions] == [
        (["data"], ["ssh-privatekey", "ssh-publickey"])
    ]


@pytest.mark.rule("B8.5")
def test_a_key_that_was_seen_is_not_said_again() -> None:
    secret = {**foreign("Secret", "pi-ssh"), "data": {"ssh-privatekey": "c2VjcmV0"}}
    request = {**PI, "live": LIVE, "observed": [secret]}
    assert "c2VjcmV0" not in contract.text(contract.answered(json_bytes(request)))


def json_bytes(value: object) -> bytes:
    return json.dumps(value).encode()


def foreign(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


def test_what_is_held_back_by_a_refusal_is_said_with_the_action() -> None:
    actions = [a for step in ask({**PI, "live": LIVE})["steps"] for a in step]
    held = {a["child"]: a.get("holds", []) for a in actions if "child" in a}
    assert held["Service"] == ["Launcher", "Worker"]
    assert held["Worker"] == []


@pytest.mark.rule("B8.2")
def test_what_a_live_look_must_find_is_said_with_it() -> None:
    job = {**PI["job"], "metadata": {"name": "pi", "uid": "u1", "generation": 3}}
    first = ask({**PI, "job": job, "live": LIVE})
    second = ask({**PI, "job": {**job, "status": first["status"]}, "live": LIVE})
    (look,) = second["steps"][0]
    assert (look["action"], look["method"]) == ("Confirm", "GET")
    assert look["expect"] == {"uid": "u1", "generation": 3}


def test_a_kind_that_was_not_listed_yet_decides_nothing() -> None:
    answer = ask({**PI, "unknown": ["Worker"]})
    assert (answer["stage"], answer["steps"]) == ("Unseen", [])


def test_what_must_be_read_live_is_asked_for() -> None:
    job = {"metadata": {"name": "pi"}}
    answer = ask({**PI, "job": job})
    assert (answer["needs"], answer["steps"]) == (["LauncherJob"], [])
    assert ask({**PI, "job": job, "live": LIVE})["needs"] == []


@pytest.mark.rule("B4.1")
def test_a_refusal_of_the_cluster_is_told_in_the_status() -> None:
    refusal = {
        "child": "Worker",
        "name": "pi-worker-0",
        "reason": "QuotaExceeded",
        "message": "exceeded quota: pods",
    }
    status = ask({**PI, "refusals": [refusal]})["status"]
    (blocked,) = [c for c in status["conditions"] if c["type"] == "Blocked"]
    assert blocked["reason"] == "QuotaExceeded"
    assert "exceeded quota: pods" in blocked["message"]


def test_what_a_go_client_leaves_out_of_a_typed_object_is_not_missed() -> None:
    job = {**PI["job"], "apiVersion": "", "kind": ""}
    assert ask({**PI, "job": job})["stage"] == "Starting"


def test_unknown_fields_inside_objects_are_let_be() -> None:
    job = {**PI["job"], "future": {"field": 1}}
    assert ask({**PI, "job": job, "observed": [foreign("Gadget", "pi")]})["desired"]


NAMELESS: dict[str, Any] = {"metadata": {}}
MISTAKES = [
    pytest.param(b"", "NotJson", "", id="nothing"),
    pytest.param(b"hello", "NotJson", "", id="text"),
    pytest.param(b"null", "NotJson", "", id="null"),
    pytest.param(b"{} 5", "NotJson", "", id="a number after it"),
    pytest.param(b"\xff\xfe", "NotJson", "", id="no UTF-8"),
    pytest.param(b"{} {}", "NotJson", "", id="two values"),
    pytest.param(b'{"version":"v1","version":"v1"}', "NotJson", "", id="a key twice"),
    pytest.param(b'{"a":' * 100_000, "NotJson", "", id="nested without an end"),
    pytest.param(b'{"now": NaN}', "NotJson", "", id="no number of JSON's"),
    pytest.param(b"[]", "NotJson", "", id="a list"),
    pytest.param({}, "Malformed", "version", id="an empty object"),
    pytest.param({**PI, "version": "v2"}, "Malformed", "version", id="other version"),
    pytest.param({**PI, "version": ["v1"]}, "Malformed", "version", id="versions"),
    pytest.param({**PI, "job": []}, "Malformed", "job", id="a list for a job"),
    pytest.param(
        {**PI, "job": {"kind": "TFJob"}}, "Malformed", "job.kind", id="another kind"
    ),
    pytest.param({**PI, "obsreved": []}, "Malformed", "obsreved", id="misspelt field"),
    pytest.param({**PI, "id": "x" * 254}, "Malformed", "id", id="an endless id"),
    pytest.param(
        {**PI, "observed": [foreign("PodList", "pi")]},
        "Malformed",
        "observed[0].kind",
        id="a list among the objects",
    ),
    pytest.param(
        {**PI, "observed": [foreign("Pod", "pi"), {"kind": "Pod"}]},
        "Malformed",
        "observed[1].apiVersion",
        id="an object without its type",
    ),
    pytest.param(
        {**PI, "unknown": ["Deployment"]}, "Malformed", "unknown[0]", id="no child"
    ),
    pytest.param({**PI, "world": {}}, "Malformed", "world.now", id="no time"),
    pytest.param(
        {**PI, "world": {"now": "yesterday"}},
        "Malformed",
        "world.now",
        id="no RFC 3339",
    ),
    pytest.param(
        {**PI, "world": {"now": "9999-12-31T23:59:59Z"}},
        "Malformed",
        "world.now",
        id="the end of time",
    ),
    pytest.param(
        {**PI, "world": {"now": NOW, "settings": {"ttlKeepsJob": 1}}},
        "Malformed",
        "world.settings.ttlKeepsJob",
        id="a number for a flag",
    ),
    pytest.param(
        {**PI, "world": {"now": NOW, "priorityClasses": [NAMELESS]}},
        "Malformed",
        "world.priorityClasses[0].metadata.name",
        id="a class without a name",
    ),
]


@pytest.mark.parametrize(("request_", "reason", "path"), MISTAKES)
def test_a_mistake_is_named_with_its_place(
    request_: object, reason: str, path: str
) -> None:
    error = ask(request_)["error"]
    assert (error["reason"], error["path"]) == (reason, path)
    assert error["message"]


def test_every_mistake_of_a_request_is_named_at_once() -> None:
    error = ask({"version": "v0", "job": 1, "world": {}, "more": True})["error"]
    paths = [problem["path"] for problem in error["problems"]]
    assert sorted(paths) == ["job", "more", "version", "world.now"]


def test_one_mistake_made_a_thousand_times_is_named_often_enough() -> None:
    error = ask({**PI, "observed": [1] * 1_000})["error"]
    assert len(error["problems"]) == hook_request.PROBLEMS_MAX


def test_a_long_value_is_not_shown() -> None:
    secret = "s3cret" * 10
    error = ask({**PI, "version": secret})["error"]
    assert secret not in json.dumps(error)


def test_the_id_comes_back_in_an_answer_and_in_a_failure() -> None:
    assert ask({**PI, "id": "7"})["id"] == "7"
    assert ask({"version": "v1", "id": "8"})["id"] == "8"


def test_a_mistake_of_ours_is_an_answer_too() -> None:
    def broken(_: object) -> dict[str, Any]:
        return {"result": 1 / 0}

    said = contract.answered(b'{"id": "9"}', broken)
    FAILURE.validate(said)
    assert (said["id"], said["error"]["reason"]) == ("9", "Internal")
    assert "ZeroDivisionError at test_hook.py:" in said["error"]["message"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["version", "job", "world", "now", "metadata", "name", "spec"]
            )
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values, json_values, st.lists(json_values, max_size=3))
def test_whatever_is_asked_is_answered(
    job: object, world: object, seen: list[Any]
) -> None:
    for request in (job, {"version": "v1", "job": job, "world": world}):
        assert ask(request).get("error", {}).get("reason") != "Internal"
    objects = [{**foreign("Pod", "pi"), "metadata": value} for value in seen]
    body = {"version": "v1", "job": {"spec": job}, "observed": objects}
    said = ask({**body, "world": {"now": NOW}})
    assert said.get("error", {}).get("reason") != "Internal"
