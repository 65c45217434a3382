# SPDX-License-Identifier: Apache-2.0
"""What the kubelet and Prometheus get to hear, over real sockets on loopback."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from attrs import define, field

from mpijob_operator.controller.health import NAMED_MAX, STUCK_S, Health, Unavailable
from tests.controlplane.harness import free_port

LOOPBACK = "127.0.0.1"


@define
class Operator:
    """What an operator would say of itself."""

    unsynced: tuple[str, ...] = ()
    stuck_s: float = 0.0
    port: int = field(factory=free_port)
    metrics_port: int = 0

    @contextlib.asynccontextmanager
    async def serving(self, address: str = LOOPBACK) -> AsyncGenerator[Health, None]:
        server = Health(
            unsynced=lambda: self.unsynced,
            stuck_s=lambda: self.stuck_s,
            metrics=lambda: b"up 1\n",
        )
        await server.start(address, self.port, self.metrics_port)
        try:
            yield server
        finally:
            await server.stop()


async def get(port: int, path: str, host: str = LOOPBACK) -> tuple[int, str]:
    where = f"[{host}]" if ":" in host else host
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{where}:{port}{path}") as response,
    ):
        return response.status, await response.text()


def asked(operator: Operator, *paths: str) -> list[tuple[int, str]]:
    """Serve, and ask for some paths."""

    async def story() -> list[tuple[int, str]]:
        async with operator.serving():
            return [await get(operator.port, path) for path in paths]

    return asyncio.run(story())


def test_an_operator_that_works_is_alive_and_ready() -> None:
    assert asked(Operator(), "/healthz", "/readyz") == [(200, "ok\n")] * 2


@pytest.mark.parametrize(("stuck_s", "code"), [(STUCK_S, 200), (STUCK_S + 1, 503)])
def test_one_whose_looks_never_end_is_not_alive(stuck_s: float, code: int) -> None:
    (alive, ready) = asked(Operator(stuck_s=stuck_s), "/healthz", "/readyz")
    assert alive[0] == code
    assert ready[0] == 200
    if code == 503:
        assert alive[1] == "no job was looked at for 61 s\n"


def test_one_without_every_list_is_alive_and_not_ready_and_says_why() -> None:
    operator = Operator(unsynced=("Pod", "Job hpc"))
    assert asked(operator, "/healthz", "/readyz") == [
        (200, "ok\n"),
        (503, "not listed yet: Pod, Job hpc\n"),
    ]


def test_of_many_lists_that_lack_some_are_named() -> None:
    operator = Operator(unsynced=tuple(f"Pod {n}" for n in range(NAMED_MAX + 5)))
    ((_, said),) = asked(operator, "/readyz")
    assert said.endswith("Pod 19 and 5 more\n")


def test_on_a_port_of_their_own_are_metrics_alone() -> None:
    operator = Operator(metrics_port=free_port())

    async def story() -> None:
        async with operator.serving():
            assert await get(operator.metrics_port, "/metrics") == (200, "up 1\n")
            assert (await get(operator.metrics_port, "/healthz"))[0] == 404
            assert (await get(operator.port, "/metrics"))[0] == 404

    asyncio.run(story())


def test_one_port_serves_everything_where_both_are_equal() -> None:
    operator = Operator()
    operator.metrics_port = operator.port
    assert asked(operator, "/healthz", "/metrics") == [(200, "ok\n"), (200, "up 1\n")]


def test_metrics_say_what_format_they_are_in() -> None:
    operator = Operator()
    operator.metrics_port = operator.port

    async def story() -> str:
        async with operator.serving(), aiohttp.ClientSession() as session:
            url = f"http://{LOOPBACK}:{operator.port}/metrics"
            async with session.get(url) as response:
                return response.headers["Content-Type"]

    assert asyncio.run(story()) == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(verb: str) -> None:
    operator = Operator()

    async def story() -> int:
        async with operator.serving(), aiohttp.ClientSession() as session:
            url = f"http://{LOOPBACK}:{operator.port}/healthz"
            async with session.request(verb, url, data=b"x") as response:
                return response.status

    assert asyncio.run(story()) == 405


def test_port_0_is_not_listened_on() -> None:
    async def story() -> None:
        operator = Operator(port=0)
        async with operator.serving():
            pass

    asyncio.run(story())


def test_after_the_end_nobody_listens() -> None:
    operator = Operator()
    asked(operator, "/healthz")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, operator.port))


# --- Where ---------------------------------------------------------------------


@pytest.mark.parametrize("host", [LOOPBACK, "::1"])
def test_without_an_address_both_families_are_served(host: str) -> None:
    if host == "::1" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    operator = Operator()

    async def story() -> tuple[int, str]:
        async with operator.serving(""):
            return await get(operator.port, "/healthz", host)

    assert asyncio.run(story()) == (200, "ok\n")


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.parametrize("number", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
def test_a_machine_without_ipv6_serves_what_it_has(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    create = socket.create_server

    def no_ipv6(address: Any, **options: Any) -> socket.socket:  # noqa: ANN401 - As there.
        if options.get("family") == socket.AF_INET6:
            raise OSError(number, "no IPv6")
        return create(address, **options)

    monkeypatch.setattr(socket, "create_server", no_ipv6)
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
    operator = Operator()
    assert asyncio.run(everywhere(operator)) == (200, "ok\n")


def test_a_machine_of_one_family_serves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    assert asyncio.run(everywhere(Operator())) == (200, "ok\n")


async def everywhere(operator: Operator) -> tuple[int, str]:
    async with operator.serving(""):
        return await get(operator.port, "/healthz")


# --- Where not -----------------------------------------------------------------


def refused(address: str, port: int, metrics_port: int = 0) -> str:
    """Start where that is impossible; return what is said of it."""

    async def story() -> str:
        operator = Operator(port=port, metrics_port=metrics_port)
        with pytest.raises(Unavailable) as trouble:
            async with operator.serving(address):
                pass
        return str(trouble.value)

    return asyncio.run(story())


@pytest.mark.parametrize("address", ["", LOOPBACK])
def test_a_port_that_is_taken_is_said_to_be(address: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        where = f"port {port} of {address}" if address else f"port {port}"
        said = refused(address, port)
        assert said == f"cannot listen on {where}: Address already in use"


def test_an_address_that_is_nobodys_is_said_to_be() -> None:
    port = free_port()
    said = refused("192.0.2.1", port)
    assert said.startswith(f"cannot listen on port {port} of 192.0.2.1: ")


def test_a_name_that_is_none_is_said_to_be() -> None:
    assert "of no.such.host.invalid: " in refused("no.such.host.invalid", free_port())


def test_a_second_port_that_is_taken_closes_the_first() -> None:
    first = free_port()
    with socket.create_server((LOOPBACK, 0)) as other:
        refused(LOOPBACK, first, other.getsockname()[1])
    with socket.create_server((LOOPBACK, first)):
        pass  # It is free again.


def test_who_says_nothing_keeps_nobody_waiting() -> None:
    operator = Operator()

    async def story() -> None:
        async with operator.serving():
            silent = [
                await asyncio.open_connection(LOOPBACK, operator.port)
                for _ in range(50)
            ]
            assert await get(operator.port, "/healthz") == (200, "ok\n")
            for _, writer in silent:
                writer.close()

    asyncio.run(story())
