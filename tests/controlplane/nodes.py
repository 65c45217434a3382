# SPDX-License-Identifier: Apache-2.0
"""A scheduler and kubelets without machines: pods of a real API server live and end.

How pods live is told by `Habits`, for the names that a pattern matches; what happens to
one pod in the middle of its life is told by `Nodes.end`, `evict` and `lose`. It carries
thousands of pods: a thread with one event loop, two writes up and two down a pod.

As a program of its own (`python -m tests.controlplane.nodes KUBECONFIG`) it competes
with nobody for an interpreter; launchers then end after ``--launcher-seconds``.
"""

import argparse
import asyncio
import fnmatch
import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from attrs import define, field

from tests.controlplane.pod_life import (
    SIGKILL_CODE,
    End,
    Habits,
    Json,
    Step,
    Verb,
    disrupted,
    is_over,
    next_step,
    stamp,
)

NODES: Final = 8
# Pods of MPIJobs: those that tests make beside them stay as they were made.
SELECTOR: Final = "training.kubeflow.org/job-role"
CONNECTIONS: Final = 16
# Between two tries of what failed: the API server may be restarting.
RETRY_S: Final = 0.2
WATCH_S: Final = 300
START_S: Final = 30
# TLS connections close behind their session, and say nothing when they have.
CLOSE_S: Final = 0.2


@define
class _Known:
    """A pod as last seen, and what is under way for it."""

    pod: Json
    habits: Habits
    acted: str = ""  # The resourceVersion that was last acted on.
    end: End | None = None
    lost: bool = False
    busy: bool = False
    timer: asyncio.TimerHandle | None = None

    @property
    def version(self) -> str:
        return str(self.pod["metadata"]["resourceVersion"])


@define
class Nodes:
    """The double, from `start` to `stop`; every other method is for any thread."""

    kubeconfig: Path
    namespace: str = ""  # Empty: every namespace.
    selector: str = SELECTOR
    _habits: list[tuple[str, Habits]] = field(
        factory=list[tuple[str, Habits]], init=False
    )
    _pods: dict[str, _Known] = field(factory=dict[str, _Known], init=False)
    _runs: Counter[str] = field(factory=Counter[str], init=False)
    _loop: asyncio.AbstractEventLoop = field(
        factory=asyncio.new_event_loop, init=False, repr=False
    )
    _tasks: set[asyncio.Task[None]] = field(
        factory=set[asyncio.Task[None]], init=False, repr=False
    )
    _session: aiohttp.ClientSession | None = field(default=None, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _server: str = field(default="", init=False)

    # --- What a test says ---------------------------------------------------------

    def start(self) -> None:
        """Make the nodes, and begin to watch."""
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._wait(self._begin())

    def stop(self) -> None:
        """Leave every pod as it is; nodes never started may be stopped too."""
        if self._thread is None:
            self._loop.close()
            return
        self._wait(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def script(self, pattern: str, habits: Habits) -> None:
        """Tell how the pods live whose `namespace/name` matches, now and from now on.

        The pattern that was told last goes first.
        """
        self._wait(self._scripted(pattern, habits))

    def end(self, key: str, end: End) -> None:
        """End the program of this one pod, `namespace/name`, now."""
        self._wait(self._told(key, end))

    def evict(self, key: str) -> None:
        """Take the pod from its node as a kubelet does: it stays, Failed."""
        self.end(key, End(SIGKILL_CODE, pod_reason="Evicted"))

    def lose(self, key: str) -> None:
        """Lose the node of this pod: it is to go, and nobody there says that it went.

        `bury` is what an administrator does about it.
        """
        self._wait(self._lost(key))

    def bury(self, key: str) -> None:
        """Remove a pod by force, whatever became of its programs."""
        self._wait(self._removed(self._named(key).pod))

    # --- The thread -----------------------------------------------------------------

    def _wait(self, deed: Any) -> None:  # noqa: ANN401 - any coroutine.
        asyncio.run_coroutine_threadsafe(deed, self._loop).result(START_S)

    async def _begin(self) -> None:
        config = json.loads(self.kubeconfig.read_text("utf-8"))
        cluster = config["clusters"][0]["cluster"]
        self._server = cluster["server"]
        trusted = ssl.create_default_context(cafile=cluster["certificate-authority"])
        connector = aiohttp.TCPConnector(ssl=trusted, limit=CONNECTIONS + 1)
        token = config["users"][0]["user"]["token"]
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"Authorization": f"Bearer {token}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=START_S),
            json_serialize=lambda value: orjson.dumps(value).decode(),
        )
        for number in range(NODES):
            await self._make_node(f"node-{number}")
        self._spawn(self._follow())

    async def _finish(self) -> None:
        for known in self._pods.values():
            if known.timer is not None:
                known.timer.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(CLOSE_S)

    def _spawn(self, deed: Any) -> None:  # noqa: ANN401 - any coroutine.
        task = self._loop.create_task(deed)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(
        self, verb: str, path: str, body: Json | None = None
    ) -> tuple[int, Json]:
        """Send a request; 0 where there is no answer."""
        assert self._session is not None
        try:
            async with self._session.request(
                verb, self._server + path, json=body
            ) as response:
                return response.status, orjson.loads(await response.read())
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError):
            return 0, {}

    # --- Watching ---------------------------------------------------------------------

    async def _follow(self) -> None:
        """List, then watch; whatever goes wrong, begin again."""
        while True:
            code, listed = await self._send("GET", self._collection())
            if code == 200:
                await self._relist(listed)
                await self._watch(listed["metadata"]["resourceVersion"])
            await asyncio.sleep(RETRY_S)

    def _collection(self, **parameters: str) -> str:
        where = f"namespaces/{self.namespace}/" if self.namespace else ""
        query = {"labelSelector": self.selector, **parameters}
        words = "&".join(f"{key}={value}" for key, value in query.items())
        return f"/api/v1/{where}pods?{words}"

    async def _relist(self, listed: Json) -> None:
        there = {pod["metadata"]["uid"] for pod in listed["items"]}
        for uid in [uid for uid in self._pods if uid not in there]:
            self._forget(uid)
        for pod in listed["items"]:
            self._see(pod)

    async def _watch(self, version: str) -> None:
        assert self._session is not None
        path = self._collection(
            watch="true",
            resourceVersion=version,
            allowWatchBookmarks="true",
            timeoutSeconds=str(WATCH_S),
        )
        try:
            async with self._session.get(
                self._server + path, read_bufsize=2**22
            ) as response:
                async for line in response.content:
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        return
                    self._noticed(event["type"], event["object"])
        except (aiohttp.ClientError, OSError, ValueError):
            return

    def _noticed(self, change: str, pod: Json) -> None:
        if change == "DELETED":
            self._forget(pod["metadata"]["uid"])
        elif change in ("ADDED", "MODIFIED"):
            self._see(pod)

    def _see(self, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        known = self._pods.get(uid)
        if known is None:
            known = self._pods[uid] = _Known(pod, self._habits_of(_key(pod)))
        elif int(pod["metadata"]["resourceVersion"]) < int(known.version):
            return
        else:
            known.pod = pod
        self._plan(uid, known)

    def _forget(self, uid: str) -> None:
        known = self._pods.pop(uid, None)
        if known is not None and known.timer is not None:
            known.timer.cancel()

    # --- Living -----------------------------------------------------------------------

    def _plan(self, uid: str, known: _Known) -> None:
        """Set the clock for what is due next of a pod."""
        if known.timer is not None:
            known.timer.cancel()
            known.timer = None
        if known.busy or known.lost or known.acted == known.version:
            return
        step = next_step(known.pod, known.habits, known.end, self._runs[_kin(known)])
        if step is None:
            return
        if step.delay_s:
            known.timer = self._loop.call_later(
                step.delay_s, self._start_step, uid, known, step
            )
        else:
            self._start_step(uid, known, step)

    def _start_step(self, uid: str, known: _Known, step: Step) -> None:
        known.timer, known.busy, known.acted = None, True, known.version
        self._spawn(self._carry_out(uid, known, step))

    async def _carry_out(self, uid: str, known: _Known, step: Step) -> None:
        code, body = await self._requested(known.pod, step)
        known.busy = False
        if uid not in self._pods:
            return
        if code in (200, 201):
            if step.ends:
                known.end = None
                self._runs[_kin(known)] += 1
            if step.verb is Verb.STATUS:
                self._see(body)
                return
        elif code not in (404, 409):
            known.acted = ""
            await asyncio.sleep(RETRY_S)
        self._plan(uid, known)

    async def _requested(self, pod: Json, step: Step) -> tuple[int, Json]:
        path = _path(pod)
        match step.verb:
            case Verb.BIND:
                node = f"node-{int(pod['metadata']['uid'][:8], 16) % NODES}"
                target = {"apiVersion": "v1", "kind": "Node", "name": node}
                name = {"name": pod["metadata"]["name"]}
                body: Json = {"metadata": name, "target": target}
                return await self._send("POST", f"{path}/binding", body)
            case Verb.STATUS:
                body = {**pod, "status": step.status}
                return await self._send("PUT", f"{path}/status", body)
            case Verb.REMOVE:
                return await self._removed(pod)

    async def _removed(self, pod: Json) -> tuple[int, Json]:
        body = {"gracePeriodSeconds": 0, "preconditions": _uid(pod)}
        return await self._send("DELETE", _path(pod), body)

    async def _make_node(self, name: str) -> None:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": stamp()}
        node = {"metadata": {"name": name}, "status": {"conditions": [ready]}}
        await self._send("POST", "/api/v1/nodes", node)

    # --- What was told, on the loop ---------------------------------------------------

    def _habits_of(self, key: str) -> Habits:
        found = (h for p, h in reversed(self._habits) if fnmatch.fnmatchcase(key, p))
        return next(found, Habits())

    async def _scripted(self, pattern: str, habits: Habits) -> None:
        self._habits.append((pattern, habits))
        for uid, known in self._matching(pattern):
            known.habits = habits
            self._again(uid, known)

    async def _told(self, key: str, end: End) -> None:
        known = self._named(key)
        known.end = end
        self._again(known.pod["metadata"]["uid"], known)

    async def _lost(self, key: str) -> None:
        known = self._named(key)
        known.lost = True
        pod, reason = known.pod, "DeletionByTaintManager"
        status = {**pod["status"], "conditions": disrupted(pod, reason)}
        await self._send("PUT", f"{_path(pod)}/status", {**pod, "status": status})
        await self._send("DELETE", _path(pod), {"preconditions": _uid(pod)})

    def _again(self, uid: str, known: _Known) -> None:
        """Think anew about a pod that did not change."""
        known.acted = ""
        self._plan(uid, known)

    def _matching(self, pattern: str) -> Iterator[tuple[str, _Known]]:
        for uid, known in tuple(self._pods.items()):
            if fnmatch.fnmatchcase(_key(known.pod), pattern):
                yield uid, known

    def _named(self, key: str) -> _Known:
        found = [known for _, known in self._matching(key)]
        assert found, f"no pod {key}"
        return next((k for k in found if not is_over(k.pod)), found[-1])


def _key(pod: Json) -> str:
    metadata = pod["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}"


def _path(pod: Json) -> str:
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"


def _uid(pod: Json) -> Mapping[str, str]:
    return {"uid": pod["metadata"]["uid"]}


def _kin(known: _Known) -> str:
    """Return whose runs are counted together: the pods of one launcher Job."""
    owners: list[Json] = known.pod["metadata"].get("ownerReferences", [])
    jobs = (o["uid"] for o in owners if o.get("kind") == "Job")
    return str(next(jobs, known.pod["metadata"]["uid"]))


def main() -> None:
    """Play the nodes until interrupted."""
    parser = argparse.ArgumentParser(description="play the nodes of a cluster")
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("--launcher-seconds", type=float)
    parser.add_argument("--start-seconds", type=float, default=0.0)
    words = parser.parse_args()
    nodes = Nodes(words.kubeconfig)
    nodes.start()
    nodes.script("*", Habits(start_s=words.start_seconds))
    launcher = Habits(start_s=words.start_seconds, run_s=words.launcher_seconds)
    nodes.script("*-launcher-*", launcher)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        nodes.stop()


if __name__ == "__main__":
    main()
