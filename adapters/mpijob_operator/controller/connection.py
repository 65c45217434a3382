# SPDX-License-Identifier: Apache-2.0
"""Where a cluster is, and who we are to it: kubeconfig, TLS, tokens and their renewal.

The client library brings that: it is hard to get right. Of a file that is no kubeconfig
it makes whatever exception comes first. Each is told as what it is, without a word of
what the file says, for that may be a token.
"""

import os
import ssl
from pathlib import Path
from typing import Final, cast

from attrs import field, frozen
from kubernetes.aio import client, config
from kubernetes.aio.client import rest

from mpijob.loose import mapping, text


@frozen
class Connection:
    """Where the API server is, and how to prove who we are."""

    server: str
    tls: ssl.SSLContext
    proxy: str | None
    configuration: client.Configuration = field(repr=False)

    async def headers(self) -> dict[str, str]:
        """Return what proves who we are, renewed where it has run out.

        Raises:
            OSError: It cannot be renewed now: a file is gone for a moment, a program
                failed. What the library says of it may hold a token.
        """
        configuration = self.configuration
        try:
            key = await configuration.get_api_key_with_prefix(
                "BearerToken", "authorization"
            )
        except Exception as error:  # noqa: BLE001 - whatever the library meets there.
            why = f"the credentials cannot be renewed: {type(error).__name__}"
            raise OSError(why) from None
        return {"Authorization": key} if key else {}


async def connect(kubeconfig: str = "", server: str = "") -> Connection:
    """Find the API server as kubectl does: the file named, else the pod's own account.

    Raises:
        config.ConfigException: Neither is to be had, or the file is none.
    """
    configuration = client.Configuration()
    where = "the service account"
    try:
        if kubeconfig or not _in_cluster(configuration):
            where = kubeconfig or config.KUBE_CONFIG_DEFAULT_LOCATION
            await _load(where, configuration)
        tls = rest.RESTClientObject(configuration).ssl_context
    except config.ConfigException:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the library meets there.
        raise config.ConfigException(f"{where}: {_told(error)}") from None
    host = (server or configuration.host).rstrip("/")
    return Connection(host, tls, configuration.proxy, configuration)


def namespace(kubeconfig: str = "") -> str:
    """Return which namespace is meant where none is named, empty if nothing says so.

    As for kubectl: that of the current context, or the pod's own.
    """
    try:
        if not kubeconfig and _in_cluster(client.Configuration()):
            return _OWN_NAMESPACE.read_text().strip()
        where = kubeconfig or config.KUBE_CONFIG_DEFAULT_LOCATION
        if not _is_there(where):
            return ""  # The library would print that.
        known = config.list_kube_config_contexts(where)  # type: ignore[no-untyped-call] # It has none.
        context = mapping(cast("object", known[1])).get("context")
        return text(context, "namespace")
    except Exception:  # noqa: BLE001 - whoever connects is told what is wrong.
        return ""


async def _load(where: str, configuration: client.Configuration) -> None:
    if not _is_there(where):
        raise config.ConfigException(f"{where}: there is no such file")
    await config.load_kube_config(  # type: ignore[no-untyped-call] # It has none.
        where, client_configuration=configuration
    )


def _is_there(where: str) -> bool:
    paths = filter(None, where.split(os.pathsep))
    return any(Path(path).expanduser().exists() for path in paths)


_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NO_KUBECONFIG: Final = "it is no kubeconfig"


def _told(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "a certificate or a key in it cannot be read"
    if isinstance(error, OSError):
        return (error.strerror or _NO_KUBECONFIG).lower()
    return _NO_KUBECONFIG


def _in_cluster(configuration: client.Configuration) -> bool:
    try:
        config.load_incluster_config(  # type: ignore[no-untyped-call] # It has none.
            configuration
        )
    except config.ConfigException:
        return False
    return True
