# make demo    set up what the demo needs, run examples/quickstart.ipynb cell by cell and print the bill
# make test    set up everything, the JupyterLab front end too, and run the tests
# make check   formats, lints and types, of Python and TypeScript
# make bench   ratios beside real peers, in an environment of their own
# make soak    the tests that take hours, and the table in docs/soak.md; SOAK_SEEDS=200 does a sixth of them
# make clean   remove what was built, and .venv

PYTHON ?= python3
SOAK_SEEDS ?= 1200
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
export PATH := $(CURDIR)/$(BIN):$(PATH)

PACKAGING := pyproject.toml setup.cfg build_backend.py labextension/package.json labextension/server_config/farcell.json
FRONT_END := labextension/yarn.lock labextension/tsconfig.json $(wildcard labextension/src/* labextension/style/*)
# what was installed; `dev` holds all that `demo` does
DEMO := $(VENV)/.installed-demo
DEV  := $(VENV)/.installed-dev
# --reinstall-package: the list of packages and the front end are read when Farcell is installed, not when it is imported
# --system-certs: as pip does, for networks whose proxy signs for itself
INSTALL := $(UV) pip install --quiet --compile-bytecode --system-certs --python $(BIN)/python --reinstall-package farcell --editable

.PHONY: demo test check bench soak clean

demo: $(if $(wildcard $(DEV)),$(DEV),$(DEMO))
	@$(BIN)/python examples/run_quickstart.py

test: $(DEV)
	@$(BIN)/python -m pytest

check: $(DEV)
	ruff check .
	ruff format --check .
	mypy
	codespell
	cd labextension && jlpm lint:check

bench: $(DEV)
	@$(BIN)/python tests/benchmarks

soak: $(DEV)
	@SOAK_SEEDS=$(SOAK_SEEDS) $(BIN)/python -m pytest -m soak --soak-report=docs/soak.md

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

# the demo needs no sidebar, and so neither Node nor npm's registry
$(DEMO): $(PACKAGING) | $(UV)
	FARCELL_SKIP_FRONTEND=1 $(INSTALL) '.[demo]'
	@touch $@

$(DEV): $(PACKAGING) $(FRONT_END) | $(UV)
	$(INSTALL) '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist farcell.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov .coverage*
	rm -rf labextension/lib labextension/static labextension/node_modules labextension/.yarn
