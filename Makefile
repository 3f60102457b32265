# A fresh machine needs Python 3.11 (with venv) and make; everything else is installed into $(VENV), once. The tests
# need two programs besides, Chromium and promtool: apt-get install chromium fonts-dejavu-core prometheus
#
#   make demo      set up, then the whole story on videos that it renders itself
#   make test      lint, types, tests            make test-all   the same and the slow chaos runs
#   make lint      style and types only          make bench      clips per second against the plain loop
#   make docs      the documentation as a site, in build/docs
#   make clean     remove caches and builds; the virtual environment stays (make clean-all removes it too)
#
# Settings: PYTHON=/path/to/python3.11, VENV=folder, ARGS="more arguments for the command that is run", JOBS=2 for two
# test processes at once (each may start a Ray and needs 4 GB),
# PIP_ARGS="more arguments for pip", e.g. PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu" where the
# default build of torch brings gigabytes of CUDA that the machine has no use for.

VENV ?= .venv
PYTHON ?=
PIP_ARGS ?=
ARGS ?=
JOBS ?= 0

SHELL := /bin/sh
BIN := $(VENV)/bin
SPECS := pyproject.toml constraints.txt
# -qq: errors are shown, nothing else; the set-up is pinned, so that warnings about it are of no use to the reader.
PIP := "$(BIN)/python" -m pip --disable-pip-version-check install -qq --no-input -c constraints.txt $(PIP_ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format types bench docs clean clean-all

help:
	@sed -n 's/^#  *\(make .*\)/  \1/p' Makefile

demo: $(VENV)/.installed
	@"$(BIN)/python" -m wsvad demo $(ARGS)

test: lint
	"$(BIN)/python" -m pytest -m "not slow" -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-all: lint
	"$(BIN)/python" -m pytest $(ARGS)

lint: $(VENV)/.installed-dev
	"$(BIN)/python" -m ruff check .
	"$(BIN)/python" -m ruff format --check .
	"$(BIN)/python" -m mypy

format: $(VENV)/.installed-dev
	"$(BIN)/python" -m ruff check --fix .
	"$(BIN)/python" -m ruff format .

bench: $(VENV)/.installed-dev
	"$(BIN)/python" -m tests.bench $(ARGS)

docs: $(VENV)/.installed-dev
	"$(BIN)/python" -m sphinx -b html -c docs -W --keep-going -q . build/docs
	@echo "build/docs/docs/index.html"

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -path "./$(VENV)" -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

clean-all: clean
	rm -rf "$(VENV)"

# The stamps are files of the virtual environment, so that removing it removes them; a changed specification installs
# again. An interrupted install leaves no stamp and is taken up again.
$(VENV)/.installed: $(SPECS) | $(VENV)/bin/python
	@echo "Installing wsvad into $(VENV) (once; a few minutes, mostly the download of torch and Ray) ..."
	@$(PIP) -e .
	@touch "$@"

$(VENV)/.installed-dev: $(SPECS) | $(VENV)/bin/python
	@echo "Installing wsvad with its test tools into $(VENV) (once; a few minutes) ..."
	@$(PIP) -e ".[dev]"
	@touch "$@" "$(VENV)/.installed"

# 3.11 first: it is what constraints.txt was tested with. A shim that cannot start counts as absent.
$(VENV)/bin/python:
	@for python in $(if $(PYTHON),"$(PYTHON)",python3.11 python3 python3.12 python3.13 python); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Creating $(VENV) with $$("$$python" --version) ..."; \
			"$$python" -m venv "$(VENV)" && exit 0; \
			rm -rf "$(VENV)"; \
			echo "error: $$python could not create a virtual environment; its own message is above" \
				"(on Debian and Ubuntu: apt install python3.11-venv)" >&2; \
			exit 1; \
		fi; \
	done; \
	echo "error: Python 3.11 or newer is needed; $(if $(PYTHON),$(PYTHON),python3.11 and python3) is missing or" \
		"older. Name one: make PYTHON=/path/to/python3.11" >&2; \
	exit 1
