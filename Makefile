# SPDX-License-Identifier: Apache-2.0
#
# One file, no recursion. `make help` lists the targets; `V=1` shows the commands.
#
# Each variant has a tree of its own, build/VARIANT/{obj,bin}:
#   release  gcc -O2: the program, the end-to-end tests, the benches
#   san      gcc with AddressSanitizer and UBSan: the unit tests
#   tsan     gcc with ThreadSanitizer: the unit tests of what has threads
#   fuzz     clang with libFuzzer, AddressSanitizer and UBSan: the fuzzers
#
# `make run` and `make test` first install what is missing, then build in a second make that sees
# what was installed; nothing else calls make again.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) $(shell command -v bpftool 2>/dev/null) bpftool)
NODE ?= node
ESBUILD ?= esbuild
VERSION := $(shell cat VERSION 2>/dev/null || echo 0)

PREFIX ?= /usr/local
DESTDIR ?=

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)';)

PACKAGES := libbpf libelf libdw libwebsockets libssl zlib liblzma libdeflate
ifeq ($(filter help clean run test install-deps,$(MAKECMDGOALS)),)
PACKAGE_CFLAGS := $(shell pkg-config --cflags libbpf libelf libdw zlib libcurl 2>/dev/null)
endif
LIBS := -lwebsockets -lssl -lcrypto -lbpf -ldw -lelf -lz -ldeflate -llzma -liberty -lseccomp -lpthread

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
	    -Wno-unused-parameter
COMMON := -std=gnu11 -D_GNU_SOURCE -g -Iagent -Iinclude -DFLICKERSCOPE_VERSION='"$(VERSION)"' \
	  $(WARNINGS) $(PACKAGE_CFLAGS) -fno-omit-frame-pointer
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fcf-protection
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined

release_CC := $(CC)
release_CFLAGS := -O2 $(HARDEN) $(CFLAGS)
release_LDFLAGS := -pie -Wl,-z,relro,-z,now $(LDFLAGS)
san_CC := $(CC)
san_CFLAGS := -O1 -fexceptions $(SANITIZE)
san_LDFLAGS := $(SANITIZE)
tsan_CC := $(CC)
tsan_CFLAGS := -O1 -fsanitize=thread
tsan_LDFLAGS := -fsanitize=thread
fuzz_CC := $(CLANG)
fuzz_CFLAGS := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
	       -Wno-gnu-variable-sized-type-not-at-end
fuzz_LDFLAGS := -fsanitize=fuzzer,address,undefined

GEN := build/gen
AGENT_SOURCES := $(filter-out agent/main.c,$(wildcard agent/*.c agent/*/*.c))
# Where threads meet: a capture is read ahead by one and written by one, and both take checksums; test_formats goes
# the way of convert and report.
tsan_SOURCES := $(filter agent/base/% agent/profile/% agent/stream/% agent/convert/%,$(AGENT_SOURCES))
TSAN_UNIT_TESTS := test_capture_reader test_capture_writer test_crc32c test_formats
PLAIN_UNIT_TESTS := test_worker
NATIVE_TESTS := $(patsubst tests/native_bpf/%.c,%,$(wildcard tests/native_bpf/native_*.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHES := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))
LOADS := $(patsubst tests/e2e/%.c,%,$(wildcard tests/e2e/load_*.c))
FIXTURES := $(foreach v,release san,$(patsubst tests/e2e/%.c,build/$(v)/bin/%,$(wildcard tests/e2e/*_fixture.c)))
GOLDENS := $(patsubst tests/golden/%.c,build/san/bin/%,$(wildcard tests/golden/golden_*.c))
VIEWER_FILES := $(sort $(shell find viewer -name '*.js' -o -name '*.css'))
VIEWER_BANNER := /* SPDX-License-Identifier: Apache-2.0 */

.PHONY: all help run test ci e2e test-kernels bench bench-scale bench-viewer soak soak-days soak-overload compare-unwind fuzz fuzz-short lint install install-deps deb test-deb clean unit browser viewer wire \
	format pictures out-of-memory

all: build/flickerscope ## Build the program: build/flickerscope

help: ## List the targets
	@sed -n 's/^\([a-z][a-z0-9-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

# --- the kernel side -------------------------------------------------------------------------

BPF_SOURCES := $(wildcard bpf/*.bpf.c)
# Where Debian keeps asm/types.h, which <linux/bpf.h> needs; empty elsewhere.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
BPF_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))

$(GEN)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,CLANG,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Iinclude -Ibpf \
		-idirafter /usr/include/$(MULTIARCH) -Wall -Wextra -Wno-unused-parameter \
		-Wno-missing-declarations -MMD -MP -MT $@ -c $< -o $@

# Linking strips the DWARF and keeps the BTF.
$(GEN)/bpf/flickerscope.bpf.o: $(patsubst bpf/%.bpf.c,$(GEN)/bpf/%.bpf.o,$(BPF_SOURCES))
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(GEN)/sampler.skel.h: $(GEN)/bpf/flickerscope.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name sampler_bpf > $@

# --- the page's files, embedded --------------------------------------------------------------

# Scripts and styles minified from viewer/: what is served and embedded. What app.js imports later comes
# as a file of its own; into the page of the export everything goes. With
# ESBUILD_FLAGS=--sourcemap=inline the browser's tools show the sources.
VIEWER_PAGES := $(wildcard viewer/*.html viewer/*.svg)
ESBUILD_COMMAND = NODE_PATH=viewer $(ESBUILD) --bundle --minify --format=esm --charset=utf8 --log-level=warning \
	--banner:js='$(VIEWER_BANNER)' --banner:css='$(VIEWER_BANNER)' $(ESBUILD_FLAGS)

$(GEN)/viewer/.made: $(VIEWER_FILES)
	$(call say,ESBUILD,$(@D))
	$(Q)rm -rf $(@D)
	$(Q)$(ESBUILD_COMMAND) --splitting --outdir=$(@D) viewer/app.js
	$(Q)$(ESBUILD_COMMAND) --outdir=$(@D) viewer/list.js viewer/compare.js viewer/style.css
	$(Q)touch $@

$(GEN)/export.js: $(VIEWER_FILES)
	$(call say,ESBUILD,$@)
	$(Q)$(ESBUILD_COMMAND) --outfile=$@ viewer/app.js

# The page of the HTML export: `convert` fills it, and so does the page itself.
EXPORT_PAGE := $(GEN)/export/viewer/export.html
$(EXPORT_PAGE): packaging/export-page.sh $(VIEWER_PAGES) $(GEN)/viewer/.made $(GEN)/export.js
	$(Q)mkdir -p $(@D)
	$(Q)packaging/export-page.sh viewer/index.html viewer/favicon.svg $(GEN)/viewer/style.css $(GEN)/export.js > $@

$(GEN)/viewer_files.c: packaging/embed-viewer.sh $(VIEWER_PAGES) $(GEN)/viewer/.made $(EXPORT_PAGE)
	$(call say,EMBED,$@)
	$(Q)packaging/embed-viewer.sh $(VIEWER_PAGES) $(EXPORT_PAGE) $(GEN)/viewer/*.* > $@

$(GEN)/export_page.c: $(EXPORT_PAGE)
	$(call say,EMBED,$@)
	$(Q){ printf '#include "convert/export_page.h"\n\nconst char export_page[] = {\n'; \
		od -An -v -tu1 -w32 $< | sed 's/ *\([0-9][0-9]*\)/\1,/g'; printf '0 };\n'; } > $@

# --- objects, the library, programs: once for each variant -----------------------------------

define variant
build/$(1)/obj/%.o: %.c | $(GEN)/sampler.skel.h
	$$(call say,CC,$$< ($(1)))
	$(Q)mkdir -p $$(@D)
	$(Q)$$($(1)_CC) $$(COMMON) $$($(1)_CFLAGS) -I$(GEN) -Itests/unit -MMD -MP -c $$< -o $$@

build/$(1)/obj/%.o: $(GEN)/%.c
	$$(call say,CC,$$< ($(1)))
	$(Q)mkdir -p $$(@D)
	$(Q)$$($(1)_CC) $$(COMMON) $$($(1)_CFLAGS) -c $$< -o $$@

build/$(1)/libagent.a: $(patsubst %.c,build/$(1)/obj/%.o,$(or $($(1)_SOURCES),$(AGENT_SOURCES))) build/$(1)/obj/viewer_files.o build/$(1)/obj/export_page.o
	$$(call say,AR,$$@)
	$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach v,release san tsan fuzz,$(eval $(call variant,$(v))))

build/%/bin/flickerscope: build/%/obj/agent/main.o build/%/libagent.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$($*_CC) $($*_LDFLAGS) -o $@ $^ $(LIBS)

build/flickerscope: build/release/bin/flickerscope
	$(Q)ln -f $< $@

build/san/bin/test_%: build/san/obj/tests/unit/test_%.o build/san/libagent.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(san_CC) $(san_LDFLAGS) -o $@ $^ $(LIBS)

# All unit tests, with what can refuse memory between the agent and malloc(): faulty_memory.h.
FAULTY := build/san/obj/tests/unit/faulty_memory.o
build/san/libagent_faulty.a: build/san/libagent.a $(FAULTY)
	$(call say,OBJCOPY,$@)
	$(Q)objcopy --redefine-syms=<(nm $(FAULTY) | sed -n 's/.* T \(faulty_\(.*\)\)/\2 \1/p') $< $@

# The files of the agent that call any of it.
build/san/allocating: build/san/libagent.a $(FAULTY)
	$(Q)for object in $(AGENT_SOURCES:%.c=build/san/obj/%.o); do \
		! nm -u $$object | grep -wFf <(nm $(FAULTY) | sed -n 's/.* T faulty_//p') >/dev/null || \
		{ object=$${object%.o}; echo $${object#build/san/obj/}.c; }; done > $@

build/san/bin/out_of_memory: build/san/obj/tests/unit/out_of_memory.o $(UNIT_TESTS:%=build/san/obj/tests/unit/%.o) \
		$(FAULTY) build/san/libagent_faulty.a | build/san/allocating
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(san_CC) $(san_LDFLAGS) -o $@ $^ $(LIBS)

build/san/bin/flickerscope_faulty: build/san/obj/agent/main.o build/san/obj/tests/unit/faulty_program.o \
		$(FAULTY) build/san/libagent_faulty.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(san_CC) $(san_LDFLAGS) -o $@ $^ $(LIBS)

build/san/bin/native_%: build/san/obj/tests/native_bpf/native_%.o build/san/libagent.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(san_CC) $(san_LDFLAGS) -o $@ $^ $(LIBS)

build/san/bin/golden_%: build/san/obj/tests/golden/golden_%.o build/san/libagent.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(san_CC) $(san_LDFLAGS) -o $@ $^ $(LIBS)

build/release/bin/test_%: build/release/obj/tests/unit/test_%.o build/release/libagent.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(release_CC) $(release_LDFLAGS) -o $@ $^ $(LIBS)

build/tsan/bin/test_%: build/tsan/obj/tests/unit/test_%.o build/tsan/libagent.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(tsan_CC) $(tsan_LDFLAGS) -o $@ $^ $(LIBS)

build/fuzz/bin/fuzz_%: build/fuzz/obj/tests/fuzz/fuzz_%.o build/fuzz/libagent.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(fuzz_CC) $(fuzz_LDFLAGS) -o $@ $^ $(LIBS)

build/release/bin/bench_%: build/release/obj/tests/bench/bench_%.o build/release/libagent.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(release_CC) $(release_LDFLAGS) -o $@ $^ $(LIBS)

# Parts of the agent with a program around them, for tests of their own.
build/release/bin/%_fixture: build/release/obj/tests/e2e/%_fixture.o build/release/libagent.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(release_CC) $(release_LDFLAGS) -o $@ $^ $(LIBS)

build/san/bin/%_fixture: build/san/obj/tests/e2e/%_fixture.o build/san/libagent.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(san_CC) $(san_LDFLAGS) -o $@ $^ $(LIBS)

# Programs with known stacks: with frame pointers and without optimization that would move them.
build/release/bin/load_%: tests/e2e/load_%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -fno-omit-frame-pointer \
		-fno-optimize-sibling-calls -fno-inline -o $@ $< -lpthread -lm

-include $(shell find build -name '*.d' 2>/dev/null)

clean: ## Remove everything that was built
	rm -rf build

# --- the two commands of the README ----------------------------------------------------------

RUN ?= live

run: ## Install what is missing, build, and watch this machine's CPUs (RUN="live -F 999")
	@packaging/install-deps.sh build
	@$(MAKE) --no-print-directory build/flickerscope
	@exec build/flickerscope $(RUN)

test: ## Install what is missing, build, and run every test
	@packaging/install-deps.sh test
	@$(MAKE) --no-print-directory ci

ci: test-programs tests/node_modules/.installed ## The tests alone, once everything is installed
	@tests/run lint kernels fuzz viewer golden unit e2e browser

.PHONY: test-programs
test-programs: build/flickerscope build/san/bin/flickerscope_faulty unit-programs fuzz-programs $(LOADS:%=build/release/bin/%) $(FIXTURES) $(GOLDENS)

.PHONY: unit-programs fuzz-programs
unit-programs: $(UNIT_TESTS:%=build/san/bin/%) build/san/bin/out_of_memory $(NATIVE_TESTS:%=build/san/bin/%) $(PLAIN_UNIT_TESTS:%=build/release/bin/%)
unit-programs: $(TSAN_UNIT_TESTS:%=build/tsan/bin/%)
fuzz-programs: $(FUZZ_PROGRAMS:%=build/fuzz/bin/%)

tests/node_modules/.installed: tests/package.json tests/package-lock.json
	$(call say,NPM,tests)
	$(Q)cd tests && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

unit: unit-programs ## The unit tests alone
	@tests/run unit

out-of-memory: build/san/bin/out_of_memory build/san/bin/flickerscope_faulty build/flickerscope $(LOADS:%=build/release/bin/%) tests/node_modules/.installed ## With memory refused to the agent, at each place in each test (or FILES="test_input"; TESTS=3 tests a call)
	@$< -w -t $(or $(TESTS),1) -j $$(nproc) build/san/allocating $(FILES)
	@[ "$(FILES)" ] || FLICKERSCOPE_LONG=1 $(NODE) --test tests/e2e/out_of_memory.test.mjs

viewer: tests/node_modules/.installed ## The viewer's models alone, under node
	@tests/run viewer

e2e: build/flickerscope build/san/bin/flickerscope_faulty $(LOADS:%=build/release/bin/%) $(FIXTURES) tests/node_modules/.installed ## The tests on the real kernel
	@tests/run e2e

test-kernels: build/flickerscope tests/node_modules/.installed ## The tests on other kernels, in a virtual machine
	@tests/run kernels

browser: build/flickerscope $(LOADS:%=build/release/bin/%) tests/node_modules/.installed ## The tests in a real browser
	@tests/run browser

pictures: build/flickerscope $(LOADS:%=build/release/bin/%) tests/node_modules/.installed ## Take the README's pictures anew (4 minutes)
	@$(NODE) tests/browser/pictures.mjs packaging/pictures

bench: tests/node_modules/.installed build/flickerscope $(BENCHES:%=build/release/bin/%) $(LOADS:%=build/release/bin/%) ## Measure beside perf record, in one run
	@tests/bench/run

PARTS ?=
bench-scale: tests/node_modules/.installed build/flickerscope build/release/bin/bench_scale build/release/bin/load_libraries ## Measure and draw how costs grow (or PARTS="cpus processes window")
	@tests/bench/scale/run $(PARTS)

FILES ?=
compare-unwind: build/release/bin/bench_unwind_table ## Compare the unwind rows of every file here with libdw's (or FILES="...")
	@tests/bench/compare_unwind $(FILES)

bench-viewer: tests/node_modules/.installed build/flickerscope $(LOADS:%=build/release/bin/%) ## Measure the page in a real browser
	@tests/bench/viewer

bench-viewer: tests/bench/large/node_modules/.installed
tests/bench/large/node_modules/.installed: tests/bench/large/package.json tests/bench/large/package-lock.json
	$(call say,NPM,tests/bench/large)
	$(Q)cd tests/bench/large && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

soak-overload: build/flickerscope $(LOADS:%=build/release/bin/%) tests/node_modules/.installed ## More than there is room for, in full counts (10 minutes at most)
	@FLICKERSCOPE_LONG=1 timeout 600 $(NODE) --test tests/e2e/overload.test.mjs

soak: tests/node_modules/.installed build/flickerscope $(LOADS:%=build/release/bin/%) ## The page for 30 minutes at 10,000 Hz: its memory must stay (or MINUTES=2)
	@$(NODE) tests/bench/soak.mjs $(MINUTES)

soak-days: tests/node_modules/.installed build/flickerscope $(LOADS:%=build/release/bin/%) ## A week of an agent in 30 minutes: nothing that it keeps may grow (or MINUTES=2)
	@$(NODE) tests/bench/days.mjs $(MINUTES)

# make fuzz FUZZERS="eh_frame xz": these alone.
FUZZERS ?= $(FUZZ_PROGRAMS:fuzz_%=%)
fuzz: $(FUZZERS:%=build/fuzz/bin/fuzz_%) ## Run each fuzzer for 10 million executions, or 10 minutes without a new edge
	@tests/fuzz/run long $(FUZZERS)

fuzz-short: fuzz-programs ## Run each fuzzer for a few seconds
	@tests/fuzz/run short

lint: tests/node_modules/.installed ## Check layers, format, types, licences and the contract
	@tests/lint/run

format: ## Let clang-format have its way
	@git ls-files -- 'agent/*.[ch]' 'bpf/*.[ch]' 'include/*.h' 'tests/*.[ch]' | xargs clang-format -i

wire: ## Make viewer/wire.js from include/wire.h
	@$(NODE) tests/lint/wire.mjs

install: build/flickerscope ## Install the program, its pages and its service below DESTDIR and PREFIX
	@packaging/install build/flickerscope '$(DESTDIR)' '$(PREFIX)'

DEB := build/flickerscope_$(VERSION)_$(shell dpkg --print-architecture 2>/dev/null).deb

deb: build/flickerscope ## Make a package for Debian: build/flickerscope_VERSION_ARCHITECTURE.deb
	$(call say,DEB,$(DEB))
	$(Q)rm -rf build/deb
	$(Q)packaging/install build/flickerscope "$$PWD/build/deb" /usr
	$(Q)packaging/deb/build build/deb $(VERSION) $(DEB)

# With network. ROOT=FOLDER: a copy of this Debian 12, as debootstrap makes it, and not a new one.
test-deb: deb ## Install, run, upgrade and purge the package in a new Debian (root, network, 3 minutes)
	@packaging/deb/test $(DEB) $(ROOT)

install-deps: ## Install what building needs
	@packaging/install-deps.sh build
