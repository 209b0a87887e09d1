SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
WITH_ENGINE := tools/with-engine
# What pytest is to do besides: make test-unit PYTEST_ARGS='-k zone -x'
PYTEST_ARGS ?=
# A process for each core. The tests of a file stay together: they share emulated hosts. Slow ones go first.
SIDE_BY_SIDE := --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: help
help:
	@echo 'Targets:'
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

# --- What the other targets stand on ---------------------------------------------------------------

.PHONY: venv
venv: $(INSTALLED) ## make .venv, with everything that development needs

$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(PYTHON) || tools/create-venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-input \
	    --constraint constraints.txt --editable '.[lab,dev]'
	@touch $@

.PHONY: packages
packages: ## install the Debian packages that the lab needs (as root, where some are missing)
	@tools/install-debian-packages

.PHONY: engine
engine: ## build the Pulumi engine into the cache (minutes, the first time), print where
	@tools/install-engine

# --- Generated files -------------------------------------------------------------------------------

.PHONY: schema
schema: $(INSTALLED) ## write schema.json from the provider's models
	@$(PYTHON) -m pulumi_illumos_provider.schema >schema.json.new
	@mv schema.json.new schema.json

.PHONY: sdk
sdk: schema ## write the SDKs from schema.json
	@tools/generate-sdk sdk/python

.PHONY: docs-lab
docs-lab: $(INSTALLED) ## write docs/lab.md: what the lab emulates, out of its code
	@$(VENV)/bin/illumos-lab docs >docs/lab.md.new
	@mv docs/lab.md.new docs/lab.md

.PHONY: docs-properties
docs-properties: $(INSTALLED) ## write the tables of properties in docs/, out of the provider's models
	@$(PYTHON) -m pulumi_illumos_provider.documentation docs/*.md

# --- Checks and tests ------------------------------------------------------------------------------

.PHONY: check
check: check-style check-types check-schema ## lint, format, types, and whether schema.json is stale

.PHONY: check-style
check-style: $(INSTALLED)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

.PHONY: check-types
check-types: $(INSTALLED)
	$(VENV)/bin/mypy

.PHONY: check-schema
check-schema: $(INSTALLED)
	@$(PYTHON) -m pulumi_illumos_provider.schema | diff -u schema.json - >&2 || \
	    { echo 'schema.json is stale: run `make sdk`' >&2; exit 1; }

# Needs the SDK generator, which takes a while to build the first time: so it goes with the tests.
.PHONY: check-sdk
check-sdk: check-schema engine
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && tools/generate-sdk "$$new" && \
	    diff -ru --exclude=__pycache__ sdk/python "$$new" >&2 || \
	    { echo 'sdk/ is stale: run `make sdk`' >&2; exit 1; }

.PHONY: format
format: $(INSTALLED) ## format the code, and mend what the linter can mend
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

.PHONY: test
test: packages check-sdk ## all tests: unit, lab, end to end
	$(WITH_ENGINE) $(PYTHON) -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

.PHONY: test-unit
test-unit: $(INSTALLED) ## the tests that need nothing but Python
	$(PYTHON) -m pytest tests/unit $(PYTEST_ARGS)

.PHONY: test-random
test-random: $(INSTALLED) ## the tests of properties, with examples that no run had before
	$(PYTHON) -m pytest -m hypothesis --hypothesis-profile=random $(PYTEST_ARGS)

.PHONY: test-lab
test-lab: $(INSTALLED) packages ## the tests against emulated hosts
	$(PYTHON) -m pytest tests/lab $(SIDE_BY_SIDE) $(PYTEST_ARGS)

.PHONY: test-e2e
test-e2e: $(INSTALLED) packages engine ## the tests with the real Pulumi engine and emulated hosts
	$(WITH_ENGINE) $(PYTHON) -m pytest tests/e2e $(SIDE_BY_SIDE) $(PYTEST_ARGS)

.PHONY: bench
bench: $(INSTALLED) packages engine ## measure the lab, and how long changes of a router interrupt traffic
	$(PYTHON) bench/command_overhead.py
	$(PYTHON) bench/lab_scale.py
	$(WITH_ENGINE) $(PYTHON) -m bench.router_interruptions

# --- For people ------------------------------------------------------------------------------------

.PHONY: demo
demo: $(INSTALLED) packages engine ## a virtual datacenter on an emulated host: up, look, change, destroy
	$(WITH_ENGINE) $(PYTHON) tools/demo.py

.PHONY: clean
clean: ## remove what was made in the work tree (the engine's cache stays)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis schema.json.new
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
