# SPDX-License-Identifier: Apache-2.0
"""A job's problems, all of them, never the first only (B1.5).

Unlike mpi-operator: a restartPolicy of ExitCode, and Always for workers, is taken, and
mistakes that it lets pass (another replica type, a launcherCreationPolicy that does not
exist, scheduling numbers out of range, volumes that collide) are refused (B1.5).

Rule: only what the function itself relies on is checked here. The schema of the pod
template is the CRD's business, and `mpijob validate` adds it.
"""

import re
from collections.abc import Iterator
from typing import Final

from mpijob import names, pods
from mpijob.hostfile import discover_hosts, hostfile
from mpijob.job import MPIJob, ReplicaSpec, RestartPolicy, Role
from mpijob.loose import mappings, text
from mpijob.problems import Problem
from mpijob.world import NO_GANG

_DNS_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DNS_LABEL_MAX: Final = 63

# The API server takes no larger ConfigMap (core/v1 MaxSecretSize, 1 MiB for both).
_CONFIG_MAP_BYTES: Final = 2**20

# Hosts beyond this number are not written out to be measured.
_WORKERS_CERTAINLY_TOO_MANY: Final = 2**16

_MANAGERS: Final = (names.MANAGED_BY, names.MULTI_KUEUE)


def problems_of(job: MPIJob, scheduler: str, *, started: bool) -> tuple[Problem, ...]:
    """Return what is wrong with the spec, in the order of the fields.

    Args:
        job: The job.
        scheduler: The gang scheduler, `none` for none.
        started: Whether the job has started; then a minAvailable that no longer fits
            the number of workers is capped, with a warning.
    """
    return (
        *job.malformed,
        *_name(job),
        *_settings(job),
        *_run_policy(job),
        *_scheduling(job, check_total=scheduler != NO_GANG and not started),
        *_launcher(job),
        *_worker(job),
    )


def replica_path(role: Role) -> str:
    """Return the path of a role's spec."""
    return f"spec.mpiReplicaSpecs.{role}"


def _name(job: MPIJob) -> Iterator[Problem]:
    last = names.worker(job, max(job.workers - 1, 0))
    if not job.name:
        yield Problem("metadata.name", "is missing, and an MPIJob has a name")
    elif not _DNS_1035.fullmatch(job.name):
        yield Problem(
            "metadata.name",
            f"is {job.name!r:.80}, and must be a DNS-1035 label: a letter first, then"
            " lower case letters, digits and dashes, no dash at the end",
            "the pods of the job get host names made from it",
        )
    elif len(last) > _DNS_LABEL_MAX:
        most = _DNS_LABEL_MAX - (len(last) - len(job.name))
        yield Problem(
            "metadata.name",
            f"has {len(job.name)} characters, and must have at most {most}: the host"
            f" name {last} may have {_DNS_LABEL_MAX}",
        )


def _settings(job: MPIJob) -> Iterator[Problem]:
    yield from _at_least(0, "spec.slotsPerWorker", job.slots_per_worker)
    path = job.ssh_auth_mount_path
    field = "spec.sshAuthMountPath"
    if not path.startswith("/") or not path.strip("/"):
        yield Problem(field, f"is {path!r:.80}, and must be an absolute path below /")
    elif pods.ssh_path(job) == names.CONFIG_PATH:
        yield Problem(field, f"is {path}, and the hostfile is mounted there")


def _at_least(
    least: int, path: str, value: int | None, hint: str = ""
) -> Iterator[Problem]:
    if value is not None and value < least:
        yield Problem(path, f"is {value}, and must be {least} or more", hint)


def _run_policy(job: MPIJob) -> Iterator[Problem]:
    path, policy = "spec.runPolicy", job.run_policy
    ttl, deadline = policy.ttl_seconds_after_finished, policy.active_deadline_seconds
    yield from _at_least(0, f"{path}.ttlSecondsAfterFinished", ttl)
    yield from _at_least(0, f"{path}.activeDeadlineSeconds", deadline)
    yield from _at_least(0, f"{path}.backoffLimit", policy.backoff_limit)
    if policy.managed_by is not None and policy.managed_by not in _MANAGERS:
        yield Problem(
            f"{path}.managedBy",
            f"is {policy.managed_by!r:.80}, and must be {' or '.join(_MANAGERS)}",
        )


def _scheduling(job: MPIJob, *, check_total: bool) -> Iterator[Problem]:
    path, policy = "spec.runPolicy.schedulingPolicy", job.run_policy.scheduling_policy
    timeout, least = policy.schedule_timeout_seconds, policy.min_available
    yield from _at_least(0, f"{path}.scheduleTimeoutSeconds", timeout)
    yield from _at_least(1, f"{path}.minAvailable", least)
    total = job.workers + 1
    if check_total and least is not None and least > total:
        yield Problem(
            f"{path}.minAvailable",
            f"is {least}, and the job has {total} pods: it would wait for ever",
            f"write {total} or less, or leave it out",
        )


def _launcher(job: MPIJob) -> Iterator[Problem]:
    path, replica = replica_path(Role.LAUNCHER), job.launcher
    if replica is None:
        if not any(
            p.path.startswith(path) or p.path == "spec.mpiReplicaSpecs"
            for p in job.malformed
        ):
            yield Problem(path, "is missing, and an MPIJob has one launcher")
        return
    if replica.replicas != 1:
        yield Problem(
            f"{path}.replicas",
            f"is {replica.replicas}, and must be 1",
            "an MPIJob has one launcher; add ranks with Worker.replicas",
        )
    if replica.restart_policy is RestartPolicy.ALWAYS:
        yield Problem(
            f"{path}.restartPolicy",
            "is Always, and must be Never, OnFailure or ExitCode",
            "a launcher that always restarts never ends",
        )
    config = {names.CONFIG_VOLUME: names.CONFIG_PATH}
    yield from _template(path, replica, {names.SSH_VOLUME: pods.ssh_path(job)} | config)


def _worker(job: MPIJob) -> Iterator[Problem]:
    path, replica = replica_path(Role.WORKER), job.worker
    if replica is None:
        return
    hint = "leave Worker out where the launcher does all the work"
    yield from _at_least(1, f"{path}.replicas", replica.replicas, hint)
    if (size := _config_size(job)) > _CONFIG_MAP_BYTES:
        yield Problem(
            f"{path}.replicas",
            f"is {replica.replicas}: the hosts would fill {size} bytes, and a"
            f" ConfigMap holds {_CONFIG_MAP_BYTES}",
            "take fewer workers with more slotsPerWorker, or a shorter name",
        )
    yield from _template(path, replica, {names.SSH_VOLUME: pods.ssh_path(job)})


def _config_size(job: MPIJob) -> int:
    """Return the bytes of the ConfigMap with every worker running; 0 if plainly few."""
    line = 2 * len(names.worker(job, job.workers)) + 2 * len(names.domain(job, ""))
    if job.workers * line <= _CONFIG_MAP_BYTES // 2:
        return 0
    if job.workers > _WORKERS_CERTAINLY_TOO_MANY:
        return job.workers * line
    return len(hostfile(job)) + len(discover_hosts(job, range(job.workers)))


def _template(
    path: str, replica: ReplicaSpec, mounts: dict[str, str]
) -> Iterator[Problem]:
    """Check what our additions need of a template, and that they find room there."""
    spec, path = replica.pod_spec, f"{path}.template.spec"
    containers = mappings(spec.get("containers"))
    if not containers:
        yield Problem(f"{path}.containers", "must have at least one container")
        return
    if not containers[0]:
        yield Problem(f"{path}.containers[0]", "must be a container")
        return
    for i, volume in enumerate(mappings(spec.get("volumes"))):
        if (name := text(volume, "name")) in mounts:
            yield Problem(
                f"{path}.volumes[{i}].name",
                f"is {name}, and the operator adds a volume of that name",
                "give the volume another name",
            )
    taken = set(mounts.values())
    for i, mount in enumerate(mappings(containers[0].get("volumeMounts"))):
        place = mount.get("mountPath")
        if isinstance(place, str) and place.rstrip("/") in taken:
            yield Problem(
                f"{path}.containers[0].volumeMounts[{i}].mountPath",
                f"is {place}, and the operator mounts a volume there",
            )
