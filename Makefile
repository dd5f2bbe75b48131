# The two commands: `make run` and `make test`. Each sets up what it needs and nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test test-trino fetch-trino fetch-cdk lint fresh-locks docs clean

run: $(VENV)/.run  ## The debug tier on this machine: verdict, tables and review page.
	$(BIN)/darkhalo run debug

test: $(VENV)/.dev  ## Every test, lint, type and import check.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

lint: $(VENV)/.dev  ## The checks of `make test` that take seconds.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# TRINO="spoiled or noisy" for those of its runs alone.
test-trino: $(VENV)/.dev  ## Every SQL file on DuckDB and on a real Trino (Maven and Java 17; 400 MB once).
	DARKHALO_TRINO=$(CURDIR)/build/trino $(BIN)/python -m pytest tests/trino -n 0 $(if $(TRINO),-k "$(TRINO)")

fetch-trino: $(VENV)/.dev  ## What test-trino needs; says why, and fails, where it cannot be had.
	@$(BIN)/python -m tests.trino.server build/trino

# The CDK command line, pinned with its hash; the tests that run it as README prints it are skipped without.
fetch-cdk:  ## `cdk` into build/cdk/node_modules/.bin (needs npm and Node 18).
	@command -v npm >/dev/null || { echo "fetch-cdk: there is no npm here; install Node.js 18 or newer"; exit 1; }
	@mkdir -p build/cdk && cp requirements/cdk/*.json build/cdk/
	npm ci --silent --no-audit --no-fund --prefix build/cdk

docs: $(VENV)/.run  ## Write the generated pages of docs/ again (a test compares them).
	$(BIN)/python docs/generate.py

# Every package is pinned with its hashes; pip refuses anything else.
$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@echo "setting up: packages of requirements/run.txt (a minute or two, once)"
	$(PIP) install --require-hashes --no-deps -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "setting up: packages of requirements/dev.txt"
	$(PIP) install --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# Resolve the pins anew (needs uv); the lock files carry hashes and no registry's address. The largest set is
# resolved first and constrains the others, so that every package has one version everywhere.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
        --no-emit-index-url --no-header --no-annotate
fresh-locks:
	cd requirements && $(LOCK) dev.in -o dev.txt
	cd requirements && $(LOCK) run.in -c dev.txt --override overrides.txt -o run.txt
	cd requirements && $(LOCK) task.in -c dev.txt --override overrides.txt -o task.txt

clean:
	rm -rf $(VENV) build cdk.out *.egg-info
