# SPDX-License-Identifier: BSD-2-Clause
# packages.sh - for scripts that set up a machine: tests/run, tests/rxe/vm and examples/demo.

# shellcheck disable=SC2034
VM_PACKAGES="qemu-system-x86 busybox-static kmod cpio iproute2 ibverbs-providers rdmacm-utils ibverbs-utils"

as_root() {
	[ "$(id -u)" -eq 0 ] || echo "sudo -n"
}

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
	$(as_root) apt-get update -qq >/dev/null 2>&1
	# RUNLEVEL: a server that comes with a package is not started.
	$(as_root) env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install -y -qq -o Acquire::Retries=3 --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
		echo "cannot install ${missing[*]}; going on without"
}

# install_wine32 STAMP: the Wine that runs 32-bit programs, where this Debian has it. It has to have the very versions of
# libraries that are installed here. Where it has not, all is as it was before, and the file STAMP keeps others from
# trying again for a day.
install_wine32() {
	local stamp=$1 foreign

	[ ! -e /usr/lib/wine/wine ] && command -v dpkg-query >/dev/null || return 0
	[ "$(dpkg --print-architecture)" = amd64 ] || return 0
	[ -z "$(find "$stamp" -mtime -1 2>/dev/null)" ] || return 0
	echo "installing wine32:i386"
	foreign=$(dpkg --print-foreign-architectures)
	{
		$(as_root) dpkg --add-architecture i386
		$(as_root) apt-get update -qq
		# Nothing that is here may have to go for it.
		$(as_root) env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
			apt-get install -y -qq --no-install-recommends --no-remove wine32:i386
	} >/dev/null 2>&1
	if [ ! -e /usr/lib/wine/wine ]; then
		grep -qx i386 <<<"$foreign" || $(as_root) dpkg --remove-architecture i386 >/dev/null 2>&1
		echo "cannot install wine32:i386; going on without"
		: >"$stamp"
	fi
	return 0
}
