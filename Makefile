# The commands people type. What they do is in tools/; how things are built is in meson.build.
PREFIX ?= /usr/local

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

build: ## install what is missing, build build/hascall
	@tools/setup build
	@tools/ci build

run: build ## run real programs inside hascall, and show that the host has not changed
	@tools/demo

test: ## build, and run all tests
	@tools/setup build test check
	@tools/kernel-fetch image headers || echo "tests of the kernel's executors will be skipped"
	@tools/ci test

bench: ## measure, against the host, other libraries and other sandboxes
	@tools/setup build test bench
	@tools/peers
	@tools/ci build
	@tools/bench

crash-test: ## 10 000 images after power cuts, 200 kills of the manager: minutes
	@tools/setup build test
	@tools/ci build
	@CRASH_SEEDS=7 CRASH_IMAGES=140 build/test/crash/test_crash
	@test/image/run_power --images 300
	@test/image/run_kill --rounds 200

kernel-test: ## tests of the executors in the kernel, in guests with kernels built from source
	@tools/setup build test kernel
	@tools/kernel-fetch image headers source
	@tools/ci kernel

bench-kernel: ## instructions a call costs with executors in the kernel, in an emulated guest
	@tools/setup build test
	@tools/kernel-fetch image headers
	@tools/ci build
	@tools/bench kernel

asan: ## tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/setup build test
	@tools/ci asan

tsan: ## tests of what threads and processes share, under ThreadSanitizer
	@tools/setup build test
	@tools/ci tsan

ci: ## everything that must hold before a change lands
	@.ci/run

install: build ## install the command and its man pages; PREFIX and DESTDIR are respected
	@meson configure build -Dprefix=$(abspath $(PREFIX))
	@meson install -C build

clean: ## remove all that was built
	rm -rf build build-*

.PHONY: help build run test bench crash-test kernel-test bench-kernel asan tsan ci install clean
