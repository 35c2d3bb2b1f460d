# The commands of the project. Each sets up what it needs: a virtual environment of its own in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Most tests wait for something most of the time, so more of them run at once than there are cores.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(max(2, 2 * (os.cpu_count() or 1)))')
# Each worker begins with tests that follow each other, which share fixtures, and takes over others when it is done.
PYRIGHT := $(BIN)/pyright --pythonpath $(BIN)/python
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal
# Where it is set, each program that a test starts would compile the whole project again.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: demo check types units test all-types all-tests test-long lint style docs migration bench setup clean

demo: $(VENV)/.local  ## a live stream, watched and alerted on, driven by a real MCP client
	@$(BIN)/rtstream-mcp demo $(ARGS) || [ $$? -eq 130 ]  # Ctrl-C is how it ends

check: $(VENV)/.dev style  ## lint, types of the product and the unit tests: the fast check before each commit
	@$(MAKE) -j2 --output-sync types units ARGS='$(ARGS)'

types: $(VENV)/.dev
	$(PYRIGHT) server tools resources rtstream

units: $(VENV)/.dev
	$(BIN)/pytest -n auto --dist worksteal -m "unit and not long" $(ARGS)

test: $(VENV)/.dev $(if $(ARGS),,style)  ## lint, types and all tests; ARGS="tests/x.py -k name" runs only these tests
	$(if $(ARGS),$(BIN)/pytest $(ARGS),@$(MAKE) -j2 all-types all-tests)

all-types: $(VENV)/.dev
	nice -n 19 $(PYRIGHT)

all-tests: $(VENV)/.dev
	$(PYTEST)

test-long: $(VENV)/.dev  ## the tests that take minutes; see docs/developers/testing.md
	$(BIN)/pytest -n auto -m long $(ARGS)

lint: $(VENV)/.dev style
	$(PYRIGHT)

style: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell $$(git ls-files '*.py' '*.md')

docs: $(VENV)/.dev  ## update the generated tables of README.md and docs/
	$(BIN)/python -m server.cli.docs

migration: $(VENV)/.dev  ## write the next migration: make migration NAME="Add links"; see docs/developers/migrations.md
	@$(BIN)/python -m rtstream.store.migrations "$(NAME)"
	@$(BIN)/ruff format -q rtstream/store/migrations/versions

bench: $(VENV)/.dev  ## list the measurements; see benchmarks/README.md
	$(BIN)/python -m benchmarks

setup: $(VENV)/.dev

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Setting up a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -U pip
	@touch $@

$(VENV)/.local: $(VENV)/.pip pyproject.toml constraints.txt
	@echo "Installing rtstream-mcp with the offline engines (the first time takes about a minute) ..."
	@$(PIP) install -c constraints.txt -e ".[local]"
	@touch $@

$(VENV)/.dev: $(VENV)/.local
	@echo "Installing what the tests need ..."
	@$(PIP) install -c constraints.txt -e ".[local,onvif,models,whisper]" --group dev
	@touch $@
