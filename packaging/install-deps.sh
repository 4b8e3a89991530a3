#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is missing to build (and with `test`, to test) flickerscope: with apt on Debian and
# Ubuntu; elsewhere it prints the names and fails. Does nothing, quickly, when all is there.
#
#   packaging/install-deps.sh build     to build and run
#   packaging/install-deps.sh package   also what makes a package for Debian of it
#   packaging/install-deps.sh test      also what the tests need: a browser, Node, perf, a fuzzer's runtime, kernels
set -euo pipefail

build_packages=(
	gcc libc6-dev make pkg-config    # the agent
	clang bpftool libbpf-dev         # the BPF programs, their skeleton and their loader
	libelf-dev libdw-dev             # ELF files and DWARF
	libseccomp-dev                   # what the processes that parse may ask of the kernel
	libwebsockets-dev libssl-dev zlib1g-dev libdeflate-dev liblzma-dev libiberty-dev
	libcurl4-gnutls-dev              # headers alone: loaded only for --debuginfod
	linux-libc-dev
	esbuild zopfli                   # minify and pack the page
)
package_packages=(dpkg-dev binutils)
test_packages=(
	nodejs npm chromium              # the page in a real browser
	libclang-rt-dev                  # AddressSanitizer and libFuzzer for clang
	linux-perf                       # the peer that the benches measure beside
	llvm                             # its addr2line, the judge of lines
	python3-prometheus-client        # reads /metrics as Prometheus does
	systemd                          # its systemd-analyze judges the service; it is not run
	openssl                          # makes a certificate
	strace                           # what reaches the disk, and when
	xz-utils                         # packs .gnu_debugdata
	jq g++ clang-format cppcheck fonts-liberation
	qemu-system-x86 cpio             # other kernels, in a virtual machine
)

# Debian's kernels that the tests boot: of the oldest and of a newer release that is used.
kernel_series=(6.1 6.12)
kernels_folder=/var/cache/flickerscope/kernels

mode=${1:-build}
case $mode in
build) wanted=("${build_packages[@]}") ;;
package) wanted=("${build_packages[@]}" "${package_packages[@]}") ;;
test) wanted=("${build_packages[@]}" "${package_packages[@]}" "${test_packages[@]}") ;;
*)
	echo "usage: $0 build|package|test" >&2
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
	npm | clang | chromium | gcc | make | jq | cppcheck | esbuild | zopfli | openssl) command -v "$1" ;;
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
	for command in gcc make pkg-config clang bpftool esbuild zopfli; do
		command -v "$command" >/dev/null 2>&1 || missing+=("$command")
	done
	for library in libbpf libelf libdw libwebsockets libssl zlib libdeflate liblzma libcurl; do
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
install() { # packages
	local i packages=("$@")

	if [ "$(id -u)" != 0 ]; then
		printf 'flickerscope: missing packages: %s\n' "${packages[*]}" >&2
		printf 'flickerscope: run this as root (sudo make run), or: apt-get install %s\n' "${packages[*]}" >&2
		exit 1
	fi
	printf 'Installing with apt: %s\n' "${packages[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# With the lists in hand the runtime's version is known for certain.
	for i in "${!packages[@]}"; do
		case ${packages[$i]} in libclang-rt-*) packages[i]=$(clang_runtime) ;; esac
	done
	apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
	echo "Installed."
}

# The package of the kernel for virtual machines of a series; nothing when apt knows none.
kernel_package() { # series
	local meta

	for meta in linux-image-cloud-amd64 "linux-image-$1-cloud-amd64"; do
		apt-cache depends "$meta" 2>/dev/null
	done | sed -n "s/^ *Depends: \(linux-image-${1//./\\.}\.[^ ]*\)\$/\1/p" | head -1
}

download_kernel() { # series folder
	local package

	package=$(kernel_package "$1")
	[ -n "$package" ] && cd "$2" && apt-get -o APT::Sandbox::User=root download -qq "$package" &&
		dpkg-deb --fsys-tarfile ./*.deb | tar -xf - --wildcards './boot/vmlinuz-*' &&
		mkdir -p "$kernels_folder" && mv boot/vmlinuz-* "$kernels_folder/vmlinuz-$1"
}

# Fetched once. A machine that cannot is left without: the test then says what it has not tested.
fetch_kernel() { # series
	local folder

	[ -s "$kernels_folder/vmlinuz-$1" ] && return 0
	echo "Fetching Debian's kernel $1 for the tests"
	folder=$(mktemp -d)
	if ! (download_kernel "$1" "$folder") 2>/dev/null; then
		apt-get update -qq || true
		(download_kernel "$1" "$folder") ||
			echo "flickerscope: no kernel $1 is to be had from here" >&2
	fi
	rm -rf "$folder"
}

[ ${#missing[@]} -eq 0 ] || install "${missing[@]}"
if [ "$mode" = test ] && [ "$(uname -m)" = x86_64 ] && [ "$(id -u)" = 0 ]; then
	for series in "${kernel_series[@]}"; do
		fetch_kernel "$series"
	done
fi
