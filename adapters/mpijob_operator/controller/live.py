# SPDX-License-Identifier: Apache-2.0
"""What a cluster holds, for `--live`: read once, and nothing changed.

The planner reads it as it reads what kubectl prints. `--dry-run` sends the steps as the
controller would, and has the API server forget them (`?dryRun=All`): what admission,
quota or a policy would say is said.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any, Final, NamedTuple, TypeVar

import orjson
from kubernetes.aio import config

import mpijob
from mpijob.loose import Manifest
from mpijob_operator.controller import kinds
from mpijob_operator.controller.api import (
    JSON,
    METADATA_LIST,
    Api,
    Unreachable,
    opened,
)
from mpijob_operator.controller.connection import connect
from mpijob_operator.controller.kinds import Watched
from mpijob_operator.executor import Answer
from mpijob_operator.keypair import key_pair
from mpijob_operator.requests import Verb, filled, request_of

FORGOTTEN: Final = {"dryRun": "All"}
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404

_T = TypeVar("_T")


class Unread(Exception):  # noqa: N818 - it says what the cluster is.
    """The cluster could not be read, and why."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Verdict(NamedTuple):
    """What the API server would say to one action."""

    action: mpijob.Action
    answer: Answer


def state(kubeconfig: str, namespaces: Iterable[str]) -> str:
    """Return what some namespaces hold, "" for all, as a v1 List in JSON.

    Raises:
        Unread: The cluster cannot be reached, or will not tell.
    """
    groups = [*kinds.OTHER_GROUPS]
    for version in kinds.KUBERNETES_GROUPS:
        groups += kinds.kubernetes_groups(version)

    async def read(api: Api) -> str:
        found: list[Manifest] = []
        for namespace in namespaces:
            for kind in (kinds.JOBS, *kinds.CHILDREN):
                found += await _all(api, kind, namespace)
            for kind in groups:
                with contextlib.suppress(_Unserved):
                    found += await _all(api, kind, namespace)
        with contextlib.suppress(_Unserved):
            found += await _all(api, kinds.PRIORITY_CLASSES, "")
        value = {"apiVersion": "v1", "kind": "List", "items": found}
        return orjson.dumps(value, default=dict).decode()

    return _asked(kubeconfig, read)


def dry_run(
    kubeconfig: str, plans: Iterable[tuple[mpijob.MPIJob, mpijob.Plan]]
) -> list[list[Verdict]]:
    """Return what the API server would say to the steps of each plan.

    Each action is asked by itself: none of those before it was kept.

    Raises:
        Unread: The cluster cannot be reached.
    """

    async def ask(api: Api) -> list[list[Verdict]]:
        return [
            [
                await _verdict(api, job, action)
                for step in plan
                for action in step
                # Of a job that is not there yet no status can be written.
                if job.resource_version or not isinstance(action, mpijob.WriteStatus)
            ]
            for job, plan in plans
        ]

    return _asked(kubeconfig, ask)


async def _verdict(api: Api, job: mpijob.MPIJob, action: mpijob.Action) -> Verdict:
    request = filled(
        request_of(job, action),
        key_pair=key_pair,
        now=lambda: "2000-01-01T00:00:00.000000Z",
        instance="mpijob-plan",
    )
    query = FORGOTTEN if request.verb is not Verb.GET else {}
    return Verdict(action, await api.send(request, query))


class _Unserved(Exception):  # noqa: N818 - it says what a kind is.
    """The cluster has no such kind, or does not show it to us."""


async def _all(api: Api, kind: Watched, namespace: str) -> list[Manifest]:
    accept = METADATA_LIST if kind.metadata_only else JSON
    types: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind}
    try:
        items, _ = await api.read_all(kind.path(namespace), accept=accept)
    except Unreachable as trouble:
        raise _why(kind, namespace, trouble) from None
    return [{**item, **types} for item in items]


def _why(kind: Watched, namespace: str, trouble: Unreachable) -> Exception:
    optional = kind not in (kinds.JOBS, *kinds.CHILDREN)
    if optional and trouble.code in (_FORBIDDEN, _NOT_FOUND):
        return _Unserved()
    if trouble.code == _NOT_FOUND:
        return Unread("the cluster has no MPIJobs", "mpijob crd | kubectl apply -f -")
    hint = "" if namespace or trouble.code != _FORBIDDEN else "name one with -n"
    return Unread(f"the cluster cannot be read: {trouble}", hint)


def _asked(kubeconfig: str, ask: Callable[[Api], Awaitable[_T]]) -> _T:
    async def run() -> _T:
        async with _api(kubeconfig) as api:
            return await ask(api)

    return asyncio.run(run())


@contextlib.asynccontextmanager
async def _api(kubeconfig: str) -> AsyncGenerator[Api]:
    try:
        connection = await connect(kubeconfig)
    except config.ConfigException as error:
        hint = "name a kubeconfig with --kubeconfig"
        raise Unread(f"there is no way to a cluster: {error}", hint) from None
    api = await opened(connection)
    async with contextlib.aclosing(api):
        yield api
