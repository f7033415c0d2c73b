# Everything a person needs: `make` alone lists it. Only Python 3.11 to 3.13, pip, make and git are assumed.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
PYTEST_WORKERS ?= 2
PYTEST_ARGS ?=
TESTS ?= tests

export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
export UV_PYTHON_DOWNLOADS := never
# The project's own environment is meant, even where another one is active.
unexport VIRTUAL_ENV

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: .venv/.installed ## Everything into .venv, from the lock file

.venv/.installed: uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v < (3, 14) and f"Python 3.11 to 3.13 is needed, $(PYTHON) is {v[0]}.{v[1]}: make install PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	UV_COMPILE_BYTECODE=1 $(BIN)/uv sync --frozen --all-extras --all-groups
	$(BIN)/python -m compileall -q ezcold_operators plugins dags
	@touch $@

.PHONY: system-packages
system-packages: ## Debian's servers for the tests (needs root or sudo)
	@scripts/system-packages

.PHONY: test
test: install system-packages ## Every test (TESTS=tests/x for some, PYTEST_ARGS="-k word")
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile $(PYTEST_ARGS) $(TESTS)

.PHONY: lint
lint: install ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: install ## Let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: demo
demo: install ## Airflow, a mail server and two launchers, ready to look at; Ctrl-C stops it all
	@exec $(BIN)/python -m ezcold_operators.demo

.PHONY: up
up: install ## Airflow on this machine with dags/ and plugins/ of this checkout; Ctrl-C stops it all
	@exec $(BIN)/python -m ezcold_operators.demo --bare

.PHONY: bench
bench: install system-packages ## The benchmarks, beside their peers
	@set -e; for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file; done

.PHONY: docs
docs: install ## The guide, as HTML in docs/_build
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

LOCALES := ezcold_operators/locales
EXTRACT := --no-default-keywords -k _ -k ngettext:1,2 -k N_ --add-location=file --sort-by-file --width=120

.PHONY: translations
translations: install ## New sentences into the French catalogue (to be filled in), compiled
	$(BIN)/pybabel -q extract $(EXTRACT) -o $(LOCALES)/ezcold.pot ezcold_operators dags plugins/ezcold_plugin.py
	$(BIN)/pybabel -q update -D ezcold -d $(LOCALES) -i $(LOCALES)/ezcold.pot --no-fuzzy-matching --ignore-obsolete \
	  --ignore-pot-creation-date --width=120
	@rm $(LOCALES)/ezcold.pot
	$(BIN)/pybabel compile -D ezcold -d $(LOCALES) --statistics

.PHONY: compose
compose: ## The servers of docker-compose.yaml
	docker compose up

.PHONY: clean
clean: ## Remove what this Makefile made
	rm -rf .venv .demo docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.PHONY: fuzz
fuzz: install ## Mails with bytes changed at random, for a minute (FUZZ_SECONDS)
	$(BIN)/python -m tests.decoding.fuzz --seconds $(or $(FUZZ_SECONDS),60)
