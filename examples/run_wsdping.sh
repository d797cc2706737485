#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run_wsdping.sh WSDPING [ROUND-TRIPS] - histogram over the backend named in WSD_BACKENDS, then what can go wrong.
set -u
wsdping=$1 count=${2:-5000}
dir=$(mktemp -d) || exit 1
pid=
trap 'kill $pid 2>/dev/null; rm -rf "$dir"' EXIT
. "$(dirname "$0")/run_lib.sh"

start_listening "$wsdping" -l 0
"$wsdping" -n "$count" -s 300 "$at:$port" >"$dir/out" || bad "wsdping failed"
wait "$pid" || bad "the answering side failed"
grep -q "^$count round trips of 300 bytes .* over $path$" "$dir/out" || bad "headline: $(cat "$dir/out")"
# The bars add up to all of them.
sum=$(awk '/^  < /{n += $4} END {print n}' "$dir/out")
[ "$sum" = "$count" ] || bad "the histogram has $sum round trips"
awk '/^round trip us:/ { gsub(",", ""); ok = $5 > 0 && $5 <= $7 && $7 <= $9 && $9 <= $11 }
	END { exit !ok }' "$dir/out" || bad "the times are not in order: $(tail -n 1 "$dir/out")"

# Two round trips: the 99th percentile is not under the 50th.
start_listening "$wsdping" -l 0
"$wsdping" -n 2 "$at:$port" >"$dir/out" || bad "wsdping -n 2 failed"
wait "$pid" || bad "the answering side failed"
awk '/^round trip us:/ { gsub(",", ""); ok = $7 <= $9 } END { exit !ok }' "$dir/out" ||
	bad "two round trips: $(tail -n 1 "$dir/out")"

# Killed in the middle: an error within seconds, no hang.
start_listening "$wsdping" -l 0
"$wsdping" -n 10000000 "$at:$port" >"$dir/out" 2>"$dir/err" &
client=$!
expect_line '^connected over ' "$dir/listen" "it does not connect"
kill -9 "$pid"
expect_end "$client" 1 "killed"
grep -q "^wsdping: $at:$port: the other side ended the connection" "$dir/err" ||
	bad "killed: $(cat "$dir/err")"

# Nobody there any more.
refused "$wsdping" "cannot connect to $at" "$at:$port"
"$wsdping" "$at" 2>"$dir/err"
[ $? -eq 2 ] || bad "an address without a port is accepted"
grep -q 'is not HOST:PORT' "$dir/err" || bad "no port: $(cat "$dir/err")"
for wrong in "-l 99999" "$at:99999"; do
	"$wsdping" $wrong 2>"$dir/err"
	[ $? -eq 2 ] || bad "wsdping $wrong is accepted"
	grep -q '99999 is not a port: 0 to 65535' "$dir/err" || bad "no port: $(cat "$dir/err")"
done
"$wsdping" -n 0 "$at:$port" 2>/dev/null
[ $? -eq 2 ] || bad "-n 0 is accepted"
exit $status
