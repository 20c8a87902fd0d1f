# Each target does all of its own set-up: a virtual environment in .venv, made again when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test test-systemd lint format coverage benchmark docs picture firmware clean

help:
	@echo "make demo       a simulated board crashes; its core dump is captured while two viewers watch (10 s)"
	@echo "make test       all tests"
	@echo "make test-systemd   the service, in a container with a real systemd (needs root; 1 min, the first time 2)"
	@echo "make lint       ruff, mypy --strict, pyright strict"
	@echo "make coverage   branch coverage of the parts without I/O; fails below 100 %"
	@echo "make benchmark  the quick profile; 'make benchmark PROFILE=full' for the other"
	@echo "make docs       makes the generated pages of docs/ anew"
	@echo "make picture    takes the README's picture of the viewer anew"
	@echo "make firmware   rebuilds and re-records the simulated board (needs a RISC-V compiler and QEMU)"

demo: $(VENV)/runtime
	@$(BIN)/python demo/demo.py

test: $(VENV)/development
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_FLAGS)

test-systemd: $(BIN)/python
	@$(BIN)/python tests/systemd/run.py
	@$(BIN)/python -m tests.systemd.upgrade.run

coverage: $(VENV)/development
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q tests/esperd/core tests/protocol
	$(BIN)/coverage report --fail-under=100

lint: $(VENV)/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

format: $(VENV)/development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/development
	$(BIN)/python docs/generate.py

picture: $(VENV)/development
	$(BIN)/python demo/picture.py docs/viewer.svg

PROFILE ?= quick
benchmark: $(VENV)/development
	$(BIN)/python -m benchmarks $(PROFILE)

firmware: $(VENV)/runtime
	$(MAKE) -C firmware PYTHON=$(abspath $(BIN)/python)

clean:
	rm -rf $(VENV) dist build firmware/build

# Debian and Ubuntu split venv off Python: it is installed where that is ours to do, and named where it is not.
$(BIN)/python:
	@if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo "esperd needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; \
		else \
			echo "the venv module of Python is missing; install it with: sudo apt-get install python3-venv" >&2; exit 1; \
		fi; fi
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/runtime: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/development: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@ $(VENV)/runtime
