# `make search` and `make test` set up what they need, and install nothing when nothing changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Two processes, each with whole files in the order in which they are collected, so that long ones do not come last.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: search test test-slow check format clean benchmark benchmark-search

search: $(INSTALLED)
	$(BIN)/sesemi-search run space=lenet_cosine

test: $(INSTALLED)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow and not gpu"

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m "slow and not gpu"

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# make benchmark, on a machine that does nothing else, or make benchmark QUICK=1 (see benchmarks/speed/__main__.py)
benchmark: $(INSTALLED)
	$(BIN)/python -m benchmarks.speed $(if $(QUICK),--quick)

# make benchmark-search QUICK=1, or LCBENCH=DIR CURVES=FILE.jsonl (see benchmarks/search_quality/__main__.py)
benchmark-search: $(INSTALLED)
	$(BIN)/python -m benchmarks.search_quality $(if $(QUICK),--quick) $(if $(LCBENCH),--lcbench $(LCBENCH)) \
		$(if $(CURVES),--curves $(CURVES)) --rows $(if $(ROWS),$(ROWS),search_quality.jsonl)

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist
