# `make demo` and `make test` each do all of the set-up on a machine that has Python 3.11+, git and make.

PYTHON ?=
DEMO_DIR ?= demo
DEMO_MINUTES ?=
ifndef EXTRA
EXTRA := $(shell nvidia-smi -L 2>/dev/null | grep -q GPU && echo gpu || echo cpu)
endif
export PYTHON

INSTALLED := .venv/.installed-$(EXTRA)
TOOLS := .venv/.installed-tools

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint test-slow check-long clean system postgres browser
.PHONY: test-pythons test-lowest lock licences audit

help:
	@echo "make demo        make a small collection, train on it, index, search and evaluate it, in ./$(DEMO_DIR)"
	@echo "make test        every check: format, lint, types, imports, tests"
	@echo "make lint        the first four of them"
	@echo "make test-slow   the tests that make test leaves out because they take minutes; .ci/run runs both"
	@echo "make check-long  those and the longest ones, with 100 kills at random instants instead of 10"
	@echo "make test-pythons  make test's tests on each Python from 3.11 to 3.14 that is here, in .venv-3.N; PYTHONS=3.12"
	@echo "make test-lowest   the tests with each package at the lowest version that is accepted, in .venv-lowest"
	@echo "make lock        pin the environment of the tests anew, with hashes: requirements-test.lock"
	@echo "make licences    list the licences of all that is in it: docs/licences.md"
	@echo "make audit       ask pip-audit whether anything in it is known to be vulnerable"
	@echo "make setup       what the others need: ./.venv with avsearch in it, and ffmpeg"
	@echo "make postgres    a PostgreSQL server for the tests that need one; make test leaves them out without it"
	@echo "make browser     Chromium for the tests of the page; they are left out without it"
	@echo "make clean       remove .venv, caches and builds; ./$(DEMO_DIR) stays"
	@echo
	@echo "Settings: DEMO_DIR=FOLDER, DEMO_MINUTES=M of training; PYTHON=python3.12, EXTRA=cpu or gpu (found: $(EXTRA))"

setup: $(INSTALLED)
	@echo "Ready: .venv/bin/avsearch --help"

demo: $(INSTALLED)
	@.venv/bin/avsearch demo --dir "$(DEMO_DIR)" $(if $(DEMO_MINUTES),--minutes $(DEMO_MINUTES))

test: $(TOOLS)
	@.venv/bin/python -m pytest -m "not slow" --numprocesses auto --maxprocesses 8 --dist loadfile

lint: $(TOOLS)
	@.venv/bin/python -m pytest tests/quality -m "not slow"

test-slow: $(TOOLS)
	@.venv/bin/python -m pytest -m "slow and not long" --numprocesses auto --maxprocesses 4 --dist loadfile

check-long: $(TOOLS)
	@AVSEARCH_KILLS=100 .venv/bin/python -m pytest -m slow

test-pythons:
	@bash .ci/elsewhere.sh pythons

test-lowest: $(TOOLS)
	@bash .ci/elsewhere.sh lowest

lock:
	@bash .ci/supply.sh lock

licences: $(TOOLS)
	@.venv/bin/python .ci/licences.py > docs/licences.md

audit:
	@bash .ci/supply.sh audit

clean:
	rm -rf .venv .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find avsearch indexer trainer migrations tests -name __pycache__ -prune -exec rm -rf {} +

system:
	@bash .ci/setup.sh system

postgres:
	@bash .ci/setup.sh postgres

browser:
	@bash .ci/setup.sh browser

$(INSTALLED): pyproject.toml constraints.txt | system
	@bash .ci/setup.sh package $(EXTRA)

$(TOOLS): $(INSTALLED)
	@bash .ci/setup.sh tools
