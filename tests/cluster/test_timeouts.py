# SPDX-License-Identifier: Apache-2.0
"""What `?timeout=` does to a write, on which the change of leader rests (B8.8).

An admission webhook that takes its time stands for an API server that is slow. The
server gives the write up when the time is over, and it never lands later.
"""

import base64
import contextlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from tests.controlplane.proxy import certificate_for
from tests.controlplane.stage import Stage

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

Json = dict[str, Any]
SLOW_S: Final = 3.0
HOOKS: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Slow(BaseHTTPRequestHandler):
    """Says yes, late."""

    def do_POST(self) -> None:
        review: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(SLOW_S)
        response = {"uid": review["request"]["uid"], "allowed": True}
        types = {key: review[key] for key in ("apiVersion", "kind")}
        body = json.dumps({**types, "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs.
        """Say nothing."""


@pytest.fixture
def slow(stage: Stage, tmp_path: Path) -> Iterator[Stage]:
    """A namespace in which creating a ConfigMap takes three seconds."""
    certificate, key = certificate_for(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    name = f"slow-{stage.namespace}"
    stage.client.create(HOOKS, hook(name, stage, certificate, server)).expect(201)
    try:
        wait_until_slow(stage)
        yield stage
    finally:
        stage.client.delete(f"{HOOKS}/{name}")
        server.shutdown()
        server.server_close()
        thread.join()


def hook(
    name: str, stage: Stage, certificate: Path, server: ThreadingHTTPServer
) -> Json:
    """Return the configuration that asks the slow one, about this namespace alone."""
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["configmaps"],
    }
    labels = {"kubernetes.io/metadata.name": stage.namespace}
    client = {
        "url": f"https://127.0.0.1:{server.server_address[1]}/",
        "caBundle": base64.b64encode(certificate.read_bytes()).decode(),
    }
    webhook = {
        "name": "slow.example.com",
        "rules": [rule],
        "namespaceSelector": {"matchLabels": labels},
        "clientConfig": client,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 10,
    }
    return {"metadata": {"name": name}, "webhooks": [webhook]}


def wait_until_slow(stage: Stage) -> None:
    """Wait until the API server asks the webhook, a moment after it is there."""
    for number in range(50):
        begun = time.monotonic()
        body = {"metadata": {"name": f"probe-{number}"}}
        stage.client.create(stage.path("configmaps"), body).expect(201)
        if time.monotonic() - begun > SLOW_S / 2:
            return
        time.sleep(0.1)
    raise AssertionError("the webhook is never asked")


@pytest.mark.rule("B8.8")
def test_a_write_is_given_up_when_its_time_is_over(slow: Stage) -> None:
    path = slow.path("configmaps")
    begun = time.monotonic()
    # It says so, or hangs up where it is too busy to: either is no success.
    with contextlib.suppress(http.client.RemoteDisconnected):
        late = slow.client.create(path, {"metadata": {"name": "late"}}, timeout="1s")
        assert late.code >= 500, late
    assert time.monotonic() - begun < SLOW_S
    # And it does not come later, whatever the webhook says by then.
    time.sleep(SLOW_S)
    assert slow.get("configmaps", "late") is None


@pytest.mark.rule("B8.8")
def test_a_write_that_has_time_is_done(slow: Stage) -> None:
    path = slow.path("configmaps")
    body = {"metadata": {"name": "in-time"}}
    slow.client.create(path, body, timeout="10s").expect(201)
