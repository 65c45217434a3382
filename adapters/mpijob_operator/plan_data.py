# SPDX-License-Identifier: Apache-2.0
"""A plan for programs: the desired children as YAML or JSON, and the steps as requests.

Rule: no private key is in it unless it was asked for by name (B8.5).
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, assert_never

import mpijob
from mpijob.actions import GUARDS
from mpijob.children.secret import KEY_SLOTS
from mpijob.loose import Manifest
from mpijob.names import Child
from mpijob_operator import keypair, yaml_text
from mpijob_operator.executor import Answer
from mpijob_operator.field_path import printable
from mpijob_operator.manifests import key_text
from mpijob_operator.offline import Planned
from mpijob_operator.page import Heading, Page, Table
from mpijob_operator.requests import Request, request_of
from mpijob_operator.streams import Streams

COMPACT: Final = (",", ":")


def print_children(
    arguments: argparse.Namespace, plans: Iterable[Planned], streams: Streams
) -> bool:
    """Print the desired children of each job; tell whether all could be made."""
    children: list[Manifest] = []
    for planned in plans:
        _say(planned, streams)
        for child in planned.answer.desired:
            manifest: Manifest | None = child.manifest
            if manifest is not None and child.child is Child.SECRET:
                manifest = _secret(manifest, arguments, streams)
                if manifest is None and arguments.with_ssh_key:
                    return False
            if manifest is not None:
                children.append(manifest)
    if arguments.output == "yaml":
        streams.stdout.writelines(yaml_text.texts(children))
    else:
        streams.stdout.writelines(_list(children))
    return True


def _secret(
    manifest: Manifest, arguments: argparse.Namespace, streams: Streams
) -> Manifest | None:
    """Return the Secret as it can be shown; None where it cannot be.

    An API server takes no Secret of this type without a key: YAML is for kubectl, so it
    is left out there. JSON lists what there should be.
    """
    name = manifest["metadata"]["name"]
    if arguments.with_ssh_key:
        try:
            keys = keypair.key_pair()
        except ModuleNotFoundError:
            streams.error("the library that draws keys is missing", keypair.NEEDED)
            return None
        streams.warning(f"Secret {name} is printed with its private key")
        return {**manifest, "data": dict(zip(KEY_SLOTS, keys, strict=True))}
    hint = "--with-ssh-key draws one and prints it"
    if arguments.output == "yaml":
        streams.note(f"Secret {name} is left out: no key pair was drawn for it", hint)
        return None
    streams.note(f"Secret {name} is without its key pair", hint)
    return manifest


def _say(planned: Planned, streams: Streams) -> None:
    """Say what documents of children cannot say."""
    job, answer = planned.job, planned.answer
    name = f"MPIJob {key_text((job.namespace, job.name))}"
    if answer.desired and not job.uid:
        streams.note(
            f"{name} has no uid yet, so its children have no owner references",
            "a manifest as `kubectl get mpijob -o yaml` prints it has one",
        )
    kept = sum(child.manifest is None for child in answer.desired)
    if kept or answer.unwanted:
        streams.note(
            f"{name}: {kept} children stay as they are and {len(answer.unwanted)} go;"
            " neither is shown",
            "-o text or --steps shows them",
        )
    elif not answer.desired:
        streams.note(f"{name} has no children to show: {answer.because}")


def _list(children: Iterable[Manifest]) -> Iterator[str]:
    """Give a v1 List, a line an item: it can be large."""
    yield '{"apiVersion":"v1","kind":"List","items":['
    for number, child in enumerate(children):
        yield ("," if number else "") + "\n" + json.dumps(child, separators=COMPACT)
    yield "\n]}\n"


# --- Steps --------------------------------------------------------------------


def steps_page(planned: Planned) -> Page:
    """Return the requests of a plan, in their order, for a person."""
    job = planned.job
    name, number = key_text((job.namespace, job.name)), len(planned.steps)
    title = f"MPIJob {name}: {number} step{'' if number == 1 else 's'}"
    rows = tuple(
        (str(number), request.verb.value, request.path, _about(action, request))
        for number, step in enumerate(planned.steps, 1)
        for action in step
        for request in (request_of(job, action),)
    )
    if not rows:
        return (Heading(f"{title}: there is nothing to do"),)
    return (Heading(title), Table(("STEP", "METHOD", "PATH", "WHAT"), rows))


def dry_run_page(
    planned: Planned, said: Iterable[tuple[mpijob.Action, Answer]]
) -> Page:
    """Return what the API server would say to each request, for a person."""
    job = planned.job
    rows = tuple(
        (str(answer.code), request.verb.value, request.path, _said(answer))
        for action, answer in said
        for request in (request_of(job, action),)
    )
    name = key_text((job.namespace, job.name))
    if not rows:
        return (Heading(f"MPIJob {name}: there is nothing to ask"),)
    title = f"MPIJob {name}: what the API server would say"
    return (Heading(title), Table(("CODE", "METHOD", "PATH", "SAYS"), rows))


def _said(answer: Answer) -> str:
    if 200 <= answer.code < 300:  # noqa: PLR2004 - HTTP's own words for success.
        return "yes"
    return printable(answer.message)


def _about(action: mpijob.Action, request: Request) -> str:
    match action:
        case mpijob.Create():
            words = action.name
        case mpijob.Apply() | mpijob.Touch():
            words = f"as {request.query['fieldManager']}"
        case mpijob.Delete():
            words = action.why
        case mpijob.Event():
            words = f"{action.type} {action.reason}: {action.message}"
        case mpijob.WriteStatus():
            words = "the status, if nobody wrote since"
        case mpijob.Confirm():
            words = "only if it is still as it was"
        case _:
            assert_never(action)
    return words


def steps_data(planned: Planned) -> dict[str, Any]:
    """Return the requests of a plan, in their order, for a program."""
    job = planned.job
    steps = [
        [
            {
                "action": type(action).__name__,
                "guard": GUARDS[type(action)],
                **request_of(job, action).as_json(),
            }
            for action in step
        ]
        for step in planned.steps
    ]
    return {"namespace": job.namespace, "name": job.name, "steps": steps}


def print_steps(output: str, plans: Iterable[Planned], streams: Streams) -> None:
    """Print the steps of each job as data: YAML documents, or one JSON list."""
    values = map(steps_data, plans)
    if output == "yaml":
        streams.stdout.writelines(yaml_text.texts(values))
    else:
        streams.print(json.dumps(list(values), separators=COMPACT))
