# `make` lists the targets. `make book` and `make test` need python3, make and a package index, nothing else:
# they create .venv on first use, install the tested versions of constraints.txt into it, and re-use it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SITE   := _build/html
PORT   ?= 8000
DEVICE ?= cpu

.DEFAULT_GOAL := help
.PHONY: help install book serve test validate lint bench record train readme clean

# $(call require,NAME,EXAMPLE) stops a target that was called without its argument.
require = $(if $($(1)),,$(error Say which: make $@ $(1)=$(2)))

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

install: $(STAMP)  ## create .venv with the tested versions (the other targets do it on their own)

# The stamp is newer than both files exactly when the environment was made from them.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "entropylab needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot create virtual environments: its venv module is not complete."; \
	  echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[book,test]'
	@touch $@

book: $(STAMP)  ## build the site from the committed notebooks: _build/html/index.html
	$(BIN)/python tests/project/stages.py book
	@echo "The book: $(SITE)/index.html"

serve: book  ## build the site and serve it on http://localhost:8000 (PORT=...)
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(SITE) $(PORT)

test: $(STAMP)  ## everything: lint, units, CUDA simulator and PTX, wheel, notebooks, book, browser
	$(BIN)/python tests/project/stages.py

validate: $(STAMP)  ## run every notebook again and compare the verdicts (nbval)
	$(BIN)/python tests/project/stages.py notebooks

lint: $(STAMP)  ## ruff, mypy, and the floors (import-linter)
	$(BIN)/python tests/project/stages.py lint

bench: $(STAMP)  ## time the kernels beside torch and transformers (DEVICE=cpu|cuda): results/benchmarks/
	$(BIN)/python -m entropylab bench --device $(DEVICE)
	$(BIN)/python -m entropylab.book.pages

record: $(STAMP)  ## execute one notebook in place and write its results/ (CHAPTER=locally_typical_sampling)
	$(call require,CHAPTER,locally_typical_sampling)
	$(BIN)/python scripts/record.py $(CHAPTER)
	$(BIN)/python -m entropylab.book.pages
	$(BIN)/python scripts/readme.py

readme: $(STAMP)  ## write the scoreboard's summary into README.md
	$(BIN)/python scripts/readme.py

train: $(STAMP)  ## train a model of the zoo (RECIPE=english-s); stops and resumes
	$(call require,RECIPE,english-s)
	$(BIN)/python -m entropylab train $(RECIPE)

clean:  ## remove what was built; .venv and training/ stay
	rm -rf _build build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .jupyter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
