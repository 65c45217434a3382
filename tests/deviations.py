# SPDX-License-Identifier: Apache-2.0
"""Where our answer differs from upstream's: `corpus/expected-differences.md` as code.

A function a pattern, by its number there: it takes upstream's answer to a question and
returns it with that one difference. What it returns is never made from our own answer.
Those of PodGroups are in `tests.deviations_of_gangs`, those of the status and of what
follows a start in `tests.deviations_of_life`, which puts all in order.
"""

import copy
import re
from collections.abc import Callable
from typing import Any, Final, cast

from attrs import evolve

from tests.corpus_case import (
    ANY,
    Answer,
    Asked,
    Object,
    entries,
    is_list,
    is_object,
    of_same_job,
    part,
    quantity,
)

Pattern = Callable[[Answer, Asked], Answer]

_OPERATOR_NAME: Final = "training.kubeflow.org/operator-name"
_JOB_NAME: Final = "training.kubeflow.org/job-name"
_QUEUE_NAME: Final = "kueue.x-k8s.io/queue-name"
_HASH: Final = "training.kubeflow.org/template-hash"
_PATIENT: Final = "-o ConnectionAttempts=10"


def _each_pod(
    answer: Answer, edit: Callable[[Object, str], None], *roles: str
) -> Answer:
    """Return the answer with every pod that it makes edited, given its role."""
    created = copy.deepcopy(dict(answer.created))
    for child in created.values():
        role = {"Pod": "Worker", "Job": "Launcher"}.get(child["kind"])
        if role is not None and role in (roles or ("Worker", "Launcher")):
            pod = child if role == "Worker" else child["spec"]["template"]
            edit(pod, role)
    return evolve(answer, created=created)


def each_child(answer: Answer, edit: Callable[[Object], None], *kinds: str) -> Answer:
    """Return the answer with every child of a kind edited, made or applied."""
    created = copy.deepcopy(dict(answer.created))
    applied = copy.deepcopy(dict(answer.applied))
    for child in (*created.values(), *applied.values()):
        if child["kind"] in kinds:
            edit(child)
    return evolve(answer, created=created, applied=applied)


def _edited(asked: Asked, edit: Callable[[Object], object]) -> Object:
    """Return the job with its replica specs edited."""
    job = copy.deepcopy(asked.job)
    edit(job["spec"]["mpiReplicaSpecs"])
    return job


def _main(pod: Object) -> Object:
    return cast("Object", pod["spec"]["containers"][0])


def _user_env(asked: Asked, role: str) -> list[Object]:
    return entries(asked.template(role)["containers"][0], "env")


# --- Which children exist -----------------------------------------------------


def d01(answer: Answer, asked: Asked) -> Answer:
    """B1.3: a Worker without replicas is one worker; upstream refuses it."""
    worker = asked.replica("Worker")
    if not worker or "replicas" in worker:
        return answer
    job = _edited(asked, lambda roles: roles["Worker"].update(replicas=1))
    return of_same_job(asked, job)


def d02(answer: Answer, asked: Asked) -> Answer:
    """B1.5, B2.6: a Worker may be restarted Always; upstream refuses it.

    (No case of the corpus has the ExitCode of which the pattern speaks too.)
    """
    if asked.replica("Worker").get("restartPolicy") != "Always":
        return answer

    def restarted(pod: Object, _: str) -> None:
        pod["spec"]["restartPolicy"] = "Always"

    job = _edited(asked, lambda roles: roles["Worker"].pop("restartPolicy"))
    return _each_pod(of_same_job(asked, job), restarted, "Worker")


def d03(answer: Answer, asked: Asked) -> Answer:
    """B6.1: a suspended job has no launcher Job; upstream makes it suspended."""
    if asked.policy.get("suspend") is not True:
        return answer
    kept = {k: v for k, v in answer.created.items() if v["kind"] != "Job"}
    return evolve(answer, created=kept)


def d05(answer: Answer, asked: Asked) -> Answer:
    """Without a server nothing is refused; upstream stopped half-way.

    The rest of what it would have made is that of the same job without the class.
    """
    refused = [r for r in asked.record.get("refused", ()) if r["kind"] == "Pod"]
    if not refused:
        return answer

    def without_class(job: Object) -> Object:
        del job["spec"]["runPolicy"]
        return job

    def with_class(pod: Object, _: str) -> None:
        pod["spec"]["priorityClassName"] = asked.template("Worker")["priorityClassName"]

    template = "template"
    job = _edited(
        asked, lambda roles: roles["Worker"][template]["spec"].pop("priorityClassName")
    )
    rest = _each_pod(of_same_job(asked, without_class(job)), with_class, "Worker")
    for entry in refused:
        assert rest.created[f"Pod/{entry['name']}"] == entry["body"]
    return evolve(rest, created={**rest.created, **answer.created})


# --- Every child --------------------------------------------------------------


def d06(answer: Answer, asked: Asked) -> Answer:
    """B2: three labels on every child that is no pod; upstream has `app` at most."""

    def labelled(child: Object) -> None:
        child["metadata"]["labels"] = labels_of(asked)

    kinds = ("Service", "ConfigMap", "Secret", "Job", "PodGroup")
    return each_child(answer, labelled, *kinds)


def labels_of(asked: Asked) -> dict[str, str]:
    """Return the labels of every child that is no pod."""
    return {
        "app": asked.name,
        _OPERATOR_NAME: "mpi-operator",
        _JOB_NAME: asked.name,
    }


def d07(answer: Answer, _: Asked) -> Answer:
    """B2: the queue-name label of a template reaches no pod."""

    def unlabelled(pod: Object, _: str) -> None:
        pod["metadata"]["labels"].pop(_QUEUE_NAME, None)

    return _each_pod(answer, unlabelled)


def d08(answer: Answer, _: Asked) -> Answer:
    """Upstream puts an owner into the launcher Job's template, to no effect."""

    def ownerless(pod: Object, _: str) -> None:
        pod["metadata"].pop("ownerReferences", None)

    return _each_pod(answer, ownerless, "Launcher")


def d09(answer: Answer, _: Asked) -> Answer:
    """B2: the Secret is immutable; and who creates it fills in the keys (B8.5)."""

    def fixed(child: Object) -> None:
        assert sorted(child.pop("data")) == ["ssh-privatekey", "ssh-publickey"]
        child["immutable"] = True

    return each_child(answer, fixed, "Secret")


# --- Pods ---------------------------------------------------------------------


def d10(answer: Answer, asked: Asked) -> Answer:
    """B2.3: a variable that the user has is not set again; upstream's comes last."""

    def users_win(pod: Object, role: str) -> None:
        users = _user_env(asked, role)
        used = {entry["name"] for entry in users}
        env = entries(_main(pod), "env")
        rest = [entry for entry in env[len(users) :] if entry["name"] not in used]
        _main(pod)["env"] = [*env[: len(users)], *rest]

    return _each_pod(answer, users_win)


def _added(answer: Answer, asked: Asked, variables: dict[str, str]) -> Answer:
    def with_more(pod: Object, role: str) -> None:
        used = {entry["name"] for entry in _user_env(asked, role)}
        _main(pod)["env"] += [
            {"name": name, "value": value}
            for name, value in variables.items()
            if name not in used
        ]

    return _each_pod(answer, with_more, "Launcher")


def d11(answer: Answer, asked: Asked) -> Answer:
    """B3.3: Open MPI 5 reads variables of its own."""
    if asked.spec.get("mpiImplementation") not in (None, "", "OpenMPI"):
        return answer
    variables = {
        "PRTE_MCA_prte_default_hostfile": "/etc/mpi/hostfile",
        "PRTE_MCA_plm_ssh_args": _PATIENT,
        "PRTE_MCA_prte_set_default_slots": str(asked.spec.get("slotsPerWorker", 1)),
    }
    return _added(answer, asked, variables)


def d12(answer: Answer, asked: Asked) -> Answer:
    """B3: MPICH reads a variable that upstream misspells."""
    if asked.spec.get("mpiImplementation") != "MPICH":
        return answer
    return _added(answer, asked, {"HYDRA_LAUNCHER_EXTRA_ARGS": _PATIENT})


def d13(answer: Answer, _: Asked) -> Answer:
    """B2.2: a worker that names its SSH port is probed there."""

    def probed(pod: Object, _: str) -> None:
        main = _main(pod)
        named = any(port.get("name") == "ssh" for port in entries(main, "ports"))
        if named and "readinessProbe" not in main:
            main["readinessProbe"] = {"tcpSocket": {"port": "ssh"}}

    return _each_pod(answer, probed, "Worker")


def d14(answer: Answer, asked: Asked) -> Answer:
    """B2.4: the user decides over the mode of the key; upstream goes by the path."""
    path = (asked.spec.get("sshAuthMountPath") or "/root/.ssh").rstrip("/")

    def with_mode(pod: Object, _: str) -> None:
        whole = part(pod, "spec", "securityContext")
        both = {**whole, **part(_main(pod), "securityContext")}
        user, group = both.get("runAsUser"), whole.get("fsGroup")
        as_root = path == "/root/.ssh" and both.get("runAsNonRoot") is not True
        (secret,) = (
            v["secret"] for v in pod["spec"]["volumes"] if v["name"] == "ssh-auth"
        )
        secret.pop("defaultMode", None)
        if user == 0 or (user is None and as_root):
            secret["items"][0]["mode"] = 0o600
        elif user is not None and group is not None:
            secret["items"][0]["mode"] = 0o640

    return _each_pod(answer, with_mode)


def d15(answer: Answer, asked: Asked) -> Answer:
    """B2.1: the search domain is the cluster's, and appended once."""
    cluster = asked.config["clusterDomain"] or "cluster.local"
    domain = f"{asked.name}.{asked.namespace}.svc.{cluster}"
    config = part(asked.template("Worker"), "dnsConfig")
    users: list[str] = config.get("searches") or []

    def searching(pod: Object, _: str) -> None:
        rest = [] if domain in users else [domain]
        pod["spec"]["dnsConfig"]["searches"] = [*users, *rest]

    return _each_pod(answer, searching, "Worker")


def d16(answer: Answer, asked: Asked) -> Answer:
    """B1.4: what upstream's types or CRD do not know of a template passes through."""

    def complete(pod: Object, role: str) -> None:
        _graft(pod["spec"], asked.template(role))

    return _each_pod(answer, complete)


def _graft(into: object, template: object) -> None:
    """Add what a template has, however deep, and the pod has not."""
    if is_object(template) and is_object(into):
        for key, value in template.items():
            if into.get(key) is None and value not in (None, [], {}, "", False):
                into[key] = copy.deepcopy(value)
            else:
                _graft(into.get(key), value)
    elif is_list(template) and is_list(into):
        for one, other in zip(into, template, strict=False):
            _graft(one, other)


def d37(answer: Answer, asked: Asked) -> Answer:
    """B1.4: resources are as the template has them; upstream adds up in place."""

    def as_given(pod: Object, role: str) -> None:
        given = entries(asked.template(role), "containers")
        made = entries(pod["spec"], "containers")
        for container, template in zip(made, given, strict=True):
            for kind in ("limits", "requests"):
                quantities = part(template, "resources", kind)
                _as_given(part(container, "resources", kind), quantities)

    return _each_pod(answer, as_given)


def _as_given(quantities: Object, given: Object) -> None:
    for name, value in given.items():
        if quantity(quantities[name]) != quantity(value):
            quantities[name] = value


def d41(answer: Answer, _: Asked) -> Answer:
    """B4.9: pods tell what they were made from, in an annotation of ours."""

    def stamped(pod: Object, _: str) -> None:
        pod["metadata"].setdefault("annotations", {})[_HASH] = ANY

    return _each_pod(answer, stamped)


# --- Launcher Job ------------------------------------------------------------


def d17(answer: Answer, _: Asked) -> Answer:
    """B5.6: the launcher Job does not collect itself."""

    def staying(child: Object) -> None:
        child["spec"].pop("ttlSecondsAfterFinished", None)

    return each_child(answer, staying, "Job")


def number(pattern: Pattern) -> str:
    """Return the number of a pattern, as `expected-differences.md` has it."""
    match = re.fullmatch(r"d(\d\d)", cast("Any", pattern).__name__)
    assert match
    return f"D{int(match[1])}"


OF_CHILDREN: Final[tuple[Pattern, ...]] = (
    # Whole answers first.
    *(d01, d02, d05, d03),
    *(d06, d07, d08, d09),
    *(d10, d11, d12, d13, d14, d15, d16, d37, d41),
    d17,
)
