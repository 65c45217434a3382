# SPDX-License-Identifier: Apache-2.0
"""What we say to the kubelet and to Prometheus, over HTTP.

`/healthz`: the process works, or has nothing to do. It is answered by the loop that
does the work, so that a loop which hangs does not answer.
`/readyz`: every kind was listed once. A standby is ready, too.
`/metrics`: as `metrics` has it.

Who may ask is a matter of the network: nothing here is secret but names of jobs, and
all of it can be bound to loopback.
"""

import errno
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from attrs import define, field

# As long as a look may take with a thousand workers and an API server in trouble.
STUCK_S: Final = 60.0
# Of what is not synced; there are few kinds, but perhaps many namespaces.
NAMED_MAX: Final = 20
# Those who ask come every few seconds, each on a connection of its own.
BACKLOG: Final = 32
STOP_S: Final = 1.0

_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NO_IPV6: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

_Handler = Callable[[web.Request], Awaitable[web.Response]]


class Unavailable(Exception):  # noqa: N818 - it says what the address is.
    """We cannot listen where we were told to, and the message says why."""


@define
class Health:
    """The servers of one process."""

    unsynced: Callable[[], tuple[str, ...]]  # What was not listed yet.
    stuck_s: Callable[[], float]  # For how long nothing has moved that should.
    metrics: Callable[[], bytes]
    _runners: list[web.AppRunner] = field(factory=list[web.AppRunner], init=False)

    async def start(self, address: str, health_port: int, metrics_port: int) -> None:
        """Listen: on one port where they are equal, and not at all on port 0.

        Args:
            address: Where, a name or an address; empty: everywhere.
            health_port: The port of /healthz and /readyz.
            metrics_port: The port of /metrics.

        Raises:
            Unavailable: That cannot be listened on.
        """
        probes: dict[str, _Handler] = {"/healthz": self._alive, "/readyz": self._ready}
        ports: dict[int, dict[str, _Handler]] = {health_port: probes}
        ports.setdefault(metrics_port, {})
        ports[metrics_port] = {**ports[metrics_port], "/metrics": self._metrics}
        try:
            for port, handlers in ports.items():
                if port:
                    await self._serve(address, port, handlers)
        except Unavailable:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Listen no more."""
        while self._runners:
            await self._runners.pop().cleanup()

    async def _serve(
        self, address: str, port: int, handlers: dict[str, _Handler]
    ) -> None:
        opened = _listening(address, port)
        app = web.Application()
        for path, handler in handlers.items():
            app.router.add_get(path, handler)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=STOP_S, handle_signals=False
        )
        await runner.setup()
        self._runners.append(runner)
        await web.SockSite(runner, opened, backlog=BACKLOG).start()

    async def _alive(self, _: web.Request) -> web.Response:
        stuck = self.stuck_s()
        if stuck > STUCK_S:
            return _said(f"no job was looked at for {stuck:.0f} s", good=False)
        return _said("ok")

    async def _ready(self, _: web.Request) -> web.Response:
        missing = self.unsynced()
        if not missing:
            return _said("ok")
        named = ", ".join(missing[:NAMED_MAX])
        more = len(missing) - NAMED_MAX
        rest = f" and {more} more" if more > 0 else ""
        return _said(f"not listed yet: {named}{rest}", good=False)

    async def _metrics(self, _: web.Request) -> web.Response:
        headers = {"Content-Type": _METRICS_TYPE}
        return web.Response(body=self.metrics(), headers=headers)


def _said(text: str, *, good: bool = True) -> web.Response:
    return web.Response(text=f"{text}\n", status=200 if good else 503)


def _listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        Unavailable: There is none to be had.
    """
    try:
        if address:
            return _bound(address, port)
        return _everywhere(port)
    except OSError as error:
        where = f"port {port} of {address}" if address else f"port {port}"
        # The resolver has numbers, and words, of its own.
        resolver = isinstance(error, socket.gaierror)
        why = error.strerror if resolver else os.strerror(error.errno or 0)
        raise Unavailable(f"cannot listen on {where}: {why}") from None


def _bound(address: str, port: int) -> socket.socket:
    family, *_, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(place[:2], family=family, backlog=BACKLOG)


def _everywhere(port: int) -> socket.socket:
    """Listen on every address, of IPv6 and of IPv4, where there is any of both."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("", port),
                family=socket.AF_INET6,
                dualstack_ipv6=True,
                backlog=BACKLOG,
            )
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("", port), backlog=BACKLOG)
