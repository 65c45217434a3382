# SPDX-License-Identifier: Apache-2.0
"""`mpijob`: from a command line to a command, and from what happens to an exit code.

`COMMANDS` is the table. A command's module is imported when it is called, and only
then: the start of a small command is most of what it takes.
"""

import argparse
import functools
import importlib
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn, Protocol, TextIO, cast

from mpijob_operator.streams import Streams, standard

DONE: Final = 0
BAD_INPUT: Final = 1
USAGE: Final = 2

# What a shell says of a command that a signal ended: 128 and the signal's number.
INTERRUPTED: Final = 128 + 2
PIPE_CLOSED: Final = 128 + 13

# Command -> where it is, and what it does in a few words.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "plan": (
        "mpijob_operator.commands.plan",
        "show what would be made for a job, or what an edit would change",
    ),
    "validate": (
        "mpijob_operator.commands.validate",
        "find every problem in manifests, with file, line and a hint",
    ),
    "explain": (
        "mpijob_operator.commands.explain",
        "tell where a job stands, why, and what it waits for",
    ),
    "simulate": (
        "mpijob_operator.commands.simulate",
        "play a job's life in a cluster in memory, as a timeline",
    ),
    "run": (
        "mpijob_operator.commands.run",
        "be the controller of a cluster",
    ),
    "replay": (
        "mpijob_operator.commands.replay",
        "ask once more what a controller asked that recorded it",
    ),
    "hook": (
        "mpijob_operator.hook",
        "answer the same questions for another program, as JSON",
    ),
    "crd": (
        "mpijob_operator.commands.crd",
        "print the CustomResourceDefinition, for kubectl apply",
    ),
    "manifests": (
        "mpijob_operator.commands.manifests",
        "print what runs the operator in a cluster, for kubectl apply",
    ),
}

DESCRIPTION: Final = "What would exist for an MPIJob, what would change, and why."
EPILOG: Final = (
    "exit codes: 0 done, 1 an error in the input, 2 a mistake in the command line, "
    "3 something to do (with --exit-code)"
)


class Command(Protocol):
    """What the module of a command has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the command takes."""
        ...

    def run(self, arguments: argparse.Namespace, streams: Streams) -> int:
        """Do it, and return the exit code."""
        ...


class _Misused(Exception):  # noqa: N818 - it ends at `main`, and is not ours.
    """The command line is not one of ours."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class _Formatter(argparse.HelpFormatter):
    """Asks the terminal how wide it is without importing shutil, which is slow.

    argparse makes one for each option that it is told of.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=columns() - 2)


@functools.cache
def columns() -> int:
    """Return how wide a help text may be."""
    asked = os.environ.get("COLUMNS", "")
    try:
        return int(asked) if asked.isdecimal() else os.get_terminal_size().columns
    except OSError:  # Nobody looks at a terminal: the width of old.
        return 80


class _Parser(argparse.ArgumentParser):
    """Speaks of mistakes as the rest of the command line does."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog,
            description=description,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        hint = f"`{self.prog} --help` shows what it takes"
        if message.endswith("required: -f/--filename"):
            hint = f"name a manifest: {self.prog} -f FILE"
        raise _Misused(message, hint)


def _command(name: str) -> Command:
    return cast("Command", importlib.import_module(COMMANDS[name][0]))


def _parser_of(name: str) -> argparse.ArgumentParser:
    does = COMMANDS[name][1]
    command = _Parser(f"mpijob {name}", f"{does[0].upper()}{does[1:]}.")
    _command(name).add_arguments(command)
    return command


def parser() -> argparse.ArgumentParser:
    """Return the whole command line: for programs that complete what is typed."""
    top = argparse.ArgumentParser("mpijob", description=DESCRIPTION, epilog=EPILOG)
    top.add_argument("--version", action="store_true", help="print the version")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name, (_, does) in COMMANDS.items():
        _command(name).add_arguments(commands.add_parser(name, help=does))
    return top


def _usage(streams: Streams) -> None:
    """Print the commands, without importing any."""
    rows = [f"  {name:<10} {does}" for name, (_, does) in COMMANDS.items()]
    lines = (
        DESCRIPTION,
        "",
        "usage: mpijob COMMAND [OPTIONS]",
        "",
        *rows,
        "",
        "`mpijob COMMAND --help` shows what a command takes; --version the version.",
        EPILOG,
    )
    streams.print_all(lines)


def _near(word: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 - for a mistake only.

    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def _misused(word: str) -> _Misused:
    """Say of a first word that it is no command of ours."""
    what = "option" if word.startswith("-") else "command"
    hint = _near(word, COMMANDS) or f"there are {', '.join(COMMANDS)}"
    return _Misused(f"there is no {what} {word}", hint)


def _parsed(name: str, words: Sequence[str]) -> argparse.Namespace:
    if list(words).count("-") > 1:
        raise _Misused("stdin is asked for twice", "it can be read once: name a file")
    command = _parser_of(name)
    arguments, rest = command.parse_known_args(words)
    if rest:
        raise _unknown(command, rest[0])
    return arguments


def _unknown(command: argparse.ArgumentParser, word: str) -> _Misused:
    """Say of a word that a command does not take it."""
    known = re.findall(r"--[a-z-]+", command.format_help())
    hint = _near(word, known) or f"`{command.prog} --help` shows what it takes"
    what = "option" if word.startswith("-") else "argument"
    if what == "argument" and "--filename" in known:
        hint = f"name a manifest with -f: {command.prog} -f {word}"
    return _Misused(f"{command.prog} takes no {what} {word}", hint)


def _version() -> str:
    from importlib import metadata  # noqa: PLC0415 - it takes 20 ms.

    return metadata.version("mpijob")


def _dispatch(words: Sequence[str], streams: Streams) -> int:
    first, rest = (words[0], words[1:]) if words else ("--help", ())
    if first in COMMANDS:
        return _command(first).run(_parsed(first, rest), streams)
    if first in ("-h", "--help", "help"):
        _usage(streams)
    elif first == "--version":
        streams.print(f"mpijob {_version()}")
    else:
        raise _misused(first)
    return DONE


def main(words: Sequence[str] | None = None, streams: Streams | None = None) -> int:
    """Run a command line; return its exit code. No mistake of a user's makes it raise.

    Args:
        words: The command line without the program's name; by default the process's.
        streams: Where to read and write; by default the process's streams.
    """
    streams = streams or standard()
    try:
        code = _dispatch(sys.argv[1:] if words is None else words, streams)
        streams.stdout.flush()
    except _Misused as misused:
        streams.error(misused.message, misused.hint)
        return USAGE
    except SystemExit as end:  # argparse printed what was asked for.
        return end.code if isinstance(end.code, int) else USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _let_go(streams.stdout)
        return PIPE_CLOSED
    except OSError as error:
        streams.error(f"cannot write: {error.strerror or error}".lower())
        _let_go(streams.stdout)
        return BAD_INPUT
    return code


def _let_go(stream: TextIO) -> None:
    """Keep the interpreter from writing the rest when it ends, which fails again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        return  # It has no file: nothing is written when we end.
