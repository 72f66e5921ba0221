# Two commands are enough:  make lessons   and   make test
# The rest:  make demo | doctor | bench | data | checkpoints | lint | clean

PYTHON ?= python3
BIN    := .venv/bin
PIP    := $(BIN)/python -m pip install --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help lessons demo doctor bench data checkpoints test lint clean

help:
	@sed -n '1,2s/^# //p' Makefile

# What the learner uses.

lessons demo doctor data checkpoints: .venv/ready
	$(BIN)/minirlhf $@

# What keeps it true.

test: .venv/ready-to-test
	$(BIN)/python -m pytest -m "not browser and not server"

lint: .venv/ready-to-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

bench: .venv/ready-to-test
	$(BIN)/minirlhf bench

# Removes what make made, and nothing that a learner made: my_lessons/ and runs/ stay.
clean:
	rm -rf .venv .bench *.egg-info .pytest_cache .ruff_cache .hypothesis
	find minirlhf tests -name __pycache__ -prune -exec rm -rf {} +

# The virtual environment: made once, brought up to date when one of the two lists changes.
# The stamp is written last, so an interrupted installation is taken up again.

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "minirlhf needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) --version 2>&1)"; \
	    echo "Where a newer one is installed, name it:  make lessons PYTHON=python3.12"; exit 1; }
	@echo "Setting up .venv (a few minutes, once) ..."
	@$(PYTHON) -m venv .venv
	@$(PIP) --editable .
	@$(BIN)/python -m ipykernel install --sys-prefix --name minirlhf --display-name minirlhf
	@touch $@

.venv/ready-to-test: .venv/ready
	@echo "Adding what the tests need ..."
	@$(PIP) --editable '.[test]'
	@touch $@
