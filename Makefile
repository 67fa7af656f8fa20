# make install    the environment in .venv
# make quickstart a grid on real images in two minutes, with its report
# make test       the tests
# make faults     kills at random moments over a thousand trials, and every other attack; counts in reports/faults.md
# make planted    forty faults, planted in small networks, each named first by `precision explain`
# make wheel      a wheel, installed in an environment of its own, runs a grid there
# make verify     every float32 bit pattern, rounded to every small format (run again to resume)
# make statistics how often intervals and verdicts hold, over 10,000 simulated grids; into docs/statistics.md
# make check      ruff and mypy
# make pages      docs and lists that are made from the code, written anew
# make bench      the benchmarks, each a ratio against a named peer
# make aarch64    an emulated ARM processor in build/aarch64, on which a test runs bundles
# make agreement  the files of experiments/deployment.yaml on it: the column aarch64 of its report
# make gpu-wheels what a machine with a GPU and no network lacks for benchmarks/gpu.py, in build/gpu
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install quickstart test faults planted wheel verify statistics check pages bench aarch64 agreement gpu-wheels clean

install: .venv/.installed

.venv/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("precision needs Python 3.11 or newer, but %s is %s; name one with make PYTHON=..." % (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.test: .venv/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

.venv/.check: .venv/.test
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,check]'
	@touch $@

quickstart: .venv/.installed
	$(BIN)/precision run experiments/quickstart.yaml

# Workers and what they start share the compiled tests and modules, whatever the environment says.
test: .venv/.test
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

faults: .venv/.test
	PRECISION_FAULT_TRIALS=1000 PRECISION_FAULT_KILLS=60 PRECISION_FORKS=2000 \
		PRECISION_FAULTS_REPORT=reports/faults.md $(BIN)/python -m pytest -m faults

planted: .venv/.test
	PRECISION_PLANTED=1 $(BIN)/python -m pytest -s -k twenty tests/exploration/explain/test_planted.py

wheel: .venv/.test
	PRECISION_WHEEL=1 $(BIN)/python -m pytest tests/test_wheel.py

verify: .venv/.test
	PYTHONPATH=tests $(BIN)/python -m oracles.verify

statistics: .venv/.test
	PYTHONPATH=tests $(BIN)/python -m oracles.simulated

check: .venv/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

pages: .venv/.test
	$(BIN)/python -P tests/made.py

.venv/.bench: .venv/.test
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	@touch $@

bench: .venv/.bench
	$(BIN)/python benchmarks/run.py

aarch64:
	tools/aarch64.sh build/aarch64

agreement: .venv/.installed aarch64
	PRECISION=$(BIN)/precision tools/agreement.sh

GPU_WHEELS := keras typer pydantic rich tabulate psutil threadpoolctl filelock platformdirs safetensors nvidia-ml-py \
	absl-py annotated-types annotated-doc click h5py markdown-it-py mdurl ml_dtypes namex optree pydantic-core pygments \
	shellingham typing-extensions typing-inspection

# For Python 3.12 on Linux, in the versions of the environment here; the data lie in the folder PRECISION_DATA.
gpu-wheels: .venv/.installed
	mkdir -p build/gpu/wheels
	$(BIN)/pip list --disable-pip-version-check --format freeze > build/gpu/versions.txt
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.12 \
		--platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 --constraint build/gpu/versions.txt \
		--dest build/gpu/wheels $(GPU_WHEELS)
	$(BIN)/python benchmarks/gpu.py --gather build/gpu --data-dir "$(PRECISION_DATA)"
	du -sh build/gpu

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
