#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# no_device.sh CONFORMANCE - a device that is not there fails, with a line that says so: nothing of it was tested. What
# needs no device runs all the same. Where all tests are skipped that is the exit status, too.
set -u
tool=$1
failed=0

# says STATUS TEXT ARGUMENT... - the program ends with that status and says that.
says() {
	want=$1
	text=$2
	shift 2
	out=$("$tool" "$@" 2>&1)
	got=$?
	if [ $got -ne "$want" ] || ! echo "$out" | grep -q "$text"; then
		echo "FAIL $*: status $got, not $want with '$text' in: $out"
		failed=1
	fi
}

if "$tool" --backend shm --list >/dev/null && "$tool" --backend shm --test enumerate >/dev/null; then
	says 1 "shm: device 9 cannot be opened: there are not so many" --backend shm --device 9
	says 1 "shm: device 9 cannot be opened" --backend shm --peer 9
	says 1 "open: nothing by that name" --backend shm --device 9 --no-fork --test addresses
	says 0 "1 passed, 0 failed, 0 skipped" --backend shm --device 9 --test enumerate
	says 77 "0 passed, 0 failed, 1 skipped" --backend shm --one-process --test two-processes
fi
exit $failed
