# SPDX-License-Identifier: Apache-2.0
"""Between the JSON of an MPIJob and our types; knows the spelling of its fields.

Reading is total: what cannot be read becomes a `Problem` in `MPIJob.malformed`, and
the field keeps the default of the API. Unknown fields of the status survive a round
trip; unknown fields of the spec are the schema's business (B1.4).
"""

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

from mpijob.job import (
    CleanPodPolicy,
    LauncherCreationPolicy,
    MPIImplementation,
    MPIJob,
    ReplicaSpec,
    RestartPolicy,
    Role,
    RunPolicy,
    SchedulingPolicy,
)
from mpijob.loose import (
    NOTHING,
    Manifest,
    count,
    integer,
    is_going,
    mapping,
    sequence,
    strings,
    text,
)
from mpijob.problems import Problem
from mpijob.status import Condition, JobStatus, ReplicaStatus

E = TypeVar("E", bound=enum.StrEnum)

# fmt: off
_TYPE_NAMES: Final[dict[type, str]] = {
    bool: "a boolean", int: "an integer", float: "a number", str: "a string",
    list: "a list", Mapping: "an object",
}
# fmt: on


def time_of(value: object) -> datetime | None:
    """Read an RFC 3339 time; None where there is none or it cannot be read."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # The second: no such year in UTC.
        return None


def text_of_time(time: datetime) -> str:
    """Write a time of ours as `metav1.Time` does: UTC, whole seconds."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


class _Fields(NamedTuple):
    """An object of the spec, its path, and the problems met so far."""

    value: Manifest
    path: str
    problems: list[Problem]

    def problem(self, key: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self._path(key), message, hint))

    def _read(self, key: str, type_: type, what: str) -> Any:  # noqa: ANN401 - JSON.
        value = self.value.get(key)
        is_flag = isinstance(value, bool)
        if value is None or (isinstance(value, type_) and is_flag == (type_ is bool)):
            return value
        found = (name for each, name in _TYPE_NAMES.items() if isinstance(value, each))
        said = next(found, "something else")
        self.problem(key, f"is {said}, and must be {what}")
        return None

    def integer(self, key: str) -> int | None:
        number: int | None = self._read(key, int, "an integer")
        return number

    def flag(self, key: str) -> bool:
        return self._read(key, bool, "true or false") is True

    def text(self, key: str) -> str:
        return self._read(key, str, "a string") or ""

    def other(self, key: str) -> str | None:
        value = self.value.get(key)
        return None if value in (None, "") else str(value)

    def choice(self, key: str, default: E) -> E:
        value, choices = self.text(key), type(default)
        if not value:
            return default
        try:
            return choices(value)
        except ValueError:
            expected = ", ".join(choices)
            message = f"is {value!r:.80}, and must be one of {expected}"
            near = next((c for c in choices if c.lower() == value.lower()), None)
            hint = f"write {near}: upper and lower case count" if near else ""
            self.problem(key, message, hint)
            return default

    def inner(self, key: str) -> "_Fields":
        value = self._read(key, Mapping, "an object") or NOTHING
        return _Fields(value, self._path(key), self.problems)

    def _path(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def decode(manifest: Manifest) -> MPIJob:
    """Read an MPIJob; never fails, see `MPIJob.malformed`."""
    problems: list[Problem] = []
    metadata = mapping(manifest.get("metadata"))
    spec = _Fields(manifest, "", problems).inner("spec")
    replicas = spec.inner("mpiReplicaSpecs")
    if "mpiReplicaSpecs" not in spec.value:
        spec.problem("mpiReplicaSpecs", "is missing, and must name a Launcher")
    roles = {role: _replica(replicas, role) for role in Role}
    for key in replicas.value:
        _check_role(replicas, str(key))
    return MPIJob(
        name=text(metadata, "name"),
        namespace=text(metadata, "namespace") or "default",
        launcher=roles[Role.LAUNCHER],
        worker=roles[Role.WORKER],
        slots_per_worker=_or(spec.integer("slotsPerWorker"), 1),
        run_launcher_as_worker=spec.flag("runLauncherAsWorker"),
        ssh_auth_mount_path=spec.text("sshAuthMountPath") or "/root/.ssh",
        launcher_creation_policy=spec.choice(
            "launcherCreationPolicy", LauncherCreationPolicy.AT_STARTUP
        ),
        mpi_implementation=spec.choice("mpiImplementation", MPIImplementation.OPEN_MPI),
        run_policy=_run_policy(spec.inner("runPolicy")),
        uid=text(metadata, "uid"),
        resource_version=text(metadata, "resourceVersion"),
        generation=_or(integer(metadata.get("generation")), 1),
        created=time_of(metadata.get("creationTimestamp")),
        terminating=is_going(metadata),
        annotations=strings(metadata.get("annotations")),
        labels=strings(metadata.get("labels")),
        status=decode_status(mapping(manifest.get("status"))),
        malformed=tuple(problems),
    )


def _check_role(replicas: _Fields, key: str) -> None:
    if key not in tuple(Role):
        near = next((role for role in Role if role[0].lower() == key[:1].lower()), None)
        message = "is no replica type; there are Launcher and Worker"
        replicas.problem(f"{key:.80}", message, f"write {near}" if near else "")


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _replica(replicas: _Fields, role: Role) -> ReplicaSpec | None:
    if replicas.value.get(role.value) is None:
        return None
    fields = replicas.inner(role.value)
    default = RestartPolicy.ON_FAILURE if role is Role.LAUNCHER else RestartPolicy.NEVER
    return ReplicaSpec(
        template=fields.inner("template").value,
        restart_policy=fields.choice("restartPolicy", default),
        # Unlike mpi-operator: a Worker without replicas counts 1, as its API text
        # says and as Kueue counts; upstream takes it for 0 and refuses it (B1.3).
        replicas=_or(fields.integer("replicas"), 1),
    )


def _run_policy(fields: _Fields) -> RunPolicy:
    return RunPolicy(
        clean_pod_policy=fields.choice("cleanPodPolicy", CleanPodPolicy.NONE),
        ttl_seconds_after_finished=fields.integer("ttlSecondsAfterFinished"),
        active_deadline_seconds=fields.integer("activeDeadlineSeconds"),
        backoff_limit=fields.integer("backoffLimit"),
        suspend=fields.flag("suspend"),
        # Whatever is no name of ours leaves the job to somebody else (B5.8).
        managed_by=fields.text("managedBy") or fields.other("managedBy"),
        scheduling_policy=_scheduling_policy(fields.inner("schedulingPolicy")),
    )


def _scheduling_policy(fields: _Fields) -> SchedulingPolicy:
    return SchedulingPolicy(
        min_available=fields.integer("minAvailable"),
        queue=fields.text("queue"),
        min_resources=fields.inner("minResources").value or None,
        priority_class=fields.text("priorityClass"),
        schedule_timeout_seconds=fields.integer("scheduleTimeoutSeconds"),
    )


_TIMES: Final = ("startTime", "completionTime")
_STATUS_FIELDS: Final = frozenset(
    ("conditions", "replicaStatuses", "observedGeneration", *_TIMES)
)


def decode_status(status: Manifest) -> JobStatus:
    """Read `status`; what cannot be read counts as not written."""
    replicas = mapping(status.get("replicaStatuses"))
    return JobStatus(
        conditions=_conditions(status.get("conditions")),
        launcher=_replica_status(replicas.get(Role.LAUNCHER.value)),
        worker=_replica_status(replicas.get(Role.WORKER.value)),
        start_time=time_of(status.get("startTime")),
        completion_time=time_of(status.get("completionTime")),
        observed_generation=integer(status.get("observedGeneration")),
        other={k: v for k, v in status.items() if k not in _STATUS_FIELDS},
    )


def _conditions(values: object) -> tuple[Condition, ...]:
    result: dict[str, Condition] = {}
    for entry in map(strings, sequence(values)):
        if (type_ := entry.get("type")) and type_ not in result:
            result[type_] = Condition(
                type=type_,
                status=entry.get("status", "Unknown"),
                reason=entry.get("reason", ""),
                message=entry.get("message", ""),
                last_update_time=time_of(entry.get("lastUpdateTime")),
                last_transition_time=time_of(entry.get("lastTransitionTime")),
            )
    return tuple(result.values())


def _replica_status(value: object) -> ReplicaStatus | None:
    if not isinstance(value, Mapping):
        return None
    counts = mapping(value)  # pyright: ignore[reportUnknownArgumentType] - JSON.
    return ReplicaStatus(
        active=count(counts.get("active")),
        succeeded=count(counts.get("succeeded")),
        failed=count(counts.get("failed")),
        selector=text(counts, "selector"),
    )


def encode_status(status: JobStatus) -> dict[str, Any]:
    """Write `status` as the API has it; what is empty is left out."""
    result = dict(status.other)
    if status.conditions:
        result["conditions"] = [_encode_condition(c) for c in status.conditions]
    replicas = ((Role.LAUNCHER, status.launcher), (Role.WORKER, status.worker))
    counts = {role.value: _encode_counts(each) for role, each in replicas if each}
    if counts:
        result["replicaStatuses"] = counts
    times = zip(_TIMES, (status.start_time, status.completion_time), strict=True)
    result |= {field: text_of_time(time) for field, time in times if time}
    if status.observed_generation is not None:
        result["observedGeneration"] = status.observed_generation
    return result


def _encode_condition(condition: Condition) -> dict[str, str]:
    times = {
        "lastUpdateTime": condition.last_update_time,
        "lastTransitionTime": condition.last_transition_time,
    }
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        **{field: text_of_time(time) for field, time in times.items() if time},
    }


def _encode_counts(counts: ReplicaStatus) -> dict[str, Any]:
    return {key: value for key, value in counts._asdict().items() if value}
