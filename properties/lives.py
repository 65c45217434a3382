# SPDX-License-Identifier: Apache-2.0
"""A job in mid-life: a small cluster in which plans are carried out and pods live.

Each wish is granted at once, with the guards that the API server has (B8.2); nothing
else happens unless a move makes it happen. So what comes of `lives` fits together:
the status is one that the function wrote, over objects that it asked for.
"""

from datetime import datetime, timedelta
from typing import Any, Final, assert_never, cast

from hypothesis import strategies as st

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
from mpijob.loose import Manifest
from mpijob.names import Ref
from properties.sights import POD_STATES, questions, reference
from properties.strategies import (
    Edit,
    Json,
    Question,
    edited,
    evenly,
    fresh_jobs,
    kept,
    worlds,
)

Key = tuple[str, str, str]
_CLOCK_STEP: Final = timedelta(seconds=7)
_ROUNDS: Final = 6  # Enough for any plan and what follows from it.


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
                before = found.get(part)
                kept_part = before if isinstance(before, dict) else {}
                found[part] = {**kept_part, **wanted[part]}
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
            return self.gone
        found = self._found(ref, uid, version)
        if found is None:
            return False
        self.remove(found)
        return True

    # --- Moves ----------------------------------------------------------------

    def remove(self, found: Json) -> None:
        """Take an object away, and what it owns."""
        del self.objects[_key_of(found)]
        uid = _uid(found)
        for each in list(self.objects.values()):
            owners = each["metadata"].get("ownerReferences")
            if isinstance(owners, list) and any(
                isinstance(o, dict) and cast("Json", o).get("uid") == uid
                for o in cast("list[Any]", owners)
            ):
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
            head = {"name": name, "namespace": job["metadata"]["namespace"]}
            pod = {"apiVersion": "v1", "kind": "Pod", **template}
            pod["metadata"] = {**pod.get("metadata", {}), **head}
            pod["metadata"]["ownerReferences"] = [owner]
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

    def launcher_is_terminating(self, _: int) -> None:
        """Somebody deletes the launcher Job in the foreground."""
        if (job := self.launcher) is not None:
            job["metadata"]["deletionTimestamp"] = self.now.isoformat()
            self._bump(job)

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
        """The user changes the spec."""
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


Move = tuple[str, Any]

_WORKER: Final = "spec.mpiReplicaSpecs.Worker"
_EDITS: Final[tuple[Edit, ...]] = (
    *[("spec.runPolicy.suspend", True)] * 4,
    *[("spec.runPolicy.suspend", False)] * 3,
    *[(f"{_WORKER}.replicas", count) for count in (1, 1, 3, 4)],
    (f"{_WORKER}.template.spec.containers.0.image", "mpi:3"),
    ("spec.slotsPerWorker", 3),
    ("spec.slotsPerWorker", -1),
    ("spec.runPolicy.cleanPodPolicy", "All"),
    ("spec.runPolicy.ttlSecondsAfterFinished", 0),
)
_WHICH: Final = st.integers(0, 4)
_ENDS: Final = ("Suspended", "SuccessCriteriaMet", "Complete", "Complete", "Failed")
_MOVES: Final[st.SearchStrategy[Move]] = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                *["all_pods_run", "pod_goes", "something_goes", "something_drifts"],
                *["pod_is_terminating", "launcher_is_terminating"],
                "somebody_takes_a_name",
            ]
        ),
        _WHICH,
    ),
    st.tuples(st.just("pod_becomes"), st.tuples(_WHICH, st.sampled_from(POD_STATES))),
    st.tuples(st.just("launcher_says"), st.sampled_from(_ENDS)),
    st.tuples(st.just("user_edits"), st.sampled_from(_EDITS)),
    st.tuples(st.just("time_passes"), st.sampled_from([1, 99])),
)
# How far the operator gets between two moves: mostly it is done.
_PROGRESS: Final = st.sampled_from([99, 99, 99, 0, 1, 2, 4])


@st.composite
def lives(draw: st.DrawFn, *always: Edit, then: tuple[Move, ...] = ()) -> SmallCluster:
    """Draw a job that was lived up to some moment.

    Args:
        draw: Hypothesis' own.
        always: What the job says in any case.
        then: The last moves, in any case; without them the last move is any. The
            operator has not answered it yet.
    """
    manifest = draw(fresh_jobs(*always))
    life = SmallCluster(Question(manifest, (), draw(worlds)))
    for _ in range(draw(st.sampled_from([2, 2, 1, 0]))):
        life.settle(_ROUNDS)
        life.all_pods_run()
    for name, argument in draw(st.lists(_MOVES, max_size=4)):
        actions = draw(_PROGRESS)
        if actions > 9:
            life.settle(_ROUNDS)
        else:
            life.reconcile(actions)
        if life.gone:
            break
        getattr(life, name)(argument)
    for name, argument in then:
        getattr(life, name)(argument)
    return life


def seen(life: st.SearchStrategy[SmallCluster]) -> st.SearchStrategy[Question]:
    """Return what is asked at that moment."""
    return life.map(lambda each: each.question)


# --- Moments that chance alone would seldom find --------------------------------

WAITS: Final[Edit] = ("spec.launcherCreationPolicy", "WaitForWorkersReady")
_ENDING: Final[tuple[Move, ...]] = (
    ("settle", _ROUNDS),
    ("all_pods_run", 0),
    ("launcher_says", "Complete"),
)
_SUSPEND: Final[Move] = ("user_edits", ("spec.runPolicy.suspend", True))
_CLEAN: Final[Edit] = ("spec.runPolicy.cleanPodPolicy", "All")
_TTL: Final[Edit] = ("spec.runPolicy.ttlSecondsAfterFinished", 0)


@st.composite
def waiting(draw: st.DrawFn) -> SmallCluster:
    """Draw a job with WaitForWorkersReady before its launcher is made."""
    life = SmallCluster(Question(draw(fresh_jobs(WAITS)), (), draw(worlds)))
    life.settle(_ROUNDS)
    life.all_pods_run()
    if draw(st.booleans()):
        life.pod_becomes((draw(_WHICH), draw(st.sampled_from(POD_STATES))))
    return life


ending = lives(_CLEAN, then=_ENDING)
"""The launcher has just ended, and the result is not written yet."""

ended = lives(_CLEAN, then=(*_ENDING, ("reconcile", 2)))
"""The result is written, and nothing is tidied up yet."""

expired = lives(_TTL, then=(*_ENDING, ("reconcile", None)))
"""The result is written, and the time to live is over."""

stopping = lives(then=(("settle", _ROUNDS), _SUSPEND))
"""The user suspends the job."""

stopped = lives(then=(_SUSPEND, ("settle", _ROUNDS), ("launcher_says", "Suspended")))
"""The launcher has stopped, and nothing is deleted yet."""

shrinking = lives(
    then=(("settle", _ROUNDS), ("user_edits", (f"{_WORKER}.replicas", 1)))
)
"""Fewer workers are asked for than are there."""

losing = lives(then=(("settle", _ROUNDS), ("pod_goes", 0)))
"""A pod was lost, and nothing else changed."""

missing = _WHICH.flatmap(
    lambda which: lives(then=(("settle", _ROUNDS), ("something_goes", which)))
)
"""One of the objects that are no pods was deleted."""

trespassed = _WHICH.flatmap(
    lambda which: lives(then=(("somebody_takes_a_name", which),))
)
"""Somebody else has the name of a child."""

moments = evenly(
    *[lives()] * 4,
    *[ending, ended, expired, stopping, stopped],
    *[shrinking, losing, missing, trespassed],
)
"""Any moment of any life."""

any_view = evenly(questions(), seen(moments))
"""Any view of a cluster, consistent or not, half and half."""
