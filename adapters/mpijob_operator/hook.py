# SPDX-License-Identifier: Apache-2.0
"""`mpijob hook`: the function as a service, for hosts in any language.

One document on stdin gives one on stdout; `--lines` answers a stream of lines, each at
once; `--http` listens. The contract is the same three times (docs/hook.md).
"""

import argparse
import re
import signal
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Final

import mpijob
from mpijob_operator import (
    contract,
    hook_http,
    hook_request,
    keypair,
    metacontroller,
)
from mpijob_operator.contract import Reply
from mpijob_operator.requests import KeyPair
from mpijob_operator.streams import Streams

LOOPBACK: Final = "127.0.0.1"
_PORT_MAX: Final = 65535
_ADDRESS: Final = r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]+):)?(?P<port>[0-9]{1,5})"


def address(text: str) -> tuple[str, int]:
    """Read [HOST:]PORT.

    >>> address("8080"), address("[::1]:0")
    (('127.0.0.1', 8080), ('::1', 0))
    """
    found = re.fullmatch(_ADDRESS, text)
    if found is None or int(found["port"]) > _PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not [HOST:]PORT")
    return (found["host"] or LOOPBACK).strip("[]"), int(found["port"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--lines",
        action="store_true",
        help="answer a stream: a request a line, an answer a line",
    )
    way.add_argument(
        "--http",
        type=address,
        metavar="[HOST:]PORT",
        help=f"listen for POST /reconcile, /sync and /customize (on {LOOPBACK})",
    )
    way.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of the contract"
    )
    sync = parser.add_argument_group("for /sync, whose requests carry no settings")
    sync.add_argument("--gang-scheduling", metavar="NAME", default="none")
    sync.add_argument("--cluster-domain", metavar="DOMAIN", default="")
    sync.add_argument(
        "--with-ssh-key",
        action="store_true",
        help="put a key pair into a new Secret: the answer then holds a private key",
    )


def run(arguments: argparse.Namespace, streams: Streams) -> int:
    """Answer until there is nothing more to answer; return the exit code."""
    if arguments.schema:
        streams.stdout.write(hook_request.SCHEMA_FILE.read_text(encoding="utf-8"))
        return 0
    if arguments.http is not None:
        return _serve(arguments, streams)
    if arguments.lines:
        return _answer_lines(streams)
    return _answer_one(streams)


def _answer_one(streams: Streams) -> int:
    # A byte more than a request may have tells that there is one.
    data = streams.stdin.read(contract.REQUEST_BYTES_MAX + 1)
    said = contract.answered(data)
    streams.print(contract.text(said))
    return 1 if "error" in said else 0


def _answer_lines(streams: Streams) -> int:
    """Answer line by line; a line that is no request gets an answer that says so."""
    while line := streams.stdin.readline(contract.REQUEST_BYTES_MAX + 2):
        if line.isspace():
            continue
        said = contract.answered(line.rstrip(b"\r\n"))
        streams.print(contract.text(said))
        streams.stdout.flush()
        while not line.endswith(b"\n") and line:
            # The rest of a line that was too long for us.
            line = streams.stdin.readline(_PIECE)
    return 0


_PIECE: Final = 1024 * 1024


def _routes(settings: mpijob.Settings, key_pair: KeyPair | None) -> Mapping[str, Reply]:
    return {
        "/reconcile": contract.reconcile,
        "/sync": lambda request: metacontroller.sync(
            request, settings=settings, now=hook_request.clock(), key_pair=key_pair
        ),
        "/customize": metacontroller.customize,
    }


def _serve(arguments: argparse.Namespace, streams: Streams) -> int:
    settings = mpijob.Settings(
        cluster_domain=arguments.cluster_domain,
        gang_scheduler=arguments.gang_scheduling,
    )
    key_pair = keypair.key_pair if arguments.with_ssh_key else None
    try:
        server = hook_http.Server(arguments.http, _routes(settings, key_pair))
    except OSError as error:
        host, port = arguments.http
        reason = str(error.strerror or error).lower()
        streams.error(f"cannot listen on {host}:{port}: {reason}")
        return 1
    with server:
        _stop_on_sigterm(server)
        streams.note(f"listening on {server.url}")
        streams.stderr.flush()
        server.serve_forever()
        server.drain()
    return 0


def _stop_on_sigterm(server: hook_http.Server) -> None:
    """Let the kubelet end us: answers under way are sent, then the process ends."""
    if threading.current_thread() is not threading.main_thread():
        return  # Signals are the main thread's; a host that embeds us has its own.

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # It waits for the loop that this very thread runs.
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
