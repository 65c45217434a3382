# SPDX-License-Identifier: Apache-2.0
"""A small cluster, in which plans are carried out and pods live.

Each wish is granted at once, with the guards that the API server has (B8.2); nothing
else happens unless a move makes it happen.
"""

from datetime import datetime, timedelta
from typing import Final, assert_never, cast

from mpijob import (
    Action,
    Apply,
    Confirm,
    Create,
    Delete,
    Event,
    Touch,
    World,
    WriteStatus,
    encode_status,
    names,
)
from mpijob.job import KIND
from mpijob.loose import Manifest, mapping, mappings
from mpijob.names import Ref
from properties.sights import POD_STATES, reference
from properties.strategies import (
    Edit,
    Json,
    Question,
    edited,
    kept,
)

Key = tuple[str, str, str]
_CLOCK_STEP: Final = timedelta(seconds=7)


class SmallCluster:
    """One MPIJob and its objects; a frozen world but for the moves."""

    def __init__(self, question: Question) -> None:
        self.manifest = kept(question.manifest)
        self.world = question.world
        self.now: datetime = question.world.now
        self.objects: dict[Key, Json] = {}
        self.writes = 100
        self.gone = False  # The MPIJob was deleted.
        for each in question.objects:
            self.objects[_key_of(each)] = kept(each)

    def __repr__(self) -> str:
        """Return what a failing law should show: where the job got to."""
        return f"SmallCluster({self.question!r})"

    @property
    def question(self) -> Question:
        """What the function is asked next; all of it read live."""
        objects = tuple(kept(each) for each in self.objects.values())
        world = World(self.now, self.world.settings, self.world.priority_classes)
        return Question(kept(self.manifest), objects, world)

    def reconcile(self, actions: int | None = None) -> int:
        """Carry out a plan, or its first actions; return how many there were."""
        plan = [action for step in self.question.plan for action in step]
        for action in plan[:actions]:
            if not self.grant(action):
                break
        return len(plan)

    def settle(self, rounds: int) -> int:
        """Carry out plans until none is left; return how many it took."""
        for count in range(rounds):
            if self.gone or self.reconcile() == 0:
                return count
        return rounds

    # --- Wishes ---------------------------------------------------------------

    def grant(self, action: Action) -> bool:
        """Do it as an API server would; tell whether it was done."""
        match action:
            case Create(_, manifest):
                return self._create(manifest)
            case Apply(_, manifest, uid):
                return self._apply(manifest, uid) if uid else self._create(manifest)
            case Touch(_, ref, uid, version, fields):
                return self._touch(ref, uid, version, fields)
            case Delete(ref, uid, version):
                return self._delete(ref, uid, version)
            case WriteStatus():
                return self._write_status(action)
            case Confirm() | Event():
                return True
            case _:
                assert_never(action)

    def _write_status(self, action: WriteStatus) -> bool:
        fresh = action.resource_version == _version(self.manifest)
        if fresh:
            self.manifest["status"] = encode_status(action.status)
            self._bump(self.manifest)
        return fresh

    def _bump(self, manifest: Json) -> None:
        self.writes += 1
        manifest["metadata"]["resourceVersion"] = str(self.writes)

    def _create(self, manifest: Manifest) -> bool:
        key = _key_of(manifest)
        if key in self.objects:
            return False
        made = self.objects[key] = kept(manifest)
        self._bump(made)
        made["metadata"]["uid"] = f"u-{self.writes}"
        made["metadata"]["creationTimestamp"] = self.now.isoformat()
        if made["kind"] == "Pod":
            made["status"] = {"phase": "Pending"}
        return True

    def _found(self, ref: Ref, uid: str, version: str) -> Json | None:
        found = self.objects.get((ref.api_version, ref.kind, ref.name))
        if found is None or _uid(found) != uid:
            return None
        same = version in ("", _version(found))
        return found if same else None

    def _apply(self, manifest: Manifest, uid: str) -> bool:
        head = manifest["metadata"]
        ref = Ref(manifest["apiVersion"], manifest["kind"], "", head["name"])
        found = self._found(ref, uid, "")
        if found is None:
            return False
        wanted = kept(manifest)
        for part in ("spec", "data"):
            if part in wanted:
                found[part] = {**mapping(found.get(part)), **wanted[part]}
        for part in ("labels", "ownerReferences"):
            found["metadata"][part] = wanted["metadata"][part]
        self._bump(found)
        return True

    def _touch(self, ref: Ref, uid: str, version: str, fields: Manifest) -> bool:
        found = self._found(ref, uid, version)
        if found is not None:
            _merge(found, kept(fields))
            self._bump(found)
        return found is not None

    def _delete(self, ref: Ref, uid: str, version: str) -> bool:
        if ref.kind == KIND:
            self.gone = version == _version(self.manifest)
            if self.gone:
                self._collect(uid)
            return self.gone
        found = self._found(ref, uid, version)
        if found is None:
            return False
        self.remove(found)
        return True

    # --- Moves ----------------------------------------------------------------

    def remove(self, found: Json) -> None:
        """Take an object away, and what it owns."""
        self.objects.pop(_key_of(found), None)
        self._collect(_uid(found))

    def _collect(self, uid: str) -> None:
        for each in list(self.objects.values()):
            owners = mappings(each["metadata"].get("ownerReferences"))
            if any(owner.get("uid") == uid for owner in owners):
                self.remove(each)

    @property
    def pods(self) -> list[Json]:
        """The pods."""
        return [each for each in self.objects.values() if each["kind"] == "Pod"]

    @property
    def launcher(self) -> Json | None:
        """The launcher Job."""
        name = names.launcher(self.question.job)
        return self.objects.get(("batch/v1", "Job", name))

    @property
    def objects_that_run(self) -> list[Json]:
        """The pods and Jobs."""
        return [o for o in self.objects.values() if o["kind"] in ("Pod", "Job")]

    def pod_becomes(self, what: tuple[int, Json]) -> None:
        """A pod goes on to another state."""
        which, state = what
        if pods := self.pods:
            pod = pods[which % len(pods)]
            pod["status"] = kept(state)
            self._bump(pod)

    def pod_is_terminating(self, which: int) -> None:
        """Somebody deletes a pod, and it takes its time."""
        if pods := self.pods:
            pod = pods[which % len(pods)]
            pod["metadata"]["deletionTimestamp"] = self.now.isoformat()
            self._bump(pod)

    def pod_goes(self, which: int) -> None:
        """A pod is there no more."""
        if pods := self.pods:
            self.remove(pods[which % len(pods)])

    def all_pods_run(self, _: int = 0) -> None:
        """The kubelets start everything, the launcher pod included."""
        if job := self.launcher:
            name = f"{job['metadata']['name']}-a"
            owner = reference("Job", job["metadata"]["name"], _uid(job))
            template = job["spec"].get("template", {})
            head: Json = {"name": name, "namespace": job["metadata"]["namespace"]}
            head |= {**template.get("metadata", {}), "ownerReferences": [owner]}
            pod: Json = {"apiVersion": "v1", "kind": "Pod", **template}
            pod["metadata"] = head
            if not job["spec"].get("suspend"):
                self._create(pod)
        for index, pod in enumerate(self.pods):
            if pod["status"].get("phase") == "Pending":
                self.pod_becomes((index, POD_STATES[0]))

    def launcher_says(self, type_: str) -> None:
        """The Job controller adds a condition to the launcher Job."""
        if (job := self.launcher) is not None:
            since = self.now.isoformat()
            said = {"type": type_, "status": "True", "lastTransitionTime": since}
            status = job.setdefault("status", {})
            status.setdefault("conditions", []).append(said)
            self._bump(job)

    def launcher_is_suspended(self, _: int) -> None:
        """Somebody suspends the launcher Job alone, and it stops."""
        if (job := self.launcher) is not None:
            job["spec"]["suspend"] = True
            self.launcher_says("Suspended")

    def launcher_is_terminating(self, _: int) -> None:
        """Somebody deletes the launcher Job in the foreground."""
        if (job := self.launcher) is not None:
            job["metadata"]["deletionTimestamp"] = self.now.isoformat()
            self._bump(job)

    def launcher_is_orphaned(self, _: int = 0) -> None:
        """Somebody deletes the launcher Job without its pods."""
        if (job := self.launcher) is None:
            return
        for pod in self.pods:
            owners = pod["metadata"].get("ownerReferences", [])
            pod["metadata"]["ownerReferences"] = [
                owner for owner in owners if owner["uid"] != _uid(job)
            ]
        self.remove(job)

    def something_goes(self, which: int) -> None:
        """Somebody deletes one of the objects that are no pods."""
        if things := [each for each in self.objects.values() if each["kind"] != "Pod"]:
            self.remove(things[which % len(things)])

    def something_drifts(self, which: int) -> None:
        """Somebody takes the contents of an object away, or its labels."""
        things = [each for each in self.objects.values() if each["kind"] != "Pod"]
        if things:
            thing = things[which % len(things)]
            if "data" in thing:
                thing["data"] = {}
            elif thing["kind"] == "Service":
                thing["spec"] = {}
            thing["metadata"]["labels"] = {}
            self._bump(thing)

    def somebody_takes_a_name(self, which: int) -> None:
        """An object is deleted, and somebody else makes one of its name."""
        if things := list(self.objects.values()):
            thing = things[which % len(things)]
            self.writes += 1
            theirs = reference("ReplicaSet", "web", "u-web")
            head = {"uid": f"u-{self.writes}", "ownerReferences": [theirs]}
            thing["metadata"] = {**thing["metadata"], **head}

    def user_edits(self, edit: Edit) -> None:
        """The user changes the spec; of workers only where there are some."""
        if "Worker" in edit[0] and not self.question.job.worker:
            return
        self.manifest = edited(self.manifest, [edit])
        generation = self.manifest["metadata"]["generation"]
        self.manifest["metadata"]["generation"] = generation + 1
        self._bump(self.manifest)

    def time_passes(self, steps: int) -> None:
        """The clock goes on."""
        self.now += _CLOCK_STEP * steps


def _key_of(manifest: Manifest) -> Key:
    return (manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"])


def _version(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("resourceVersion", ""))


def _uid(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("uid", ""))


def _merge(into: Json, fields: Json) -> None:
    for key, value in fields.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], cast("Json", value))
        else:
            into[key] = value
