# SPDX-License-Identifier: Apache-2.0
"""What a cluster has, as far as we can use it: asked once, before anything is done."""

import asyncio
from typing import Any, cast

import pytest
from attrs import define, evolve

from mpijob.loose import Manifest
from mpijob_operator.controller.api import AT_ONCE, Api, Unreachable
from mpijob_operator.controller.arrival import Unfit, discovered, permitted
from mpijob_operator.controller.flags import Flags
from tests.builders import cases

VOLCANO = "scheduling.volcano.sh/v1beta1"
PLUGINS = "scheduling.x-k8s.io/v1alpha1"
KUBERNETES = "scheduling.k8s.io/v1beta1"


@define
class Cluster:
    """An API server that serves PodGroups of some APIs, and allows everything."""

    served: tuple[str, ...] = ()
    under_way: int = 0
    most: int = 0
    asked: int = 0

    async def read(self, path: str, **_: Any) -> Manifest:  # noqa: ANN401 - as Api's.
        self.asked += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if path.endswith("reviews"):
            return {"status": {"allowed": True}}
        if path.endswith("mpijobs.kubeflow.org"):
            return {}
        if path.removeprefix("/apis/") in self.served:
            return {"resources": [{"kind": "PodGroup"}]}
        raise Unreachable(404, "not found")


def found(scheduler: str, *served: str) -> set[str]:
    """Return the APIs of PodGroups that are watched."""
    api = cast("Api", Cluster(served))
    flags = evolve(Flags(), gang_scheduling=scheduler)
    watched = asyncio.run(discovered(api, flags)).watched
    return {each.api_version for each in watched if each.kind == "PodGroup"}


@pytest.mark.rule("B7.5")
@cases("scheduler, served, expected", {
    "none": ("none", (), set()),
    "none, and Volcano is there": ("none", (VOLCANO,), {VOLCANO}),
    "Volcano": ("volcano", (VOLCANO,), {VOLCANO}),
    "of plugins": ("my-scheduler", (PLUGINS, VOLCANO), {PLUGINS, VOLCANO}),
    "Kubernetes' own": ("kubernetes", (KUBERNETES,), {KUBERNETES}),
})  # fmt: skip
def test_the_groups_that_a_cluster_serves_are_watched(
    scheduler: str, served: tuple[str, ...], expected: set[str]
) -> None:
    assert found(scheduler, *served) == expected


@pytest.mark.rule("B7.5")
@cases("scheduler, served, needed", {
    "Volcano is not there": ("volcano", (PLUGINS,), VOLCANO),
    "a slip of the pen": ("vulcano", (VOLCANO,), PLUGINS),
    "Kubernetes is too old": ("kubernetes", (VOLCANO, PLUGINS), "scheduling.k8s.io"),
})  # fmt: skip
def test_a_scheduler_whose_groups_are_missing_is_told_at_the_start(
    scheduler: str, served: tuple[str, ...], needed: str
) -> None:
    with pytest.raises(Unfit, match=f"--gang-scheduling {scheduler}: .*{needed}"):
        found(scheduler, *served)


@pytest.mark.rule("B8.6")
def test_not_all_permissions_are_asked_for_at_once() -> None:
    cluster = Cluster()
    flags = evolve(Flags(), namespace=tuple(f"ns-{n}" for n in range(100)))
    asyncio.run(permitted(cast("Api", cluster), flags, ()))
    assert cluster.asked > 1_000
    assert cluster.most == AT_ONCE
