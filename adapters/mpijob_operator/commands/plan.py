# SPDX-License-Identifier: Apache-2.0
"""`mpijob plan`: what would be made for a job, or what an edit to it would change."""

import argparse
from typing import Final

from mpijob_operator import offline, options, page
from mpijob_operator.offline import Planned, Question
from mpijob_operator.streams import Streams

SOMETHING_TO_DO: Final = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    options.add_files(parser, required=False)
    options.add_observed(parser)
    options.add_live(parser)
    options.add_world(parser)
    parser.add_argument(
        "-o",
        "--output",
        choices=("text", "yaml", "json", "diff"),
        default="text",
        help="yaml: documents for kubectl apply; json: one List (default: text)",
    )
    parser.add_argument(
        "--steps", action="store_true", help="the requests, in their order"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="with --live: also ask the API server what it would say to each request",
    )
    parser.add_argument(
        "--with-ssh-key",
        action="store_true",
        help="with -o yaml or json: draw the key pair of the Secret, and print it",
    )
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help=f"exit {SOMETHING_TO_DO} when there is something to do",
    )


def run(arguments: argparse.Namespace, streams: Streams) -> int:
    """Print the plan of each job."""
    if mistake := _mistake(arguments):
        streams.error(*mistake)
        return 2
    question = offline.question(arguments, streams)
    if question is None:
        return 1
    plans = [offline.planned(asked, question.world) for asked in question.asked]
    wrong = [offline.report(planned, streams) for planned in plans]
    possible = offline.possible(plans, streams)
    printed = _print(arguments, possible, question, streams)
    if question.failed or any(wrong) or not printed:
        return 1
    if arguments.dry_run and not _dry_run(arguments, possible, streams):
        return 1
    to_do = any(planned.steps for planned in plans)
    return SOMETHING_TO_DO if arguments.exit_code and to_do else 0


def _dry_run(
    arguments: argparse.Namespace, plans: list[Planned], streams: Streams
) -> bool:
    """Print what the API server would say; tell whether it would do everything."""
    from mpijob_operator.controller import live  # noqa: PLC0415 - as in `offline`.

    asked = [(planned.job, planned.steps) for planned in plans]
    try:
        said = live.dry_run(arguments.kubeconfig, asked)
    except live.Unread as error:
        streams.error(str(error), error.hint)
        return False
    from mpijob_operator import plan_data  # noqa: PLC0415 - one of four, see `cli`.

    page.show_all(map(plan_data.dry_run_page, plans, said), streams)
    return all(verdict.answer.code < _REFUSED for some in said for verdict in some)


_REFUSED: Final = 400


def _mistake(arguments: argparse.Namespace) -> tuple[str, str] | None:
    """Return what is wrong with the options together, and what to do."""
    if arguments.live and arguments.observed:
        return "--live and --observed are two states", "give one of them"
    if arguments.dry_run and not arguments.live:
        return "--dry-run asks the cluster", "add --live"
    if not (arguments.filename or arguments.observed or arguments.live):
        return "there is nothing to plan", "name a manifest with -f FILE"
    children = arguments.output in ("yaml", "json") and not arguments.steps
    if arguments.with_ssh_key and not children:
        return "--with-ssh-key is for -o yaml and -o json alone", ""
    if arguments.steps and arguments.output == "diff":
        return "--steps has no -o diff", "choose text, yaml or json"
    return None


def _print(
    arguments: argparse.Namespace,
    plans: list[Planned],
    question: Question,
    streams: Streams,
) -> bool:
    """Print the plans as asked for; tell whether that was possible."""
    output = arguments.output
    if output == "text" and not arguments.steps:
        from mpijob_operator import render  # noqa: PLC0415 - one of four, see `cli`.

        page.show_all((render.page(p, question.world.now) for p in plans), streams)
    elif output == "diff":
        from mpijob_operator import plan_diff  # noqa: PLC0415 - as above.

        plan_diff.show(plans, streams)
    else:
        from mpijob_operator import plan_data  # noqa: PLC0415 - as above.

        if not arguments.steps:
            return plan_data.print_children(arguments, plans, streams)
        if output == "text":
            page.show_all(map(plan_data.steps_page, plans), streams)
        else:
            plan_data.print_steps(output, plans, streams)
    return True
