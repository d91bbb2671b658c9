# `make reproduce` and `make test` do all their own set-up in .venv; they need Python >= 3.10, pip and make.
PYTHON ?= python3
BIN := .venv/bin
# As many test processes as there are cores; each takes tests over from another when it has none left.
PARALLEL := --numprocesses auto --dist worksteal

.PHONY: reproduce test lint types test-fast test-slow bench clean

reproduce: .venv/.installed
	PYTHONDONTWRITEBYTECODE= $(BIN)/mesa reproduce one-step --results out/results

# Types are checked beside the tests: while the tests start, or end, a core would have nothing to do.
test: lint
	$(MAKE) --no-print-directory --jobs 2 types test-fast

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev
	$(BIN)/basedpyright --warnings

# Bytecode is kept, so that processes do not compile the packages each for itself.
test-fast: .venv/.installed-dev
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest $(PARALLEL)

test-slow: .venv/.installed-dev
	$(BIN)/pytest $(PARALLEL) -m slow

bench: .venv/.installed
	$(BIN)/mesa bench training

# Of sixteen thousand files a command imports a quarter: only those are compiled, when they are first imported.
.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable ".[fast]"
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable ".[dev,fast]"
	touch $@

clean:
	rm -rf .venv out runs build dist *.egg-info
