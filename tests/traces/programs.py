# SPDX-License-Identifier: Apache-2.0
"""What may happen to a launcher Job and its pods, drawn or written down.

A program is a text: what the Job is like, then what befalls it, as in
``backoffLimit=1 Never: exit 1; suspend; resume``. A number stands for a pause in
milliseconds before the next step; without pauses a step waits until all is quiet.
"""

import json
from random import Random
from typing import Any, Final

from attrs import frozen

from mpijob.loose import Manifest

Json = dict[str, Any]

# As the operator writes it for `restartPolicy: ExitCode`, its lists shortened.
EXIT_CODES: Final = {
    "rules": [
        {
            "action": action,
            "onExitCodes": {"containerName": "main", "operator": "In", "values": codes},
        }
        for action, codes in (("FailJob", [1, 2, 127]), ("Count", [128, 137, 255]))
    ]
}
ROLE: Final = {"training.kubeflow.org/job-role": "launcher"}

# What may befall it, each as often as it stands here.
STEPS: Final = (
    *("suspend", "suspend", "resume", "resume", "resume"),
    *("exit 0", "exit 1", "exit 1", "exit 137", "evict"),
    *("delete pod", "delete pod", "edit"),
    *("delete job Background", "delete job Foreground", "delete job Orphan"),
    *("delete owner Background", "delete owner Foreground", "delete owner Orphan"),
)
PAUSES: Final = (0, 0, 20, 100, 300, 1_200)


@frozen
class Program:
    """A Job, and what befalls it."""

    flags: tuple[str, ...]
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' '.join(self.flags)}: {'; '.join(self.steps)}"

    @property
    def races(self) -> bool:
        """Whether a step comes before all is quiet, so that much may follow."""
        return any(step.isdigit() for step in self.steps)

    def job(self, name: str, namespace: str, owner_uid: str) -> Json:
        """Return the Job as the operator would create it."""
        owner = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": name,
            "uid": owner_uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        metadata = {"name": name, "namespace": namespace, "ownerReferences": [owner]}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}
        return {**job, "spec": self._spec()}

    def _spec(self) -> Json:
        words = [flag.partition("=") for flag in self.flags]
        given = {key: json.loads(value) for key, equals, value in words if equals}
        retried = "OnFailure" if "OnFailure" in self.flags else "Never"
        pod = {"restartPolicy": retried, "containers": [CONTAINER]}
        template = {"metadata": {"labels": ROLE}, "spec": pod}
        spec: Json = {"podReplacementPolicy": "Failed", **given, "template": template}
        if "ExitCode" in self.flags:
            spec["podFailurePolicy"] = EXIT_CODES
        return spec


CONTAINER: Final = {"name": "main", "image": "example/mpi:1"}


def read(text: str) -> Program:
    """Read a program as it is written down.

    >>> str(read("backoffLimit=0 Never: exit 1; suspend"))
    'backoffLimit=0 Never: exit 1; suspend'
    """
    flags, _, steps = text.partition(":")
    found = (step.strip() for step in steps.split(";"))
    return Program(tuple(flags.split()), tuple(filter(None, found)))


def drawn(chance: Random, *, races: bool) -> Program:
    """Draw a program; one that races has pauses, and no time to rest."""
    policy = chance.choice(("Never", "Never", "OnFailure", "ExitCode"))
    flags = [f"backoffLimit={chance.randrange(3)}", policy]
    if chance.random() < _SOMETIMES:
        flags.append("suspend=true")
    if chance.random() < _SOMETIMES / 2:
        flags.append("ttlSecondsAfterFinished=1")
    if chance.random() < _SOMETIMES / 2:
        flags.append("activeDeadlineSeconds=4")
    steps: list[str] = []
    for _ in range(chance.randint(1, 5)):
        if races:
            steps.append(str(chance.choice(PAUSES)))
        steps.append(chance.choice(STEPS))
    return Program(tuple(flags), tuple(steps))


_SOMETIMES: Final = 0.3


def edited(job: Manifest) -> Json:
    """Return the patch that edits the template of a Job, as a queue does."""
    generation = job["metadata"].get("generation", 0)
    annotations = {"example.com/edited": str(generation)}
    chosen = {"example.com/pool": "a"}
    template = {
        "metadata": {"annotations": annotations},
        "spec": {"nodeSelector": chosen},
    }
    return {"spec": {"template": template}}
