# SPDX-License-Identifier: Apache-2.0
"""What launcher and worker pods share: SSH, environment, volumes, restart policy.

Rule: a template is never changed. What we add makes new mappings around the user's
own, which are shared (B1.4).
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from mpijob import names
from mpijob.job import MPIJob, ReplicaSpec, RestartPolicy, Role
from mpijob.loose import NOTHING, Manifest, integer, mapping, mappings, sequence, text
from mpijob.world import KUBERNETES, NO_GANG, VOLCANO

ROLE_VARIABLE: Final = "K_MPI_JOB_ROLE"

OWNER_ONLY: Final = 0o600
_OWNER_AND_GROUP: Final = 0o640


def template_hash(job: MPIJob, replica: ReplicaSpec) -> str:
    """Return a hash of what a role's pods are made from (B4.9).

    The order of keys is immaterial; the number of replicas does not count. 32 bits, as
    in the pod-template-hash of a Deployment, tell the templates of one job apart.
    """
    parts = (
        replica.template,
        replica.restart_policy,
        job.slots_per_worker,
        job.mpi_implementation,
        ssh_path(job),
        job.run_launcher_as_worker,
    )
    data = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return f"{zlib.crc32(data.encode()):08x}"


def pod_metadata(
    job: MPIJob, role: Role, replica: ReplicaSpec, scheduler: str
) -> dict[str, dict[str, Any]]:
    """Return the labels and annotations of a role's pods, ours over the template's.

    Unlike mpi-operator: a queue-name label stays out, or Kueue would queue the pod a
    second time by itself (B2).
    """
    given = mapping(replica.metadata.get("labels"))
    kept = {k: v for k, v in given.items() if k != names.QUEUE_NAME_LABEL}
    labels = {**kept, **names.pod_labels(job, role)}
    annotations = dict(mapping(replica.metadata.get("annotations")))
    annotations[names.TEMPLATE_HASH] = template_hash(job, replica)
    if scheduler == VOLCANO:
        annotations[names.VOLCANO_GROUP] = job.name
    elif scheduler not in (NO_GANG, KUBERNETES):
        labels[names.SCHEDULER_PLUGINS_GROUP] = job.name
    return {"labels": labels, "annotations": annotations}


def pod_spec(  # noqa: PLR0913 - one pod, each part of it given by its role.
    job: MPIJob,
    role: Role,
    replica: ReplicaSpec,
    scheduler: str,
    *,
    env: Mapping[str, str] = NOTHING,
    volumes: Mapping[str, Manifest] = NOTHING,
    fields: Manifest = NOTHING,
) -> dict[str, object]:
    """Return a role's pod spec: the template's, and what every pod of the job has.

    Args:
        job: The job.
        role: The role.
        replica: The spec of the role.
        scheduler: The gang scheduler, `none` for none.
        env: Variable -> value, in containers[0].
        volumes: Mount path -> volume, mounted in containers[0].
        fields: Fields of containers[0] that replace the template's.
    """
    template = replica.pod_spec
    env = {ROLE_VARIABLE: role.lower(), **env}
    volumes = {ssh_path(job): ssh_volume(job, replica), **volumes}
    main = _main_container(replica, env, volumes, fields)
    spec: dict[str, object] = {
        **template,
        "containers": [main, *replica.containers[1:]],
        "volumes": [*sequence(template.get("volumes")), *volumes.values()],
        "hostname": "",  # Each pod's own.
        "subdomain": names.service(job),
        "restartPolicy": _restart_policy(replica),
    }
    if template.get("hostNetwork") is True:
        spec["dnsPolicy"] = "ClusterFirstWithHostNet"
    if scheduler == KUBERNETES:
        spec["schedulingGroup"] = {"podGroupName": job.name}
    elif scheduler != NO_GANG:
        spec["schedulerName"] = scheduler
    return spec


SSH_PORT: Final = "ssh"


def names_ssh_port(container: Manifest) -> bool:
    """Tell whether a container declares the port on which its sshd answers."""
    return any(p.get("name") == SSH_PORT for p in mappings(container.get("ports")))


def _restart_policy(replica: ReplicaSpec) -> str:
    """Return the pod's restartPolicy; ExitCode is ours, not the kubelet's (B2.6)."""
    if replica.restart_policy is RestartPolicy.EXIT_CODE:
        return RestartPolicy.NEVER.value
    return replica.restart_policy.value


def _main_container(
    replica: ReplicaSpec,
    env: Mapping[str, str],
    volumes: Mapping[str, Manifest],
    fields: Manifest,
) -> Manifest:
    """Return containers[0] with our environment and mounts after the user's."""
    # Unlike mpi-operator: a variable that the user sets wins over ours (B2.3).
    main = replica.containers[0]
    user = sequence(main.get("env"))
    used = {text(entry, "name") for entry in mappings(user)}
    ours = [{"name": k, "value": v} for k, v in env.items() if k not in used]
    mounted = sequence(main.get("volumeMounts"))
    added = [{"name": v["name"], "mountPath": path} for path, v in volumes.items()]
    return {**main, **fields, "env": [*user, *ours], "volumeMounts": [*mounted, *added]}


def ssh_path(job: MPIJob) -> str:
    """Return where the SSH key goes; a trailing slash means nothing."""
    return job.ssh_auth_mount_path.rstrip("/")


def ssh_volume(job: MPIJob, replica: ReplicaSpec) -> Manifest:
    """Return the volume with the key pair, each file where OpenSSH looks for it."""
    private: dict[str, object] = {"key": names.SSH_PRIVATE_KEY, "path": "id_rsa"}
    mode = private_key_mode(job, replica)
    if mode is not None:
        private["mode"] = mode
    items = [
        private,
        {"key": names.SSH_PUBLIC_KEY, "path": "id_rsa.pub"},
        {"key": names.SSH_PUBLIC_KEY, "path": "authorized_keys"},
    ]
    secret = {"secretName": names.secret(job), "items": items}
    return {"name": names.SSH_VOLUME, "secret": secret}


def private_key_mode(job: MPIJob, replica: ReplicaSpec) -> int | None:
    """Return the mode with which ssh takes the key, None for the volume's own (B2.4).

    Unlike mpi-operator: the user that the container runs as decides the mode of the
    private key, and not the mount path alone (B2.4).
    """
    user, non_root, group = security(replica)
    if user is None:
        at_root = ssh_path(job) == "/root/.ssh"
        return OWNER_ONLY if at_root and not non_root else None
    if user == 0:
        return OWNER_ONLY
    return None if group is None else _OWNER_AND_GROUP


def security(replica: ReplicaSpec) -> tuple[int | None, bool, int | None]:
    """Return runAsUser and runAsNonRoot of containers[0], and the pod's fsGroup."""
    pod = mapping(replica.pod_spec.get("securityContext"))
    own = mapping(replica.containers[0].get("securityContext"))
    both = {**pod, **{k: v for k, v in own.items() if v is not None}}
    user, group = integer(both.get("runAsUser")), integer(pod.get("fsGroup"))
    return user, both.get("runAsNonRoot") is True, group
