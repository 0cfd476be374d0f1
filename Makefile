# Every target does its own set-up (virtual environment in .venv, pinned installs) and is quick the second time.
#   make lab      JupyterLab at the course
#   make grade    build the release, grade a class, print the table (SUBMISSIONS=dir for a real class)
#   make test     everything that CI runs
#   make help     the other targets

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
SUBMISSIONS ?=
CHAPTERS ?=
# Test workers: one a core up to four, because each may hold a torch process.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); [ $$n -gt 4 ] && n=4; echo $$n)

# NumPy's threads spin while they wait and slow down test workers that share the cores.
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup lab grade test lint check nbval unit build bench measure mutate bundle clean

help: ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV) (once; a few minutes)"
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[instructor,test]'
	@touch $@

# The browser tests need a Chromium; where it is missing and cannot be installed they skip and say so.
$(VENV)/.browser: $(VENV)/.installed
	@sh autograder/tests/browser/install_chromium.sh
	@touch $@

setup: $(VENV)/.installed ## Install everything into .venv

lab: setup ## Open JupyterLab at the course
	@$(PY) -m autograder lab

grade: setup ## Grade the example class, or SUBMISSIONS=dir
	@$(PY) -m autograder grade $(CHAPTERS) $(if $(SUBMISSIONS),--submissions "$(SUBMISSIONS)")

test: setup $(VENV)/.browser lint check unit nbval ## Everything that CI runs

lint: setup
	@$(BIN)/ruff check .

check: setup ## Committed notebooks are fresh, nothing leaks to students
	@$(PY) -m autograder build --check
	@$(PY) -m autograder scan

unit: setup
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile autograder/tests

nbval: setup
	@COURSE_HEADLESS=1 COURSE_PRESET=smoke $(BIN)/pytest --nbval --nbval-sanitize-with autograder/tests/nbval.cfg \
	  -p no:cacheprovider solutions

build: setup ## Build all notebooks from their sources
	@$(PY) -m autograder build $(CHAPTERS)

measure: setup ## Time, memory and size of the notebooks
	@$(PY) -m autograder measure $(CHAPTERS)

mutate: setup ## Mutants of the reference solutions against the hidden tests
	@$(PY) -m autograder mutate $(or $(CHAPTERS),02_backprop)

bench: setup ## Our grading beside stock nbgrader, in one run
	@$(PY) -m autograder bench

bundle: setup ## The zip file that students get
	@$(PY) -m autograder bundle build/deep-learning-by-hand.zip

clean: ## Remove the virtual environment and everything built
	rm -rf $(VENV) build artefacts .pytest_cache .ruff_cache
