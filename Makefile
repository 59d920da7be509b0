# Sluice: one binary, built out of tree into build/VARIANT. `make help` lists the targets.
#
#   VARIANT=release|test|asan|tsan   CC=gcc|clang   V=1 shows the commands   WERROR=1 makes warnings errors

VARIANT ?= release
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   := build/$(VARIANT)
Q       := $(if $(V),,@)

FOLDERS := base model net store resilience providers runs api config server cli
SOURCES := $(foreach f,$(FOLDERS),$(wildcard $(f)/*.c))
PACKAGES := libmicrohttpd libcurl libcjson sqlite3 libuv libcrypto

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wvla -Wformat=2 -Wimplicit-fallthrough -Wundef -Wcast-qual $(if $(WERROR),-Werror)
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE -fno-common
LINK_HARDENING := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed

VERSION := $(shell cat VERSION)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

# gcc's link-time optimisation; clang's would need another linker.
LTO := $(if $(findstring clang,$(CC)),,-flto=auto)

CFLAGS_release := -O2 -g $(LTO) -D_FORTIFY_SOURCE=2 $(HARDENING)
CFLAGS_test    := -O1 -g -D_FORTIFY_SOURCE=2 -DSLUICE_TEST $(HARDENING)
CFLAGS_asan    := -O1 -g -DSLUICE_TEST -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -fPIE
CFLAGS_tsan    := -O1 -g -DSLUICE_TEST -fsanitize=thread -fno-omit-frame-pointer -fPIE
LDFLAGS_release := -O2 $(LTO) $(LINK_HARDENING)
LDFLAGS_test    := $(LINK_HARDENING)
LDFLAGS_asan    := -fsanitize=address,undefined -pie
LDFLAGS_tsan    := -fsanitize=thread -pie

ALL_CFLAGS  = -std=c17 -D_GNU_SOURCE -I. -I$(BUILD) $(WARNINGS) $(CFLAGS_$(VARIANT)) $(CFLAGS) -MMD -MP \
              $(shell pkg-config --cflags $(PACKAGES))
ALL_LDFLAGS = $(LDFLAGS_$(VARIANT)) $(LDFLAGS)
LIBS        = $(shell pkg-config --libs $(PACKAGES)) -lpthread -lm

OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
BINARY  := $(BUILD)/sluice
LIBRARY_OBJECTS := $(filter-out $(BUILD)/server/main.o,$(OBJECTS))

UNIT_SOURCES    := $(wildcard tests/unit/*/test_*.c)
SUPPORT_SOURCES := $(wildcard tests/support/*.c)
UNIT_OBJECTS    := $(UNIT_SOURCES:%.c=$(BUILD)/%.o) $(SUPPORT_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/tests/unit/main.o
UNIT_BINARY     := $(BUILD)/unit
TOOL_SOURCES    := $(wildcard tests/tools/*.c)
TOOLS           := $(TOOL_SOURCES:tests/tools/%.c=$(BUILD)/tools/%)
FUZZ_SOURCES    := $(wildcard tests/fuzz/fuzz_*.c)
FUZZERS         := $(FUZZ_SOURCES:tests/fuzz/%.c=build/fuzz/%)

.PHONY: all
all: ready ## build the server into build/release/sluice
	$(Q)$(MAKE) --no-print-directory $(BINARY)

# Compiling without the libraries' headers would fail with a page of noise: install them first.
.PHONY: ready
ready:
	$(Q)scripts/deps build

$(BINARY): $(OBJECTS)
	@echo "  LINK  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(OBJECTS) $(LIBS)

$(BUILD)/version.h: VERSION $(wildcard .git/HEAD .git/logs/HEAD)
	@mkdir -p $(@D)
	$(Q)printf '#define SLUICE_VERSION "%s"\n#define SLUICE_COMMIT "%s"\n' '$(VERSION)' '$(COMMIT)' > $@

$(BUILD)/%.o: %.c | $(BUILD)/version.h
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# --- tests ------------------------------------------------------------------------------------------------------------

# A suite is registered by its file: tests/unit/base/test_json.c defines Suite *suite_base_json(void).
SUITES := $(foreach s,$(UNIT_SOURCES),$(subst /,_,$(patsubst tests/unit/%,%,$(subst test_,,$(basename $(s))))))
$(BUILD)/suites.h: Makefile $(UNIT_SOURCES)
	@mkdir -p $(@D)
	$(Q){ $(foreach s,$(SUITES),echo 'SUITE($(s))';) } > $@
$(BUILD)/tests/unit/main.o: $(BUILD)/suites.h

$(UNIT_BINARY): ALL_CFLAGS += $(shell pkg-config --cflags check)
$(UNIT_BINARY): $(LIBRARY_OBJECTS) $(UNIT_OBJECTS)
	@echo "  LINK  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(LIBRARY_OBJECTS) $(UNIT_OBJECTS) $(shell pkg-config --libs check) $(LIBS)

# Programs that the scenario tests run beside the server: the scripted upstream and its like.
$(BUILD)/tools/%: tests/tools/%.c
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< $(ALL_LDFLAGS) $(LIBS)

.PHONY: unit scenario check check-asan check-tsan check-faults check-valgrind
unit: $(UNIT_BINARY)
	$(Q)$(UNIT_BINARY) $(SUITE)

scenario: $(BINARY) $(TOOLS)
	$(Q)tests/scenario/run --binary $(BINARY) --tools $(BUILD)/tools $(ONLY)

check: ## install what is needed, build, run every test
	$(Q)scripts/deps check
	$(Q)$(MAKE) --no-print-directory unit VARIANT=test
	$(Q)$(MAKE) --no-print-directory scenario VARIANT=release

check-asan: ## the same tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(Q)scripts/deps check
	$(Q)$(MAKE) --no-print-directory unit scenario VARIANT=asan

check-tsan: ## the same tests under ThreadSanitizer
	$(Q)scripts/deps check
	$(Q)TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp $$TSAN_OPTIONS" \
	  $(MAKE) --no-print-directory unit scenario VARIANT=tsan

check-faults: ## the long crash loops: 200 rounds of load, kill -9 and restart
	$(Q)scripts/deps check
	$(Q)$(MAKE) --no-print-directory scenario VARIANT=release ONLY="--rounds 200 --only crash"

check-valgrind: ## one scenario under valgrind: no leak, no invalid access
	$(Q)scripts/deps check
	$(Q)$(MAKE) --no-print-directory scenario VARIANT=test ONLY="--valgrind --only smoke"

# --- fuzzing ----------------------------------------------------------------------------------------------------------

FUZZ_SECONDS ?= 60
FUZZED := $(filter-out base/loop.c base/json_tree.c,$(wildcard base/*.c model/*.c net/sse_*.c) net/url_guard.c)
build/fuzz/%: tests/fuzz/%.c $(FUZZED) $(wildcard base/*.h model/*.h net/sse_*.h) net/url_guard.h
	@mkdir -p $(@D)
	@echo "  FUZZ  $@"
	$(Q)clang -std=c17 -D_GNU_SOURCE -I. -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	  -o $@ $< $(FUZZED) -lm

.PHONY: fuzz
fuzz: $(FUZZERS:build/fuzz/%=run-%) ## run each libFuzzer target for FUZZ_SECONDS (60)

.SECONDARY: $(FUZZERS)
run-fuzz_%: build/fuzz/fuzz_%
	@mkdir -p build/fuzz/corpus/$*
	@echo "  RUN   fuzz_$*"
	$(Q)$< -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 \
	  -artifact_prefix=build/fuzz/crash-$*- build/fuzz/corpus/$* tests/fuzz/seeds/fuzz_$* > build/fuzz/$*.log 2>&1 \
	  || { tail -n 40 build/fuzz/$*.log; exit 1; }
	$(Q)grep -a number_of_executed_units build/fuzz/$*.log

# --- gates ------------------------------------------------------------------------------------------------------------

.PHONY: lint layers format docs
lint: ready ## clang-tidy and cppcheck: no finding is the state of main
	$(Q)scripts/deps lint
	$(Q)$(MAKE) --no-print-directory $(BUILD)/version.h
	$(Q)scripts/lint "$(filter-out -flto=auto -MMD -MP,$(ALL_CFLAGS))" $(SOURCES)

layers: ## include arrows point down only, libraries stay inside their fences, headers compile alone
	$(Q)scripts/layers

format: ## clang-format everything
	$(Q)clang-format -i $(SOURCES) $(wildcard $(FOLDERS:%=%/*.h)) $(UNIT_SOURCES)

docs: $(BINARY) ## write docs/configuration.md from the schema table
	$(Q)$(BINARY) serve --print-config-docs > docs/configuration.md

# --- running ----------------------------------------------------------------------------------------------------------

.PHONY: demo bench install clean help
demo: all ## start a server, stream a run, cancel another, list both
	$(Q)scripts/demo $(BINARY)

bench: all ## throughput, latency and CPU beside nginx, haproxy and the libraries' floor; LANES=names for some
	$(Q)scripts/deps bench || echo "  what is not there does not take part"
	$(Q)bench/run --binary $(BINARY) $(if $(LANES),--lanes $(LANES))

install: $(BINARY) ## install into DESTDIR and PREFIX (/usr/local)
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/sluice
	install -D -m 644 examples/sluice.json $(DESTDIR)$(PREFIX)/share/doc/sluice/sluice.json
	install -D -m 644 examples/workflows.json $(DESTDIR)$(PREFIX)/share/doc/sluice/workflows.json
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/sluice/trees $(wildcard examples/trees/*.json)

clean: ## remove build/
	rm -rf build

help: ## this text
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20 | sort
	@echo; echo "  Variables: VARIANT=release|test|asan|tsan CC=gcc|clang V=1 WERROR=1 SUITE=name FUZZ_SECONDS=60"

-include $(OBJECTS:.o=.d) $(UNIT_OBJECTS:.o=.d) $(TOOLS:=.d)
