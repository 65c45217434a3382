# SPDX-License-Identifier: Apache-2.0
"""What is allowed and still likely a mistake: warnings, with paths (B1.8)."""

import re
from collections.abc import Iterator
from typing import Final

from mpijob import gang, names, pods
from mpijob.case import Case
from mpijob.job import CleanPodPolicy, MPIImplementation, MPIJob, ReplicaSpec, Role
from mpijob.loose import mapping, mappings, text
from mpijob.problems import Problem
from mpijob.quantities import NANO, nano
from mpijob.resources import limits
from mpijob.validation import replica_path
from mpijob.world import NO_GANG

# Extended resources that are accelerators, by the names that their vendors' device
# plugins use; there is no mark that tells them from network cards.
_ACCELERATOR: Final = re.compile(r".+/.*(gpu|gaudi|neuron|tpu|npu|mig-|xpu|dcu).*")


def warnings_of(case: Case) -> tuple[Problem, ...]:
    """Return the warnings, in the order of the fields."""
    checks = (_slots, _local, _clean, _gang, _ready, _templates)
    return tuple(warning for check in checks for warning in check(case))


def _accelerators(case: Case) -> dict[str, int]:
    """Return the accelerators of one worker, resource name -> whole units."""
    if case.job.worker is None:
        return {}
    found = limits(case.job.worker.containers[0])
    counts = {name: (nano(q) or 0) // NANO for name, q in found.items()}
    return {n: c for n, c in counts.items() if c and _ACCELERATOR.fullmatch(n)}


def _slots(case: Case) -> Iterator[Problem]:
    slots, path = case.job.slots_per_worker, "spec.slotsPerWorker"
    if slots == 0:
        yield Problem(path, "is 0: mpirun then decides by itself, or refuses to start")
    for name, count in _accelerators(case).items():
        if slots > count:
            yield Problem(path, f"is {slots}, and a worker has {count} {name}")


def _local(case: Case) -> Iterator[Problem]:
    """Warn of what Hydra does: measured with MPICH 4.0.2."""
    mpich = case.job.mpi_implementation is MPIImplementation.MPICH
    if case.job.run_launcher_as_worker and mpich:
        message = "is true: MPICH starts even the launcher's own ranks by ssh"
        hint = "start sshd in the launcher before mpirun"
        yield Problem("spec.runLauncherAsWorker", message, hint)


def _clean(case: Case) -> Iterator[Problem]:
    path = "spec.runPolicy.cleanPodPolicy"
    if case.job.run_policy.clean_pod_policy is not CleanPodPolicy.NONE:
        return
    hint = "write Running"
    if names.QUEUE_NAME_LABEL in case.job.labels:
        message = "is None: workers keep their nodes after Kueue gave their quota on"
        yield Problem(path, message, hint)
    if found := _accelerators(case):
        message = f"is None: workers keep their {', '.join(found)} after the job ended"
        yield Problem(path, message, hint)


def _gang(case: Case) -> Iterator[Problem]:
    job, path = case.job, "spec.runPolicy.schedulingPolicy"
    policy, possible = job.run_policy.scheduling_policy, gang.possible_members(job)
    asked = policy.min_available
    if asked is not None and asked > possible:
        message = f"is {asked}, and {possible} is the most that can be met"
        yield Problem(f"{path}.minAvailable", message)
    if case.scheduler == NO_GANG:
        return
    named = {f"{path}.priorityClass": policy.priority_class}
    for role, replica in job.replicas.items():
        path = f"{replica_path(role)}.template.spec.priorityClassName"
        named[path] = gang.priority_class(replica)
    for path, name in named.items():
        if name and gang.find_priority_class(name, case.world) is None:
            yield Problem(path, f"is {name}, and there is no such PriorityClass")


def _ready(case: Case) -> Iterator[Problem]:
    worker = case.job.worker
    if not case.job.waits_for_workers or worker is None:
        return
    main = worker.containers[0]
    if not main.get("readinessProbe") and not pods.names_ssh_port(main):
        yield Problem(
            f"{replica_path(Role.WORKER)}.template.spec.containers[0].readinessProbe",
            "is missing: a worker counts as Ready before its sshd answers",
            "name the port of sshd `ssh`, and a probe is added",
        )


def _templates(case: Case) -> Iterator[Problem]:
    for role, replica in case.job.replicas.items():
        yield from _template(case.job, role, replica)


def _template(job: MPIJob, role: Role, replica: ReplicaSpec) -> Iterator[Problem]:
    path = f"{replica_path(role)}.template"
    if names.QUEUE_NAME_LABEL in mapping(replica.metadata.get("labels")):
        where = f"{path}.metadata.labels[{names.QUEUE_NAME_LABEL}]"
        yield Problem(where, "is dropped: the MPIJob is queued, not its pods")
    if replica.pod_spec.get("restartPolicy"):
        message = "is overridden by the restartPolicy of the replica spec"
        yield Problem(f"{path}.spec.restartPolicy", message)
    yield from _mounts(role, replica)
    group = pods.security(replica)[2]
    if group is not None and pods.private_key_mode(job, replica) == pods.OWNER_ONLY:
        yield Problem(
            f"{path}.spec.securityContext.fsGroup",
            f"is {group}, and the user is root: the kubelet lets the group read the"
            " private key, and ssh then refuses it",
            "leave fsGroup out, or run as another user",
        )


def _mounts(role: Role, replica: ReplicaSpec) -> Iterator[Problem]:
    """Warn of mounts without a volume: the API server takes the job, not its pods."""
    spec = replica.pod_spec
    known = {text(volume, "name") for volume in mappings(spec.get("volumes"))}
    known |= {names.SSH_VOLUME, names.CONFIG_VOLUME}
    for field in ("initContainers", "containers"):
        for i, container in enumerate(mappings(spec.get(field))):
            for j, mount in enumerate(mappings(container.get("volumeMounts"))):
                if (name := text(mount, "name")) not in known:
                    path = f"{replica_path(role)}.template.spec.{field}[{i}]"
                    where = f"{path}.volumeMounts[{j}].name"
                    yield Problem(where, f"is {name}, and no volume has that name")
