# `make book` and `make test` are all a fresh machine needs; `make help` lists the rest.
PYTHON  ?= python3
EDITION ?= demo
BIN := .venv/bin
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: book test verify bench serve clean help

book: .venv/installed ## build an edition of the book: make book EDITION=demo
	$(BIN)/bulk2sc book --edition $(EDITION)

# Two workers of pytest share the cores.
test: export OMP_NUM_THREADS = 1
test: .venv/installed ## check style and run all tests, the fast ones first
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile --cov=bulk2sc --cov-report=
	$(BIN)/pytest -m slow -n 2 --dist loadfile --cov=bulk2sc --cov-append --cov-report=term:skip-covered --cov-fail-under=85

verify: export OMP_NUM_THREADS = 1
verify: .venv/installed ## run what takes long: every chapter again, the demo and what is kept of earlier results
	$(BIN)/bulk2sc book --edition smoke
	$(BIN)/bulk2sc book --edition demo
	$(BIN)/pytest -m verify -n 2 --dist loadfile

bench: .venv/installed ## measure time and memory of an edition and the speed of training many seeds
	$(BIN)/python benchmarks/editions.py $(EDITION)
	$(BIN)/python benchmarks/training_throughput.py

serve: ## show a built edition at http://127.0.0.1:8000
	$(PYTHON) -m http.server --bind 127.0.0.1 --directory _build/$(EDITION)/html

clean: ## remove what was built; .venv and downloaded data stay
	rm -rf _build .pytest_cache .ruff_cache .coverage*

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

# Stands for a finished installation: made last, and again when the requirements change.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "The book needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@
