#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is missing to build (and with `test`, to test) flickerscope: with apt on Debian and
# Ubuntu; elsewhere it prints the names and fails. Does nothing, quickly, when all is there.
#
#   packaging/install-deps.sh build   to build and run
#   packaging/install-deps.sh test    also what the tests need: a browser, Node, perf, a fuzzer's runtime
set -euo pipefail

build_packages=(
	gcc libc6-dev make pkg-config    # the agent
	clang bpftool libbpf-dev         # the BPF programs, their skeleton and their loader
	libelf-dev libdw-dev             # ELF files and DWARF
	libwebsockets-dev zlib1g-dev liblzma-dev libiberty-dev
	libcurl4-gnutls-dev              # headers alone: loaded only for --debuginfod
	linux-libc-dev
)
test_packages=(
	nodejs npm chromium              # the page in a real browser
	libclang-rt-dev                  # AddressSanitizer and libFuzzer for clang
	linux-perf                       # the peer that the benches measure beside
	llvm                             # its addr2line, the judge of lines
	strace                           # what reaches the disk, and when
	jq binutils g++ clang-format cppcheck fonts-liberation
)

mode=${1:-build}
case $mode in
build) wanted=("${build_packages[@]}") ;;
test) wanted=("${build_packages[@]}" "${test_packages[@]}") ;;
*)
	echo "usage: $0 build|test" >&2
	exit 2
	;;
esac

# The sanitizers' runtime is packaged by clang's major version.
clang_runtime() {
	local version
	version=$(clang --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p' | head -1)
	if [ -z "$version" ]; then
		version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -1)
	fi
	echo "libclang-rt-${version:-14}-dev"
}

# Node and npm may come from elsewhere than a package: what counts is the command.
has() {
	case $1 in
	nodejs) command -v node ;;
	npm | clang | chromium | gcc | make | jq | cppcheck) command -v "$1" ;;
	pkg-config) command -v pkg-config ;;
	clang-format) command -v clang-format ;;
	linux-perf) command -v perf ;;
	g++) command -v g++ ;;
	libcurl4-gnutls-dev) pkg-config --exists libcurl ;; # any of its kinds
	bpftool) command -v bpftool || [ -x /usr/sbin/bpftool ] ;;
	*) dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q 'install ok installed' ;;
	esac >/dev/null 2>&1
}

if ! command -v apt-get >/dev/null 2>&1; then
	missing=()
	for command in gcc make pkg-config clang bpftool; do
		command -v "$command" >/dev/null 2>&1 || missing+=("$command")
	done
	for library in libbpf libelf libdw libwebsockets zlib liblzma libcurl; do
		pkg-config --exists "$library" 2>/dev/null || missing+=("$library (development files)")
	done
	[ ${#missing[@]} -eq 0 ] && exit 0
	printf 'flickerscope: this is no Debian or Ubuntu; please install with your package manager:\n' >&2
	printf '  %s\n' "${missing[@]}" "libiberty (development files)" >&2
	exit 1
fi

missing=()
for package in "${wanted[@]}"; do
	[ "$package" = libclang-rt-dev ] && package=$(clang_runtime)
	has "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ]; then
	printf 'flickerscope: missing packages: %s\n' "${missing[*]}" >&2
	printf 'flickerscope: run this as root (sudo make run), or: apt-get install %s\n' "${missing[*]}" >&2
	exit 1
fi
printf 'Installing with apt: %s\n' "${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# With the lists in hand the runtime's version is known for certain.
for i in "${!missing[@]}"; do
	case ${missing[$i]} in libclang-rt-*) missing[i]=$(clang_runtime) ;; esac
done
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "Installed."
