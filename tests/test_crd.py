# SPDX-License-Identifier: Apache-2.0
"""What the CRD is: how it is made, its form and its size (B1.6).

Of what it says to jobs, `test_crd_verdicts` speaks.
"""

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import mpijob_crd
from tests.controlplane.offline import OLD

ROOT: Final = Path(__file__).parents[1]

# What all annotations of an object may hold (apimachinery, TotalAnnotationSizeLimitB).
ANNOTATIONS_MAX: Final = 256 * 1024
KEY: Final = "kubectl.kubernetes.io/last-applied-configuration"

Path_ = tuple[str, ...]
Node = tuple[Path_, Mapping[str, Any]]


@functools.cache
def crd() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(mpijob_crd.text(), yaml.CSafeLoader)
    return loaded


def nodes(schema: Mapping[str, Any], path: Path_ = ()) -> Iterator[Node]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, (*path, name))
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield from nodes(schema[key], (*path, key))


NODES: Final = list(nodes(mpijob_crd.schema()))
TEMPLATE: Final = (
    *("spec", "mpiReplicaSpecs", "additionalProperties"),
    "template",
)


def where(holds: Callable[[Mapping[str, Any]], bool]) -> list[Path_]:
    return [path for path, node in NODES if holds(node)]


def in_template(path: Path_) -> bool:
    return path[: len(TEMPLATE)] == TEMPLATE and path != TEMPLATE


# --- How it is made -----------------------------------------------------------


def test_the_crd_is_what_the_generator_makes() -> None:
    command = [sys.executable, "crd/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_both_files_hold_the_same_schema() -> None:
    (version,) = crd()["spec"]["versions"]
    assert version["name"] == "v2beta1"
    assert version["schema"]["openAPIV3Schema"] == mpijob_crd.schema()


@pytest.mark.rule("B1.6")
def test_kubectl_apply_has_room_for_it() -> None:
    applied = json.dumps({**crd(), "status": None}, separators=(",", ":")) + "\n"
    assert len(KEY) + len(applied) < ANNOTATIONS_MAX / 2  # It may grow.


# --- Its form -----------------------------------------------------------------


@pytest.mark.rule("B1.6")
def test_every_integer_has_a_format() -> None:
    bare = where(
        lambda n: (
            n.get("type") == "integer" and n.get("format") not in ("int32", "int64")
        )
    )
    assert not bare


@pytest.mark.rule("B1.6")
def test_every_int32_has_its_range() -> None:
    wide = where(
        lambda n: (
            n.get("format") == "int32"
            and (n["minimum"] < -(2**31) or n["maximum"] > 2**31 - 1)
        )
    )
    assert not wide


@pytest.mark.rule("B1.6")
def test_every_list_says_how_it_is_merged() -> None:
    kinds = {"atomic", "set", "map"}
    mute = where(
        lambda n: (
            n.get("type") == "array" and n.get("x-kubernetes-list-type") not in kinds
        )
    )
    assert not mute


@pytest.mark.rule("B1.6")
def test_every_key_of_a_list_is_required_or_has_a_default() -> None:
    def loose(node: Mapping[str, Any]) -> bool:
        items = node.get("items", {})
        return any(
            key not in items.get("required", ())
            and "default" not in items["properties"][key]
            for key in node.get("x-kubernetes-list-map-keys", ())
        )

    assert not where(loose)


@pytest.mark.rule("B1.6")
def test_the_schema_is_structural() -> None:
    def typeless(node: Mapping[str, Any]) -> bool:
        either = node.get("x-kubernetes-int-or-string")
        return (
            bool(either) == ("type" in node)
            or {"$ref", "allOf", "oneOf"} & {*node} != set()
        )

    assert not where(typeless)


@pytest.mark.rule("B1.6")
def test_the_template_has_no_prose_and_the_rest_has() -> None:
    prose = where(lambda n: "description" in n)
    assert not [path for path in prose if in_template(path)]
    bare = where(lambda n: n.get("type") != "object" and "description" not in n)
    own = [path for path in bare if not in_template(path) and path[:1] != ("metadata",)]
    assert [p for p in own if p[-1] not in ("items", "additionalProperties")] == []


@pytest.mark.rule("B1.4", "B1.6")
def test_a_template_gets_no_default_but_for_the_keys_of_its_lists() -> None:
    found = {
        (path[-2:], dict(NODES)[path]["default"])
        for path in where(lambda n: "default" in n)
        if in_template(path)
    }
    assert found == {(("items", "protocol"), "TCP"), (("items", "name"), "")}


@pytest.mark.rule("B1.6")
def test_labels_and_annotations_of_a_template_are_kept() -> None:
    fields = dict(NODES)[(*TEMPLATE, "metadata")]["properties"]
    assert {"labels", "annotations"} <= fields.keys()


@pytest.mark.rule("B1.6")
def test_a_node_selector_is_taken_whole() -> None:
    selector = dict(NODES)[(*TEMPLATE, "spec", "nodeSelector")]
    assert selector["x-kubernetes-map-type"] == "atomic"


@pytest.mark.rule("B1.6")
def test_the_words_for_kubectl() -> None:
    names = crd()["spec"]["names"]
    assert names["shortNames"] == ["mj"]
    assert names["categories"] == ["kubeflow"]
    (version,) = crd()["spec"]["versions"]
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert columns == ["State", "Workers", "Completed", "Age"]


@pytest.mark.rule("B1.6")
def test_every_rule_speaks_in_a_sentence() -> None:
    rules = [r for _, n in NODES for r in n.get("x-kubernetes-validations", ())]
    assert rules
    for rule in rules:
        assert rule["message"].endswith("."), rule
        assert rule.get("optionalOldSelf") is None or OLD.search(rule["rule"]), rule


@pytest.mark.rule("B1.6")
def test_no_rule_walks_a_template_or_a_list() -> None:
    ruled = where(lambda n: "x-kubernetes-validations" in n)
    assert not [p for p in ruled if in_template(p) or "items" in p]
