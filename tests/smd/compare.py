# SPDX-License-Identifier: Apache-2.0
"""Tell random stories to the model and to Kubernetes's own code, and compare.

``python -m tests.smd.compare --sequences 20000`` prints the rate, what the stories
visited, and the shortest story that the two tell differently, if there is one. Needs
Go.
"""

import argparse
import collections
import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from random import Random
from typing import IO, Any, Final

from attrs import field, frozen, mutable

from mpijob_operator.simulation.typed import Types
from tests.smd.model import Model, Said
from tests.smd.openapi import models
from tests.smd.stories import META_MENU, Draw, Kind, Teller, Write
from tests.smd.table import table_of
from tests.smd.toy import MODELS, toy

Json = Any

HERE: Final = Path(__file__).parent

CONTAINERS: Final = {
    "name": None,
    "image": None,
    "command": None,
    "env": {"name": None, "value": None},
    "ports": None,
    "resources": {"limits": None, "requests": None},
    "volumeMounts": {"mountPath": None, "name": None, "readOnly": None},
}
POD: Final = {
    "containers": CONTAINERS,
    "hostAliases": None,
    "imagePullSecrets": None,
    "nodeSelector": None,
    "restartPolicy": None,
    "schedulingGates": None,
    "tolerations": None,
    "topologySpreadConstraints": {"topologyKey": None, "whenUnsatisfiable": None},
    "volumes": {"name": None, "configMap": None, "emptyDir": None, "secret": None},
}
TEMPLATE: Final = {"metadata": META_MENU, "spec": POD}
CONDITIONS: Final = {"type": None, "status": None, "reason": None}

# What the stories about a kind of the cluster visit; Toy's visit all that it has.
MENUS: Final[dict[tuple[str, str], Json]] = {
    ("v1", "Pod"): {"spec": POD, "status": {"conditions": CONDITIONS, "phase": None}},
    ("v1", "ConfigMap"): {"data": None, "binaryData": None, "immutable": None},
    ("v1", "Secret"): {"data": None, "type": None},
    ("v1", "Service"): {"spec": {"ports": None, "selector": None, "clusterIPs": None}},
    ("batch/v1", "Job"): {
        "spec": {"template": TEMPLATE, "suspend": None, "selector": None},
        "status": {"conditions": CONDITIONS, "active": None},
    },
    ("kubeflow.org/v2beta1", "MPIJob"): {
        "spec": {"slotsPerWorker": None, "runPolicy": None},
        "status": {"conditions": CONDITIONS, "replicaStatuses": None},
    },
    ("scheduling.volcano.sh/v1beta1", "PodGroup"): {"spec": None},
    ("scheduling.k8s.io/v1beta1", "PodGroup"): {"spec": None},
}


def kinds() -> list[Kind]:
    """Return the kinds that stories are about, those of the most corners first."""
    types = Types(table_of(models()))
    others = [
        Kind(version, name, types.of(version, name), {"metadata": META_MENU, **menu})
        for (version, name), menu in MENUS.items()
    ]
    return [toy(), *others]


def judged(answer: Json) -> Said:
    """Return what Kubernetes says."""
    value, causes = dict(answer["object"]), answer.get("conflicts", [])
    managed: list[Json] = []
    if "metadata" in value:
        value["metadata"] = dict(value["metadata"])
        managed = value["metadata"].pop("managedFields", [])
    for cause in causes:
        cause["message"] = cause["message"].partition(" at ")[0]
    return Said.of(value, managed, causes, refused="error" in answer)


class Judge:
    """Kubernetes's own code, as a process that hears stories."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in: IO[str] = process.stdin
        self._out: IO[str] = process.stdout

    def answers(self, kind: Kind, writes: list[Write]) -> list[Json]:
        told = {**kind.identity, "writes": [write.as_json() for write in writes]}
        self._in.write(json.dumps(told) + "\n")
        self._in.flush()
        found: list[Json] = json.loads(self._out.readline())
        return found


@contextlib.contextmanager
def judge() -> Generator[Judge]:
    """Build and start Kubernetes's code, and stop it in the end."""
    with tempfile.TemporaryDirectory() as folder:
        program, known = Path(folder) / "smd", Path(folder) / "models.json"
        subprocess.run(["go", "build", "-o", program, "."], cwd=HERE, check=True)
        known.write_text(json.dumps({**models(), **MODELS}), "utf-8")
        with subprocess.Popen(
            [program, known], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            yield Judge(process)
            process.terminate()


@mutable
class Tally:
    """What a run visited."""

    stories: int = 0
    seen: collections.Counter[str] = field(factory=collections.Counter[str])

    def count(self, write: Write, said: Said) -> None:
        self.seen[write.verb] += 1
        self.seen["conflicts"] += bool(said.conflicts)
        self.seen["other refusals"] += said.refused and not said.conflicts


@frozen
class Difference:
    """A story that the two tell differently, up to the write where they part."""

    seed: int
    kind: Kind
    writes: tuple[Write, ...]
    words: str

    def __str__(self) -> str:
        told = "\n".join(json.dumps(write.as_json()) for write in self.writes)
        return f"seed {self.seed}, {self.kind.name}:\n{told}\n{self.words}"


def compared(judge: Judge, seed: int, kind: Kind, tally: Tally) -> Difference | None:
    """Tell both the story of a seed."""
    random = Random(seed)  # noqa: S311 - Not for secrets.
    teller, model = Teller(Draw(random), kind), Model(kind)
    writes: list[Write] = []
    said: list[Said] = []
    for _ in range(random.choice((2, 3, 4, 5, 6))):
        write = teller.next(model.live)
        writes.append(write)
        said.append(model.write(write))
        tally.count(write, said[-1])
    tally.stories += 1
    for index, answer in enumerate(judge.answers(kind, writes)):
        words = "\n".join(said[index].differs(judged(answer)))
        if words:
            error = answer.get("error", "")
            return Difference(seed, kind, tuple(writes[: index + 1]), words + error)
    return None


def run(judge: Judge, seeds: range, tally: Tally) -> Iterator[Difference]:
    """Yield the differences among the stories of some seeds; half are about Toy."""
    known = kinds()
    for seed in seeds:
        place = seed // 2 % len(known) if seed % 2 else 0
        difference = compared(judge, seed, known[place], tally)
        if difference is not None:
            yield difference


def main() -> None:
    """Compare as many stories as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", action="store_true", help="stop at a difference")
    asked = parser.parse_args()
    tally = Tally()
    with judge() as its:
        start = time.perf_counter()
        seeds = range(asked.seed, asked.seed + asked.sequences)
        differences = run(its, seeds, tally)
        found = list(itertools.islice(differences, 1 if asked.first else None))
        seconds = time.perf_counter() - start
    lines = [
        f"{tally.stories} stories in {seconds:.0f} s, {tally.stories / seconds:.0f}/s",
        ", ".join(f"{name} {count}" for name, count in sorted(tally.seen.items())),
        f"{len(found)} differences",
    ]
    if found:
        lines.append(str(min(found, key=lambda d: (len(d.writes), len(str(d))))))
    sys.stdout.write("\n".join((*lines, "")))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
