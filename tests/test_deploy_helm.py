# SPDX-License-Identifier: Apache-2.0
"""The chart, rendered by Helm itself, says what `mpijob manifests` prints.

``tests/deploy/build.sh`` builds Helm, where there is none.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

import mpijob_crd
from mpijob_operator import installation
from mpijob_operator.commands.manifests import default_image
from mpijob_operator.installation import Installation
from tests.test_deploy import CHART, Json, Key, keyed
from tests.tools.source import ROOT

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

BUILD: Final = ROOT / "tests" / "deploy" / "build.sh"
# What Helm says of itself on each object.
HELM_S: Final = ("app.kubernetes.io/managed-by", "helm.sh/chart")


def helm() -> str:
    """Return the path of Helm; without it a test is skipped, in CI it fails."""
    if found := shutil.which("helm"):
        return found
    where = subprocess.run(
        [BUILD, "--where"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not os.access(where, os.X_OK):
        reason = f"no Helm here: run {BUILD.relative_to(ROOT)}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return where


def rendered(values: Json, namespace: str = "mpi-operator") -> list[Json]:
    """Return what `helm install` would send, without what is Helm's own."""
    command = [
        *(helm(), "template", "mpi-operator", str(CHART), "--namespace", namespace),
        *("--values", "-"),
    ]
    done = subprocess.run(
        command, input=json.dumps(values), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    objects: list[Json] = [
        each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each
    ]
    for each in objects:
        for label in HELM_S:
            assert each["metadata"]["labels"].pop(label)
    return objects


def meant(installed: Installation) -> dict[Key, Json]:
    made = installation.objects(installed)
    # The release's namespace is Helm's to make, with --create-namespace.
    return keyed(each for each in made if each["kind"] != "Namespace")


def test_the_chart_as_it_is_is_the_command_as_it_is() -> None:
    assert keyed(rendered({})) == meant(Installation(default_image()))


def test_values_mean_what_the_options_do() -> None:
    values = {
        "image": {"repository": "example/op", "tag": "1"},
        "replicas": 3,
        "namespaces": ["a", "b"],
        "flags": {
            "log-format": "text",
            "gang-scheduling": "volcano",
            "kube-api-burst": 1_000_000,
            "kube-api-qps": 0.5,
        },
        "serviceMonitor": {"enabled": True},
        "networkPolicy": {"enabled": True},
        "recordings": True,
    }
    installed = Installation(
        "example/op:1",
        namespace="hpc",
        watched=("a", "b"),
        replicas=3,
        flags={
            "log-format": "text",
            "gang-scheduling": "volcano",
            "kube-api-burst": "1000000",
            "kube-api-qps": "0.5",
        },
        service_monitor=True,
        network_policy=True,
        recordings=True,
    )
    assert keyed(rendered(values, "hpc")) == meant(installed)


def test_the_roles_of_people_can_be_left_to_another_release() -> None:
    left = {name for _, _, name in keyed(rendered({"tenantRoles": False}))}
    assert not [name for name in left if name.startswith("kubeflow-")]


def test_a_pod_goes_where_the_values_send_it() -> None:
    values: Json = {
        "image": {"repository": "example/op", "digest": f"sha256:{'a' * 64}"},
        "imagePullSecrets": [{"name": "pull"}],
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "podAnnotations": {},
    }
    (deployment,) = (e for e in rendered(values) if e["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    told = ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations")
    assert {key: pod[key] for key in told} == {key: values[key] for key in told}
    assert pod["affinity"] == values["affinity"]
    assert pod["containers"][0]["image"] == f"example/op@sha256:{'a' * 64}"
    # What the chart's own values say stays, unless it is taken away by name.
    assert deployment["spec"]["template"]["metadata"]["annotations"]


@pytest.mark.parametrize("values", [{"replica": 2}, {"flags": {"verbose": "1"}}])
def test_helm_refuses_what_the_schema_does(values: Json) -> None:
    command = [helm(), "template", "x", str(CHART), "--values", "-"]
    done = subprocess.run(
        command, input=json.dumps(values), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "additional properties" in done.stderr


def test_a_packed_chart_has_the_crd(tmp_path: Path) -> None:
    pack = [helm(), "package", str(CHART), "--destination", str(tmp_path)]
    subprocess.run(pack, capture_output=True, check=True)
    (archive,) = tmp_path.glob("mpi-operator-*.tgz")
    show = [helm(), "show", "crds", str(archive)]
    done = subprocess.run(show, capture_output=True, text=True, check=True)
    text = re.sub(r"\A---\n", "", done.stdout).strip()
    assert text == mpijob_crd.text().strip()


def test_helm_finds_no_fault_with_the_chart() -> None:
    done = subprocess.run(
        [helm(), "lint", "--strict", str(CHART)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
