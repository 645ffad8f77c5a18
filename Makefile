# Everything a developer or an operator types. `make help` lists it.
# A fresh clone needs a Python of 3.11 to 3.13 and make; every target installs what it needs first, `run` no more than that.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash -euo pipefail

VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/runs
INSTALLED := $(VENV)/installed
ARGS ?=

# Four workers keep two cores busy, as tests wait for servers. A file keeps to one worker, so that it starts them once.
# Every worker, and every program that a test starts, would compile all modules again.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder
CODE := worker.py activities api bench demo domain hotline readmodel tests tools workflows

.PHONY: help
help: ## Show this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: install
install: $(INSTALLED) ## Make .venv with everything in it and the `hotline` command

$(RUNS): requirements.txt pyproject.toml tools/make-venv tools/install-packages
	@tools/make-venv $(VENV)
	@tools/install-packages $(VENV) requirements.txt
	@echo "Installing the hotline command"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(INSTALLED): requirements-dev.txt $(RUNS)
	@tools/install-packages $(VENV) requirements-dev.txt
	@touch $@

.PHONY: run
run: $(RUNS) ## Run the whole service on this machine (ARGS="--api-port 8081" passes options)
	@exec $(BIN)/hotline up $(ARGS)

.PHONY: demo
demo: $(RUNS) ## Run the service with a catalogue of seconds and play a day of the hotline (ARGS=--surge: a salt tide)
	@exec $(BIN)/python -m demo --up $(ARGS)

.PHONY: test
test: $(INSTALLED) ## Run every test that is marked neither slow nor night
	tools/have-browser
	$(PYTEST) -m "not slow and not night" $(ARGS)

.PHONY: test-all
test-all: $(INSTALLED) ## Run every test that is not marked night (ARGS="-m 'slow and not night'": the slow ones)
	tools/have-browser
	$(PYTEST) -m "not night" $(ARGS)

.PHONY: test-night
test-night: $(INSTALLED) ## Run the tests marked night, as before a release: more of what other tests show
	tools/have-browser
	$(PYTEST) -m night $(ARGS)

.PHONY: lint
lint: $(INSTALLED) ## Check style, types and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports

.PHONY: check
check: lint test ## Run lint and test

.PHONY: format
format: $(INSTALLED) ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(INSTALLED) ## Measure and print the figures of bench/ (ARGS="--against REF" compares with another commit)
	$(BIN)/python -m bench $(ARGS)

.PHONY: docs
docs: $(INSTALLED) ## Write the parts of the documentation that are computed from the code
	$(BIN)/python -m tools.docs.generate

.PHONY: pictures
pictures: $(INSTALLED) ## Take the screenshots of the documentation, from a service of their own
	tools/have-browser
	$(BIN)/python -m tools.docs.pictures docs/images

LOCK := pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links
PDF_MACHINES := sys_platform == 'linux' and platform_machine == 'x86_64'

.PHONY: lock
lock: $(INSTALLED) ## Pin anew what pyproject.toml asks for (ARGS=--upgrade takes newer releases)
	$(BIN)/$(LOCK) $(ARGS) --all-build-deps --output-file requirements.txt pyproject.toml
	$(BIN)/$(LOCK) $(ARGS) --constraint requirements.txt --extra dev --output-file requirements-dev.txt pyproject.toml
	$(BIN)/$(LOCK) $(ARGS) --constraint requirements-dev.txt --output-file bench/peers/requirements.txt bench/peers/requirements.in
	@# pip-compile keeps no conditions of an extra's packages, and this one has no wheel for every machine.
	sed -i.old "s/^\(plutoprint==[^ ]*\) \\\\$$/\1 ; $(PDF_MACHINES) \\\\/" requirements-dev.txt && rm requirements-dev.txt.old

.PHONY: clean
clean: ## Remove the environment and what tools leave behind; the data of the service stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
