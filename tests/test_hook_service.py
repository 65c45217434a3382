# SPDX-License-Identifier: Apache-2.0
"""How the contract is spoken: one document, a stream of lines, HTTP on loopback."""

import argparse
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

import pytest

from mpijob_operator import contract, hook, hook_http
from mpijob_operator.streams import Streams

PI = {
    "version": "v1",
    "job": {"metadata": {"name": "pi"}},
    "live": ["LauncherJob"],
    "world": {"now": "2030-01-01T00:00:00Z"},
}
HOOK = (sys.executable, "-m", "mpijob_operator", "hook")
LINE = json.dumps(PI).encode() + b"\n"


def streams_of(data: bytes = b"") -> Streams:
    return Streams(io.BytesIO(data), io.StringIO(), io.StringIO())


def told(stream: TextIO) -> str:
    stream.seek(0)
    return stream.read()


def run(data: bytes, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the command on some input; return its exit code and its answers."""
    streams = streams_of(data)
    code = hook.run(arguments(*words), streams)
    return code, [json.loads(line) for line in told(streams.stdout).splitlines()]


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    hook.add_arguments(parser)
    return parser.parse_args(words)


def test_one_document_gets_one_answer() -> None:
    code, (answer,) = run(json.dumps(PI, indent=2).encode())
    assert (code, answer["stage"]) == (0, "Failed")


def test_one_bad_document_is_an_error() -> None:
    code, (answer,) = run(b"nonsense")
    assert (code, answer["error"]["reason"]) == (1, "NotJson")


def test_a_document_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "REQUEST_BYTES_MAX", len(LINE) - 1)
    assert run(LINE.strip())[0] == 0
    code, (answer,) = run(LINE + b" ")
    assert (code, answer["error"]["reason"]) == (1, "TooLarge")


def test_a_stream_goes_on_after_a_bad_line() -> None:
    code, answers = run(LINE + b"nonsense\n\n{}\r\n" + LINE.strip(), "--lines")
    errors = [answer.get("error", {}).get("reason") for answer in answers]
    assert (code, errors) == (0, [None, "NotJson", "Malformed", None])


def test_a_stream_goes_on_after_a_line_that_is_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contract, "REQUEST_BYTES_MAX", len(LINE))
    long = b'{"id": "' + b"x" * 3_000_000 + b'"}\n'
    _, answers = run(LINE + long + LINE + long.strip(), "--lines")
    errors = [answer.get("error", {}).get("reason") for answer in answers]
    assert errors == [None, "TooLarge", None, "TooLarge"]


def test_an_answer_comes_before_the_next_question() -> None:
    with subprocess.Popen(
        [*HOOK, "--lines"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        for number in range(3):
            asked = {**PI, "id": str(number)}
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == str(number)
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_the_schema_is_printed() -> None:
    streams = streams_of()
    assert hook.run(arguments("--schema"), streams) == 0
    assert json.loads(told(streams.stdout))["$id"] == "urn:mpijob:hook:v1"


# --- HTTP ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[hook_http.Server]:
    """Listen on loopback, as `--http 0` does."""
    listening = threading.Event()

    class Told(io.StringIO):
        def flush(self) -> None:
            listening.set()

    made: list[hook_http.Server] = []
    original = hook_http.Server.__init__

    def noted(self: hook_http.Server, *given: Any) -> None:  # noqa: ANN401 - passed on.
        original(self, *given)
        made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hook_http.Server, "__init__", noted)
        streams = Streams(io.BytesIO(), io.StringIO(), Told())
        thread = threading.Thread(
            target=hook.run, args=(arguments("--http", "0"), streams)
        )
        thread.start()
        assert listening.wait(60)
        assert told(streams.stderr) == f"note: listening on {made[0].url}\n"
        yield made[0]
        made[0].shutdown()
        thread.join(60)
        assert not thread.is_alive()


Reply = tuple[int, Mapping[str, str], bytes]


def call(
    server: hook_http.Server, method: str, path: str, body: bytes | None = None
) -> Reply:
    host, port = server.server_address[:2]
    connection = http.client.HTTPConnection(str(host), port, timeout=60)
    connection.request(method, path, body)
    response = connection.getresponse()
    reply = response.status, dict(response.getheaders()), response.read()
    connection.close()
    return reply


def test_a_question_is_answered_over_http_as_on_stdin(
    server: hook_http.Server,
) -> None:
    status, headers, body = call(server, "POST", "/reconcile", LINE)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert [json.loads(body)] == run(LINE)[1]


def test_health_is_told(server: hook_http.Server) -> None:
    status, _, body = call(server, "GET", "/healthz")
    assert (status, body) == (200, b"ok\n")


def test_nothing_is_said_of_versions(server: hook_http.Server) -> None:
    assert call(server, "GET", "/healthz")[1]["Server"].strip() == "mpijob"


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        pytest.param("POST", "/reconcile", b"nonsense", 400, id="no JSON"),
        pytest.param("POST", "/reconcile", b"{}", 400, id="no request"),
        pytest.param("POST", "/sync", b"{}", 400, id="no sync request"),
        pytest.param("POST", "/customize", b"{}", 400, id="no customize request"),
        pytest.param("POST", "/elsewhere", b"{}", 404, id="no such path"),
        pytest.param("GET", "/reconcile", None, 404, id="no question"),
        pytest.param("PUT", "/reconcile", b"{}", 501, id="no such method"),
    ],
)
def test_a_mistake_has_its_status(
    server: hook_http.Server, method: str, path: str, body: bytes | None, expected: int
) -> None:
    assert call(server, method, path, body)[0] == expected


def raw(server: hook_http.Server, request: bytes) -> bytes:
    host, port = server.server_address[:2]
    with socket.create_connection((str(host), port), timeout=60) as connection:
        connection.sendall(request)
        return connection.makefile("rb").readline()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(b"", 411, id="no length"),
        pytest.param(b"Content-Length: -1\r\n", 411, id="a negative length"),
        pytest.param(b"Content-Length: 999999999\r\n", 413, id="too long"),
        pytest.param(b"Content-Length: " + b"9" * 5_000 + b"\r\n", 413, id="endless"),
    ],
)
def test_a_body_without_bounds_is_not_read(
    server: hook_http.Server, header: bytes, expected: int
) -> None:
    request = b"POST /reconcile HTTP/1.1\r\nHost: here\r\n" + header + b"\r\n"
    assert raw(server, request).split()[1] == str(expected).encode()


def test_a_caller_who_goes_away_disturbs_nobody(server: hook_http.Server) -> None:
    host, port = server.server_address[:2]
    for _ in range(3):
        with socket.create_connection((str(host), port), timeout=60) as connection:
            connection.sendall(
                b"POST /reconcile HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"
            )
    assert call(server, "POST", "/reconcile", LINE)[0] == 200


def test_many_callers_are_answered_side_by_side(server: hook_http.Server) -> None:
    replies: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: replies.append(call(server, "POST", "/reconcile", LINE)[0])
        )
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert replies == [200] * 20


def test_a_port_that_is_taken_is_said(server: hook_http.Server) -> None:
    streams = streams_of()
    port = str(server.server_address[1])
    assert hook.run(arguments("--http", port), streams) == 1
    said = told(streams.stderr)
    assert said == f"error: cannot listen on 127.0.0.1:{port}: address already in use\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("8080", ("127.0.0.1", 8080), id="loopback unless told"),
        pytest.param("0.0.0.0:80", ("0.0.0.0", 80), id="all addresses"),  # noqa: S104 - as told.
        pytest.param("localhost:0", ("localhost", 0), id="a name"),
        pytest.param("[::1]:443", ("::1", 443), id="version 6"),
    ],
)
def test_an_address_is_read(text: str, expected: tuple[str, int]) -> None:
    assert hook.address(text) == expected


@pytest.mark.parametrize("text", ["", "here", "1:2:3", ":80", "65536", "a:b", "::1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentError, match="is not"):
        arguments("--http", text)


def test_an_address_of_version_6_is_shown_as_one() -> None:
    if not socket.has_ipv6:  # pragma: no cover - a machine without it.
        pytest.skip("this machine has no IPv6")
    try:
        with hook_http.Server(("::1", 0), {}) as server:
            assert server.url == f"http://[::1]:{server.server_address[1]}"
    except OSError:  # pragma: no cover - a machine without it.
        pytest.skip("this machine has no IPv6 on loopback")


def test_sigterm_ends_the_service_in_peace() -> None:
    with subprocess.Popen([*HOOK, "--http", "0"], stderr=subprocess.PIPE) as process:
        assert process.stderr
        assert process.stderr.readline().startswith(b"note: listening on ")
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""
