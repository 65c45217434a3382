# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = "==3.13.*"
# dependencies = []
# ///
"""Write deploy/requirements.txt anew: the newest of all that the image gets, by hash.

Run it with the Python of the image, because that decides what is needed:
``python3.13 deploy/pin.py``. Nothing is installed.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PINS: Final = ROOT / "deploy" / "requirements.txt"
PYTHON: Final = (3, 13)
ARCHITECTURES: Final = ("x86_64", "aarch64")
# Wheels for older systems run on newer ones; each project builds for what it likes.
GLIBC: Final = ("2_17", "2_28", "2_34")
HEAD: Final = """\
# What the image gets, for CPython {}.{} on Linux, amd64 and arm64. pip is told
# to take nothing else. Written by deploy/pin.py.

"""


def required() -> Sequence[str]:
    """Return what the project needs to run the operator."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["operator"]]


def resolved(architecture: str) -> Iterator[tuple[str, str, str]]:
    """Give name, version and hash of each package for one architecture."""
    options = [f"--platform=manylinux_{glibc}_{architecture}" for glibc in GLIBC]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"),
            *("--ignore-installed", f"--target={folder}/none", f"--report={report}"),
            *("--only-binary=:all:", *options, *required()),
        ]
        subprocess.run(command, check=True)  # noqa: S603 - the words are ours.
        found: list[dict[str, Any]] = json.loads(report.read_bytes())["install"]
    for each in found:
        metadata = each["metadata"]
        name = metadata["name"].lower().replace("_", "-")
        digest = each["download_info"]["archive_info"]["hashes"]["sha256"]
        yield name, metadata["version"], digest


def main() -> None:
    """Resolve for each architecture, and write what was found."""
    if sys.version_info[:2] != PYTHON:
        sys.exit("error: the image has Python {}.{}: use that".format(*PYTHON))
    hashes: defaultdict[str, set[str]] = defaultdict(set)
    for architecture in ARCHITECTURES:
        for name, version, digest in resolved(architecture):
            hashes[f"{name}=={version}"].add(digest)
    entries = (
        " \\\n".join((pin, *(f"    --hash=sha256:{each}" for each in sorted(found))))
        for pin, found in sorted(hashes.items())
    )
    PINS.write_text(HEAD.format(*PYTHON) + "\n".join(entries) + "\n")


if __name__ == "__main__":
    main()
