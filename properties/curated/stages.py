# SPDX-License-Identifier: Apache-2.0
"""Where a job stands: bugs in deciding that, and in what then lives."""

from typing import Final

from properties.curated.mutant import Mutant

STAGES: Final[tuple[Mutant, ...]] = (
    # --- The questions ----------------------------------------------------------
    Mutant(
        "A job that has succeeded is asked about its launcher again.",
        (7,),
        "mpijob.stage",
        "    (succeeded_before, Stage.SUCCEEDED),\n",
        "",
        (
            "evidence: what has ended stays so with nothing left",
            "scene: one worker, all cleaned up",
        ),
    ),
    Mutant(
        "A job that has failed is asked about its launcher again.",
        (7,),
        "mpijob.stage",
        "    (failed_before, Stage.FAILED),\n",
        "",
        ("evidence: what has ended stays so with nothing left",),
    ),
    Mutant(
        "A late suspension undoes a launcher that has succeeded.",
        (7,),
        "mpijob.stage",
        "    (launcher_succeeded, Stage.SUCCEEDED),\n"
        "    (launcher_failed, Stage.FAILED),\n"
        "    (never_valid, Stage.FAILED),\n"
        "    (stopping, Stage.STOPPING),\n"
        "    (clearing, Stage.CLEARING),\n",
        "    (stopping, Stage.STOPPING),\n"
        "    (clearing, Stage.CLEARING),\n"
        "    (launcher_succeeded, Stage.SUCCEEDED),\n"
        "    (launcher_failed, Stage.FAILED),\n"
        "    (never_valid, Stage.FAILED),\n",
        ("scene: one worker, suspended and resumed",),
    ),
    Mutant(
        "A launcher Job that is on its way out has only succeeded once it says"
        " Complete.",
        (1, 7),
        "mpijob.stage",
        'return "Complete" in said or (going and "SuccessCriteriaMet" in said)',
        'return "Complete" in said',
        ("evidence: what goes ends as it would have",),
    ),
    Mutant(
        "A launcher that dies because we delete it makes a suspended job Failed.",
        (7,),
        "mpijob.stage",
        "return not launcher.terminating and (",
        "return (",
        ("evidence: what goes ends as it would have",),
    ),
    Mutant(
        "A job on its way out is served on.",
        (2, 10),
        "mpijob.stage",
        "    (being_deleted, Stage.DELETED),\n",
        "",
        ("plan: nothing is made for a job that is over",),
    ),
    Mutant(
        "managedBy is ignored: two controllers work on one job.",
        (9, 11),
        "mpijob.stage",
        "    (managed_elsewhere, Stage.NOT_OURS),\n",
        "",
        ("every_field_counts: every field shows",),
    ),
    Mutant(
        "What was not listed yet is taken for missing.",
        (2,),
        "mpijob.stage",
        "    (not_seen_yet, Stage.UNSEEN),\n",
        "",
        ("evidence: while a kind is unknown nothing is decided",),
    ),
    Mutant(
        "launcherCreationPolicy is not asked: the launcher starts at once.",
        (12,),
        "mpijob.stage",
        "    (waits_for_workers, Stage.WAITING),\n",
        "",
        (
            "plan: the launcher waits for every worker",
            "scene: two workers, the launcher waits",
        ),
    ),
    Mutant(
        "A job that runs out of time while its result is on its way has failed.",
        (7,),
        "mpijob.stage",
        "return is_over(end, case.world.now) and not _result_on_its_way(case)",
        "return is_over(end, case.world.now)",
        ("evidence: a certain result outranks every limit",),
    ),
    Mutant(
        "An end of our own making needs no live look at the launcher Job.",
        (2, 7),
        "mpijob.stage",
        "return frozenset((Live.LAUNCHER,)) if ours else frozenset()",
        "return frozenset()",
        ("evidence: an end of our making needs a live look",),
    ),
    Mutant(
        "A job that runs fails by a bad edit.",
        (8, 17),
        "mpijob.stage",
        "return bool(case.problems) and not case.had_started",
        "return bool(case.problems)",
        ("simulated_cluster: mending a spec recovers",),
    ),
    Mutant(
        "A deadline ends a job that has ended.",
        (7,),
        "mpijob.stage",
        "    (succeeded_before, Stage.SUCCEEDED),\n"
        "    (failed_before, Stage.FAILED),\n",
        "    (out_of_time, Stage.FAILED),\n"
        "    (succeeded_before, Stage.SUCCEEDED),\n"
        "    (failed_before, Stage.FAILED),\n",
        ("scene: one worker, a deadline",),
    ),
    Mutant(
        "What the launcher says last outranks a verdict that was written.",
        (7,),
        "mpijob.stage",
        "    (succeeded_before, Stage.SUCCEEDED),\n"
        "    (failed_before, Stage.FAILED),\n"
        "    (launcher_succeeded, Stage.SUCCEEDED),\n"
        "    (launcher_failed, Stage.FAILED),\n",
        "    (launcher_succeeded, Stage.SUCCEEDED),\n"
        "    (launcher_failed, Stage.FAILED),\n"
        "    (succeeded_before, Stage.SUCCEEDED),\n"
        "    (failed_before, Stage.FAILED),\n",
        ("scene: one worker, a deadline | P14",),
    ),
    Mutant(
        "A launcher Job that was told to stop has stopped: what it ends with is lost.",
        (2, 7),
        "mpijob.stage",
        "launcher is not None and not launcher.stopped",
        "launcher is not None and not launcher.suspend",
        ("scene: no workers, suspended and resumed, nothing lags | P15",),
    ),
    Mutant(
        "A suspended job whose launcher succeeds meanwhile runs again.",
        (7,),
        "mpijob.stage",
        'return "Complete" in said or (going and "SuccessCriteriaMet" in said)',
        'return "Complete" in said and not case.suspending',
        (
            "evidence: what goes ends as it would have",
            "scene: one worker, suspended and resumed",
        ),
    ),
    # --- The evidence -----------------------------------------------------------
    Mutant(
        "A worker that runs counts as Ready.",
        (12,),
        "mpijob.case",
        "ready = sum(pod.ready and pod.live for",
        "ready = sum(pod.live for",
        (
            "plan: the launcher waits for every worker",
            "scene: two workers, the launcher waits",
        ),
    ),
    Mutant(
        "A worker on its way out counts as Ready.",
        (12, 15),
        "mpijob.case",
        "ready = sum(pod.ready and pod.live for pod in self.roster.staying.values())",
        "ready = sum(pod.ready and pod.live for index, pod in"
        " self.roster.workers.items() if index < self.job.workers)",
        (
            "plan: the launcher waits for every worker",
            "scene: two workers, the launcher waits, scaled",
        ),
    ),
    Mutant(
        "Ready workers are counted, whichever they are.",
        (12,),
        "mpijob.case",
        "ready = sum(pod.ready and pod.live for pod in self.roster.staying.values())\n"
        "        return ready == self.job.workers\n",
        "ready = sum(pod.ready and pod.live and not pod.terminating"
        " for pod in self.roster.workers.values())\n"
        "        return ready >= self.job.workers\n",
        (
            "plan: the launcher waits for every worker",
            "scene: two workers, the launcher waits, scaled",
        ),
    ),
    Mutant(
        "A worker on its way out runs, says the status.",
        (15,),
        "mpijob.case",
        "run = sum(pod.phase in _RUN for pod in self.roster.staying.values())",
        "run = sum(pod.phase in _RUN for index, pod in"
        " self.roster.workers.items() if index < self.job.workers)",
        ("evidence: running is said of what runs",),
    ),
    Mutant(
        "A suspension is over as soon as the user wants the job back.",
        (13,),
        "mpijob.case",
        "return self.job.run_policy.suspend or under_way",
        "return self.job.run_policy.suspend",
        ("evidence: a suspension runs to its end",),
    ),
    Mutant(
        "Times have microseconds, which the API server cuts off.",
        (6, 14),
        "mpijob.case",
        "return self.world.now.astimezone(UTC).replace(microsecond=0)",
        "return self.world.now.astimezone(UTC)",
        ("reconcile: a status is written once",),
    ),
    Mutant(
        "A job is taken for new once its status is lost, whatever runs of it.",
        (8,),
        "mpijob.case",
        "started = bool(job.status.start_time or running or not roster.empty)",
        "started = bool(job.status.start_time or running)",
        ("evidence: losing the status ends no job",),
    ),
    Mutant(
        "Readiness is read the wrong way round.",
        (12,),
        "mpijob.case",
        "sum(pod.ready and pod.live for pod in",
        "sum(not pod.ready and pod.live for pod in",
        (
            "plan: the launcher waits for every worker",
            "reconcile: one more ready worker holds nothing back",
        ),
    ),
    # --- Lifetimes --------------------------------------------------------------
    Mutant(
        "A suspended job keeps its launcher Job, and resumes the old one.",
        (13,),
        "mpijob.lifetimes",
        "(KEEP,  WANT,    WANT,   KEEP, STOP,    GONE,    GONE,     TIDY, ",
        "(KEEP,  WANT,    WANT,   KEEP, STOP,    STOP,    STOP,     TIDY, ",
        (
            "simulated_cluster: a suspension makes up for any way",
            "scene: one worker, suspended and resumed",
        ),
    ),
    Mutant(
        "Workers of a job that has succeeded stay.",
        (10,),
        "mpijob.lifetimes",
        "TIDY,     TIDY,  GONE),\n    Child.LAUNCHER",
        "KEEP,     TIDY,  GONE),\n    Child.LAUNCHER",
        ("scene: one worker, all cleaned up",),
    ),
    Mutant(
        "A job that waits for its workers has a launcher.",
        (12,),
        "mpijob.lifetimes",
        "Child.LAUNCHER:   (KEEP,",
        "Child.LAUNCHER:   (WANT,",
        (
            "plan: the launcher waits for every worker",
            "scene: two workers, the launcher waits",
        ),
    ),
    Mutant(
        "A bad edit takes the workers away.",
        (8, 17),
        "mpijob.lifetimes",
        "Child.WORKER:     (WANT,  WANT,    WANT,   KEEP,",
        "Child.WORKER:     (WANT,  WANT,    WANT,   GONE,",
        (
            "reconcile: for an invalid job nothing is made or changed",
            "simulated_cluster: mending a spec recovers",
        ),
    ),
    Mutant(
        "A suspended job keeps its PodGroup.",
        (10,),
        "mpijob.lifetimes",
        "Child.POD_GROUP:  (WANT,  WANT,    WANT,   KEEP, KEEP,    GONE,    GONE, ",
        "Child.POD_GROUP:  (WANT,  WANT,    WANT,   KEEP, KEEP,    KEEP,    KEEP, ",
        ("simulated_cluster: a suspension makes up for any way",),
    ),
)
