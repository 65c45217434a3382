# SPDX-License-Identifier: Apache-2.0
"""Requests over a real socket, to a server that answers when a test tells it to.

What the API server makes of them is for tests/cluster; here is who waits for whom, and
what is never sent.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import pytest
from aiohttp import web
from attrs import define, field
from kubernetes.aio import client

from mpijob.names import Ref
from mpijob_operator.controller.api import (
    AT_ONCE,
    WRITE_S,
    Api,
    Deposed,
    Unreachable,
    opened,
)
from mpijob_operator.controller.connection import Connection
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb
from tests.controlplane.harness import free_port

POD = Request(Verb.CREATE, Ref("v1", "Pod", "hpc", "pi-worker-0"), {"kind": "Pod"})
READ = Request(Verb.GET, Ref("v1", "Pod", "hpc", "pi-worker-0"))
LEASE = Request(
    Verb.REPLACE,
    Ref("coordination.k8s.io/v1", "Lease", "mpi-operator", "mpi-operator"),
    {"kind": "Lease"},
)
# Far longer than an answer takes on loopback.
AT_ONCE_S = 2.0


@define
class Server:
    """An API server that holds back what is asked of pods until it is released."""

    released: asyncio.Event = field(factory=asyncio.Event)
    full: asyncio.Event = field(factory=asyncio.Event)  # It has all that come at once.
    held: int = 0
    came: list[web.Request] = field(factory=list[web.Request])
    answers: Callable[[], web.Response] = lambda: web.json_response({"metadata": {}})
    port: int = field(factory=free_port)

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.came.append(request)
        if "/pods" in request.path:
            self.held += 1
            if self.held == AT_ONCE:
                self.full.set()
            await self.released.wait()
            self.held -= 1
        return self.answers()

    @contextlib.asynccontextmanager
    async def serving(self, **pace: Any) -> AsyncGenerator[Api]:  # noqa: ANN401 - of opened.
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        server = f"http://127.0.0.1:{self.port}"
        tls = ssl.create_default_context()
        connection = Connection(server, tls, None, client.Configuration())
        async with contextlib.aclosing(await opened(connection, **pace)) as api:
            try:
                yield api
            finally:
                await runner.cleanup()


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 30))


# --- Who waits for whom ---------------------------------------------------------------


@pytest.mark.rule("B8.8")
def test_a_renewal_of_the_lease_does_not_stand_in_line_behind_a_fan_out() -> None:
    async def story() -> None:
        server = Server()
        async with server.serving() as api, asyncio.TaskGroup() as group:
            fan = [group.create_task(api.send(POD)) for _ in range(3 * AT_ONCE)]
            await server.full.wait()
            async with asyncio.timeout(AT_ONCE_S):
                assert (await api.send(LEASE, led=False)).code == 200
            assert server.held == AT_ONCE, "no more than that at once"
            assert not any(task.done() for task in fan)
            server.released.set()
        assert len(server.came) == 3 * AT_ONCE + 1

    run(story())


@pytest.mark.rule("B8.8")
def test_a_renewal_of_the_lease_does_not_wait_for_the_pace() -> None:
    async def story() -> None:
        server = Server()
        server.released.set()
        async with server.serving(per_second=0.01, burst=1) as api:
            await api.send(POD)
            slow = asyncio.create_task(api.send(POD))
            async with asyncio.timeout(AT_ONCE_S):
                assert (await api.send(LEASE, led=False)).code == 200
            assert not slow.done()
            slow.cancel()

    run(story())


# --- What is not sent -----------------------------------------------------------------


@pytest.mark.rule("B8.8")
def test_who_does_not_lead_writes_nothing_and_may_read() -> None:
    async def story() -> None:
        server = Server()
        server.released.set()
        async with server.serving() as api:
            api.leads = lambda: False
            with pytest.raises(Deposed):
                await api.send(POD)
            assert (await api.send(READ)).code == 200
            assert (await api.send(LEASE, led=False)).code == 200
        assert [request.method for request in server.came] == ["GET", "PUT"]

    run(story())


@pytest.mark.rule("B8.8")
def test_who_stood_in_line_while_the_lease_was_lost_writes_nothing() -> None:
    async def story() -> None:
        server = Server()
        async with server.serving() as api:
            fan = [asyncio.create_task(api.send(POD)) for _ in range(AT_ONCE + 1)]
            await server.full.wait()
            api.leads = lambda: False
            server.released.set()
            done = await asyncio.gather(*fan, return_exceptions=True)
        assert sum(isinstance(one, Answer) for one in done) == AT_ONCE
        assert sum(isinstance(one, Deposed) for one in done) == 1

    run(story())


@pytest.mark.rule("B8.8")
def test_a_body_is_not_written_once_the_lease_is_lost() -> None:
    async def story() -> None:
        server = Server()
        server.released.set()
        async with server.serving() as api:
            # Asked before the line and right before the body: stopped in between.
            answers = iter((True, False))
            api.leads = lambda: next(answers)
            with pytest.raises(Deposed):
                await api.send(POD)
        assert not server.came

    run(story())


@pytest.mark.rule("B8.8")
def test_every_write_says_how_long_it_may_take() -> None:
    async def story() -> None:
        server = Server()
        server.released.set()
        async with server.serving() as api:
            for request in (POD, LEASE, READ):
                await api.send(request)
        times = [request.query.get("timeout") for request in server.came]
        assert times == [f"{WRITE_S:g}s", f"{WRITE_S:g}s", None]

    run(story())


def test_a_name_and_a_query_are_sent_as_they_are_whatever_is_in_them() -> None:
    async def story() -> None:
        server = Server()
        name = "odd name?100%#ü"
        request = Request(Verb.GET, Ref("v1", "Secret", "hpc", name))
        async with server.serving() as api:
            await api.send(request, {"labelSelector": "a=b,!c&d +e"})
        (came,) = server.came
        assert came.path == f"/api/v1/namespaces/hpc/secrets/{name}"
        assert came.query == {"labelSelector": "a=b,!c&d +e"}

    run(story())


# --- What is answered -----------------------------------------------------------------


def test_an_answer_is_what_was_said_and_how_long_to_wait() -> None:
    async def story() -> None:
        said = {"message": "slow down", "reason": "TooManyRequests"}
        headers = {"Retry-After": "7"}
        server = Server(
            answers=lambda: web.json_response(said, status=429, headers=headers)
        )
        async with server.serving() as api:
            answer = await api.send(LEASE)
            assert (answer.code, answer.retry_after) == (429, 7.0)
            assert answer.message == "slow down"
            with pytest.raises(Unreachable) as raised:
                await api.read("/api/v1/services")
            assert raised.value.code == 429

    run(story())


@pytest.mark.parametrize("text", ["<html>Bad Gateway</html>", "[1]", ""])
def test_an_answer_that_is_no_object_is_no_trouble(text: str) -> None:
    async def story() -> None:
        server = Server(answers=lambda: web.Response(text=text, status=502))
        async with server.serving() as api:
            assert (await api.send(LEASE)).code == 502

    run(story())


def test_no_answer_is_an_outcome_that_nobody_knows() -> None:
    async def story() -> None:
        nobody = f"http://127.0.0.1:{free_port()}"
        tls = ssl.create_default_context()
        connection = Connection(nobody, tls, None, client.Configuration())
        async with contextlib.aclosing(await opened(connection)) as api:
            answer = await api.send(POD)
            assert answer.code == 0
            assert "no answer" in answer.message
            with pytest.raises(Unreachable) as raised:
                await api.read("/api/v1/pods")
            assert raised.value.code == 0

    run(story())


# --- What is no answer of an API server -----------------------------------------------

NO_LISTS: dict[str, Callable[[], web.Response]] = {
    "a page of a proxy": lambda: web.Response(text="<html>hello</html>"),
    "a Status": lambda: web.json_response({"kind": "Status", "metadata": {}}),
    "a list without a version": lambda: web.json_response({"items": []}),
    "items that are none": lambda: web.json_response(
        {"items": "x", "metadata": {"resourceVersion": "1"}}
    ),
}


@pytest.mark.parametrize("answers", NO_LISTS.values(), ids=NO_LISTS.keys())
def test_what_is_no_list_is_not_taken_for_an_empty_one(
    answers: Callable[[], web.Response],
) -> None:
    async def story() -> None:
        async with Server(answers=answers).serving() as api:
            with pytest.raises(Unreachable, match="what came is no list"):
                await api.read_all("/api/v1/services")

    run(story())


def test_a_list_of_nothing_may_say_null() -> None:
    async def story() -> None:
        nothing = {"items": None, "metadata": {"resourceVersion": "7"}}
        async with Server(answers=lambda: web.json_response(nothing)).serving() as api:
            assert await api.read_all("/api/v1/services") == ([], "7")

    run(story())


@pytest.mark.parametrize("fails", [OSError("no file"), ValueError("secret-token")])
def test_credentials_that_cannot_be_renewed_are_no_answer(fails: Exception) -> None:
    async def renew(_: client.Configuration) -> None:
        raise fails

    async def story() -> None:
        async with Server().serving() as api:
            configuration = api.connection.configuration
            configuration.api_key["BearerToken"] = "old"
            configuration.refresh_api_key_hook = renew  # type: ignore[assignment] # As it has it.
            answer = await api.send(LEASE, led=False)
            assert answer.code == 0
            assert "the credentials cannot be renewed" in answer.message
            assert "secret-token" not in answer.message
            with pytest.raises(Unreachable, match="cannot be renewed"):
                await api.read_all("/api/v1/services")
            with pytest.raises(Unreachable, match="cannot be renewed"):
                async with api.watch("/api/v1/services", {}, "application/json", 1.0):
                    pass

    run(story())
