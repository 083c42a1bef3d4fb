# Two commands do everything on a fresh machine: `make run` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Test files that run at once, each worker with servers of its own; 0 runs them one after another. Tests with servers
# wait more than half of their time, so that two processors have five of them; quick tests never wait.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
TEST_WORKERS ?= $(shell echo $$(($(CORES) < 4 ? 5 * $(CORES) / 2 : 8)))
PYTEST := $(BIN)/python -m pytest -q --dist loadfile --no-loadscope-reorder -n

.DEFAULT_GOAL := help
.PHONY: help setup run run-cluster psql compare test test-servers test-sql check types unit lock docs measures bench bench-full bench-compared chaos screenshots format clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## Make .venv with everything the project needs (uv when present, else venv and pip)

$(READY): pyproject.toml requirements-dev.lock tools/setup
	@tools/setup "$(PYTHON)" "$(VENV)"
	@touch $@

run: $(READY) ## Start everything on this machine and watch rows arrive (Ctrl-C stops)
	@$(BIN)/cogento run $(ARGS)

run-cluster: $(READY) ## The same with mailboxes on a cluster of six Valkeys, and two Sentinels beside it
	@$(BIN)/cogento run --cluster --data .data/cluster $(ARGS)

psql: $(READY) ## psql on the tables of `make run`; SQL='SELECT …' asks one thing
	@$(BIN)/python -m tools.psql $(if $(SQL),--command "$$SQL")

compare: $(READY) ## Hold every row of `make run` against its simulated Stripe
	@$(BIN)/python -m tools.compare_run

check: $(READY) ## Style, types, import borders and the quick tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory -j2 unit types

types: $(READY)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

unit: $(READY)
	@$(PYTEST) $(CORES) tests/unit

test: check test-servers ## Everything: real servers, processes, browser

# What takes longest is begun first, so that no worker is left with it when the others are done.
test-servers: $(READY) ## The same without what `make check` does
	@$(PYTEST) $(TEST_WORKERS) tests/{browser,e2e,faults,model,integration}

# What speaks SQL and Lua: all of store and queue, and what sends a query or runs a script with rows that none of these does.
SPEAKS_SQL := store queue reconcile/test_{backfill,notices}.py worker/test_{heartbeat,paused_deletions}.py

# Laws, which send the servers nothing that the others do not; and how long a failover of its own takes is the server's
# affair: Redis 7.0's takes longer than these tests wait.
SAID_ALREADY := store/test_address_rule.py store/test_convergence.py queue/test_cluster.py

test-sql: $(READY) ## What speaks SQL and Lua alone: TEST_POSTGRES_BIN and TEST_REDIS_SERVER choose its servers
	@$(PYTEST) $(TEST_WORKERS) $(SPEAKS_SQL:%=tests/integration/%) $(SAID_ALREADY:%=--ignore=tests/integration/%)

bench: $(READY) ## The quick benchmarks, under ten minutes
	@$(BIN)/python -m bench

bench-full: $(READY) ## Every benchmark
	@$(BIN)/python -m bench --full

bench-compared: $(READY) ## This project beside two other engines, small (ARGS=--save: half an hour, for docs/compared.md)
	@$(BIN)/python -m bench.compared $(or $(ARGS),--quick)

chaos: $(READY) ## The fault tests that take minutes; SEED=n replays a run
	@export SEED=$${SEED:-$$RANDOM}; echo "SEED=$$SEED"; $(BIN)/python -m pytest -v -m chaos tests

measures: ## How hard the project is to take over, in numbers
	@$(PYTHON) tools/measures.py

screenshots: $(READY) ## A picture of each page of the console, light, dark and on a phone, in OUT (two minutes)
	@$(BIN)/python -m tools.screenshots $${OUT:-screenshots}

docs: $(READY) ## Write the pages that are made from the code: docs/cli.md, the index of decisions
	@$(BIN)/python -m tools.generate_docs

format: $(READY) ## Format and fix what can be fixed
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format -q .

lock: ## Pin every dependency with its hashes (needs uv)
	@uv pip compile pyproject.toml -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" -o requirements.lock
	@uv pip compile pyproject.toml -q --extra local --extra otel --group dev --universal --generate-hashes --python-version 3.11 -c requirements.lock --custom-compile-command "make lock" -o requirements-dev.lock

clean: ## Remove what was built here (not your data)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
