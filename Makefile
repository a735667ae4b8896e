# Two commands for everyone: `make demo` and `make test`. Both make their own .venv and need only Python >= 3.10.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

.PHONY: demo test lint bench clean
.DELETE_ON_ERROR:

$(VENV)/runtime: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[export]'
	@touch $@

# TrackEval's metadata pulls in a second OpenCV that breaks the headless one, hence --no-deps.
$(VENV)/develop: $(VENV)/runtime
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[test]'
	$(RUN) -m pip install -q --disable-pip-version-check --no-deps trackeval==1.3.0
	@touch $@

demo: $(VENV)/runtime
	$(RUN) -m edge.cli demo

lint: $(VENV)/develop
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

test: lint
	$(RUN) -m pytest -n auto -m 'not slow and not gpu and not jetson'

bench: $(VENV)/develop
	$(RUN) -m benchmarks.stages
	$(RUN) -m benchmarks.association

clean:
	rm -rf $(VENV) build *.egg-info out
