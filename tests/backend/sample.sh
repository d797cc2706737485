#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Build the sample backend as a vendor would, against installed headers only, and run the
# conformance program on it. Then modules that do not fit must be refused, with a reason.
#
# usage: sample.sh CONFORMANCE SOURCE_ROOT [INCLUDE_DIR]
# INCLUDE_DIR is the include folder of an installation (DESTDIR included). Without it the two
# installed headers are copied to a folder of their own, so that nothing else of the source tree
# can be included.
# WSD_SAMPLE_RUN: what runs Windows programs; then CC makes them, and the modules are DLLs.
set -eu

conformance=$1
root=$2
cc=${CC:-cc}
run=${WSD_SAMPLE_RUN:-}
if [ -n "$run" ]; then
	system=windows suffix=dll drive=Z: options=-static-libgcc libraries=
else
	system=linux suffix=so drive= options=-fPIC libraries=-lpthread
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM

if [ $# -ge 3 ]; then
	include=$3
else
	include=$tmp/include
	mkdir -p "$include/openwsd"
	cp "$root/rdma_backend/include/openwsd/backend.h" \
		"$root/rdma_backend/include/openwsd/status.h" "$include/openwsd/"
fi
flags="-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -shared $options -fvisibility=hidden"

mkdir "$tmp/src"
cp "$root"/examples/backend-sample/sample* "$tmp/src/"
sources="$tmp/src/sample.c $tmp/src/sample_conn.c $tmp/src/sample_os_$system.c $tmp/src/sample_work.c"
# shellcheck disable=SC2086
$cc $flags -I "$include" $sources -o "$tmp/openwsd-backend-sample.$suffix" $libraries
$run "$conformance" --module "$drive$tmp/openwsd-backend-sample.$suffix" --one-process

# It is found by name in the module folder, too.
WSD_MODULE_DIR=$drive$tmp $run "$conformance" --backend sample --one-process --test private-data

failed=0
# refuse NUMBER EXPECTED_TEXT
refuse() {
	# shellcheck disable=SC2086
	$cc $flags -fvisibility=default -DBAD="$1" -I "$include" \
		"$root/tests/backend/bad_module.c" -o "$tmp/bad$1.$suffix"
	if out=$($run "$conformance" --module "$drive$tmp/bad$1.$suffix" --one-process 2>&1); then
		echo "FAIL module $1 was accepted"
		failed=1
	elif ! echo "$out" | grep -q "$2"; then
		echo "FAIL module $1: no '$2' in: $out"
		failed=1
	else
		echo "ok   module $1: $out"
	fi
}
refuse 1 "refused: .*ABI $(($(sed -n 's/^#define WSD_BACKEND_ABI \([0-9]*\)u.*/\1/p' \
	"$include/openwsd/backend.h") + 1))"
refuse 2 "refused: .*bytes"
refuse 3 "refused: .*ABI"
refuse 4 "refused: .*wsd_backend_query"
refuse 5 "refused: .*lacks"
refuse 6 "refused: .*name"
exit $failed
