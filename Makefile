# Thin: Meson and Ninja build, the scripts do the rest. `make help` lists the targets.

export SETUP SANITIZE

FUZZ_SECONDS = $(if $(MINUTES),$(shell expr $(MINUTES) \* 60),30)
SEEDS ?= 10000
FIRST ?= 1
SCALE ?= 10
soak: MINUTES ?= 10

.PHONY: all
all:
	@scripts/setup build
	@scripts/build release cothon cothon-top

.PHONY: run
run: all
	@scripts/setup --optional scene
	@scripts/scene

.PHONY: check
check:
	@scripts/setup build test deb
	@scripts/check

.PHONY: lint
lint:
	@scripts/setup build test
	@scripts/lint format
	@scripts/lint tidy

.PHONY: format
format:
	@scripts/setup build test
	@scripts/lint fix

.PHONY: bench
bench: all
	@scripts/setup bench
	@bench/run --json build/bench.json
	@bench/pictures build/bench.json build/pictures

# Without the peers, in under a minute: informs, and fails no build.
.PHONY: bench-quick
bench-quick: all
	@scripts/setup bench
	@bench/run --tools direct,cothon --rounds 3 tcp-out-1500 tcp-in-1500 pingpong connections

.PHONY: deb
deb:
	@scripts/setup build deb
	@scripts/deb

.PHONY: fuzz
fuzz:
	@scripts/setup build fuzz
	@scripts/build fuzz
	@meson test -C build-fuzz --no-rebuild --suite fuzz --print-errorlogs \
		--test-args=-max_total_time=$(FUZZ_SECONDS)

.PHONY: sim
sim:
	@scripts/setup build
	@scripts/build release tests/sim/sim
	@build/tests/sim/sim run $(FIRST) $(SEEDS)

.PHONY: sim-snapshot
sim-snapshot:
	@scripts/setup build
	@scripts/build release tests/sim/sim
	@build/tests/sim/sim goodput >build/goodput.txt
	@mv build/goodput.txt tests/sim/goodput.txt

# Which lines the tests run; not those that need a lab.
.PHONY: coverage
coverage:
	@scripts/setup build test coverage
	@scripts/coverage

# Larger loads than `make check` has time for.
.PHONY: attack
attack: all
	@scripts/setup test
	@scripts/build release
	@ATTACK_SCALE=$(SCALE) BATS_TEST_TIMEOUT=900 tests/e2e/run $(CURDIR)/tests/e2e/attack.bats

.PHONY: soak
soak: all
	@scripts/setup test
	@scripts/build release
	@tests/e2e/run -- $(CURDIR)/tests/soak/soak $(MINUTES)

# Beside Linux over impaired paths, some ten minutes on a quiet machine.
.PHONY: goodput
goodput:
	@scripts/setup build
	@scripts/build release bench/goodput
	@bench/goodput/table build/bench/goodput >build/goodput.md
	@mv build/goodput.md docs/goodput.md

.PHONY: clean
clean:
	rm -rf build build-*/

.PHONY: help
help:
	@echo 'make          build/cothon, the program'
	@echo 'make run      build, and show many programs at work over one connection'
	@echo 'make check    build, and run every test; the last line counts them'
	@echo 'make check SANITIZE=address,undefined'
	@echo '              run the tests with these sanitizers (folder build-address-undefined)'
	@echo 'make lint     look at format and code with clang-format and clang-tidy'
	@echo 'make format   put every C file into the format'
	@echo 'make bench    measure, side by side with the peers; build/bench.json, build/pictures'
	@echo 'make bench-quick  a few rows, beside the kernel only'
	@echo 'make deb      build the Debian packages; build-deb'
	@echo 'make goodput  measure goodput over impaired paths beside Linux; renews docs/goodput.md'
	@echo 'make fuzz     fuzz each target for 30 seconds, or for MINUTES'
	@echo 'make sim      simulate SEEDS ($(SEEDS)) networks, from seed FIRST ($(FIRST)) on'
	@echo 'make sim-snapshot'
	@echo '              renew tests/sim/goodput.txt'
	@echo 'make coverage which lines the tests run, by folder'
	@echo 'make attack   loads SCALE ($(SCALE)) times those of the tests'
	@echo 'make soak     mixed traffic for MINUTES (10), and what it costs'
	@echo 'make clean    remove what was built'
	@echo
	@echo 'What is missing is installed with apt-get, and named first; SETUP=no leaves that to you.'
