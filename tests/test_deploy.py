# SPDX-License-Identifier: Apache-2.0
"""The files of `deploy/` say what `mpijob_operator.installation` says (B8.6).

``ACCEPT=1 pytest tests/test_deploy.py`` writes them anew; read the difference. What the
chart renders is in ``test_deploy_helm``; what an API server thinks of all of it, in
``tests.deploy``.
"""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest
import yaml
from packaging.requirements import Requirement

import mpijob_crd
from mpijob_operator import installation, yaml_text
from mpijob_operator.commands.manifests import PASSED_ON, default_image
from mpijob_operator.controller import permissions
from mpijob_operator.controller.permissions import PERMISSIONS, Scope
from mpijob_operator.installation import Installation
from tests.tools import source
from tests.tools.source import ROOT

Json = dict[str, Any]

DEPLOY: Final = ROOT / "deploy"
CHART: Final = DEPLOY / "helm" / "mpi-operator"
INSTALL: Final = ROOT / "docs" / "install.md"
NOTICE: Final = (
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# Written from mpijob_operator.installation by tests/test_deploy.py; edit that.\n"
)

EVERYWHERE: Final = Installation(default_image())
# The namespace that the overlay is an example of.
NARROW: Final = Installation(default_image(), watched=("mpi-jobs",))


def documents(*values: Iterable[Json]) -> str:
    return NOTICE + "".join(yaml_text.texts(each for some in values for each in some))


def rules(scope: Scope) -> str:
    return NOTICE + yaml_text.text(permissions.rules(scope))


FILES: Final = {
    "base/operator.yaml": documents(
        [installation.namespace(EVERYWHERE)], installation.operator(EVERYWHERE)
    ),
    "base/tenants.yaml": documents(installation.tenants()),
    "overlays/all-namespaces/roles.yaml": documents(installation.roles(EVERYWHERE)),
    "overlays/one-namespace/roles.yaml": documents(installation.roles(NARROW)),
    "components/service-monitor/service-monitor.yaml": documents(
        [installation.service_monitor(EVERYWHERE)]
    ),
    "components/network-policy/network-policy.yaml": documents(
        [installation.network_policy(EVERYWHERE)]
    ),
    "helm/mpi-operator/files/jobs.yaml": rules(Scope.JOBS),
    "helm/mpi-operator/files/cluster.yaml": rules(Scope.CLUSTER),
    "helm/mpi-operator/files/lock.yaml": rules(Scope.LOCK),
    **{
        f"helm/mpi-operator/files/tenants/{role['metadata']['name']}.yaml": documents(
            [role]
        )
        for role in installation.tenants()
    },
}


@pytest.mark.rule("B8.6")
@pytest.mark.parametrize("path", FILES)
def test_a_file_of_deploy_is_as_the_code_has_it(path: str) -> None:
    file = DEPLOY / path
    if os.environ.get("ACCEPT"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(FILES[path])
    assert file.read_text() == FILES[path], "ACCEPT=1 writes it anew"


@pytest.mark.rule("B8.6")
def test_the_documents_tell_every_permission() -> None:
    rows = [
        (
            f"`{each.full_resource}`",
            f"`{each.group}`" if each.group else "core",
            ", ".join(each.verbs),
            each.scope.value,
            each.why,
        )
        for each in PERMISSIONS
    ]
    head = ("resource", "group", "verbs", "where", "to"), ("---",) * 5
    told = "\n".join(f"| {' | '.join(row)} |" for row in (*head, *rows))
    if os.environ.get("ACCEPT"):
        source.rewrite(INSTALL, "permissions", told)
    assert source.section(INSTALL, "permissions") == told, "ACCEPT=1 writes it anew"


# --- kustomize ----------------------------------------------------------------

Key = tuple[str, str, str]


def keyed(objects: Iterable[Json]) -> dict[Key, Json]:
    """Return objects by kind, namespace and name; in which order they come is idle."""
    found: dict[Key, Json] = {}
    for each in objects:
        metadata = each["metadata"]
        key = each["kind"], metadata.get("namespace", ""), metadata["name"]
        assert key not in found, f"twice: {key}"
        found[key] = each
    return found


def kustomized(folder: Path) -> list[Json]:
    """Return what `kubectl apply -k` would send."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl here, which has kustomize in it")
    command = [kubectl, "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.load_all(done.stdout, yaml.CSafeLoader))


def crd() -> Json:
    loaded: Json = yaml.load(mpijob_crd.text(), yaml.CSafeLoader)
    return loaded


MONITORED: Final = Installation(
    default_image(), service_monitor=True, network_policy=True
)


@pytest.mark.parametrize(
    ("folder", "meant"),
    [
        pytest.param(".", EVERYWHERE, id="deploy"),
        pytest.param("overlays/one-namespace", NARROW, id="one namespace"),
        pytest.param("overlays/monitored", MONITORED, id="monitored"),
    ],
)
def test_kustomize_makes_what_the_command_prints(
    folder: str, meant: Installation
) -> None:
    made = keyed(kustomized(DEPLOY / folder))
    assert made == keyed([crd(), *installation.objects(meant)])


# --- The chart, as far as it can be seen without Helm -------------------------


def values_schema() -> Json:
    loaded: Json = json.loads((CHART / "values.schema.json").read_text())
    return loaded


def values() -> Json:
    loaded: Json = yaml.load((CHART / "values.yaml").read_text(), yaml.CSafeLoader)
    return loaded


def test_the_chart_s_own_values_fit_its_schema() -> None:
    schema = values_schema()
    jsonschema_rs.validate(schema, values())
    assert set(values()) == set(schema["properties"]) - {"global"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"replica": 2},
        {"replicas": 0},
        {"replicas": "2"},
        {"namespaces": "default"},
        {"namespaces": ["Default"]},
        {"image": {"repository": "x", "digest": "sha256:1"}},
        {"flags": {"verbose": "true"}},
        {"flags": {"log-format": "xml"}},
        {"serviceMonitor": {"interval": "often"}},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses_a_wrong_value(wrong: Json) -> None:
    assert not jsonschema_rs.is_valid(values_schema(), values() | wrong)


def test_the_chart_knows_the_flags_that_the_command_does() -> None:
    known = values_schema()["properties"]["flags"]["properties"]
    assert set(known) == {field.replace("_", "-") for field in PASSED_ON}


def test_the_chart_has_the_version_and_the_crd() -> None:
    chart = yaml.load((CHART / "Chart.yaml").read_text(), yaml.CSafeLoader)
    version = default_image().partition(":")[2]
    assert chart["version"] == chart["appVersion"] == version
    (file,) = (CHART / "crds").iterdir()
    assert file.read_text() == mpijob_crd.text()


# --- The image ----------------------------------------------------------------


def pins() -> dict[str, str]:
    """Return the version of each package that the image gets."""
    text = (DEPLOY / "requirements.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+) \\$", text, re.MULTILINE))


def required() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["operator"]
    return [Requirement(each) for each in (*project["dependencies"], *extra)]


@pytest.mark.parametrize("requirement", required(), ids=str)
def test_the_image_gets_a_version_that_fits(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[requirement.name.lower()])


def test_every_package_of_the_image_has_a_hash() -> None:
    entries = (DEPLOY / "requirements.txt").read_text().split("\n\n", 1)[1]
    for entry in re.split(r"\n(?=\S)", entries.strip()):
        assert "--hash=sha256:" in entry, entry


def test_the_image_runs_as_the_account_of_the_deployment() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    assert f"\nUSER {installation.USER}:{installation.USER}\n" in text
    sources = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert sources, "it is made of something"
    assert not [s for s in sources if "latest" in s]
