# SPDX-License-Identifier: MIT
# Everything lands in .venv/ and build/, in a folder per interpreter: `make PYTHON=python3.13 test` picks one.

PYTHON ?= python3
export CC ?= cc

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

# Nothing of the caller's Python environment may reach the build or the tests.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONMALLOC PYTHONTRACEMALLOC PYTHONDEVMODE PYTHONSAFEPATH
unexport PYTRACEMALLOC PYTRACEMALLOC_INSTALL PYTRACEMALLOC_OUTPUT PYTRACEMALLOC_OUTPUT_FIRST PYTHONWARNINGS PYTHONOPTIMIZE PYTHONDONTWRITEBYTECODE
unexport CFLAGS CPPFLAGS LDFLAGS MESONPY_EDITABLE_SKIP MESONPY_EDITABLE_VERBOSE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PYTHONNOUSERSITE := 1
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/build/hypothesis

# What is missing on the machine is named before anything starts.
ifneq ($(filter-out help clean,$(or $(MAKECMDGOALS),help)),)
found := $(shell tools/preflight.sh $(PYTHON))
ifeq ($(filter cp3%,$(firstword $(found))),)
$(error $(found))
endif
endif

TAG := $(firstword $(found))
VENV := .venv/$(TAG)
BUILD := build/$(TAG)
PY := $(VENV)/bin/python
ASAN_PY := $(VENV)-asan/bin/python
TEST_REQUIREMENTS := requirements/test$(if $(filter %t,$(TAG)),-free-threaded).txt

GO := $(or $(shell command -v go),$(wildcard /usr/local/go/bin/go))
PPROF_VERSION := v0.0.0-20261105003125-4bf881d7fb0b

sources := $(sort $(shell find csrc src subprojects -type f ! -name '*.pyc' ! -name '.*')) \
           pyproject.toml meson.build meson.options LICENSE $(wildcard README.md)
c_tests := $(sort $(shell find tests/c tests/ext tests/fuzz -type f 2>/dev/null)) $(wildcard tests/meson.build)

# $(call wheel,PYTHON,BUILD FOLDER,MORE OPTIONS): builds the wheel and installs it, never editable
define wheel
	@echo "building the wheel in $(2)"
	@rm -rf $(2)/dist
	@PATH="$(abspath $(dir $(1))):$$PATH" $(1) -m pip wheel -q --no-deps --no-index --no-build-isolation \
	    -w $(2)/dist -Cbuild-dir=$(2)/meson $(3) .
	@$(1) -m pip install -q --force-reinstall --no-deps --no-index $(2)/dist/*.whl
endef

# $(call venv,FOLDER,REQUIREMENTS): a fresh environment; what was built with the one before it goes too
define venv
	@echo "making $(1)"
	@rm -rf $(1) $(1:.venv/%=build/%)/meson $(1:.venv/%=build/%)/c $(1:.venv/%=build/%)/warnings
	@$(PYTHON) -m venv $(1)
	@$(1)/bin/python -m pip install -q -r $(2)
endef

# $(call build_c_tests,PYTHON,BUILD FOLDER,MORE OPTIONS): builds tests/c and tests/ext
define build_c_tests
	@export PATH="$(abspath $(dir $(1))):$$PATH"; \
	tools/meson.sh $(2)/c -Dtests=true -Dbuildtype=debug -Dwerror=true $(3); \
	meson compile -C $(2)/c >$(2)/c-compile.log || { cat $(2)/c-compile.log; exit 1; }
endef

# $(call run_c_tests,PYTHON,BUILD FOLDER,MORE OPTIONS): the same, and runs tests/c
define run_c_tests
	$(call build_c_tests,$(1),$(2),$(3))
	@export PATH="$(abspath $(dir $(1))):$$PATH"; \
	meson test -C $(2)/c --no-rebuild --print-errorlogs --suite c >$(2)/c-test.log || { cat $(2)/c-test.log; exit 1; }; \
	echo "C tests: $$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' $(2)/c-test.log) programs, none failed"
endef

.PHONY: help demo test arrow-test collectors-test dev bench check warnings format asan tsan aarch64 free-threaded conformance suites wheels sdist fuzz soak shared pprof speedscope clean FORCE

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1@\2/' \
	    | while IFS=@ read -r name what; do printf '  make %-12s %s\n' "$$name" "$$what"; done
	@echo
	@echo '  PYTHON=python3.13 picks the interpreter (default python3): CPython 3.11 to 3.15'

demo: $(VENV)-demo/installed  ## sets everything up and runs the command on a real program
	@mkdir -p $(BUILD)/demo
	@echo 'pytracemalloc run -n 10 -o $(BUILD)/demo/outline.pb.gz demo/outline.py $(BUILD)/demo/index.json'
	@$(VENV)-demo/bin/pytracemalloc run -n 10 -o $(BUILD)/demo/outline.pb.gz demo/outline.py $(BUILD)/demo/index.json

test: $(BUILD)/installed $(c_tests) $(if $(GO),build/pprof/pprof)  ## sets everything up and runs the tests
	$(call run_c_tests,$(PY),$(BUILD))
	@PTM_TEST_EXT=$(abspath $(BUILD))/c/tests $(VENV)/bin/pytest $(ARGS)

arrow-test: $(VENV)-arrow/installed  ## snapshots read by polars, pyarrow, duckdb and pandas
	@$(VENV)-arrow/bin/pytest tests/arrow $(ARGS)

collectors-test: $(VENV)-collectors/installed $(c_tests)  ## other people's memory collectors, in one process with ours
	$(call build_c_tests,$(PY),$(BUILD))
	@PTM_TEST_EXT=$(abspath $(BUILD))/c/tests $(VENV)-collectors/bin/pytest tests/collectors $(ARGS)

check: $(VENV)-check/ready $(VENV)/ready  ## layers, house rules, formatting, types, warnings as errors
	@set +e; failed=0; step() { "$$@" || { echo "failed: $$*"; failed=$$((failed + 1)); }; }; \
	python=$(VENV)-check/bin/python; \
	step $$python tools/check_layers.py --self-test; \
	step $$python tools/check_layers.py; \
	step $$python tools/check_rules.py --self-test; \
	step $$python tools/check_rules.py; \
	step tools/format.sh --check $(VENV)-check/bin; \
	step $(VENV)-check/bin/ruff check -q .; \
	step $(VENV)-check/bin/mypy; \
	step $(MAKE) warnings; \
	exit $$failed

warnings: $(VENV)/ready
	@export PATH="$(abspath $(VENV)/bin):$$PATH"; \
	tools/meson.sh $(BUILD)/warnings -Dtests=true -Dbuildtype=release -Dwerror=true; \
	meson compile -C $(BUILD)/warnings >$(BUILD)/warnings.log || { cat $(BUILD)/warnings.log; exit 1; }; \
	missing=$$(nm -D --undefined-only $(BUILD)/warnings/csrc/_core*.so | grep -o 'ptm_.*' || true); \
	test -z "$$missing" || { echo "declared, but nowhere defined:" $$missing; exit 1; }; \
	echo "warnings: none"

format: $(VENV)-check/ready  ## formats C and Python in place
	@tools/format.sh $(VENV)-check/bin

ALLOCATORS ?= pymalloc malloc

# The interpreter itself is not instrumented: the runtimes are preloaded, and leaks (nearly all its own) are not judged.
asan: $(BUILD)-asan/installed  ## the tests under the address and undefined-behaviour sanitizers (ALLOCATORS=malloc)
	$(call run_c_tests,$(ASAN_PY),$(BUILD)-asan,-Db_sanitize=address$(,)undefined -Db_lundef=false)
	@export PTM_TEST_EXT=$(abspath $(BUILD)-asan)/c/tests PTM_ASAN=1; \
	failed=0; \
	for allocator in $(ALLOCATORS); do \
	    echo "with PYTHONMALLOC=$$allocator"; \
	    PYTHONMALLOC=$$allocator tools/with_asan.sh $(ASAN_PY) -P -m pytest $(ARGS) || failed=1; \
	done; \
	exit $$failed

# Eight threads at once, and the lanes: what the sanitizer reports ends with status 66.
tsan: $(BUILD)-tsan/installed  ## the engine under the thread sanitizer (free-threaded builds)
	@case $(TAG) in *t) ;; *) echo "tsan: needs a free-threaded build: make PYTHON=python3.13t tsan"; exit 1;; esac
	$(call build_c_tests,$(VENV)-tsan/bin/python,$(BUILD)-tsan,-Db_sanitize=thread -Db_lundef=false -Dc_args=-Wno-tsan)
	@PATH="$(abspath $(VENV))-tsan/bin:$$PATH" TSAN_OPTIONS=die_after_fork=0 meson test -C $(BUILD)-tsan/c --no-rebuild --print-errorlogs test_lanes test_journal
	@tools/with_tsan.sh $(VENV)-tsan/bin/python tests/isolated/threads_share.py $(or $(ROUNDS),20)

conformance:  ## CPython's own tests against ours, on every CPython found or made
	@$(PYTHON) tests/conformance/run_conformance.py $(ARGS)

PART ?= cpython programs

suites:  ## tests of others without and with the engine, on every CPython (PART='cpython programs', ARGS='test.test_gc --only 3.13')
	@failed=0; for part in $(PART); do \
	    $(PYTHON) tests/suites/run_suites.py $$part $(ARGS) || failed=1; \
	done; exit $$failed

sdist:  ## the sdist of the commit, in dist/
	@$(PYTHON) tools/wheels.py sdist

wheels:  ## the sdist, and from it a manylinux wheel for every CPython, each tested in a fresh environment
	@$(PYTHON) tools/wheels.py wheels $(ARGS)

aarch64: warnings $(if $(shell command -v aarch64-linux-gnu-gcc),,$(VENV)-zig/ready)  ## compiles every C file for aarch64
	@tools/compile_as.py aarch64 $(BUILD)/warnings $(or $(shell command -v aarch64-linux-gnu-gcc),\
	    $(abspath $(VENV))-zig/bin/python -m ziglang cc -target aarch64-linux-gnu.2.17)

free-threaded: warnings  ## compiles every C file for the free-threaded build of PYTHON (3.14 and 3.15 only)
	@case $(TAG) in cp314|cp315) ;; *) echo "free-threaded: layouts are there for 3.14 and 3.15"; exit 1;; esac
	@tools/compile_as.py free-threaded $(BUILD)/warnings $(CC) -DPy_GIL_DISABLED=1 -DPTM_FREE_THREADED

MINUTES ?= 30

fuzz:  ## libFuzzer on the reader of files (MINUTES=30); `tools/fuzz.sh` merges the corpus and tells coverage
	@tools/fuzz.sh $(MINUTES)

soak: $(BUILD)/installed $(c_tests)  ## threads, interpreters, forks, all recounted, on one Python (MINUTES=30)
	$(call build_c_tests,$(PY),$(BUILD))
	@PYTHONPATH=$(abspath $(BUILD))/c/tests:$(CURDIR)/tests/soak $(PY) -P tests/soak/soak.py --minutes $(MINUTES) $(ARGS)

# What targets that run at the same time would otherwise make twice.
shared: $(BUILD)/interpreter $(BUILD)/sources $(if $(GO),build/pprof/pprof)
	@:

pprof: build/pprof/pprof  ## Go's pprof for the tests, where there is Go (`make test` fetches it then)
	@echo "$< is there"

speedscope: $(BUILD)/installed build/speedscope/ready  ## speedscope in a headless Chromium opens our file (needs node)
	@$(VENV)/bin/pytest tests/py/test_speedscope.py -rs $(ARGS)

bench:  ## every claim measured, a table each (PARTS='programs calls', PAIRS=5)
	@$(PYTHON) bench/run_all.py --python $(PYTHON) $(PARTS)

dev: $(VENV)-dev/ready  ## an editable install in .venv/…-dev, for the inner loop (no start-up hook)
	@PATH="$(abspath $(VENV)-dev/bin):$$PATH" $(VENV)-dev/bin/python -m pip install -q --no-deps --no-index \
	    --no-build-isolation -Cbuild-dir=$(BUILD)-dev/meson --editable .
	@echo "$(VENV)-dev/bin/python imports pytracemalloc from the tree; C is rebuilt at the next import"

clean:  ## removes .venv/ and build/
	rm -rf .venv build

, := ,

# Once, whatever the interpreter.
build/pprof/pprof:
	@echo "building pprof in build/pprof"
	@GOBIN=$(abspath build/pprof) $(GO) install github.com/google/pprof@$(PPROF_VERSION) \
	    || echo "pprof cannot be fetched here: the tests that need it are skipped"

build/speedscope/ready: tools/speedscope/package.json tools/speedscope/package-lock.json
	@echo "fetching speedscope to build/speedscope"
	@mkdir -p $(@D); cp $^ $(@D)
	@cd $(@D) && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

$(BUILD)/interpreter: FORCE
	@mkdir -p $(@D); echo "$(found)" | cmp -s - $@ || echo "$(found)" >$@

# Changes when a file comes or goes, which no time stamp tells.
$(BUILD)/sources: FORCE
	@mkdir -p $(@D); printf '%s\n' $(sources) | cmp -s - $@ || printf '%s\n' $(sources) >$@

$(VENV)/ready: $(BUILD)/interpreter requirements/build.txt $(TEST_REQUIREMENTS)
	$(call venv,$(@D),$(TEST_REQUIREMENTS))
	@touch $@

$(VENV)-demo/ready: $(BUILD)/interpreter demo/requirements.txt
	$(call venv,$(@D),demo/requirements.txt)
	@touch $@

$(VENV)-arrow/ready $(VENV)-collectors/ready: $(VENV)-%/ready: $(BUILD)/interpreter requirements/%.txt
	$(call venv,$(@D),requirements/$*.txt)
	@touch $@

# The wheel of the tests, beside what these need.
$(addprefix $(VENV)-,$(addsuffix /installed,demo arrow collectors)): $(VENV)-%/installed: $(BUILD)/installed $(VENV)-%/ready
	@$(@D)/bin/python -m pip install -q --force-reinstall --no-deps --no-index $(BUILD)/dist/*.whl
	@touch $@

$(VENV)-asan/ready: $(BUILD)/interpreter requirements/build.txt $(TEST_REQUIREMENTS)
	$(call venv,$(@D),$(TEST_REQUIREMENTS))
	@touch $@

$(VENV)-dev/ready: $(BUILD)/interpreter requirements/build.txt $(TEST_REQUIREMENTS)
	$(call venv,$(@D),$(TEST_REQUIREMENTS))
	@touch $@

$(VENV)-check/ready: $(BUILD)/interpreter requirements/build.txt requirements/check.txt
	$(call venv,$(@D),requirements/check.txt)
	@touch $@

$(VENV)-zig/ready: $(BUILD)/interpreter requirements/zig.txt
	$(call venv,$(@D),requirements/zig.txt)
	@touch $@

$(VENV)-tsan/ready: $(BUILD)/interpreter requirements/build.txt
	$(call venv,$(@D),requirements/build.txt)
	@touch $@

$(BUILD)-tsan/installed: $(BUILD)/sources $(sources) $(VENV)-tsan/ready
	$(call wheel,$(VENV)-tsan/bin/python,$(BUILD)-tsan,-Csetup-args=-Dbuildtype=debugoptimized \
	    -Csetup-args=-Db_sanitize=thread -Csetup-args=-Db_lundef=false -Csetup-args=-Dc_args=-Wno-tsan)
	@touch $@

$(BUILD)/installed: $(BUILD)/sources $(sources) $(VENV)/ready
	$(call wheel,$(PY),$(BUILD))
	@touch $@

$(BUILD)-asan/installed: $(BUILD)/sources $(sources) $(VENV)-asan/ready
	$(call wheel,$(ASAN_PY),$(BUILD)-asan,-Csetup-args=-Dbuildtype=debugoptimized \
	    -Csetup-args=-Db_sanitize=address$(,)undefined -Csetup-args=-Db_lundef=false)
	@touch $@
