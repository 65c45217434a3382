# SPDX-License-Identifier: Apache-2.0
"""What is sent, and what follows from an answer: bugs in carrying out."""

from typing import Final

from properties.curated.mutant import Mutant

SENDING: Final[tuple[Mutant, ...]] = (
    # --- The executor -----------------------------------------------------------
    Mutant(
        "A plan goes on after its status write met another version.",
        (2,),
        "mpijob_operator.executor",
        "    mpijob.WriteStatus: (GO_ON, STOP,  STOP,  STOP, ",
        "    mpijob.WriteStatus: (GO_ON, STOP,  STOP,  GO_ON,",
        (
            "executor: nothing is sent after what nobody knows",
            "scene: one worker, suspended at its start",
        ),
    ),
    Mutant(
        "A plan goes on though the job is not what was decided on.",
        (2,),
        "mpijob_operator.executor",
        "    mpijob.Confirm:     (GO_ON, STOP,  STOP,  STOP, ",
        "    mpijob.Confirm:     (GO_ON, STOP,  STOP,  GO_ON,",
        ("executor: nothing is made for a job that is another",),
    ),
    Mutant(
        "A job that was edited meanwhile is taken for the one decided on.",
        (2,),
        "mpijob_operator.executor",
        "same = (job.uid, job.generation) == (action.uid, action.generation)",
        "same = job.uid == action.uid",
        ("executor: nothing is made for a job that is another",),
    ),
    Mutant(
        "A job on its way out is taken for the one decided on.",
        (2, 10),
        "mpijob_operator.executor",
        "return same and not job.terminating and job.status.verdict is None",
        "return same and job.status.verdict is None",
        ("executor: nothing is made for a job that is another",),
    ),
    Mutant(
        "No answer is taken for a refusal.",
        (5,),
        "mpijob_operator.executor",
        "        return Reply.UNKNOWN\n",
        "        return Reply.REFUSED\n",
        (
            "executor: nothing is sent after what nobody knows",
            "trouble: no answer changes no end",
            "scene: one worker, suspended at its start, a fault",
        ),
    ),
    Mutant(
        "A create without an answer is followed by the next.",
        (5,),
        "mpijob_operator.executor",
        "    mpijob.Create:      (GO_ON, HOLD,  HOLD,  STOP,    HOLD,   STOP,   STOP)",
        "    mpijob.Create:      (GO_ON, HOLD,  HOLD,  STOP,    HOLD,   STOP,   GO_ON)",
        ("trouble: no answer changes no end",),
    ),
    Mutant(
        "A name that is taken is taken for an old view, for ever.",
        (6, 11),
        "mpijob_operator.executor",
        "return exists or (isinstance(action, mpijob.Apply) and not action.uid)",
        "return False and exists",
        ("scene: one worker, its name taken | P33",),
    ),
    Mutant(
        "Versions are compared as texts: 9 is newer than 10.",
        (2,),
        "mpijob_operator.executor",
        "    return len(version), version\n",
        "    return 0, version\n",
        (
            "executor: what was written is remembered",
            "trouble: caches that lag change no end",
            "scene: one worker, a crash",
        ),
    ),
    Mutant(
        "What needs a refused child is made all the same.",
        (11,),
        "mpijob_operator.executor",
        "return frozenset() if child is None else mpijob.HOLDS[child]",
        "return frozenset()",
        ("executor: what needs a refused child is held back",),
    ),
    Mutant(
        "A plan that was stopped goes on with the next answer.",
        (2, 5),
        "mpijob_operator.executor",
        "            stopped=self.stopped or consequence is STOP,\n",
        "            stopped=False,\n",
        (
            "executor: nothing is sent after what nobody knows",
            "scene: one worker, suspended at its start",
        ),
    ),
    Mutant(
        "What a write returned is not noted where it made something.",
        (2,),
        "mpijob_operator.executor",
        "    if not version or isinstance(action, mpijob.Confirm | mpijob.Event):\n",
        "    if not version or not isinstance(action, mpijob.WriteStatus):\n",
        (
            "executor: what was written is remembered",
            "scene: one worker, suspended and resumed",
        ),
    ),
    Mutant(
        "A refusal is not told.",
        (8, 17),
        "mpijob_operator.executor",
        "        told = self.reply in (Reply.REFUSED, Reply.GONE) or _",
        "        told = self.reply is Reply.GONE or _",
        ("executor: what needs a refused child is held back",),
    ),
    # --- The requests -----------------------------------------------------------
    Mutant(
        "An apply of what is there names no uid: it makes what has gone.",
        (2, 16),
        "mpijob_operator.requests",
        'guard = {"uid": action.uid} if action.uid else {"resourceVersion": NEVER}',
        'guard = {} if action.uid else {"resourceVersion": NEVER}',
        ("executor: each request carries its guard",),
    ),
    Mutant(
        "An apply of what is not there takes whatever has the name.",
        (11,),
        "mpijob_operator.requests",
        'guard = {"uid": action.uid} if action.uid else {"resourceVersion": NEVER}',
        'guard = {"uid": action.uid} if action.uid else {}',
        ("executor: each request carries its guard",),
    ),
    Mutant(
        "A field that somebody else took is never taken back.",
        (16,),
        "mpijob_operator.requests",
        '"force": "true"',
        '"force": "false"',
        ("executor: each request carries its guard",),
    ),
    Mutant(
        "What is applied to what is there is another owner's.",
        (16,),
        "mpijob_operator.requests",
        '    query = {"fieldManager": manager.value, "force": "true"}\n',
        '    to = body["metadata"].get("uid", "")[:8]\n'
        '    query = {"fieldManager": manager.value + to, "force": "true"}\n',
        ("simulated_cluster: at rest we own what we apply",),
    ),
    Mutant(
        "A suspension is sent to whatever the Job now is.",
        (2,),
        "mpijob_operator.requests",
        "        **_identity(action.uid, action.resource_version),\n"
        '        **fields.get("metadata", NOTHING),\n',
        '        **fields.get("metadata", NOTHING),\n',
        ("executor: each request carries its guard",),
    ),
    Mutant(
        "A deletion names no uid.",
        (4, 11),
        "mpijob_operator.requests",
        '        "preconditions": _identity(action.uid, action.resource_version),\n',
        '        "preconditions": _identity("", action.resource_version),\n',
        (
            "executor: each request carries its guard",
            "scene: one worker, its name taken | P9",
        ),
    ),
    Mutant(
        "A deletion has the default of the API: a Job's pods stay.",
        (10,),
        "mpijob_operator.requests",
        '        "propagationPolicy": action.propagation,\n',
        "",
        (
            "executor: each request carries its guard",
            "scene: one worker, suspended and resumed",
        ),
    ),
)
