# SPDX-License-Identifier: Apache-2.0
"""A job in mid-life: what comes of it fits together.

The status is one that the function wrote, over objects that it asked for, in a
cluster where things happened: pods ran and failed, users edited, somebody interfered.
"""

from typing import Any, Final

from hypothesis import strategies as st

from properties.sights import POD_STATES, questions
from properties.small_cluster import SmallCluster
from properties.strategies import Edit, Question, evenly, fresh_jobs, worlds

_ROUNDS: Final = 6  # Enough for any plan and what follows from it.
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
                "launcher_is_orphaned",
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


_READINESS: Final = (
    "all are ready",
    "none is ready",
    "one may not be",
    *["one is going"] * 2,
)


@st.composite
def waiting(draw: st.DrawFn) -> SmallCluster:
    """Draw a job with WaitForWorkersReady before its launcher is made, or goes on."""
    life = SmallCluster(Question(draw(fresh_jobs(WAITS)), (), draw(worlds)))
    life.settle(_ROUNDS)
    life.all_pods_run()
    if is_stopped := draw(st.booleans()):
        life.settle(_ROUNDS)
        life.launcher_is_suspended(0)
        life.time_passes(99)
    which = draw(_WHICH)
    match draw(st.sampled_from(_READINESS)):
        case "none is ready":
            for index in range(len(life.pods)):
                life.pod_becomes((index, {"phase": "Running"}))
        case "one may not be":
            life.pod_becomes((which, draw(st.sampled_from(POD_STATES))))
        case "one is going":
            life.pod_is_terminating(which)
        case _:
            pass
    # Where it was made too early, this is before that.
    if (launcher := life.launcher) is not None and not is_stopped:
        life.remove(launcher)
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

_STOPPED: Final[tuple[Move, ...]] = (
    _SUSPEND,
    ("settle", _ROUNDS),
    ("launcher_says", "Suspended"),
    ("reconcile", None),
)
cleared = lives(then=_STOPPED)
"""All that was suspended has been deleted, and the status does not say so yet."""

_RESUME: Final[Move] = ("user_edits", ("spec.runPolicy.suspend", False))
resuming = lives(then=(*_STOPPED, ("settle", _ROUNDS), _RESUME))
"""A job that was suspended to the end is resumed."""

shrinking = lives(
    then=(("settle", _ROUNDS), ("user_edits", (f"{_WORKER}.replicas", 1)))
)
"""Fewer workers are asked for than are there."""

edited = lives(
    then=(
        ("settle", _ROUNDS),
        ("user_edits", (f"{_WORKER}.template.spec.containers.0.image", "mpi:4")),
    )
)
"""The template of the workers is not the one that they were made of."""

losing = lives(then=(("settle", _ROUNDS), ("pod_goes", 0)))
"""A pod was lost, and nothing else changed."""

_FAILS: Final[Move] = ("pod_becomes", (0, {"phase": "Failed"}))
failed = lives(then=(("settle", _ROUNDS), _FAILS))
"""A worker has failed, and nothing was done about it yet."""

failing = lives(then=(("settle", _ROUNDS), _FAILS, ("reconcile", 1)))
"""A worker has failed, its failure bears its number, and it is to be replaced."""

missing = _WHICH.flatmap(
    lambda which: lives(then=(("settle", _ROUNDS), ("something_goes", which)))
)
"""One of the objects that are no pods was deleted."""

drifting = _WHICH.flatmap(
    lambda which: lives(then=(("settle", _ROUNDS), ("something_drifts", which)))
)
"""Somebody changed one of the objects that are no pods."""

trespassed = _WHICH.flatmap(
    lambda which: lives(then=(("somebody_takes_a_name", which),))
)
"""Somebody else has the name of a child."""

moments = evenly(
    *[lives()] * 4,
    *[ending, ended, expired, stopping, stopped, cleared, resuming],
    *[shrinking, losing, missing, drifting, trespassed],
)
"""Any moment of any life."""

any_view = evenly(questions(), seen(moments))
"""Any view of a cluster, consistent or not, half and half."""
