# SPDX-License-Identifier: Apache-2.0
"""The API server over the network: requests as data go out, answers come back.

The verbs are ours, on plain JSON: the client library's typed models drop fields that
they do not know.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from aiohttp import payload
from aiohttp.abc import AbstractStreamWriter
from attrs import define, field, frozen
from yarl import URL

from mpijob.loose import NOTHING, Manifest, mapping, mappings, text
from mpijob_operator.controller.connection import Connection
from mpijob_operator.executor import Answer
from mpijob_operator.requests import CONTENT_TYPES, Request, Verb

# How long a write may take effect after it was sent: the API server is told to give it
# up then (`?timeout=`), and so do we (B8.8).
WRITE_S: Final = 5.0
# A list of many thousand objects takes a while; a read changes nothing.
READ_S: Final = 30.0
# The objects of one page of a list.
PAGE: Final = 500
# The requests under way at once. More do not make the API server faster.
AT_ONCE: Final = 32
# Of the answer to a write only the metadata is read.
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST: Final = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)
JSON: Final = "application/json"
# One watch event is one line: the largest object that etcd takes, and room.
LINE_BYTES: Final = 4 * 2**20

_UNKNOWN: Final = 0


class Unreachable(Exception):  # noqa: N818 - it says what the API server is.
    """The API server did not answer a read or a watch, or not with what was asked."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Deposed(Exception):  # noqa: N818 - it says what we are.
    """We do not lead any more: nothing is sent."""


class Tally(Protocol):
    """Counts what is asked of the API server."""

    def __call__(self, verb: str, kind: str, code: int, seconds: float) -> None:
        """Take note of one answer; code 0 where there was none."""
        ...


def _no_tally(verb: str, kind: str, code: int, seconds: float) -> None:
    del verb, kind, code, seconds


def _always() -> bool:
    return True


class _Guarded(payload.BytesPayload):
    """A body that is not written once we do not lead any more.

    Asked here, at the last moment: between an earlier question and this line a process
    may have been stopped for a minute. A request without its body is none.
    """

    def __init__(self, value: bytes, leads: Callable[[], bool]) -> None:
        super().__init__(value)
        self._leads = leads

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        if not self._leads():
            raise Deposed
        await super().write_with_length(writer, content_length)


@define
class Api:
    """One API server, for one process."""

    connection: Connection
    session: aiohttp.ClientSession
    pace: "Pace"
    # Asked right before each write; elections and reads are not asked.
    leads: Callable[[], bool] = _always
    tally: Tally = _no_tally
    _turns: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def send(
        self, request: Request, query: Mapping[str, str] = NOTHING, *, led: bool = True
    ) -> Answer:
        """Send one request of a plan; its slots are filled by now.

        What the network or the server does is an answer, and raises nothing: code 0 is
        an outcome that nobody knows.

        Args:
            request: What to send.
            query: What goes into the URL beside the request's own.
            led: Whether only a leader may send it.

        Raises:
            Deposed: It was a write, and we do not lead any more.
        """
        reads = request.verb is Verb.GET
        given = {**request.query, **query}
        if not reads:
            given["timeout"] = f"{WRITE_S:g}s"
        whole = reads and request.ref.kind != "Secret"
        headers = {"Accept": JSON if whole else METADATA}
        if content_type := CONTENT_TYPES[request.verb]:
            headers["Content-Type"] = content_type
        body = None if reads else orjson.dumps(request.body, default=dict)
        if not led:  # What allows the others does not wait behind them.
            return await self._send(request, given, headers, body, _always)
        await self.pace.turn()
        async with self._turns:
            # Asked once it is our turn: whoever ends has put another answer there.
            if not reads and not self.leads():
                raise Deposed
            return await self._send(request, given, headers, body, self.leads)

    async def _send(
        self,
        request: Request,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        leads: Callable[[], bool],
    ) -> Answer:
        start = time.monotonic()
        timeout = READ_S if body is None else WRITE_S
        code = _UNKNOWN
        try:
            async with self.session.request(
                request.verb.value,
                self._url(request.path, query),
                data=None if body is None else _Guarded(body, leads),
                headers={**headers, **await self.connection.headers()},
                timeout=aiohttp.ClientTimeout(total=timeout),
                proxy=self.connection.proxy,
            ) as response:
                content = await response.read()
                code = response.status
                retry_after = response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if isinstance(error.__cause__, Deposed):
                raise Deposed from None
            return Answer(_UNKNOWN, {"message": f"no answer: {_said(error)}"})
        finally:
            seconds = time.monotonic() - start
            self.tally(request.verb.name.lower(), request.ref.kind, code, seconds)
        seconds = float(retry_after) if retry_after.isdecimal() else 0.0
        return Answer(code, _parsed(content), seconds)

    def _url(self, path: str, query: Mapping[str, str]) -> URL:
        # Put together here, since the client would read and quote every part anew.
        words = f"?{urlencode(query)}" if query else ""
        return URL(f"{self.connection.server}{quote(path)}{words}", encoded=True)

    async def read(
        self,
        path: str,
        query: Mapping[str, str] = NOTHING,
        accept: str = JSON,
        *,
        body: Manifest | None = None,
    ) -> Manifest:
        """Read an object or a page of a list; with a body, what is answered to it.

        Raises:
            Unreachable: There was no answer, or another than 200.
        """
        start, code = time.monotonic(), _UNKNOWN
        await self.pace.turn()
        try:
            async with self.session.request(
                "GET" if body is None else "POST",
                self._url(path, query),
                data=None if body is None else orjson.dumps(body),
                headers={
                    "Accept": accept,
                    "Content-Type": JSON,
                    **await self.connection.headers(),
                },
                timeout=aiohttp.ClientTimeout(total=READ_S),
                proxy=self.connection.proxy,
            ) as response:
                content = await response.read()
                code = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(_UNKNOWN, f"no answer: {_said(error)}") from error
        finally:
            self.tally("read", _kind_of(path), code, time.monotonic() - start)
        value = _parsed(content)
        if not 200 <= code < 300:  # noqa: PLR2004 - HTTP's own words for success.
            raise Unreachable(code, str(value.get("message", f"answered {code}")))
        return value

    async def read_all(
        self, path: str, query: Mapping[str, str] = NOTHING, accept: str = JSON
    ) -> tuple[list[Manifest], str]:
        """Read a whole list, page by page; return its items, and its version.

        Raises:
            Unreachable: A page could not be read, or what came is no list.
        """
        items: list[Manifest] = []
        query = {**query, "limit": str(PAGE)}
        while True:
            page = await self.read(path, query, accept)
            metadata = mapping(page.get("metadata"))
            version = text(metadata, "resourceVersion")
            if not version or not isinstance(page.get("items"), list | None):
                # What stands between may answer 200 to anything. An empty list would
                # say that every child is gone.
                raise Unreachable(_UNKNOWN, f"what came is no list: {_words(page)}")
            items.extend(mappings(page.get("items")))
            if not (more := text(metadata, "continue")):
                return items, version
            query["continue"] = more

    @contextlib.asynccontextmanager
    async def watch(
        self, path: str, query: Mapping[str, str], accept: str, silence_s: float
    ) -> AsyncGenerator["Watch"]:
        """Open a watch.

        Raises:
            Unreachable: It was not opened.
        """
        code = _UNKNOWN
        start = time.monotonic()
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=READ_S, sock_read=silence_s
        )
        try:
            response = await self.session.get(
                self._url(path, {**query, "watch": "true"}),
                headers={"Accept": accept, **await self.connection.headers()},
                timeout=timeout,
                proxy=self.connection.proxy,
                read_bufsize=LINE_BYTES,
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(code, f"no answer: {_said(error)}") from error
        else:
            code = response.status
        finally:
            self.tally("watch", _kind_of(path), code, time.monotonic() - start)
        async with response:
            if code != 200:  # noqa: PLR2004 - HTTP's own word for success.
                value = _parsed(await response.read())
                raise Unreachable(code, str(value.get("message", f"answered {code}")))
            yield Watch(response)

    async def aclose(self) -> None:
        """Hang up."""
        await self.session.close()


@frozen
class Watch:
    """A watch that is open."""

    response: aiohttp.ClientResponse

    async def events(self) -> AsyncIterator[tuple[str, Manifest]]:
        """Yield what happens: the type of each event, and the object.

        Raises:
            Unreachable: The stream broke off.
        """
        try:
            async for line in self.response.content:
                event = _parsed(line)
                yield str(event.get("type", "")), mapping(event.get("object"))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unreachable(_UNKNOWN, f"broke off: {_said(error)}") from error

    def close(self) -> None:
        """Break it off, whoever reads it."""
        self.response.close()


async def opened(
    connection: Connection, *, per_second: float = 0.0, burst: int = 0
) -> Api:
    """Return an API server that can be asked."""
    # Watches hold a connection each, and what is written is bounded by `AT_ONCE`.
    connector = aiohttp.TCPConnector(limit=0, ssl=connection.tls)
    # A proxy in the environment is for the world outside; and looking for one would
    # cost four times what a request does.
    session = aiohttp.ClientSession(connector=connector, trust_env=False)
    return Api(connection, session, Pace(per_second, burst))


@define
class Pace:
    """A token bucket: so many requests a second, and so many at once after a rest."""

    per_second: float  # 0: no limit of ours.
    burst: int
    _owed: float = 0.0  # When the bucket is full again.

    async def turn(self) -> None:
        """Wait for one's turn."""
        if self.per_second <= 0:
            return
        now, step = time.monotonic(), 1 / self.per_second
        self._owed = max(self._owed, now) + step
        wait = self._owed - now - step * max(self.burst, 1)
        if wait > 0:
            await asyncio.sleep(wait)


def _parsed(content: bytes) -> Manifest:
    """Read JSON; what a proxy answers may be anything."""
    try:
        value: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        words = content[:200].decode("utf-8", "replace")
        return {"message": words} if words else {}
    return mapping(value)


def _words(value: Manifest) -> str:
    """Return what somebody else answered, as far as it is words."""
    return text(value, "message") or text(value, "kind") or "JSON"


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _kind_of(path: str) -> str:
    """Name what a path reads, in one of few words."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if rest[:1] == ["namespaces"]:
        rest = rest[2:]
    return rest[0] if rest else "discovery"
