# SPDX-License-Identifier: Apache-2.0
"""The launcher Job, whose pod calls mpirun (B2, B3)."""

from typing import Final

from mpijob import names, pods
from mpijob.job import MPIImplementation, MPIJob, ReplicaSpec, RestartPolicy, Role
from mpijob.loose import Manifest

_HOSTFILE: Final = f"{names.CONFIG_PATH}/{names.HOSTFILE}"
_SSH_ARGUMENTS: Final = "-o ConnectionAttempts=10"

# fmt: off
# Unlike mpi-operator: the variables of Open MPI 5 and MPICH are set too (B3).
#
# S stands for slotsPerWorker. Open MPI 5 reads PRTE_MCA_* only and ignores the rest
# without a word: a job then runs on the launcher alone and succeeds (B3.3). MPICH reads
# HYDRA_LAUNCHER_EXTRA_ARGS; the shorter name is a slip of upstream's that images may
# have come to read.
ENVIRONMENT: Final[dict[MPIImplementation, dict[str, str]]] = {
    MPIImplementation.OPEN_MPI: {
        "OMPI_MCA_orte_keep_fqdn_hostnames": "true",
        "OMPI_MCA_orte_default_hostfile":    _HOSTFILE,
        "OMPI_MCA_plm_rsh_args":             _SSH_ARGUMENTS,
        "OMPI_MCA_orte_set_default_slots":   "S",
        "PRTE_MCA_prte_default_hostfile":    _HOSTFILE,
        "PRTE_MCA_plm_ssh_args":             _SSH_ARGUMENTS,
        "PRTE_MCA_prte_set_default_slots":   "S",
    },
    MPIImplementation.INTEL: {
        "I_MPI_HYDRA_HOST_FILE":                 _HOSTFILE,
        "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS": _SSH_ARGUMENTS,
        "I_MPI_PERHOST":                         "S",
    },
    MPIImplementation.MPICH: {
        "HYDRA_HOST_FILE":           _HOSTFILE,
        "HYDRA_LAUNCHER_EXTRA_ARGS": _SSH_ARGUMENTS,
        "HYDRA_LAUNCH_EXTRA_ARGS":   _SSH_ARGUMENTS,
    },
}
# fmt: on

# A launcher that only calls mpirun must not be given the GPUs of its node.
_NO_ACCELERATORS: Final = {
    "NVIDIA_VISIBLE_DEVICES": "",
    "NVIDIA_DRIVER_CAPABILITIES": "",
}

# RestartPolicy ExitCode: an error of the program's own is final, a signal is not.
_EXIT_CODES: Final = {"FailJob": range(1, 128), "Count": range(128, 256)}


def launcher(job: MPIJob, replica: ReplicaSpec, scheduler: str) -> Manifest:
    """Return the launcher Job."""
    policy = job.run_policy
    spec: dict[str, object] = {
        # A second launcher never starts while the first still terminates.
        "podReplacementPolicy": "Failed",
        "template": _template(job, replica, scheduler),
    }
    if policy.backoff_limit is not None:
        spec["backoffLimit"] = policy.backoff_limit
    if policy.active_deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = policy.active_deadline_seconds
    # Unlike mpi-operator: no ttlSecondsAfterFinished. A Job that collects itself can
    # take its result along (B5.6).
    if replica.restart_policy is RestartPolicy.EXIT_CODE:
        spec["podFailurePolicy"] = _failure_policy(replica)
    head = names.head(job, "batch/v1", "Job", names.launcher(job))
    return {**head, "spec": spec}


def _template(job: MPIJob, replica: ReplicaSpec, scheduler: str) -> Manifest:
    metadata = pods.pod_metadata(job, Role.LAUNCHER, replica, scheduler)
    if job.run_launcher_as_worker:
        metadata["labels"][names.REPLICA_INDEX_LABEL] = "0"
    volumes = {names.CONFIG_PATH: _config_volume(job)}
    env = environment(job)
    spec = pods.pod_spec(
        job, Role.LAUNCHER, replica, scheduler, env=env, volumes=volumes
    )
    spec["hostname"] = names.launcher(job)
    return {"metadata": metadata, "spec": spec}


def environment(job: MPIJob) -> dict[str, str]:
    """Return the environment that a launcher alone has (B2.3, B3)."""
    slots = str(job.slots_per_worker)
    given = ENVIRONMENT[job.mpi_implementation].items()
    return {
        **{name: slots if value == "S" else value for name, value in given},
        **({} if job.run_launcher_as_worker else _NO_ACCELERATORS),
    }


def _config_volume(job: MPIJob) -> Manifest:
    items = [
        {"key": names.HOSTFILE, "path": names.HOSTFILE, "mode": 0o444},
        {"key": names.DISCOVER_HOSTS, "path": names.DISCOVER_HOSTS, "mode": 0o555},
    ]
    source = {"name": names.config_map(job), "items": items}
    return {"name": names.CONFIG_VOLUME, "configMap": source}


def _failure_policy(replica: ReplicaSpec) -> Manifest:
    main = {"containerName": replica.containers[0].get("name"), "operator": "In"}
    rules = [
        {"action": action, "onExitCodes": {**main, "values": list(codes)}}
        for action, codes in _EXIT_CODES.items()
    ]
    return {"rules": rules}
