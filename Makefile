# Wetread: one command each. Needs Python 3.11, 3.12 or 3.13 with venv, and make; everything else goes into .venv.
# Works with GNU make 3.81 and later on Linux and macOS.

VENV ?= .venv
# The interpreter that .venv is made with; empty: the first suitable one on the PATH.
PYTHON ?=
# Where pip finds PyTorch without CUDA on Linux. `make demo TORCH_INDEX=` takes whatever PyPI has (CUDA, about 3 GB).
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Set to 1 to leave the demo after the read instead of serving.
DEMO_ONCE ?=
# Folder of images, or DICOMweb URL, for `make app`.
STUDIES ?=
PORT ?= 8000
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 60

BIN = $(VENV)/bin
TOOLS = .venv-tools
SLICER = .venv-slicer
INSTALL = VENV='$(VENV)' PYTHON='$(PYTHON)' TORCH_INDEX='$(TORCH_INDEX)' sh scripts/install.sh
DEBIAN_MARKERS = orthanc or pixelmed or dcmtk or postgresql

# Some machines switch bytecode off; importing torch and monai uncompiled takes four times as long.
unexport PYTHONDONTWRITEBYTECODE
.NOTPARALLEL:
.PHONY: help install install-app install-dev demo app test test-debian test-slow test-ohif test-slicer test-ray ohif openapi reproduce-mini-small lint clean

help:
	@echo "make demo          install what a read needs, read a study end to end, then serve"
	@echo "                   (DEMO_ONCE=1: exit after the read)"
	@echo "make test          install everything and run all tests that need nothing but Python"
	@echo "make test-debian   run the tests against Debian's Orthanc, PostgreSQL, dcmtk and PixelMed; says what is missing"
	@echo "make test-slow     run the tests that take minutes"
	@echo "make test-ohif     build the OHIF plugin, test it by itself and in real viewers (needs Node.js and Chromium)"
	@echo "make test-slicer   test the Slicer extension on Slicer's own MRML (PyPI: slicer-core) and real Qt (.venv-slicer, 1.5 GB)"
	@echo "make test-ray      run workers as replicas of Ray Serve on this machine"
	@echo "make reproduce-mini-small   train a tenth of the shipped model's recipe, and see that it lands where it should"
	@echo "make lint          ruff and mypy"
	@echo "make audit         known vulnerabilities of all pinned packages; make sbom: build/sbom.cdx.json (CycloneDX)"
	@echo "make fuzz          fuzz the loader, the verifier and slices of a series, FUZZ_SECONDS=60 each (Linux)"
	@echo "make openapi       write docs/openapi.json anew, after a route was changed"
	@echo "make app           start the MONAI Label app on 127.0.0.1:$(PORT) (STUDIES=folder or DICOMweb URL)"
	@echo "make install       only install what a read needs; install-app, install-dev: the rest"
	@echo "make clean         remove the environments and the caches of the tools"

install: $(VENV)/.installed-core

install-app: $(VENV)/.installed-app

install-dev: $(VENV)/.installed-dev

$(VENV)/.installed-core: pyproject.toml constraints.txt scripts/install.sh
	@$(INSTALL) core

$(VENV)/.installed-app: $(VENV)/.installed-core monailabel_app/compat/pyproject.toml
	@$(INSTALL) app

$(VENV)/.installed-dev: $(VENV)/.installed-app
	@$(INSTALL) dev

$(VENV)/.installed-ray: $(VENV)/.installed-dev
	@$(INSTALL) ray

demo: install
	DEMO_ONCE='$(DEMO_ONCE)' $(BIN)/wetread demo

app: install-app
	@test -n '$(STUDIES)' || { echo "wetread: say where the images are: make app STUDIES=folder" >&2; exit 2; }
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m monailabel.main start_server \
		--app monailabel_app --studies '$(STUDIES)' --host 127.0.0.1 --port '$(PORT)'

test: install-dev
	$(BIN)/python -m pytest tests -m 'not slow and not ohif and not ($(DEBIAN_MARKERS))' $(PYTEST_ARGS)

test-debian: install-dev
	@sh scripts/debian_tools.sh
	$(BIN)/python -m pytest tests -m 'not slow and not ohif and ($(DEBIAN_MARKERS))' $(PYTEST_ARGS)

test-slow: install-dev
	$(BIN)/python -m pytest tests -m 'slow and not ray and not ohif' $(PYTEST_ARGS)

# The plugin's modules, built into the package: commit them with the change that they were built from.
ohif: ohif_plugin/node_modules
	cd ohif_plugin && WETREAD_OHIF_DIST=../core/wetread/service/static/ohif npm run --silent build

ohif_plugin/node_modules: ohif_plugin/package-lock.json
	cd ohif_plugin && npm ci --silent --no-audit --no-fund
	@touch $@

test-ohif: $(VENV)/.installed-ohif ohif_plugin/node_modules
	cd ohif_plugin && npm run --silent build && npm run --silent check && npm test --silent
	$(BIN)/python -m pytest tests/ohif $(PYTEST_ARGS)

$(VENV)/.installed-ohif: $(VENV)/.installed-dev
	@$(INSTALL) ohif

# Slicer's Python packages are not the engine's: an environment of their own, which talks HTTP to the engine's.
test-slicer: $(SLICER)/.installed
	WETREAD_PYTHON='$(abspath $(BIN))/python' $(SLICER)/bin/python -m pytest tests/slicer --confcutdir=tests/slicer $(PYTEST_ARGS)

$(SLICER)/.installed: scripts/slicer_tests.txt $(VENV)/.installed-dev
	$(BIN)/python -m venv '$(SLICER)'
	$(SLICER)/bin/pip install -qq --progress-bar off -r scripts/slicer_tests.txt
	@touch $@

test-ray: $(VENV)/.installed-ray
	$(VENV)/ray/bin/python -m pytest tests/service/test_replicas.py $(PYTEST_ARGS)

reproduce-mini-small: install-dev
	OMP_NUM_THREADS=1 $(BIN)/python scripts/reproduce_mini_small.py

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd monailabel_app && MYPYPATH=../core '$(abspath $(BIN))/mypy' --config-file ../pyproject.toml -p lib -m main

openapi: install-dev
	$(BIN)/python scripts/openapi.py

$(TOOLS)/.installed: scripts/tools.txt $(VENV)/.installed-dev
	$(BIN)/python -m venv '$(TOOLS)'
	$(TOOLS)/bin/pip install -q -r scripts/tools.txt
	touch $@

audit: $(TOOLS)/.installed
	$(TOOLS)/bin/python scripts/audit.py constraints.txt

sbom: $(TOOLS)/.installed
	mkdir -p build
	$(TOOLS)/bin/cyclonedx-py environment '$(BIN)/python' --pyproject pyproject.toml -o build/sbom.cdx.json

fuzz: $(TOOLS)/.installed
	@for target in loader verifier twins; do \
		PYTHONPATH="core:tests/support:$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')" \
		OMP_NUM_THREADS=1 $(TOOLS)/bin/python tests/fuzz/readers.py $$target "build/fuzz/$$target" \
		-max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=25 -max_len=200000 -verbosity=0 \
		-artifact_prefix="build/fuzz/$$target-" || exit 1; \
	done

clean:
	rm -rf '$(VENV)' '$(TOOLS)' '$(SLICER)' build .pytest_cache .ruff_cache .mypy_cache .hypothesis
