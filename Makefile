# A fresh machine needs make and a Python (3.12 to 3.14); every target sets up the rest by itself.

SHELL := bash
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
RIVALS := $(VENV)/.installed-rivals
WORKERS ?= 2
# Test workers, folds and chains share the cores already: more BLAS threads only slow each other down.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo env test test-fast lint notebooks backtest bench wheel-test clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: $(INSTALLED) ## fit the bundled leaderboard, predict a family left out, write figures to out/
	$(BIN)/latentscale demo --out out

env: $(INSTALLED) ## create .venv with latentscale (editable) and the development tools

test: test-fast ## run every test: the fast ones, then the slow ones
	$(PYTEST) -m slow -n $(WORKERS) --dist loadfile

test-fast: $(INSTALLED) ## run the fast tests and the examples of the docstrings
	$(PYTEST) -m "not slow" -n $(WORKERS)

lint: $(INSTALLED) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

notebooks: $(INSTALLED) ## run the notebooks again, in place
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb

backtest: $(INSTALLED) ## predict hidden scores in seven ways, by the package and every rival: a quarter to half an hour
	$(ONE_THREAD) $(BIN)/python benchmarks/backtests.py -o benchmarks/results

bench: $(RIVALS) ## measure speed, beside direct transcriptions in PyMC and numpyro: one to two hours
	rm -f out/waits.json out/speed.json out/scaling.json  # figures of earlier code
	$(BIN)/python benchmarks/waits.py -o out/waits.json
	$(BIN)/python benchmarks/speed.py --draws 500 -o out/speed.json
	$(BIN)/python benchmarks/scaling.py -o out/scaling.json

wheel-test: $(INSTALLED) ## build the wheel and try it in a clean environment elsewhere
	tools/wheel_test.sh $(BIN)/python

clean: ## remove everything that make made: .venv, out, dist, caches
	rm -rf $(VENV) out dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find latentscale tests tools -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@$(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null \
	  || { python=$$(tools/find_python.sh) && "$$python" -m venv --clear $(VENV); }
	@echo "Installing latentscale and its tools into $(VENV): a minute or two, once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

$(RIVALS): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,gpu]' -c constraints.txt
	@touch $@
