# SPDX-License-Identifier: Apache-2.0
"""``mpijob plan`` of manifests: what it reads, and each form of what it prints."""

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_manifest, a_template
from tests.states import NOW, changed, documents, grown, new, printed, said
from tests.tools.source import ROOT

PI = str(ROOT / "examples/01-pi/mpijob.yaml")


@pytest.fixture
def state(tmp_path: Path) -> str:
    """Return a file with a running job of two workers."""
    file = tmp_path / "state.json"
    file.write_text(printed(grown(a_manifest(workers=2))))
    return str(file)


# --- What is printed ----------------------------------------------------------


def kinds(values: list[dict[str, Any]]) -> list[str]:
    return [value["kind"] for value in values]


def test_yaml_is_what_kubectl_applies() -> None:
    done = said("plan", "-f", PI, "-o", "yaml")
    assert kinds(documents(done.out)) == ["Service", "ConfigMap", "Pod", "Pod", "Job"]
    assert done.err.splitlines() == [
        (
            "note: MPIJob default/pi has no uid yet, so its children have no owner"
            " references"
        ),
        "hint: a manifest as `kubectl get mpijob -o yaml` prints it has one",
        "note: Secret pi-ssh is left out: no key pair was drawn for it",
        "hint: --with-ssh-key draws one and prints it",
    ]


def test_json_is_one_list_of_the_desired_children() -> None:
    done = said("plan", "-f", PI, "-o", "json")
    found = json.loads(done.out)
    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    wanted = ["Service", "ConfigMap", "Secret", "Pod", "Pod", "Job"]
    assert kinds(found["items"]) == wanted
    assert "data" not in found["items"][2]
    assert "note: Secret pi-ssh is without its key pair\n" in done.err


def test_a_job_with_a_uid_owns_its_children() -> None:
    given = json.dumps(a_manifest(workers=1)).encode()
    done = said("plan", "-f", "-", "-o", "json", stdin=given)
    owners = [item["metadata"]["ownerReferences"] for item in _items(done.out)]
    assert {owner["uid"] for (owner,) in owners} == {"job"}
    assert "no uid" not in done.err


def _items(text: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(text)["items"]
    return items


@pytest.mark.rule("B8.5")
def test_a_key_is_drawn_only_when_it_is_asked_for() -> None:
    done = said("plan", "-f", PI, "-o", "yaml", "--with-ssh-key")
    secret = next(d for d in documents(done.out) if d["kind"] == "Secret")
    private = base64.b64decode(secret["data"]["ssh-privatekey"])
    assert private.startswith(b"-----BEGIN EC PRIVATE KEY-----")
    public = base64.b64decode(secret["data"]["ssh-publickey"])
    assert public.startswith(b"ecdsa-sha2-nistp521 ")
    assert "warning: Secret pi-ssh is printed with its private key\n" in done.err


@pytest.mark.rule("B8.5")
@pytest.mark.parametrize("output", [["-o", "text"], ["-o", "yaml"], ["-o", "json"]])
def test_no_key_is_drawn_twice(output: list[str]) -> None:
    words = ["plan", "-f", PI, *NOW, *output]
    assert said(*words).out == said(*words).out


def test_a_key_needs_the_library_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    done = said("plan", "-f", PI, "-o", "yaml", "--with-ssh-key")
    assert done.code == 1
    assert done.out == ""
    assert "error: the library that draws keys is missing\n" in done.err
    assert "hint: pip install 'mpijob[operator]'\n" in done.err


def test_children_that_stay_or_go_are_counted_not_printed(state: str) -> None:
    given = new(workers=1)
    done = said("plan", "-f", "-", "--observed", state, "-o", "yaml", stdin=given)
    assert kinds(documents(done.out)) == ["Service", "ConfigMap"]
    note = "note: MPIJob hpc/pi: 3 children stay as they are and 1 go; neither is shown"
    assert note in done.err.splitlines()


def test_no_children_is_said_where_nothing_is_printed() -> None:
    given = new(policy={"managedBy": "kueue.x-k8s.io/multikueue"})
    done = said("plan", "-f", "-", "-o", "yaml", stdin=given)
    reason = "spec.runPolicy.managedBy names another controller."
    assert done.lines() == [f"note: MPIJob hpc/pi has no children to show: {reason}"]


def test_steps_are_requests_in_their_order() -> None:
    done = said("plan", "-f", PI, "--steps", "-o", "json", *NOW)
    (job,) = json.loads(done.out)
    assert (job["namespace"], job["name"]) == ("default", "pi")
    said_of = [[(a["action"], a["method"]) for a in step] for step in job["steps"]]
    assert said_of == [
        [("WriteStatus", "PUT")],
        [("Event", "POST")],
        [("Apply", "PATCH"), ("Apply", "PATCH"), ("Create", "POST")],
        [("Create", "POST"), ("Create", "POST")],
        [("Create", "POST")],
    ]
    assert job["steps"][0][0]["guard"] == "resourceVersion of the MPIJob"
    assert job["steps"][2][2]["slots"] == ["data"]


def test_steps_are_a_table_for_people(state: str) -> None:
    done = said("plan", "-f", PI, "--steps", *NOW)
    lines = done.out.splitlines()
    assert lines[0] == "MPIJob default/pi: 5 steps"
    job = "/apis/kubeflow.org/v2beta1/namespaces/default/mpijobs/pi"
    rows = [re.split("  +", line) for line in lines[2:]]
    assert rows[:4] == [
        ["STEP", "METHOD", "PATH", "WHAT"],
        ["1", "PUT", f"{job}/status", "the status, if nobody wrote since"],
        [
            "2",
            "POST",
            "/apis/events.k8s.io/v1/namespaces/default/events",
            "Normal MPIJobCreated: MPIJob default/pi is created.",
        ],
        [
            "3",
            "PATCH",
            "/api/v1/namespaces/default/services/pi",
            "as mpi-operator",
        ],
    ]
    none = said("plan", "--observed", state, "--steps").out
    assert none == "MPIJob hpc/pi: 0 steps: there is nothing to do\n"


def test_each_kind_of_step_says_what_it_is(tmp_path: Path) -> None:
    objects = [o for o in grown(a_manifest(workers=3)) if o["kind"] != "ConfigMap"]
    file = tmp_path / "state.json"
    file.write_text(printed(objects))
    changed(file, "MPIJob", "pi", spec={"mpiReplicaSpecs": two_workers()})
    changed(file, "Job", "pi-launcher", metadata={"labels": {}})
    text = said("plan", "--observed", str(file), "--steps").out
    words = [re.split("  +", line)[-1] for line in text.splitlines()[3:]]
    assert words == [
        "only if it is still as it was",
        "as mpi-operator-labels",
        "replicas is 2",
        "as mpi-operator",
    ]
    assert said("plan", "--observed", str(file), "-o", "diff").code == 0


def two_workers() -> dict[str, Any]:
    specs: dict[str, Any] = a_manifest(workers=2)["spec"]["mpiReplicaSpecs"]
    return specs


def test_steps_are_yaml_as_well() -> None:
    as_yaml = said("plan", "-f", PI, "--steps", "-o", "yaml", *NOW).out
    as_json = said("plan", "-f", PI, "--steps", "-o", "json", *NOW).out
    assert documents(as_yaml) == json.loads(as_json)


def test_the_exit_code_tells_of_something_to_do(state: str) -> None:
    assert said("plan", "-f", PI).code == 0
    assert said("plan", "-f", PI, "--exit-code").code == 3
    assert said("plan", "--observed", state, "--exit-code").code == 0


# --- What is read -------------------------------------------------------------


def test_several_files_are_several_plans(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(new(name="a"))
    (tmp_path / "b.json").write_bytes(new(name="b"))
    done = said("plan", "-f", str(tmp_path), "-f", PI)
    headings = [line for line in done.out.splitlines() if line.startswith("MPIJob")]
    assert headings == [
        "MPIJob hpc/a: Starting",
        "MPIJob hpc/b: Starting",
        "MPIJob default/pi: Starting",
    ]


def test_one_bad_job_does_not_hide_another() -> None:
    bad = new(name="bad", policy={"backoffLimit": -1})
    done = said("plan", "-f", "-", PI, stdin=bad)
    assert done.code == 1
    assert "MPIJob default/pi: Starting" in done.out
    assert done.err.splitlines() == [
        "error: stdin:1: spec.runPolicy.backoffLimit is -1, and must be 0 or more",
        "note: MPIJob hpc/bad is passed over: the API server refuses it",
    ]


@pytest.mark.rule("B1.7")
def test_a_job_that_only_the_function_refuses_is_planned_as_failed() -> None:
    volume: dict[str, Any] = {"name": "ssh-auth", "emptyDir": {}}
    template = a_template(volumes=[volume])
    done = said("plan", "-f", "-", stdin=new(worker={"template": template}))
    assert done.code == 1
    assert done.out.startswith("MPIJob hpc/pi: Failed\n")
    assert "volumes[0].name is ssh-auth" in done.err


def test_a_job_given_twice_is_planned_once() -> None:
    done = said("plan", "-f", PI, PI)
    assert done.code == 1
    assert done.out.count("MPIJob default/pi") == 1
    assert f"error: {PI}:5: MPIJob default/pi is given already: {PI}:1\n" in done.err


@pytest.mark.rule("B1.8")
def test_what_is_likely_a_mistake_is_warned_of() -> None:
    given = new(slotsPerWorker=0, futureField=1)
    done = said("plan", "-f", "-", stdin=given)
    assert done.code == 0
    assert "warning: stdin:1: spec.slotsPerWorker is 0" in done.err
    assert "spec.futureField is not a field that the schema knows" in done.err


def test_the_namespace_is_for_what_names_none() -> None:
    done = said("plan", "-f", PI, "-n", "science")
    assert done.out.startswith("MPIJob science/pi: Starting\n")
    done = said("plan", "-f", "-", "-n", "science", stdin=new())
    assert done.code == 1
    assert done.err.splitlines() == [
        "error: stdin:1: its namespace is hpc, and not science",
        "hint: leave --namespace out, or mend one of the two",
    ]


def test_a_namespace_has_a_name_that_can_be() -> None:
    done = said("plan", "-f", "-", stdin=new().replace(b'"hpc"', b'"a/b"'))
    assert done.code == 1
    assert done.err.splitlines() == [
        "error: stdin:1: a/b is no name of a namespace",
        "hint: write lower-case letters, digits and hyphens, at most 63",
    ]


def test_a_namespace_that_is_named_has_a_name_that_can_be() -> None:
    done = said("plan", "-f", PI, "-n", "a/b")
    assert done.code == 2
    assert "argument -n/--namespace: 'a/b' is no name of a namespace" in done.err


def test_a_kind_with_other_capitals_is_pointed_at() -> None:
    done = said("plan", "-f", "-", stdin=new().replace(b'"MPIJob"', b'"MPIjob"'))
    assert "is no MPIJob (mind the capitals), and is passed over" in done.err


def test_the_operator_s_settings_are_options() -> None:
    options = ("--cluster-domain", "cluster.local", "--gang-scheduling", "volcano")
    done = said("plan", "-f", PI, "-o", "yaml", *options)
    group, _, config, *_ = documents(done.out)
    assert group["apiVersion"] == "scheduling.volcano.sh/v1beta1"
    assert "pi-worker-0.pi.default.svc.cluster.local" in config["data"]["hostfile"]


@pytest.mark.rule("B7.4")
def test_priority_classes_are_an_option(tmp_path: Path) -> None:
    classes = tmp_path / "classes.yaml"
    classes.write_text(
        "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\n"
        "metadata: {name: high}\nvalue: 9\n---\n"
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"
    )
    worker = {"template": a_template(priorityClassName="high")}
    words = ("plan", "-f", "-", "--gang-scheduling", "volcano")
    alone = said(*words, stdin=new(worker=worker))
    assert "priorityClassName is high, and there is no such" in alone.err
    done = said(*words, "--related", str(classes), stdin=new(worker=worker))
    assert done.err.count("\n") == 1
    assert "Pod is no PriorityClass, and is passed over" in done.err


@pytest.mark.parametrize("option", ["--related", "--observed"])
def test_nothing_is_planned_by_half_a_view(option: str) -> None:
    done = said("plan", "-f", PI, option, "missing.yaml")
    assert done.code == 1
    assert done.out == ""


def test_a_manifest_s_status_is_not_the_cluster_s() -> None:
    manifest = a_manifest()
    manifest["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    done = said("plan", "-f", "-", stdin=json.dumps(manifest).encode())
    assert done.out.startswith("MPIJob hpc/pi: Starting\n")
