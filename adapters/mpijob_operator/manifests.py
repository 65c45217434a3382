# SPDX-License-Identifier: Apache-2.0
"""The MPIJobs of some documents, as the API server would have them.

Defaults of the CRD are filled in; what the schema refuses and what it would drop is
found; what is no MPIJob is named and passed over. Nothing is decided about a job.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import mpijob
import mpijob_crd
from mpijob.job import API_VERSION, KIND
from mpijob.loose import mapping, text
from mpijob_operator.documents import Document, InputError
from mpijob_operator.field_path import printable
from mpijob_operator.glance import plainly_fits
from mpijob_operator.schema import Schema

Manifest = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace and name."""

DEFAULT_NAMESPACE: Final = "default"

# Older versions of the API, whose fields differ: what there is to mend.
OLDER: Final = {
    "kubeflow.org/v1": "cleanPodPolicy belongs under runPolicy, mainContainer is gone,"
    " and workers need sshd in their image",
    "kubeflow.org/v1alpha2": "cleanPodPolicy, backoffLimit and activeDeadlineSeconds"
    " belong under runPolicy, and workers need sshd in their image",
    "kubeflow.org/v1alpha1": "gpus, replicas and template become"
    " mpiReplicaSpecs.Launcher and .Worker, and workers need sshd in their image",
}


@cache
def schema() -> Schema:
    """Return the schema of the CRD."""
    return Schema(mpijob_crd.schema())


class Manifested(NamedTuple):
    """One MPIJob as given, with where it stands and what the schema says of it."""

    value: Manifest  # With the defaults of the CRD.
    document: Document
    refused: tuple[mpijob.Problem, ...] = ()  # By the schema.
    dropped: tuple[mpijob.Problem, ...] = ()  # Unknown fields.

    @property
    def key(self) -> Key:
        """Its namespace and name."""
        metadata = mapping(self.value.get("metadata"))
        return text(metadata, "namespace") or DEFAULT_NAMESPACE, text(metadata, "name")

    @property
    def place(self) -> str:
        """File and line where it begins."""
        return self.document.place_of()


def key_text(key: Key) -> str:
    """Return how a job is named.

    >>> key_text(("hpc", "pi"))
    'hpc/pi'
    """
    return "/".join(printable(part) for part in key)


def is_job(document: Document) -> bool:
    """Tell whether a document is an MPIJob of any version."""
    group = document.api_version.partition("/")[0]
    return document.kind == KIND and group == API_VERSION.partition("/")[0]


def wrong_version(document: Document) -> InputError | None:
    """Say of an MPIJob that it is of another version; None of one that is not."""
    version = document.api_version
    if version == API_VERSION:
        return None
    message = f"apiVersion is {printable(version)}, and must be {API_VERSION}"
    hint = OLDER.get(version, f"write {API_VERSION}")
    line = document.line_of(("apiVersion",))
    return InputError(document.source, line, message, hint)


def manifested(document: Document, namespace: str | None = None) -> Manifested:
    """Return the MPIJob of a document; `namespace` is for one that names none."""
    value = schema().with_defaults(document.value)
    fits = plainly_fits(schema().open_api, value)
    refused = () if fits else schema().problems_of(document.value)
    dropped = schema().warnings_of(document.value)
    metadata = mapping(value.get("metadata"))
    if namespace and not metadata.get("namespace"):
        value = {**value, "metadata": {**metadata, "namespace": namespace}}
    return Manifested(value, document, refused, dropped)


def jobs_of(
    found: Iterable[Document], namespace: str | None = None, default: str | None = None
) -> Iterator[Manifested | InputError]:
    """Give the MPIJobs among some documents, and an error for each that is not ours.

    Args:
        found: The documents.
        namespace: The only one that may be named, where there is one.
        default: The namespace of what names none, where it is not that.
    """
    for document in filter(is_job, found):
        if error := wrong_version(document):
            yield error
            continue
        job = manifested(document, namespace or default)
        if mistake := _wrong_namespace(job.key[0], namespace):
            line = document.line_of(("metadata", "namespace"))
            yield InputError(document.source, line, *mistake)
        else:
            yield job


def _wrong_namespace(found: str, only: str | None) -> tuple[str, str] | None:
    """Return what is wrong with the namespace of a job, and a hint."""
    if only and found != only:
        hint = "leave --namespace out, or mend one of the two"
        return f"its namespace is {printable(found)}, and not {only}", hint
    if not is_namespace(found):
        hint = "write lower-case letters, digits and hyphens, at most 63"
        return f"{printable(found)} is no name of a namespace", hint
    return None


def is_namespace(name: str) -> bool:
    """Tell whether a namespace can have a name (RFC 1123)."""
    return re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) is not None


def repeated(jobs: Iterable[Manifested]) -> Iterator[InputError]:
    """Say of each job but the first of its name that it is not the first."""
    first: dict[Key, Manifested] = {}
    for job in jobs:
        if first.setdefault(job.key, job) is job:
            continue
        document, earlier = job.document, first[job.key].place
        message = f"MPIJob {key_text(job.key)} is given already: {earlier}"
        line = document.line_of(("metadata", "name"))
        yield InputError(document.source, line, message, "leave one of them out")


def others_of(found: Iterable[Document]) -> Iterator[str]:
    """Name each document that is no MPIJob."""
    for document in found:
        if not is_job(document):
            kind, name = document.kind, text(document.value.get("metadata"), "name")
            what = " ".join(printable(word) for word in (kind, name) if word)
            capitals = " (mind the capitals)" if kind.lower() == KIND.lower() else ""
            why = f"{what} is no MPIJob{capitals}, and is passed over"
            yield f"{document.place_of()}: {why}"


def all_problems(
    job: Manifested, found: Iterable[mpijob.Problem]
) -> tuple[mpijob.Problem, ...]:
    """Return what the schema refuses and what the core does, each path once.

    Where both speak of a field of ours, the core's words are the better ones; of a
    field of Kubernetes, the schema's are: it knows what kind of field it is.
    """
    core = {problem.path: problem for problem in found}
    schema = {problem.path: problem for problem in job.refused}
    theirs = {p for p in schema if ".template." in p or p.startswith("metadata.")}
    schemas_own = [schema[path] for path in schema if path not in core]
    known = [schema[path] if path in theirs else core[path] for path in core]
    return (*known, *schemas_own)
