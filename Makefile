# `make` alone lists what can be made. Everything runs from .venv, which `make setup` makes.
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

BIN := .venv/bin
# Two stamps, so that a setup without Erlang is not taken for one with it.
READY := .venv/ready$(if $(filter no,$(BEAMWARDEN_SETUP_ERLANG)),-without-erlang)
# Three, whatever the machine has: much of what the tests do is to wait, and each worker starts Erlang nodes.
WORKERS ?= 3
# Files in the order in which tests/conftest.py has them; xdist would begin with those that have the most tests.
PYTEST = $(BIN)/pytest --quiet --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder
# Some images of Python set it: then every start of the program would compile it anew.
unexport PYTHONDONTWRITEBYTECODE
LISTEN ?= 127.0.0.1:9750
SECONDS ?= 60

.PHONY: help setup demo test format-check lint types pytest coverage image-test fuzz format docs dist bench costs requirements clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Make .venv with the program, and see to Erlang (does nothing when nothing has changed)

demo: setup ## Show it at work beside an Erlang node of its own (LISTEN=address:port)
	@$(BIN)/python scripts/demo.py --listen $(LISTEN)

test: setup format-check lint types pytest ## Set up, then check everything, in the order of the next four

format-check: $(READY) ## Is the code formatted?
	@$(BIN)/ruff format --check --quiet

lint: $(READY) ## ruff's rules
	@$(BIN)/ruff check --quiet

types: $(READY) ## mypy, strict
	@$(BIN)/mypy

# --dist loadfile keeps a test file on one worker: the node that a file's fixture starts is started once.
# Twice, as a run that measures lines is slower in all that it does, also in tests whose lines nobody asks for.
pytest: $(READY) ## The test suite, with branch coverage of agent/ by its own tests, which must reach 95 %
	@$(PYTEST) --cov=agent --cov-report=term tests/agent
	@printf 'Coverage of agent/ in percent, of 95 needed: '
	@$(BIN)/coverage report --include='agent/*' --format=total --fail-under=95
	@$(PYTEST) --ignore=tests/agent

# To measure which lines run makes a test take up to three times as long: hence not always, see tests/conftest.py.
coverage: $(READY) ## Branch coverage of all the code by all tests but the slow ones, those on real nodes too
	@MEASURE_ALL=yes $(PYTEST) --cov --cov-report=term

image-test: $(READY) ## Build the container image without a daemon and run it beside a node (some minutes, as root)
	@$(BIN)/pytest --quiet -m image tests/image

fuzz: $(READY) ## Throw bytes at what reads a peer's bytes (SECONDS for each harness)
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

format: $(READY) ## Format the code and mend what can be mended by itself
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

docs: $(READY) ## Write anew what is made from the code: pages of docs/, and the dashboards (tests compare)
	@for page in cli dashboards metrics playbooks settings; do $(BIN)/python -m scripts.$$page || exit; done

dist: $(READY) ## The wheel and the source archive, in dist/
	@$(BIN)/python -m hatchling build

bench: $(READY) ## How fast it is, beside native Erlang and pickle (a minute; SIZES=all: nodes up to 1,000,000 processes; RESULTS=file keeps it)
	@$(BIN)/python -m benchmarks $(if $(SIZES),--sizes=$(SIZES)) $(if $(RESULTS),--results=$(RESULTS))

costs: $(READY) ## What the sidecar costs: processor, memory, the node's time, log, series (MINUTES for each node; RESULTS=file)
	@$(BIN)/python -m benchmarks.sidecar $(if $(MINUTES),--minutes=$(MINUTES)) $(if $(RESULTS),--results=$(RESULTS))

# Releases stay as pinned where they still fit; UPGRADE=1 takes the newest that do. Extras are kept: for an extra
# that is not named in the file, older pips look for the newest release and then stop, as it has no hash.
PIN = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --no-emit-find-links --custom-compile-command 'make requirements' $(if $(UPGRADE),--upgrade)

# Not after $(READY): setup refuses a pyproject.toml that asks for more than is pinned, and this is what mends it.
requirements: ## Pin what pyproject.toml asks for in requirements/*.txt (UPGRADE=1: its newest releases)
	@test -x $(BIN)/python || scripts/setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/pin.txt
	@$(PIN) --output-file requirements/run.txt pyproject.toml
	@$(PIN) --output-file requirements/dev.txt --constraint requirements/run.txt --group dev pyproject.toml
	@$(PIN) --output-file requirements/build.txt --constraint requirements/dev.txt --group build
	@$(PIN) --output-file requirements/pin.txt --group pin

clean: ## Remove everything made here, .venv too
	@rm -rf .venv .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist erlang_fixtures/_build
	@find agent benchmarks collector tests scripts -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements/dev.txt scripts/setup
	@scripts/setup
	@touch $@
