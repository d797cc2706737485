# SPDX-License-Identifier: BSD-2-Clause
# packages.sh - for scripts that set up a machine: tests/run, tests/rxe/vm and examples/demo.

# shellcheck disable=SC2034
VM_PACKAGES="qemu-system-x86 busybox-static kmod cpio iproute2 ibverbs-providers rdmacm-utils ibverbs-utils"

# install_packages PACKAGE...: install what is missing, where this is a Debian and we may.
install_packages() {
	local missing=() package

	command -v dpkg-query >/dev/null || return 0
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok' ||
			missing+=("$package")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	echo "installing ${missing[*]}"
	local sudo=""
	[ "$(id -u)" -eq 0 ] || sudo="sudo -n"
	$sudo apt-get update -qq >/dev/null 2>&1
	# RUNLEVEL: a server that comes with a package is not started.
	$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install -y -qq -o Acquire::Retries=3 --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
		echo "cannot install ${missing[*]}; going on without"
}
