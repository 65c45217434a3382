# SPDX-License-Identifier: Apache-2.0
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# Where everything is installed that this project needs; nothing goes elsewhere.
VENV ?= .venv
BIN := $(VENV)/bin
# More words for pytest, as in `make test ARGS="-k hostfile"`.
ARGS ?=
# Two workers suit the smallest machine that this is built on.
WORKERS ?= 2
# A file stays with one worker: examples in a docstring build on each other.
PYTEST := $(BIN)/pytest -q -n $(WORKERS) --dist loadfile
# The tests that need more than this checkout have targets of their own.
HERE := not controlplane and not mpi
# Held by CI, aimed at here.
CORE_COVERAGE := 100
SHELL_COVERAGE := 95

.PHONY: help setup demo try test lint format types layers laws check cover mutants \
	bench bench-cluster crd crd-refresh controlplane smd lockstep traces curated cluster-tests mpi-tests proof rules dist \
	changelog clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- For a first look ---------------------------------------------------------

demo: $(VENV)/.installed ## Plan a job and play its life, with no cluster
	$(BIN)/mpijob plan -f examples/01-pi/mpijob.yaml
	@echo
	$(BIN)/mpijob simulate -f examples/01-pi/mpijob.yaml

try: $(VENV)/.ready controlplane ## Start a real API server with the operator, to play with
	$(BIN)/python -m tests.tools.try_it $(ARGS)

test: $(VENV)/.ready ## Run the tests that need only this checkout
	$(PYTEST) -m '$(HERE)' $(ARGS)

# --- For a change -------------------------------------------------------------

setup: $(VENV)/.ready ## Install what development needs into .venv

# The command line alone: seconds, and all that `make demo` waits for.
$(VENV)/.installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed\nhint: make PYTHON=python3.12")'
	@test -x $(BIN)/pip || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.ready: $(VENV)/.installed
	@$(BIN)/pip install --quiet --editable '.[operator]' --group dev
	@touch $@

lint: $(VENV)/.ready ## Read the code for mistakes and manners
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.ready ## Lay the code out, and mend what can be mended
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

types: $(VENV)/.ready ## Check the types, twice: the two checkers differ
	$(BIN)/mypy
	$(BIN)/pyright

layers: $(VENV)/.ready ## Check who may import whom
	$(BIN)/lint-imports --no-logo

laws: $(VENV)/.ready ## Try the laws on a few hundred jobs each
	$(PYTEST) properties $(ARGS)

check: lint types layers ## Do what CI does, in its order, within two minutes
	@$(MAKE) test ARGS='--ignore=properties $(ARGS)'
	@$(MAKE) laws

# What talks to a cluster is covered by the tests that do.
cover: $(VENV)/.ready controlplane ## Measure branches taken: all in the core, 95 % in the shell
	@rm -rf build/coverage && mkdir -p build/coverage
	$(PYTEST) -m '$(HERE)' --cov --cov-report= $(ARGS)
	$(PYTEST) -m 'controlplane and not long' --cov --cov-append --cov-report= $(ARGS)
	$(BIN)/coverage report --include='core/*' --fail-under=$(CORE_COVERAGE)
	$(BIN)/coverage report --include='adapters/*' --fail-under=$(SHELL_COVERAGE)

rules: $(VENV)/.ready ## Show each rule beside the tests that cite it
	$(BIN)/python -m tests.tools.rules

mutants: $(VENV)/.ready ## Break the deciding modules on purpose; tests must notice
	@$(BIN)/pip install --quiet --group mutation
	$(BIN)/python -m tests.tools.mutants $(ARGS)

bench: $(VENV)/.ready ## Compare speeds within one run, as ratios
	$(BIN)/python benchmarks/run.py $(ARGS)

bench-cluster: $(VENV)/.ready controlplane ## Measure the controller on a real API server
	$(BIN)/python -m benchmarks.cluster $(ARGS)

proof: $(VENV)/.ready ## Try the laws thoroughly, search every interleaving: half an hour
	@rm -rf build/proof/laws
	KEEP_TALLY=1 HYPOTHESIS_PROFILE=thorough $(PYTEST) properties \
	    --ignore=properties/test_interleavings.py $(ARGS)
	$(BIN)/python -m tests.tools.proof
	$(BIN)/python -m tests.tools.report

# --- With a real API server, with real MPI -----------------------------------

controlplane: ## Build etcd, the API server and Helm from Go modules, once
	tests/controlplane/build.sh
	tests/deploy/build.sh

smd: $(VENV)/.ready ## Hold server-side apply in memory against Kubernetes' own code
	$(BIN)/python -m tests.smd.compare --sequences 20000
	$(BIN)/python -m tests.smd.mutants

lockstep: $(VENV)/.ready controlplane ## Hold the API server in memory against the real one
	$(BIN)/python -m tests.lockstep --programs 2000
	$(BIN)/python -m tests.lockstep --mutants

traces: $(VENV)/.ready controlplane ## Hold the Job controller in memory against the real one
	$(BIN)/python -m tests.traces --programs 120
	$(BIN)/python -m tests.traces --programs 240 --races
	$(BIN)/python -m tests.traces --mutants

curated: $(VENV)/.ready ## Put the bugs of docs/mutants.md in, each to be noticed by a law
	$(BIN)/python -m tests.tools.curated --again

cluster-tests: $(VENV)/.ready controlplane ## Run all tests that need the control plane: an hour
	$(PYTEST) -m controlplane $(ARGS)

mpi-tests: $(VENV)/.ready ## Run the tests that start real MPI programs
	@$(BIN)/pip install --quiet --group mpi
	$(BIN)/pytest -q -m mpi $(ARGS)

# --- For a release ------------------------------------------------------------

crd: $(VENV)/.ready ## Make the CRD anew from its sources
	$(BIN)/python crd/generate.py

crd-refresh: $(VENV)/.ready ## Take the pod template anew from a Kubernetes release
	$(BIN)/python crd/refresh.py

changelog: $(VENV)/.ready ## Show what the fragments will say in the changelog
	$(BIN)/towncrier build --draft

dist: $(VENV)/.ready ## Build the wheel into dist/
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## Remove what was built; .venv too
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
