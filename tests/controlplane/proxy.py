# SPDX-License-Identifier: Apache-2.0
"""A proxy before the API server that keeps a log, and does wrong when told to.

What it may do to a request is a `Fault`: answer in the server's stead, lose the answer
of what was applied, wait, run something before or after. What it may do to a watch is
freeze it, or cut it. Whoever is to be tried gets the kubeconfig of the proxy; whoever
watches the trial asks the API server itself.
"""

import asyncio
import datetime as dt
import ipaddress
import json
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from attrs import define, field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.controlplane.harness import put

WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
START_S: Final = 30
# TLS connections close behind their session, and say nothing when they have.
CLOSE_S: Final = 0.2
# Bytes of a request or of an answer: an MPIJob's list may be long.
LARGEST: Final = 64 * 1024 * 1024
# What concerns one hop alone.
HOP: Final = {"connection", "content-length", "host", "transfer-encoding"}


@frozen
class Entry:
    """One request, and how it went."""

    at: float  # By the monotonic clock, when it came.
    verb: str
    path: str
    query: str
    agent: str
    code: int  # Of the API server, told or lost; 0: it never saw the request.

    @property
    def is_write(self) -> bool:
        """Whether it could change something."""
        return self.verb in WRITES

    @property
    def kind(self) -> str:
        """The resource that it is about, with its subresource."""
        words = self.path.strip("/").split("/")
        del words[: 2 if words[0] == "api" else 3]
        if words[:1] == ["namespaces"] and len(words) > 2:
            del words[:2]
        return "/".join(words[:1] + words[2:3])

    @property
    def is_watch(self) -> bool:
        """Whether it waits for changes."""
        return "watch=" in self.query

    @property
    def is_list(self) -> bool:
        """Whether it reads a whole kind, page by page, as caches do."""
        return self.verb == "GET" and "limit=" in self.query


@define
class Fault:
    """What goes wrong with the requests that match, so many times."""

    path: str  # A regular expression, searched in the path.
    verbs: frozenset[str] = WRITES
    skip: int = 0  # So many go well first.
    times: int = 1
    code: int = 0  # Answered in the API server's stead, where it is set.
    body: dict[str, Any] = field(factory=dict[str, Any])
    retry_after: str = ""
    forward: bool = True  # Whether the request of a lost answer is applied.
    lose: bool = False  # The connection is cut instead of an answer.
    delay_s: float = 0.0  # Before the request is forwarded.
    before: Callable[[], object] | None = None
    after: Callable[[], object] | None = None  # Once it was applied.
    met: int = field(default=0, init=False)  # How many it befell.
    _seen: int = field(default=0, init=False)

    def befalls(self, verb: str, path: str) -> bool:
        """Count a request; tell whether it goes wrong."""
        if verb not in self.verbs or not re.search(self.path, path):
            return False
        self._seen += 1
        if not self.skip < self._seen <= self.skip + self.times:
            return False
        self.met += 1
        return True


@define
class Proxy:
    """The proxy, from `start` to `stop`; every method is for any thread."""

    kubeconfig: Path  # Of the API server.
    folder: Path
    port: int = field(default=0, init=False)
    log: list[Entry] = field(factory=list[Entry], init=False)
    faults: list[Fault] = field(factory=list[Fault], init=False)
    # Writes one at a time: a crash after the n-th is then always the same crash.
    in_turn: bool = False
    halted: bool = field(default=False, init=False)  # Nothing comes through.
    _frozen: str = field(default="", init=False)  # The watches that show no change.
    _server: str = field(default="", init=False)
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False, repr=False)
    _thaw: asyncio.Event = field(factory=asyncio.Event, init=False, repr=False)
    _watches: dict[int, web.Request] = field(
        factory=dict[int, web.Request], init=False, repr=False
    )
    _session: aiohttp.ClientSession | None = field(default=None, init=False)
    _runner: web.AppRunner | None = field(default=None, init=False)
    _loop: asyncio.AbstractEventLoop = field(
        factory=asyncio.new_event_loop, init=False, repr=False
    )
    _thread: threading.Thread | None = field(default=None, init=False)

    # --- What a test says -------------------------------------------------------------

    def start(self) -> None:
        """Make a certificate, and listen."""
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._wait(self._begin())

    def stop(self) -> None:
        """Cut every connection."""
        assert self._thread is not None
        self._wait(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def kubeconfig_for(self, user: str = "admin") -> Path:
        """Write a kubeconfig of a user who comes by way of the proxy."""
        config = json.loads(self.kubeconfig.read_text("utf-8"))
        cluster = config["clusters"][0]["cluster"]
        cluster["server"] = f"https://127.0.0.1:{self.port}"
        cluster["certificate-authority"] = str(self.folder / "proxy.crt")
        config["users"][0]["user"] = {"token": f"{user}-token"}
        path = self.folder / f"{user}.proxied.kubeconfig"
        return put(path, config)

    def fault(self, fault: Fault) -> Fault:
        """Let something go wrong from now on; the first that matches befalls."""
        self.faults.append(fault)
        return fault

    def freeze(self, path: str) -> None:
        """Hold back what the watches of this path show; the log goes on."""
        self._wait(self._freeze(path))

    def thaw(self) -> None:
        """Let watches show what was held back, and go on."""
        self._wait(self._freeze(""))

    def cut(self, path: str = "") -> None:
        """Cut the connections of the watches of this path."""
        self._wait(self._cut(path))

    @property
    def watches(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    def writes(self, path: str = "") -> list[Entry]:
        """Return the writes that went through, Leases and reviews aside."""
        return [
            e
            for e in self.log
            if e.is_write
            and 200 <= e.code < 300
            and re.search(path, e.path)
            and not _BESIDE.search(e.path)
        ]

    def counts(self) -> Counter[str]:
        """Return how often each verb was used on each kind, and how it went."""
        return Counter(f"{_word(e)} {e.kind} {e.code}" for e in self.log)

    # --- The thread -------------------------------------------------------------------

    def _wait(self, deed: Any) -> None:  # noqa: ANN401 - any coroutine.
        asyncio.run_coroutine_threadsafe(deed, self._loop).result(START_S)

    async def _begin(self) -> None:
        config = json.loads(self.kubeconfig.read_text("utf-8"))
        cluster = config["clusters"][0]["cluster"]
        self._server = cluster["server"]
        trusted = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        self._thaw.set()
        app = web.Application(client_max_size=LARGEST)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        certificate, key = certificate_for(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _finish(self) -> None:
        await self._cut("")
        if self._runner is not None and self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()  # To close would be to wait for TLS.
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(CLOSE_S)

    async def _freeze(self, path: str) -> None:
        self._frozen = path
        if path:
            self._thaw.clear()
        else:
            self._thaw.set()

    async def _cut(self, path: str) -> None:
        for request in tuple(self._watches.values()):
            if re.search(path, request.path):
                _hang_up(request)
                request.task.cancel()

    # --- One request ------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        at = time.monotonic()
        body = await request.read()
        if request.method in WRITES and self.in_turn:
            async with self._turn:
                code, answer = await self._answered(request, body)
        else:
            code, answer = await self._answered(request, body)
        agent = request.headers.get("User-Agent", "")
        self.log.append(
            Entry(at, request.method, request.path, request.query_string, agent, code)
        )
        if answer is None:
            _hang_up(request)
            return web.Response()  # To nobody.
        if isinstance(answer, aiohttp.ClientResponse):
            return await self._streamed(request, answer)
        return answer

    async def _answered(
        self, request: web.Request, body: bytes
    ) -> tuple[int, web.Response | aiohttp.ClientResponse | None]:
        """Return the answer to a request; none where the connection is to be cut."""
        verb, path = request.method, request.path
        fault = next((f for f in self.faults if f.befalls(verb, path)), None)
        if fault is None:
            return (0, None) if self.halted else await self._forwarded(request, body)
        if fault.before is not None:
            await asyncio.to_thread(fault.before)
        await asyncio.sleep(fault.delay_s)
        if fault.code:
            return fault.code, _refusal(fault)
        if self.halted or (fault.lose and not fault.forward):
            return 0, None
        code, answer = await self._forwarded(request, body)
        if fault.after is not None:
            await asyncio.to_thread(fault.after)
        return (code, None) if fault.lose else (code, answer)

    async def _forwarded(
        self, request: web.Request, body: bytes
    ) -> tuple[int, web.Response | aiohttp.ClientResponse | None]:
        assert self._session is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP}
        url = self._server + request.raw_path
        try:
            answer = await self._session.request(
                request.method, url, data=body or None, headers=headers
            )
            if "watch" in request.query:
                return answer.status, answer
            content = await answer.read()
        except (aiohttp.ClientError, OSError):
            return 0, None
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP}
        return answer.status, web.Response(
            status=answer.status, body=content, headers=kept
        )

    async def _streamed(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """Pass a watch on, piece by piece, unless it is frozen."""
        response = web.StreamResponse(status=answer.status)
        response.content_type = "application/json"
        self._watches[id(request)] = request
        try:
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                while self._frozen and re.search(self._frozen, request.path):
                    await self._thaw.wait()
                await response.write(piece)
        except (aiohttp.ClientError, OSError):
            _hang_up(request)
        finally:
            del self._watches[id(request)]
            answer.close()
        return response


# What is no write of a plan: the Lease, and what merely asks.
_BESIDE: Final = re.compile(r"/leases|subjectaccessreviews")


def _word(entry: Entry) -> str:
    if entry.verb == "GET" and entry.is_watch:
        return "WATCH"
    return entry.verb


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _refusal(fault: Fault) -> web.Response:
    status = {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": fault.code,
        "message": f"a test answers {fault.code}",
        **fault.body,
    }
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
    return web.json_response(status, status=fault.code, headers=headers)


def certificate_for(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for loopback, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    now = dt.datetime.now(dt.UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "proxy.crt", folder / "proxy.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
