# SPDX-License-Identifier: Apache-2.0
"""The function as hooks of a CompositeController of metacontroller.

Its executor takes one list, "the children that there should be", and a status. It
deletes what is not in the list, makes what is, and writes the status last. Of that we
can make a safe executor of a plan, if each answer holds one step and no more:

Rule 1: KEEP is said aloud. Every child that was observed is in the answer, unless the
step deletes it. It is described in such words that the merge changes nothing.

Rule 2: one step an answer. While there are more, it asks to be called again at once; so
intent is written before effect and a verdict before the cleanup (B8.3), although the
executor would do both at once and in the other order.

Rule 3: what the executor has no word for is left out: Events, live reads, and, unless
the operator of this service says otherwise, the Secret, whose key pair would be in the
answer (B8.5). docs/hook.md has the whole list.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, assert_never, cast

from attrs import evolve, frozen

import mpijob
from mpijob import names, sightings
from mpijob.children.secret import KEY_SLOTS
from mpijob.job import API_VERSION, KIND
from mpijob.loose import NOTHING, Manifest, mapping, mappings, sequence, strings
from mpijob.names import Child, Ref
from mpijob.observed import Live
from mpijob.world import NO_GANG
from mpijob_operator.field_path import type_word
from mpijob_operator.hook_request import Malformed, priority_classes
from mpijob_operator.requests import KeyPair, ref_of

# What the executor last sent for a child, as it notes it on the object.
LAST_APPLIED: Final = "metacontroller.k8s.io/last-applied-configuration"

# Kinds that a CompositeController for MPIJobs must list. It always has an entry for
# each, so a missing one is a mistake in it, and the child would be made for ever.
CHILD_KINDS: Final = ("Pod.v1", "Service.v1", "ConfigMap.v1", "Job.batch/v1")

# Soon: what the step before this one has changed is news by itself in most cases.
AT_ONCE_S: Final = 1.0

Children = dict[Ref, Manifest]


@frozen
class Asked:
    """A sync request that was understood."""

    parent: Manifest
    job: mpijob.MPIJob
    children: Mapping[Ref, Manifest]  # Those that the executor manages.
    observed: mpijob.Observed
    world: mpijob.World
    finalizing: bool
    has_secrets: bool  # Whether the executor manages Secrets at all.


def sync(
    document: object,
    *,
    settings: mpijob.Settings,
    now: datetime,
    key_pair: KeyPair | None = None,
) -> dict[str, Any]:
    """Answer a sync or finalize hook.

    Args:
        document: The request.
        settings: What the request does not say, as the service was started.
        now: The time.
        key_pair: Makes the keys of a new Secret; None leaves the Secret to others.

    Returns:
        The status, the children that there should be, and when to ask again.

    Raises:
        Malformed: It is no such request for an MPIJob.
    """
    asked = _asked(document, settings, now)
    said = mpijob.reconcile(asked.job, asked.observed, asked.world)
    children: Children = {ref: kept(value) for ref, value in asked.children.items()}
    steps = _doable(
        mpijob.plan(asked.job, asked.observed, said),
        children,
        with_secret=key_pair is not None and asked.has_secrets,
    )
    status = mapping(asked.parent.get("status"))
    for action in steps[0] if steps else ():
        if isinstance(action, mpijob.WriteStatus):
            status = mpijob.encode_status(action.status)
        else:
            _change(children, _with_key(action, key_pair))
    later = said.requeue_after.total_seconds() if said.requeue_after else 0.0
    return {
        "status": status,
        "children": list(children.values()),
        "resyncAfterSeconds": AT_ONCE_S if steps else later,
        # A job that is deleted is left alone; owner references do the rest (B5.8).
        "finalized": asked.finalizing,
    }


def _doable(
    plan: mpijob.Plan, children: Children, *, with_secret: bool
) -> list[list[mpijob.Action]]:
    """Return the steps without what the executor cannot do: no step waits for that."""
    steps = [
        [each for each in step if _can(each, children, with_secret=with_secret)]
        for step in plan
    ]
    return [step for step in steps if step]


def _can(action: mpijob.Action, children: Children, *, with_secret: bool) -> bool:
    match action:
        case mpijob.Create():
            return with_secret or action.child is not Child.SECRET
        case mpijob.Touch() | mpijob.Delete():
            return action.ref in children
        case mpijob.Apply() | mpijob.WriteStatus():
            return True
        case mpijob.Confirm() | mpijob.Event():
            return False
        case _:
            assert_never(action)


def _change(children: Children, action: mpijob.Action) -> None:
    if isinstance(action, mpijob.Create | mpijob.Apply):
        children[ref_of(action.manifest)] = _without_owner(action.manifest)
    elif isinstance(action, mpijob.Touch):
        children[action.ref] = _merged(children[action.ref], action.fields)
    elif isinstance(action, mpijob.Delete):
        del children[action.ref]


def _with_key(action: mpijob.Action, key_pair: KeyPair | None) -> mpijob.Action:
    """Fill the slot of a Secret that is to be made."""
    if key_pair is None or not isinstance(action, mpijob.Create):
        return action
    if action.child is not Child.SECRET:
        return action
    data = dict(zip(KEY_SLOTS, key_pair(), strict=True))
    return mpijob.Create(action.child, {**action.manifest, "data": data})


def _without_owner(manifest: Manifest) -> Manifest:
    """Leave the owner reference to the executor: two of them are refused."""
    metadata = {k: v for k, v in manifest["metadata"].items() if k != "ownerReferences"}
    return {**manifest, "metadata": metadata}


def _merged(value: Manifest, fields: Manifest) -> Manifest:
    result = dict(value)
    for key, field in fields.items():
        inner = mapping(field)
        result[key] = _merged(mapping(result.get(key)), inner) if inner else field
    return result


def kept(value: Manifest) -> Manifest:
    """Return what keeps an observed child as it is.

    The executor merges three ways: a field that it applied before and that is not in
    the answer is removed, and one that is gets the answer's value. So the answer has
    the fields that were applied, with the values that were seen: what Kueue took away
    stays away. Where nothing was applied it names the object and nothing more. A
    Secret's keys are not repeated: its kind must have no updateStrategy.
    """
    ref = ref_of(value)
    text = strings(value["metadata"].get("annotations")).get(LAST_APPLIED)
    if text is not None and ref.kind != "Secret":
        try:
            applied = mapping(json.loads(text))
        except (ValueError, RecursionError):
            applied = NOTHING
        if mapping(applied.get("metadata")).get("name") == ref.name:
            return mapping(_as_seen(applied, value))
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata}


def _as_seen(applied: object, seen: object) -> object:
    """Return the fields that were applied, with the values that they have now."""
    if isinstance(applied, Mapping):
        known = mapping(seen)
        fields = mapping(cast("object", applied))
        return {k: _as_seen(v, known[k]) for k, v in fields.items() if k in known}
    before, now = sequence(applied), sequence(seen)
    if not before or not now:
        return seen
    if all(strings(item).get("name") for item in (*before, *now)):
        # The executor takes such a list for a map.
        named = {item["name"]: item for item in now}
        return [_as_seen(i, named[i["name"]]) for i in before if i["name"] in named]
    if len(before) == len(now):
        return [_as_seen(one, other) for one, other in zip(before, now, strict=True)]
    return seen


def _asked(document: object, settings: mpijob.Settings, now: datetime) -> Asked:
    request = mapping(document)
    parent = _parent(request)
    job = mpijob.decode(parent)
    _check_kinds(request, settings)
    children = {ref_of(value): value for value in _objects(request, "children")}
    # The customize hook shows what the executor does not manage: the launcher's pods,
    # and strangers of our names. A pod may be in both.
    related = list(_objects(request, "related"))
    seen = {**{ref_of(value): value for value in related}, **children}
    classes = (value for value in related if value["kind"] == "PriorityClass")
    # Nothing can be read live here, so what the executor shows has to do.
    observed = evolve(sightings.observed(seen.values(), job), live=frozenset(Live))
    # The executor cannot delete the parent: the TTL takes the children alone (B5.6).
    world = mpijob.World(
        now, settings._replace(ttl_keeps_job=True), priority_classes(classes)
    )
    finalizing = request.get("finalizing") is True
    has_secrets = "Secret.v1" in mapping(request.get("children"))
    return Asked(parent, job, children, observed, world, finalizing, has_secrets)


def _parent(request: Manifest) -> Manifest:
    parent = mapping(request.get("parent"))
    found = parent.get("apiVersion"), parent.get("kind")
    if found == (API_VERSION, KIND) and strings(parent.get("metadata")).get("name"):
        return parent
    message = f"must be a named {KIND} of {API_VERSION}"
    hint = "the CompositeController's parentResource is mpijobs of that version"
    raise Malformed([mpijob.Problem("parent", message, hint)])


def _check_kinds(request: Manifest, settings: mpijob.Settings) -> None:
    there = mapping(request.get("children"))
    missing = [kind for kind in CHILD_KINDS if kind not in there]
    groups = [kind for kind in there if str(kind).startswith("PodGroup.")]
    if settings.gang_scheduler != NO_GANG and not groups:
        missing.append("PodGroup")
    if missing:
        hint = "list each kind under the CompositeController's childResources"
        raise Malformed(
            mpijob.Problem(f"children[{kind}]", "is missing, and must be given", hint)
            for kind in missing
        )


def _objects(request: Manifest, field: str) -> Iterator[Manifest]:
    for kind, group in mapping(request.get(field)).items():
        for name, value in mapping(group).items():
            if not _is_object(value):
                message = f"is {type_word(value)}, and must be a named object"
                raise Malformed([mpijob.Problem(f"{field}[{kind}][{name}]", message)])
            yield value


def _is_object(value: object) -> bool:
    head, metadata = strings(value), mapping(mapping(value).get("metadata"))
    names_are_text = isinstance(metadata.get("namespace", ""), str)
    has_name = bool(strings(metadata).get("name")) and names_are_text
    return has_name and bool(head.get("apiVersion") and head.get("kind"))


def customize(document: object) -> dict[str, Any]:
    """Answer a customize hook: name what a sync must see beside the children.

    Raises:
        Malformed: It is no such request for an MPIJob.
    """
    parent = _parent(mapping(document))
    job = mpijob.decode(parent)
    pods = {"labelSelector": {"matchLabels": names.selector(job)}}
    workers = [names.worker(job, index) for index in range(min(job.workers, _NAMED))]
    rules = [
        {"apiVersion": "v1", "resource": "pods", **pods},
        _named(job, "v1", "pods", workers),
        _named(job, "v1", "services", [names.service(job)]),
        _named(job, "v1", "configmaps", [names.config_map(job)]),
        _named(job, "batch/v1", "jobs", [names.launcher(job)]),
    ]
    if classes := sorted(set(_class_names(parent))):
        # They have no namespace. The default class cannot be asked for: nobody has
        # told its name.
        rule = {"apiVersion": "scheduling.k8s.io/v1", "resource": "priorityclasses"}
        rules.append({**rule, "names": classes})
    return {"relatedResources": [rule for rule in rules if rule.get("names") != []]}


# Strangers of a worker's name are looked for among so many of the first.
_NAMED: Final = 1_000


def _named(
    job: mpijob.MPIJob, api_version: str, resource: str, wanted: list[str]
) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "resource": resource,
        "namespace": job.namespace,
        "names": wanted,
    }


def _class_names(parent: Manifest) -> Iterable[str]:
    spec = mapping(parent.get("spec"))
    policy = mapping(mapping(spec.get("runPolicy")).get("schedulingPolicy"))
    yield from filter(None, [strings(policy).get("priorityClass")])
    for replica in mappings(list(mapping(spec.get("mpiReplicaSpecs")).values())):
        pod = strings(mapping(replica.get("template")).get("spec"))
        yield from filter(None, [pod.get("priorityClassName")])
