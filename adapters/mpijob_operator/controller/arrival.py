# SPDX-License-Identifier: Apache-2.0
"""What is asked of a cluster before anything is done in it.

What it serves, what we may do there, and what mpi-operator left.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from attrs import frozen

import mpijob
from mpijob import names
from mpijob.loose import mapping, mappings
from mpijob.world import KUBERNETES, NO_GANG
from mpijob_operator.controller import kinds
from mpijob_operator.controller.api import (
    AT_ONCE,
    METADATA_LIST,
    Api,
    Unreachable,
)
from mpijob_operator.controller.controller import Controller
from mpijob_operator.controller.flags import Flags
from mpijob_operator.controller.permissions import Question, questions

_log: Final = logging.getLogger(__name__)


class Unfit(Exception):  # noqa: N818 - it says what we are.
    """The operator cannot work here, and the message says why."""


@frozen
class Served:
    """What the cluster has of what we can use."""

    settings: mpijob.Settings
    watched: tuple[kinds.Watched, ...]


async def discovered(api: Api, flags: Flags) -> Served:
    """Ask the cluster what it serves.

    Raises:
        Unfit: It lacks what we cannot do without.
    """
    groups = [g for g in kinds.OTHER_GROUPS if await _serves(api, g.api_version)]
    workload_api = ""
    for version in kinds.KUBERNETES_GROUPS:
        if not workload_api and await _serves(api, version):
            workload_api = version
            groups.extend(kinds.kubernetes_groups(version))
    if missing := _missing(flags.gang_scheduling, groups):
        raise Unfit(f"--gang-scheduling {flags.gang_scheduling}: {missing}")
    settings = flags.settings(
        workload_api=workload_api.rpartition("/")[2] or "v1beta1",
        observed_generation=await _has_observed_generation(api),
    )
    return Served(settings, (kinds.JOBS, *kinds.CHILDREN, *groups))


def _missing(scheduler: str, groups: Iterable[kinds.Watched]) -> str:
    """Say which PodGroups a gang scheduler needs and the cluster lacks.

    Without them no job would ever start, each for a reason of its own.
    """
    if scheduler == NO_GANG:
        return ""
    served = {watched.api_version for watched in groups}
    if scheduler == KUBERNETES:
        found = served.isdisjoint(kinds.KUBERNETES_GROUPS)
        versions = " nor ".join(kinds.KUBERNETES_GROUPS)
        return f"the cluster serves neither {versions}" if found else ""
    needed = names.pod_group_api(scheduler, "")
    if needed in served:
        return ""
    return f"it needs PodGroups of {needed}, and the cluster serves none"


async def _serves(api: Api, api_version: str) -> bool:
    """Tell whether PodGroups of a version are served."""
    try:
        found = await api.read(f"/apis/{api_version}")
    except Unreachable as trouble:
        if trouble.code == _NOT_FOUND:
            return False
        raise Unfit(f"the API server cannot be asked: {trouble}") from None
    resources = mappings(found.get("resources"))
    return any(resource.get("kind") == "PodGroup" for resource in resources)


_NOT_FOUND: Final = 404
_CRD: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def _has_observed_generation(api: Api) -> bool:
    """Tell whether the installed CRD declares what we add to the status.

    Raises:
        Unfit: There is no such CRD.
    """
    try:
        crd = await api.read(f"{_CRD}/mpijobs.kubeflow.org")
    except Unreachable as trouble:
        if trouble.code == _NOT_FOUND:
            hint = "install it: mpijob crd | kubectl apply -f -"
            raise Unfit(f"the cluster has no MPIJobs; {hint}") from None
        # Where only one namespace may be read the CRD may not be.
        _log.warning("cannot read the CRD", extra={"why": str(trouble)})
        return False
    for version in mappings(mapping(crd.get("spec")).get("versions")):
        if version.get("name") == "v2beta1":
            schema = mapping(mapping(version.get("schema")).get("openAPIV3Schema"))
            status = mapping(mapping(schema.get("properties")).get("status"))
            if "observedGeneration" in mapping(status.get("properties")):
                return True
    _log.warning(
        "the installed CRD is not ours, and status.observedGeneration is left out",
        extra={"remedy": "mpijob crd | kubectl apply --server-side -f -"},
    )
    return False


async def adopt(api: Api, controller: Controller, namespaces: Iterable[str]) -> None:
    """Look once for what mpi-operator made, which bears no label of ours (B8.1).

    Only their metadata is read. What cannot be listed is found when its name turns out
    to be taken.
    """
    selector = f"{names.APP_LABEL},!{names.OPERATOR_NAME_LABEL}"
    for kind in kinds.CHILDREN:
        if kind.kind == "Pod":
            continue  # It labels those.
        for namespace in namespaces:
            query = {"labelSelector": selector}
            try:
                path = kind.path(namespace)
                found, _ = await api.read_all(path, query, METADATA_LIST)
            except Unreachable as trouble:
                _log.warning("cannot look for children", extra={"why": str(trouble)})
                continue
            for value in found:
                controller.adopt(kind, mapping(value.get("metadata")))


_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def permitted(api: Api, flags: Flags, groups: Iterable[str]) -> None:
    """Ask the API server what we may do, before we do anything.

    Raises:
        Unfit: Something is missing that we cannot do without: all of it, at once.
    """
    lock = flags.lock_namespace if flags.leader_elect else ""
    asked = [*questions(flags.namespace, lock, set(groups))]

    turns = asyncio.Semaphore(AT_ONCE)  # A hundred namespaces are thousands of them.

    async def is_allowed(question: Question) -> bool:
        async with turns:
            answer = await api.read(_REVIEWS, body=question.review)
        return mapping(answer.get("status")).get("allowed") is True

    try:
        allowed = await asyncio.gather(*map(is_allowed, asked))
    except Unreachable as trouble:
        raise Unfit(f"the API server cannot be asked: {trouble}") from None
    missing: list[str] = []
    for question, may in zip(asked, allowed, strict=True):
        if may:
            continue
        if without := question.permission.without:
            extra = {"permission": str(question), "without": without}
            _log.warning("permission missing", extra=extra)
        else:
            missing.append(str(question))
    if missing:
        raise Unfit("these permissions are missing: " + "; ".join(missing))
