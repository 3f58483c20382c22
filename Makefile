# `make demo` and `make test` each do all of the set-up on a machine that has Python 3.11+, git and make.

PYTHON ?=
DEMO_DIR ?= demo
DEMO_MINUTES ?=
BENCH_DIR ?= bench
DATA ?=
BENCH ?=
ifndef EXTRA
EXTRA := $(shell nvidia-smi -L 2>/dev/null | grep -q GPU && echo gpu || echo cpu)
endif
export PYTHON

# Tests share the cores by processes, a thread each, for threads of one would wait for those of the others; half as many
# again as there are cores, for they wait for ffmpeg, servers and each other a quarter of the time.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
PROCESSES := --numprocesses $(shell cores=$$(getconf _NPROCESSORS_ONLN); most=$$((cores + cores / 2)); echo $$((most < 8 ? most : 8))) --dist loadfile

INSTALLED := .venv/.installed-$(EXTRA)
TOOLS := .venv/.installed-tools
QUALITY := .venv/.installed-quality

RUNS ?= 20
SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint test-slow check-long docs bench system postgres browser clean
.PHONY: coverage mutation test-random test-pythons test-lowest lock licences audit

help:
	@echo "make demo          make a small collection, train on it, index, search and evaluate it, in ./$(DEMO_DIR)"
	@echo "make setup         what the others need: ./.venv with avsearch in it, and ffmpeg"
	@echo
	@echo "make test          every check: format, lint, types, imports, tests"
	@echo "make lint          the first four of them"
	@echo "make test-slow     the tests that make test leaves out because they take two seconds or more each; .ci/run runs both"
	@echo "make check-long    those and the longest ones, 100 kills instead of 10; then mutation and one random order"
	@echo "make postgres      a PostgreSQL server for the tests that need one; make test leaves them out without it"
	@echo "make browser       Chromium for the tests of the page; they are left out without it"
	@echo
	@echo "make coverage      all but the longest tests, and which branches of the code they leave out; fails under 90 %"
	@echo "make mutation      changes of the code that the tests must notice; what they do not is explained, or a failure"
	@echo "make test-random   the tests of make test in RUNS=$(RUNS) random orders, from SEED=$(SEED) on"
	@echo "make test-pythons  make test's tests on each Python from 3.11 to 3.14 that is here, in .venv-3.N; PYTHONS=3.12"
	@echo "make test-lowest   the tests with each package at the lowest version that is accepted, in .venv-lowest"
	@echo
	@echo "make docs          the pages of docs/ as a site, in ./site"
	@echo "make bench         measure everything that docs/benchmarks.md reports, in ./$(BENCH_DIR): 45 minutes with nothing beside"
	@echo "make lock          pin the environment of the tests anew, with hashes: requirements-test.lock"
	@echo "make licences      list the licences of all that is in it: docs/licences.md"
	@echo "make audit         ask pip-audit whether anything in it is known to be vulnerable"
	@echo "make clean         remove .venv, caches and builds; ./$(DEMO_DIR) stays"
	@echo
	@echo "Settings: DEMO_DIR=FOLDER, DEMO_MINUTES=M of training; BENCH_DIR=FOLDER, DATA=CLIPS with a manifest,"
	@echo "  BENCH=\"--long --write docs/benchmarks.md\" and other options of python -m benchmarks.all;"
	@echo "  PYTHON=python3.12, EXTRA=cpu or gpu (found: $(EXTRA))"

setup: $(INSTALLED)
	@echo "Ready: .venv/bin/avsearch --help"

demo: $(INSTALLED)
	@.venv/bin/avsearch demo --dir "$(DEMO_DIR)" $(if $(DEMO_MINUTES),--minutes $(DEMO_MINUTES))

bench: $(TOOLS)
	@.venv/bin/python -m benchmarks.all --dir "$(BENCH_DIR)" $(if $(DATA),--data "$(DATA)") $(BENCH)

test: $(TOOLS)
	@$(ONE_THREAD) .venv/bin/python -m pytest -m "not slow" $(PROCESSES)

lint: $(TOOLS)
	@.venv/bin/python -m pytest tests/quality -m "not slow"

docs: $(TOOLS)
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet
	@echo "The site: site/index.html"

test-slow: $(TOOLS)
	@$(ONE_THREAD) .venv/bin/python -m pytest -m "slow and not long" $(PROCESSES)

check-long: $(QUALITY)
	@AVSEARCH_KILLS=100 .venv/bin/python -m pytest -m slow
	@$(MAKE) mutation
	@$(MAKE) test-random RUNS=1 SEED=$$(date +%y%j)

coverage: $(QUALITY)
	@.venv/bin/coverage erase
	@$(ONE_THREAD) .venv/bin/coverage run -m pytest -m "not long" $(PROCESSES)
	@.venv/bin/coverage combine --quiet
	@.venv/bin/coverage report

mutation: $(QUALITY)
	@$(ONE_THREAD) .venv/bin/mutmut run --max-children 2
	@.venv/bin/python -m tests.mutation.verdict

test-random: $(QUALITY)
	@last=$$(($(SEED) + $(RUNS) - 1)); for seed in $$(seq $(SEED) $$last); do \
		echo "Order $$seed of $$last; the same again: make test-random RUNS=1 SEED=$$seed"; \
		$(ONE_THREAD) .venv/bin/python -m pytest -m "not slow" $(PROCESSES) \
			--random-order --random-order-seed=$$seed || exit 1; \
	done

test-pythons:
	@$(ONE_THREAD) bash .ci/elsewhere.sh pythons $(PROCESSES)

test-lowest: $(TOOLS)
	@$(ONE_THREAD) bash .ci/elsewhere.sh lowest $(PROCESSES)

lock:
	@bash .ci/supply.sh lock

licences: $(TOOLS)
	@.venv/bin/python .ci/licences.py > docs/licences.md

audit:
	@bash .ci/supply.sh audit

clean:
	rm -rf .venv .venv-* build dist site mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -f .coverage .coverage.*
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

$(QUALITY): $(TOOLS)
	@bash .ci/setup.sh quality
