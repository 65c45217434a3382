# SPDX-License-Identifier: Apache-2.0
"""`mpijob manifests`: what is printed, and what of the command line ends up where.

That `deploy/` says the same is in ``test_deploy``.
"""

import json
import subprocess
import sys
from typing import Any, Final

import pytest
import yaml

import mpijob_crd
from mpijob_operator import installation
from mpijob_operator.commands.manifests import PASSED_ON, default_image
from mpijob_operator.controller.flags import FLAGS
from tests.states import said

Json = dict[str, Any]

SECURE: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def printed(*words: str) -> list[Json]:
    text = said("manifests", *words).out
    return list(yaml.load_all(text, yaml.CSafeLoader))


def named(objects: list[Json]) -> list[str]:
    return [f"{each['kind']} {each['metadata']['name']}" for each in objects]


def the(kind: str, *words: str) -> Json:
    (found,) = (each for each in printed(*words) if each["kind"] == kind)
    return found


def container(*words: str) -> Json:
    found: Json
    (found,) = the("Deployment", *words)["spec"]["template"]["spec"]["containers"]
    return found


def test_everything_is_printed_in_an_order_that_can_be_applied() -> None:
    objects = printed()
    order = named(objects)
    assert order[0] == "Namespace mpi-operator"
    assert order.index("ServiceAccount mpi-operator") < order.index(
        "Deployment mpi-operator"
    )
    assert len(set(order)) == len(order)


def test_json_is_a_list_of_the_same() -> None:
    whole = json.loads(said("manifests", "--with-crd", "-o", "json").out)
    assert (whole["apiVersion"], whole["kind"]) == ("v1", "List")
    assert whole["items"] == printed("--with-crd")
    assert json.loads(said("manifests", "-o", "json").out)["items"] == printed()


def test_the_crd_comes_first_where_it_is_asked_for() -> None:
    text = said("manifests", "--with-crd").out
    assert text.startswith(mpijob_crd.text())
    assert named(printed("--with-crd"))[1:] == named(printed())


@pytest.mark.rule("B8.8")
def test_one_leads_by_the_lease_of_the_operator_s_namespace() -> None:
    assert the("Deployment")["spec"]["replicas"] == 2
    assert "--lock-namespace=mpi-operator" in container()["args"]
    words = ("--operator-namespace", "hpc", "--replicas", "3")
    assert the("Deployment", *words)["spec"]["replicas"] == 3
    assert "--lock-namespace=hpc" in container(*words)["args"]
    assert the("Role", *words)["metadata"] == {
        "name": "mpi-operator-election",
        "namespace": "hpc",
        "labels": dict(installation.LABELS),
    }


def test_the_pod_may_next_to_nothing() -> None:
    pod = the("Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container()["securityContext"] == SECURE


def test_the_probes_ask_where_the_operator_answers() -> None:
    started = container()
    ports = {each["name"]: each["containerPort"] for each in started["ports"]}
    assert f"--health-port={ports['health']}" in started["args"]
    assert f"--monitoring-port={ports['metrics']}" in started["args"]
    asked = {
        started[f"{each}Probe"]["httpGet"]["path"] for each in ("liveness", "readiness")
    }
    assert asked == {"/healthz", "/readyz"}


@pytest.mark.rule("B8.6")
def test_some_namespaces_get_a_role_each_and_the_cluster_none_for_jobs() -> None:
    objects = printed("--namespace", "a,b")
    roles = [each for each in objects if each["kind"] == "Role"]
    where = [each["metadata"]["namespace"] for each in roles]
    assert where == ["a", "b", "mpi-operator"]
    assert roles[0]["rules"] == roles[1]["rules"]
    assert "ClusterRole mpi-operator" not in named(objects)
    assert "--namespace=a,b" in container("--namespace", "a,b")["args"]


@pytest.mark.rule("B8.6")
def test_every_role_is_bound_to_the_account() -> None:
    for words in ((), ("--namespace", "a,b", "--operator-namespace", "hpc")):
        objects = printed(*words)
        account = the("ServiceAccount", *words)["metadata"]
        bindings = [each for each in objects if each["kind"].endswith("Binding")]
        for each in bindings:
            (subject,) = each["subjects"]
            assert subject["namespace"] == account["namespace"]
            assert subject["name"] == account["name"]
        bound = {(b["roleRef"]["kind"], b["roleRef"]["name"]) for b in bindings}
        there = {
            (each["kind"], each["metadata"]["name"])
            for each in objects
            if each["kind"] in ("Role", "ClusterRole")
        }
        assert {r for r in there if not r[1].startswith("kubeflow-")} == bound


def test_a_namespace_of_jobs_is_left_to_its_owner() -> None:
    words = ("--namespace", "a,b", "--operator-namespace")
    assert "Namespace a" not in named(printed(*words, "a"))
    assert "Namespace c" in named(printed(*words, "c"))


def test_two_operators_have_no_name_in_common_beyond_their_namespaces() -> None:
    def of_the_cluster(*words: str) -> set[str]:
        objects = [
            each for each in printed(*words) if "namespace" not in each["metadata"]
        ]
        return {name for name in named(objects) if "kubeflow-mpijobs" not in name}

    one = of_the_cluster("--operator-namespace", "a", "--namespace", "a")
    other = of_the_cluster("--operator-namespace", "b", "--namespace", "b")
    assert one.isdisjoint(other)


def test_flags_of_the_operator_go_to_the_deployment() -> None:
    words = ("--log-format", "text", "--gang-scheduling", "volcano")
    args = container(*words)["args"]
    assert args[-2:] == ["--gang-scheduling=volcano", "--log-format=text"]
    assert container()["args"][0] == "run"


def test_what_the_deployment_settles_itself_is_no_option() -> None:
    settled = {field for field in FLAGS if field not in PASSED_ON}
    assert "leader_elect" in settled
    assert said("manifests", "--leader-elect", "false").code == 2
    assert said("manifests", "--kubeconfig", "x").code == 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--log-level", "loud"), "'loud' is none of"),
        (("--namespace", "A"), "'A' is no name of a namespace"),
        (("--operator-namespace", "a,b"), "'a,b' is not one namespace"),
        (("--replicas", "0"), "'0' is no number from 1 to 10"),
        (("--replicas", "many"), "'many' is no number from 1 to 10"),
    ],
    ids=" ".join,
)
def test_a_value_that_the_operator_would_refuse_is_refused_here(
    words: tuple[str, ...], error: str
) -> None:
    done = said("manifests", *words)
    assert done.code == 2
    assert error in done.err
    assert not done.out


def test_the_image_is_this_version_s_or_the_one_named() -> None:
    assert container()["image"] == default_image()
    assert container("--image", "example/op:1")["image"] == "example/op:1"


@pytest.mark.parametrize("image", ["", "a b"])
def test_an_image_is_one_word(image: str) -> None:
    told = said("manifests", "--image", image)
    assert told.code == 2
    assert "is no image" in told.err


def test_monitors_and_policies_come_when_asked_for() -> None:
    names = named(printed("--service-monitor", "--network-policy"))
    assert names[-2:] == ["ServiceMonitor mpi-operator", "NetworkPolicy mpi-operator"]
    assert len(printed()) == len(names) - 2


def test_no_client_library_is_imported_for_it() -> None:
    script = (
        "import sys; from mpijob_operator.cli import main; main(['manifests']);"
        "print([m for m in ('aiohttp', 'kubernetes', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
