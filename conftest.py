# SPDX-License-Identifier: Apache-2.0
"""What every test gets: documents that run, and three ways to try a law.

``HYPOTHESIS_PROFILE=thorough`` looks longer, ``short`` a little. With ``CI=true``
all but the thorough one try the same cases each time, so that a red build can be made
red again.
"""

import os

from hypothesis import HealthCheck, Phase, settings
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import (
    CodeBlockParser,
    PythonCodeBlockParser,
    SkipParser,
)
from sybil.parsers.rest import DocTestParser
from sybil.sybil import SybilCollection

from tests.tools.console import run_console

pytest_plugins = ["tests.controlplane.fixtures"]

# No deadline: a shared machine is slow at times, and a slow case is not a false one.
settings.register_profile(
    "quick",
    max_examples=100,
    deadline=None,
    print_blob=True,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "short", parent=settings.get_profile("quick"), max_examples=200
)
# For `make mutants`: thousands of runs, each to find one fault; how it shrinks is idle.
settings.register_profile(
    "mutants",
    parent=settings.get_profile("quick"),
    max_examples=30,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.register_profile(
    "thorough",
    parent=settings.get_profile("quick"),
    max_examples=600,
    stateful_step_count=100,
    derandomize=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

MARKDOWN = Sybil(
    parsers=[
        CodeBlockParser(language="console", evaluator=run_console),
        PythonCodeBlockParser(),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md", "examples/*/README.md"],
)
DOCSTRINGS = Sybil(
    parsers=[DocTestParser()],
    patterns=["core/**/*.py", "adapters/**/*.py"],
    document_types={".py": PythonDocStringDocument},
)

pytest_collect_file = SybilCollection([MARKDOWN, DOCSTRINGS]).pytest()
