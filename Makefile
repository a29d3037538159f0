# Each target makes its own set-up and does only what is missing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
SETUP := python3 deploy/setup.py
POLKU := .venv/bin/polku
PYTHON := .venv/bin/python

.PHONY: setup demo up down test check bench faults clean

setup:
	@$(SETUP)

demo: setup ## everything started with the Kainuu programme and artificial referrals flowing in
	@$(POLKU) demo

up: setup ## the embedded edition for own use, left running
	@$(POLKU) up --detach

down: setup
	@$(POLKU) down

check: setup ## lint, types, import rules, contracts and translations; no servers
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache | tail -n 4
	@$(PYTHON) -m polku_events check
	@$(PYTHON) -m polku_web.catalogues check

test: ## the many quick tests on two cores, then whole installations one at a time, also when a quick one failed
	@$(SETUP) --tests
	@$(MAKE) --no-print-directory check
	@failed=0; \
	.venv/bin/pytest -q -m "not slow" -n 2 --dist loadfile libs services || failed=1; \
	.venv/bin/pytest -q -m "not slow" deploy tests || failed=1; \
	exit $$failed

bench: setup ## the figures of the README, as a table and as build/bench.json
	@$(PYTHON) -m bench

faults: ## the long crash loops; a short version is in `make test`
	@$(SETUP) --tests
	@.venv/bin/pytest -q -m slow

clean:
	rm -rf .venv build node_modules
