# SPDX-License-Identifier: Apache-2.0
"""A program played on the real control plane, and what was written meanwhile."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from tests.controlplane.client import Answer, Client
from tests.controlplane.harness import ControlPlane
from tests.controlplane.nodes import Nodes
from tests.controlplane.pod_life import End
from tests.traces.forms import differences, form
from tests.traces.inclusion import explained
from tests.traces.memory import Model, lives
from tests.traces.outcome import Outcome
from tests.traces.programs import Program, edited
from tests.traces.recorder import PATHS, Recorder

Json = dict[str, Any]

# The Job controller gathers changes for a second; nothing for longer is rest.
QUIET_S: Final = 1.6
# Two failures make it wait 10 s and 20 s, and the collectors look in their own time.
REST_S: Final = 60.0
POLL_S: Final = 0.1


@define
class Player:
    """Plays one program, under a name of its own."""

    plane: ControlPlane
    nodes: Nodes
    recorder: Recorder
    program: Program
    name: str
    client: Client = field(init=False)
    deeds: list[tuple[str, str]] = field(factory=list[tuple[str, str]], init=False)

    def __attrs_post_init__(self) -> None:
        self.client = self.plane.client()

    def play(self) -> Outcome:
        """Play it to its end."""
        try:
            self._create()
            found = self._racing() if self.program.races else self._resting()
            return self._outcome(*found)
        finally:
            self._clean()
            self.client.close()

    def _outcome(self, *differences: str) -> Outcome:
        log = tuple(self.recorder.log(self.name))
        return Outcome(self.program, log, differences, tuple(self.deeds))

    def _create(self) -> None:
        metadata = {"name": self.name, "namespace": self.recorder.namespace}
        owner = self.client.create(self._path("ConfigMap", ""), {"metadata": metadata})
        uid = owner.expect(201)["metadata"]["uid"]
        job = self.program.job(self.name, self.recorder.namespace, uid)
        self.client.create(self._path("Job", ""), job).expect(201)

    def _clean(self) -> None:
        body = {"propagationPolicy": "Background"}
        for kind in ("Job", "ConfigMap"):
            with contextlib.suppress(OSError):
                self.client.request("DELETE", self._path(kind), body)

    def _path(self, kind: str, name: str | None = None) -> str:
        path = PATHS[kind].format(self.recorder.namespace)
        name = self.name if name is None else name
        return f"{path}/{name}" if name else path

    # --- Step by step -----------------------------------------------------------------

    def _resting(self) -> list[str]:
        """Wait, after each step, until it rests as the model does."""
        model = Model(self.program)
        for number, step in enumerate(("", *self.program.steps)):
            if step:
                model.take(step)
                self.take(step)
            expected = model.rested()
            self._wait(lambda expected=expected: self.form() == expected)  # type: ignore[misc] # Its own.
            if found := differences(self.form(), expected):
                return [f"after step {number} ({step}): {each}" for each in found]
        return []

    def _racing(self) -> list[str]:
        """Take one step after the other, then wait until there is nothing to do."""
        for step in self.program.steps:
            if step.isdigit():
                time.sleep(int(step) / 1_000)
            else:
                self.take(step)
        self._wait(lambda: not explained(self._outcome()).story)
        return []

    def _wait(self, true: Callable[[], bool]) -> None:
        """Wait until it rests and something is true, or for as long as there is."""
        deadline = time.monotonic() + REST_S
        while time.monotonic() < deadline and not (self._rests() and true()):
            time.sleep(POLL_S)

    def _rests(self) -> bool:
        log = self.recorder.log(self.name)
        return bool(log) and time.monotonic() - log[-1].at > QUIET_S

    def form(self) -> Json:
        """Return the normal form of what is there."""
        now = self.recorder.now(self.name)
        owner, job = (next(iter(now[kind]), None) for kind in ("ConfigMap", "Job"))
        return form(owner, job, now["Pod"])

    # --- What befalls it --------------------------------------------------------------

    def take(self, step: str) -> None:
        """Do what a step says; where there is nothing to do it to, nothing."""
        match step.split():
            case ["suspend"]:
                self._patch({"spec": {"suspend": True}})
            case ["resume"]:
                self._patch({"spec": {"suspend": False}})
            case ["edit"]:
                self._edit()
            case ["exit", code]:
                self._to_pod(lambda key: self.nodes.end(key, End(int(code))))
            case ["evict"]:
                self._to_pod(self.nodes.evict)
            case ["delete", "pod"]:
                self._to_pod(lambda key: self._delete("Pod", key.partition("/")[2]))
            case ["delete", what, policy]:
                kind = "Job" if what == "job" else "ConfigMap"
                self._delete(kind, self.name, policy)
            case _:
                raise AssertionError(f"no step {step}")

    def _patch(self, patch: Json) -> Answer:
        return self.client.merge(self._path("Job"), patch)

    def _edit(self) -> None:
        """Edit the template; the API server refuses that of a Job that ran."""
        answer = self.client.get(self._path("Job"))
        if answer.code == 200:
            self._patch(edited(answer.body))

    def _to_pod(self, deed: Callable[[str], None]) -> None:
        label = f"batch.kubernetes.io/job-name={self.name}"
        listed = self.client.get(self._path("Pod", ""), labelSelector=label)
        pods = [pod for pod in listed.expect(200)["items"] if lives(pod)]
        if pods:
            pods.sort(key=lambda pod: int(pod["metadata"]["resourceVersion"]))
            # Gone in the meantime is as good as never there.
            with contextlib.suppress(AssertionError):
                deed(f"{self.recorder.namespace}/{pods[-1]['metadata']['name']}")

    def _delete(self, kind: str, name: str, policy: str = "") -> None:
        self.deeds.append((kind, name))
        body = {"propagationPolicy": policy} if policy else {}
        self.client.request("DELETE", self._path(kind, name), body)
