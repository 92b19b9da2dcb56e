# Everything a user or contributor needs; `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CODE   := uns bridges tests

.DEFAULT_GOAL := help
.PHONY: help demo test check quick bench faults docs fix lock clean

help:      ## List these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+: .*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST) | tr -s ' ' | sed 's/^ make/  make/'

demo: $(VENV)/.run    ## Run the demo plant: broker, bridges, namespace and routes in one process
	@$(BIN)/uns demo $(ARGS)

test: $(VENV)/.dev    ## Run all tests (those that want Mosquitto or Node say so when they skip)
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile --ignore=tests/e2e --ignore=tests/faults $(ARGS)
	@$(BIN)/python -m pytest -q tests/e2e $(ARGS)

check: $(VENV)/.dev   ## Run ruff, mypy, import-linter and the check that generated docs are fresh
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q tests/docs tests/test_conventions.py

quick: $(VENV)/.dev   ## Run the tests of the core, without servers or brokers (< 10 s)
	@$(BIN)/python -m pytest -q -x -n 2 -m "not slow and not property" $(ARGS)

bench: $(VENV)/.dev   ## Measure: codec, every driver, 50,000 tags in one bridge, the demo plant; peers beside them
	@PYTHONPATH=. $(BIN)/python tests/bench $(ARGS)

faults: $(VENV)/.dev  ## Kill, hang and cut devices, bridges and brokers; print lost, doubled and stale
	@$(BIN)/python -m pytest -q -s tests/faults $(ARGS)

docs: $(VENV)/.dev    ## Write the generated reference pages anew
	@UPDATE=1 $(BIN)/python -m pytest -q tests/docs

fix: $(VENV)/.dev     ## Format and repair what ruff can repair
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

lock:      ## Resolve the dependencies anew (wants uv)
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra build --extra all pyproject.toml -o requirements.lock
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra build --extra all --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:     ## Remove the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 has no venv here: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.run: $(VENV)/pyvenv.cfg requirements.lock pyproject.toml
	@echo "installing what the demo needs into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/pyvenv.cfg requirements-dev.lock pyproject.toml
	@echo "installing what the tests need into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run
