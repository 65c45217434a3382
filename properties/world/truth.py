# SPDX-License-Identifier: Apache-2.0
"""What is true in a cluster, whoever saw it: for the checks, never for the operator."""

from attrs import evolve

import mpijob
from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob.status import JobStatus
from mpijob_operator.executor import Call
from mpijob_operator.simulation.cluster import is_terminating, owner_uids
from properties.world.state import State, Truth


def vouches(live: Manifest | None, decided: mpijob.MPIJob) -> bool:
    """Tell whether the job was what was decided on when a guard held (B8.2)."""
    if live is None:
        return False
    job = mpijob.decode(live)
    return (
        job.uid == decided.uid
        and job.generation == decided.generation
        and not job.terminating
        and job.status.verdict is None
    )


def told_of(truth: Truth, call: Call, before: State, after: State) -> Truth:
    """Return what is true after a write of the operator took effect."""
    if _is_late(call, before):
        return evolve(truth, late=True)
    if not isinstance(call.action, mpijob.WriteStatus):
        return truth
    old, new = _status(before), _status(after)
    if new is None or old is None:
        return truth
    if new.start_time is not None and old.start_time is None:
        truth = evolve(truth, failures=0, won=False)
    return evolve(truth, result=False) if new.verdict is not None else truth


def _is_late(call: Call, before: State) -> bool:
    """Tell whether something was made for a job that was gone, or on its way (P10)."""
    action, job = call.action, before.job
    makes = isinstance(action, mpijob.Create) or (
        isinstance(action, mpijob.Apply) and not action.uid
    )
    same = uid_of(job) == call.job.uid
    return makes and (job is None or not same or is_terminating(job))


def _status(state: State) -> JobStatus | None:
    return None if state.job is None else mpijob.decode(state.job).status


def meddled(after: State, before: State) -> Truth:
    """Return what is true after a user's deed: what a user deletes is the user's."""
    uid = uid_of(before.job)
    if uid != uid_of(after.job):
        return Truth(late=before.truth.late)
    gone = uid_of(_launcher(before)) != uid_of(_launcher(after))
    going = _launcher(after)
    if gone or (going is not None and is_terminating(going)):
        return evolve(after.truth, result=False, meddled=True)
    return evolve(after.truth, meddled=True)


def pod_of_job(ref: Ref) -> Ref:
    """Return where a pod of a Job would be, but for what chance adds to its name."""
    return ref._replace(api_version="v1", kind="Pod")


def generation_of(uid: str) -> int:
    """Return for which MPIJob of the name an object was made."""
    return int(uid[:8], 16) >> 12


def uid_of(value: Manifest | None) -> str:
    return "" if value is None else str(value["metadata"]["uid"])


def _launcher(state: State) -> Manifest | None:
    return next((job for _, job in state.children("Job")), None)


def succeeded(state: State, ref: Ref, truth: Truth) -> Truth:
    """Return what is true once a launcher pod exited with 0.

    A Job that was asked to go may still tell of it, and need not.
    """
    if not _is_mine(state, ref):
        return truth
    launcher = _launcher(state)
    stays = launcher is not None and not is_terminating(launcher)
    return evolve(truth, won=True, result=truth.result or stays)


def _is_mine(state: State, ref: Ref) -> bool:
    """Tell whether a launcher pod is of this job, and its Job is there."""
    job, launcher = state.job, _launcher(state)
    if job is None or launcher is None:
        return False
    mine = uid_of(job) in owner_uids(launcher)
    theirs = uid_of(launcher) in owner_uids(state.world.objects[ref])
    return mine and theirs and _verdict(state) is None


def _verdict(state: State) -> object:
    status = _status(state)
    return None if status is None else status.verdict
