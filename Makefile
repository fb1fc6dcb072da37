# Quorate: `make demo` shows the product, `make test` checks it. Both build .venv from pinned requirements first.
# PIP_ARGS goes to pip, for example to name an index with a CPU build of torch.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
PIP_ARGS ?=
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONDONTWRITEBYTECODE # tests start a hundred processes, and each would compile everything again

.PHONY: bench-consensus demo test check static unit seeds format lock docs simulate zoo exhaustive chaos clean

demo: .venv/.ready ## the main job: a consortium of four validators and six hospitals, attacked, crashed and audited
	@$(BIN)/quorate demo

test: check ## everything that CI checks

check: static unit seeds

static: .venv/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: .venv/.ready
	$(BIN)/pytest -n auto --dist loadgroup --cov --cov-report=term

seeds: .venv/.ready ## 2,000 seeds of the consensus simulator, others after each change of the code
	$(BIN)/python -m tests.simulation --seeds 2000 --fresh

simulate: .venv/.ready ## as many as you like, on all cores; goes on where it stopped: make simulate SEEDS=100000
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),2000) --first $(or $(FIRST),0)

zoo: .venv/.ready ## hunts every planted bug with the simulator's seeds; fails if one is left alive
	$(BIN)/python -m tests.simulation.zoo

chaos: .venv/.ready ## real validators under attack: make chaos VALIDATORS=7 SECONDS=600 SEED=1 FAULTS=kill,loss
	$(BIN)/python -m tests.chaos --validators $(or $(VALIDATORS),4) --seconds $(or $(SECONDS),180) \
	  $(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS)) $(if $(KILLS),--kills $(KILLS))

bench-consensus: .venv/.ready ## speed beside a peer and the limits of this machine, into build/bench/consensus.json
	$(BIN)/python -m benchmarks.consensus

exhaustive: .venv/.ready ## every interleaving of a bounded set of messages and drops: four validators, one height, two views
	$(BIN)/python -m tests.simulation.exhaustive

format: .venv/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/.ready ## the pages that are generated from code
	$(BIN)/python -m quorate.reference
	$(BIN)/python -m tests.tour

lock: .venv/.ready ## pin the newest versions that pyproject.toml admits
	$(BIN)/pip-compile -q --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe \
	  --extra demo --extra dev --upgrade -c constraints.txt -o requirements.txt pyproject.toml
	sed -i.old 's/^\([a-z0-9-]*==[^+ ]*\)+[^ ]*/\1/' requirements.txt && rm requirements.txt.old # builds are the user's choice

.venv/.ready: requirements.txt pyproject.toml
	@echo "Building .venv with $(PYTHON). README says what is downloaded, and how to name a small build of PyTorch."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	  (3, 11) <= v <= (3, 12) or sys.exit("Python 3.11 or 3.12 is needed, got %d.%d: make PYTHON=python3.11" % v)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q $(PIP_ARGS) -r requirements.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf .venv build *.egg-info
