# Two commands for everyone: `make demo` and `make test`. Both make their own .venv and need only Python >= 3.10.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

.PHONY: demo test fuzz lint package docs aarch64 bench clean
.DELETE_ON_ERROR:

$(VENV)/runtime: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[export]'
	@touch $@

# TrackEval's metadata pulls in a second OpenCV that breaks the headless one, hence --no-deps.
$(VENV)/develop: $(VENV)/runtime
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[test]'
	$(RUN) -m pip install -q --disable-pip-version-check --no-deps trackeval==1.3.0
	@touch $@

# TrackEval scores the demo; like above, without its dependencies, of which it needs SciPy.
$(VENV)/scores: $(VENV)/runtime
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[val]'
	$(RUN) -m pip install -q --disable-pip-version-check --no-deps trackeval==1.3.0
	@touch $@

$(VENV)/docs: $(VENV)/develop
	$(RUN) -m pip install -q --disable-pip-version-check -e '.[docs]'
	@touch $@

WEIGHTS := edge/demo/weights
METHOD  ?= nanotrack
# Streets that the demo does not show, twelve seconds of each, to calibrate on.
STREETS := $(foreach seed,100000 100001 100002,'demo://?people=20&fps=1&frames=12&seed=$(seed)')

# The whole chain: the built-in weights become model packs, of which one tracks the built-in scene; for the joint network
# `make demo METHOD=jointtrack`. One to two minutes on two cores, as the processor is.
demo: $(VENV)/scores
	$(RUN) -m export.cli pack --detector $(WEIGHTS)/detector.pth --reid $(WEIGHTS)/reid.pth \
	  --calibrate $(STREETS) --boards cpu --licence Apache-2.0 --force -o out/demo/builtin.pack
	$(RUN) -m export.cli pack --detector $(WEIGHTS)/joint.pth --licence Apache-2.0 --force -o out/demo/joint.pack
	$(RUN) -m edge.cli demo --out out/demo --tracking-method $(METHOD)

lint: $(VENV)/develop
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

test: lint
	$(RUN) -m pytest -n auto -m 'not slow and not gpu and not jetson'

# Mutated files of every kind against their readers, `MINUTES` for each kind, what was found kept in
# ~/.cache/nanotrack-fuzz; then properties on examples drawn at random, as long again. What fails is printed with how to
# repeat it.
MINUTES ?= 10
SEED ?= 0
fuzz: $(VENV)/develop
	$(RUN) -m tests.fuzz --minutes $(MINUTES) --seed $(SEED)
	end=$$(($$(date +%s) + 60 * $(MINUTES))); while [ $$(date +%s) -lt $$end ]; do \
	  $(RUN) -m pytest -q -x -n auto -m 'hypothesis and not gpu and not jetson' --hypothesis-profile=fuzz || exit 1; done

# The wheel and the source distribution, in dist/, proven in fresh environments.
package: $(VENV)/develop
	.ci/package

# The documentation, in out/docs; fails where a link leads nowhere or a command in it does not run.
docs: $(VENV)/docs
	$(RUN) -m mkdocs build --strict
	$(RUN) -m pytest -q -n auto -m slow tests/docs

# The package on an emulated aarch64, as root; see the module for what it needs. Minutes to an hour.
aarch64: $(VENV)/runtime
	$(RUN) -m benchmarks.endurance.aarch64

bench: $(VENV)/develop
	$(RUN) -m benchmarks.speed.stages
	$(RUN) -m benchmarks.speed.association

clean:
	rm -rf $(VENV) build dist *.egg-info out
