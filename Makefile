# Two commands are enough:  make lessons   and   make test
# The rest:  make classroom | demo | doctor | bench | data | checkpoints | sweeps | bands | book | slides | figures
#            make check | test-all | passes | lint | clean

PYTHON ?= python3
BIN    := .venv/bin
# Quiet unless it fails; then its own last words are followed by ours.
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
FAILED := { echo "Nothing is lost. The network is needed once; run the same command again, and it goes on."; exit 1; }
PYTEST := $(BIN)/python -m pytest
# A worker a core, each with one thread (tests/conftest.py); a worker holds up to 1 GB.
SHARED := --numprocesses logical --maxprocesses 4 --dist worksteal
SCREENS := --numprocesses 2 --dist worksteal
ANEW   := $(if $(ALL),MINIRLHF_MEASURE=all )
REPORT := --durations 30 --junitxml .test-results

.DEFAULT_GOAL := help
.PHONY: help lessons classroom demo doctor bench data checkpoints sweeps bands book slides figures test check test-all passes kernels hub
.PHONY: lint clean

help:
	@sed -n '1,3s/^# //p' Makefile

# What the learner uses.

lessons classroom demo doctor data checkpoints sweeps bands: .venv/ready
	$(BIN)/minirlhf $@

# What is read and shown.

book slides figures: .venv/ready-to-read
	$(BIN)/minirlhf $@

# What keeps it true.

# Everything quick: what somebody who changed a line wants to know.
test: .venv/ready-to-test
	$(PYTEST) $(SHARED) -m "not (slow or alone or browser or server or kernels)"

check: lint test

# Everything: in parallel; then what is on a screen, and mostly waits for pages and kernels, so that two share what a
# core does; and then what must have the machine to itself. Needs Chromium, PostgreSQL and npm, and the network once. What is
# measured, and lessons at full size, are run anew where they rest on something that changed; with ALL=1, all of it is.
test-all: .venv/ready-to-test kernels hub
	$(ANEW)$(PYTEST) $(SHARED) -m "not (alone or browser)" $(REPORT)/shared.xml
	$(PYTEST) $(SCREENS) -m browser $(REPORT)/browser.xml
	$(ANEW)$(PYTEST) -m alone $(REPORT)/alone.xml

# The lessons at full size whose passes on record rest on something else: those that pass are kept in tests/passes.json.
passes: .venv/ready-to-test
	$(ANEW)$(PYTEST) $(SHARED) tests/test_notebooks.py -k every_exercise_solved $(REPORT)/passes.xml; \
	    status=$$?; $(BIN)/python tests/passes.py .test-results/passes.xml && exit $$status

# Other versions of ipykernel, each in a folder that a kernel puts before .venv: tests/test_kernels.py. They are as
# they were released, without what they need: that is in .venv, but for one package that the oldest calls otherwise.
kernels: $(addprefix .kernels/,$(addsuffix /ready,6.31.0 7.3.0 7.4.0))

.kernels/%/ready: | .venv/ready-to-test
	rm -rf $(@D)
	$(BIN)/python -m pip install --no-deps --target $(@D) ipykernel==$* $(if $(filter 6.%,$*),nest-asyncio==1.6.0)
	@touch $@

# What stands before a JupyterHub: tests/test_hub.py. It is a program of Node's, the last one that Debian's Node runs.
hub: .hub/4.6.3/ready

.hub/%/ready:
	rm -rf $(@D) && mkdir -p $(@D)
	npm install --prefix $(@D) --no-save --no-package-lock --no-audit --no-fund --loglevel error \
	    configurable-http-proxy@$*
	@touch $@

lint: .venv/ready-to-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

bench: .venv/ready-to-test
	$(BIN)/minirlhf bench

# Removes what make made, and nothing that a learner made: my_lessons/ and runs/ stay.
clean:
	rm -rf .venv .kernels .hub .bench *.egg-info .pytest_cache .ruff_cache .hypothesis .test-results
	find minirlhf tests -name __pycache__ -prune -exec rm -rf {} +

# The virtual environment: made once, brought up to date when one of the two lists changes.
# The stamp is written last, so an interrupted installation is taken up again. A kernel gets from its spec what must be
# known before torch is imported (minirlhf/machine/runtime.py): python3 is the one that notebooks ask for.

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "minirlhf needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) --version 2>&1)"; \
	    echo "Where a newer one is installed, name it:  make lessons PYTHON=python3.12"; exit 1; }
	@echo "Setting up .venv (a few minutes, once) ..."
	@$(PYTHON) -m venv .venv
	@$(if $(CPU),$(PIP) uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --torch-backend cpu \
	    --constraint constraints.txt torch || $(FAILED))
	@$(PIP) --editable '.[real]' || $(FAILED)
	@echo "Telling JupyterLab of it ..."
	@for name in python3 minirlhf; do \
	    $(BIN)/python -m ipykernel install --sys-prefix --name $$name $$($(BIN)/python -m minirlhf.machine.runtime) || exit; done
	@touch $@

.venv/ready-to-read: .venv/ready
	@echo "Adding what binds the book ..."
	@$(PIP) --editable '.[book]' || $(FAILED)
	@touch $@

.venv/ready-to-test: .venv/ready
	@echo "Adding what the tests need ..."
	@$(PIP) --editable '.[book,test]' || $(FAILED)
	@touch $@
