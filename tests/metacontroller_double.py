# SPDX-License-Identifier: Apache-2.0
"""A double of metacontroller's executor, for one MPIJob, with a cluster about it.

It does what the executor of a CompositeController does with an answer, in its
order: delete what is not named, make what is missing, merge what differs, and replace
the status at the very end. It has the update strategies that docs/hook.md asks for.
"""

import copy
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

import mpijob
from mpijob.loose import mapping, mappings
from mpijob_operator import contract, metacontroller
from mpijob_operator.metacontroller import LAST_APPLIED

CORPUS = Path(__file__).parent / "corpus"
START = datetime(2030, 1, 1, tzinfo=UTC)
UID = "00000000-0000-4000-8000-000000000001"
Object = dict[str, Any]
Key = tuple[str, str]  # As the executor has them: "Pod.v1", "pi-worker-0".

RESOURCES = {
    "pods": "Pod.v1",
    "services": "Service.v1",
    "configmaps": "ConfigMap.v1",
    "jobs": "Job.batch/v1",
    "secrets": "Secret.v1",
}


def key_of(value: Mapping[str, Any]) -> Key:
    return f"{value['kind']}.{value['apiVersion']}", value["metadata"]["name"]


def merge(seen: object, before: object, now: object) -> Any:  # noqa: ANN401 - JSON.
    """Merge three ways: what was applied before and is not now goes."""
    if fields := mapping(now):
        return _merged(mapping(seen), mapping(before), fields)
    items = mappings(now)
    if items and all("name" in item for item in (*mappings(seen), *items)):
        # Such a list is a map.
        return list(_merged(_named(seen), _named(before), _named(now)).values())
    return copy.deepcopy(now)


def _merged(
    seen: Mapping[str, Any], before: Mapping[str, Any], now: Mapping[str, Any]
) -> Object:
    result = {k: v for k, v in seen.items() if k in now or k not in before}
    for key, value in now.items():
        result[key] = merge(result.get(key), before.get(key), value)
    return result


def _named(items: object) -> Object:
    return {item["name"]: item for item in mappings(items)}


class Executor:
    """A CompositeController for one MPIJob, the cluster included."""

    def __init__(self, case: str = "real-pi-openmpi", **settings: Any) -> None:  # noqa: ANN401 - fields.
        self.parent: Object = yaml.safe_load(
            (CORPUS / case / "mpijob.yaml").read_text()
        )
        self.parent["metadata"] |= {"uid": UID, "generation": 1, "namespace": "default"}
        self.settings = mpijob.Settings(**settings)
        self.objects: dict[Key, Object] = {}
        self.now = START
        self.writes: list[str] = []
        self.kinds = list(RESOURCES.values())

    @property
    def name(self) -> str:
        return str(self.parent["metadata"]["name"])

    def is_child(self, value: Object) -> bool:
        labels = value["metadata"].get("labels", {})
        owners = value["metadata"].get("ownerReferences", [])
        return labels.get("controller-uid") == UID and any(
            owner["uid"] == UID for owner in owners
        )

    def ask(self, hook: str, request: Object) -> Object:
        def sync(document: object) -> Object:
            return metacontroller.sync(
                document,
                settings=self.settings,
                now=self.now,
                key_pair=lambda: ("cHJpdmF0ZQ==", "cHVibGlj"),
            )

        replies = {"customize": metacontroller.customize, "sync": sync}
        data = json.dumps({"controller": {}, "parent": self.parent, **request})
        said = contract.answered(data.encode(), replies[hook])
        assert "error" not in said, said
        answer: Object = json.loads(contract.text(said))
        return answer

    def related(self) -> Object:
        found: dict[str, Object] = {}
        for rule in self.ask("customize", {})["relatedResources"]:
            kind = RESOURCES.get(rule["resource"], "PriorityClass.scheduling.k8s.io/v1")
            group = found.setdefault(kind, {})
            wanted = rule.get("labelSelector", {}).get("matchLabels", {}).items()
            for (its_kind, name), value in self.objects.items():
                labels = value["metadata"].get("labels", {}).items()
                named = name in rule.get("names", [name])
                if its_kind == kind and named and wanted <= labels:
                    group[name] = value
        return found

    def sync(self, *, finalizing: bool = False) -> Object:
        children: dict[str, Object] = {kind: {} for kind in self.kinds}
        for (kind, name), value in self.objects.items():
            if kind in children and self.is_child(value):
                children[kind][name] = value
        answer = self.ask(
            "sync",
            {
                "children": children,
                "related": self.related(),
                "finalizing": finalizing,
            },
        )
        wanted = {key_of(value): value for value in answer["children"]}
        for kind, group in children.items():
            for name in group:
                if (kind, name) not in wanted:
                    self.write("delete", (kind, name))
                    del self.objects[kind, name]
        for key, value in wanted.items():
            self.make_or_update(key, value)
        status = {**answer["status"], "observedGeneration": self.generation}
        if status != self.parent.get("status"):
            self.writes.append("status")
            self.parent["status"] = status
        return answer

    @property
    def generation(self) -> int:
        return int(self.parent["metadata"]["generation"])

    def write(self, verb: str, key: Key) -> None:
        self.writes.append(f"{verb} {key[0].split('.')[0]} {key[1]}")

    def make_or_update(self, key: Key, value: Object) -> None:
        metadata = value["metadata"]
        assert not metadata.get("ownerReferences"), "the executor adds its own"
        metadata.setdefault("labels", {}).setdefault("controller-uid", UID)
        text = json.dumps(value)
        seen = self.objects.get(key)
        if seen is None:
            made = json.loads(text)
            made["metadata"].setdefault("annotations", {})[LAST_APPLIED] = text
            made["metadata"]["uid"] = f"uid-of-{key[1]}-{len(self.writes)}"
            made["metadata"]["ownerReferences"] = [self.reference()]
            self.objects[key] = made
            self.write("create", key)
        elif key[0] != "Secret.v1" and self.is_child(seen):
            before = json.loads(seen["metadata"]["annotations"][LAST_APPLIED])
            merged = merge(seen, before, value)
            if merged != seen:
                merged["metadata"]["annotations"][LAST_APPLIED] = text
                self.objects[key] = merged
                self.write("update", key)

    def reference(self) -> Object:
        return {
            "apiVersion": "kubeflow.org/v2beta1",
            "kind": "MPIJob",
            "name": self.name,
            "uid": UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def settle(self) -> list[str]:
        """Call until nothing is written; return what was."""
        self.writes = []
        for _ in range(20):
            before = len(self.writes)
            answer = self.sync()
            if len(self.writes) == before:
                return self.writes
            assert answer["resyncAfterSeconds"] > 0
        raise AssertionError(f"this never ends: {self.writes}")

    # What the rest of the cluster does.

    def run_pods(self) -> None:
        """Let the Job controller make the launcher's pod, and every pod run."""
        job = self.objects["Job.batch/v1", f"{self.name}-launcher"]
        pod: Object = {"apiVersion": "v1", "kind": "Pod", **job["spec"]["template"]}
        of_job = {"kind": "Job", "name": job["metadata"]["name"]}
        owner = {**self.reference(), **of_job, "uid": job["metadata"]["uid"]}
        name = f"{self.name}-launcher-aaaaa"
        metadata = {**pod["metadata"], "name": name, "namespace": "default"}
        pod["metadata"] = {**metadata, "uid": name, "ownerReferences": [owner]}
        self.objects["Pod.v1", name] = pod
        for (kind, _), value in self.objects.items():
            if kind == "Pod.v1":
                ready = [{"type": "Ready", "status": "True"}]
                value["status"] = {"phase": "Running", "conditions": ready}

    def say_of_launcher(self, *types: str) -> None:
        job = self.objects["Job.batch/v1", f"{self.name}-launcher"]
        job["status"] = {"conditions": [{"type": t, "status": "True"} for t in types]}
        launchers = [name for _, name in self.objects if "-launcher-" in name]
        for name in launchers:
            del self.objects["Pod.v1", name]

    def condition(self, type_: str) -> str | None:
        conditions = self.parent["status"].get("conditions", [])
        return next((c["status"] for c in conditions if c["type"] == type_), None)
