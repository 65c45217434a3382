# SPDX-License-Identifier: Apache-2.0
"""A program played in the simulated cluster, step by step, each to its rest."""

from functools import partial
from typing import Any, Final

from attrs import define, field

from mpijob.loose import Manifest, mapping
from mpijob.names import Ref
from mpijob_operator.simulation import nodes
from mpijob_operator.simulation.cluster import (
    SOMEBODY,
    Cluster,
    is_over,
    is_terminating,
)
from mpijob_operator.simulation.deeds import Program as Controller
from mpijob_operator.simulation.deeds import placed
from mpijob_operator.simulation.garbage_collector import collector
from mpijob_operator.simulation.job_controller import job_controller
from mpijob_operator.simulation.life import START
from tests.traces.forms import form
from tests.traces.programs import Program, edited

Json = dict[str, Any]

HABITS: Final = nodes.Habits(launcher_seconds=None)
CONTROLLERS: Final[tuple[Controller, ...]] = (job_controller, collector)
OWNER: Final = Ref("v1", "ConfigMap", "default", "p")
JOB: Final = Ref("batch/v1", "Job", "default", "p")
# A Job that never rests is a mistake of the model.
DEEDS_MAX: Final = 1_000


@define
class Model:
    """A Job in memory, and those who act on it."""

    program: Program
    controllers: tuple[Controller, ...] = CONTROLLERS
    cluster: Cluster = field(factory=lambda: Cluster(START), init=False)

    def __attrs_post_init__(self) -> None:
        owner = {"name": OWNER.name, "namespace": OWNER.namespace}
        self.cluster.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": owner}
        )
        uid = self.cluster.objects[OWNER]["metadata"]["uid"]
        self.cluster.create(self.program.job(JOB.name, JOB.namespace, uid))

    def rested(self) -> Json:
        """Let everybody do what is theirs to do; return what is there at the end."""
        programs = (partial(nodes.nodes, HABITS), *self.controllers)
        for _ in range(DEEDS_MAX):
            deeds = [deed for program in programs for deed in program(self.cluster)]
            if not deeds:
                return self.form()
            deed = min(deeds, key=lambda deed: deed.at)
            self.cluster.now = max(self.cluster.now, deed.at)
            deed.perform(self.cluster)
        raise AssertionError(f"the model never rests: {self.program}")

    def form(self) -> Json:
        """Return the normal form of what is there."""
        objects = self.cluster.objects
        pods = [dict(pod) for _, pod in self.cluster.all("Pod")]
        return form(_found(objects, OWNER), _found(objects, JOB), pods)

    def take(self, step: str) -> None:
        """Do what a step says; where there is nothing to do it to, nothing."""
        match step.split():
            case ["suspend"]:
                self._suspend(suspend=True)
            case ["resume"]:
                self._suspend(suspend=False)
            case ["edit"]:
                self._edit()
            case ["exit", code]:
                self._to_pod(partial(nodes.exit_with, code=int(code)))
            case ["evict"]:
                self._to_pod(nodes.evict)
            case ["delete", "pod"]:
                self._to_pod(_deletes)
            case ["delete", what, policy]:
                self._delete(JOB if what == "job" else OWNER, policy)
            case _:
                raise AssertionError(f"no step {step}")

    def _suspend(self, *, suspend: bool) -> None:
        if JOB in self.cluster.objects:
            job = placed(self.cluster.objects[JOB], "spec.suspend", suspend)
            self.cluster.update(JOB, job, SOMEBODY)

    def _edit(self) -> None:
        job = self.cluster.objects.get(JOB)
        if job is not None and may_edit(job):
            self.cluster.update(JOB, merged(dict(job), edited(job)), SOMEBODY)

    def _to_pod(self, deed: Any) -> None:  # noqa: ANN401 - of several signatures.
        pods = [ref for ref, pod in self.cluster.all("Pod") if lives(pod)]
        if pods:
            deed(self.cluster, ref=pods[-1])

    def _delete(self, ref: Ref, policy: str) -> None:
        if ref in self.cluster.objects:
            self.cluster.delete(ref, policy)


def _deletes(cluster: Cluster, *, ref: Ref) -> None:
    cluster.delete(ref)


def _found(objects: dict[Ref, Manifest], ref: Ref) -> Json | None:
    value = objects.get(ref)
    return None if value is None else dict(value)


def lives(pod: Manifest) -> bool:
    """Tell whether something may still befall a pod."""
    return not is_over(pod) and not is_terminating(pod)


def may_edit(job: Manifest) -> bool:
    """Tell whether the API server lets a queue edit the template: not once it ran."""
    spec, status = mapping(job["spec"]), mapping(job.get("status"))
    return spec.get("suspend") is True and "startTime" not in status


def merged(value: Json, patch: Json) -> Json:
    """Return an object with a patch merged into it."""
    result = dict(value)
    for key, new in patch.items():
        old = result.get(key)
        both = isinstance(new, dict) and isinstance(old, dict)
        result[key] = merged(old, new) if both else new  # type: ignore[arg-type] # Both.
    return result
