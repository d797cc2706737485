#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run_wsdcp.sh WSDCP [BYTES] - copies over the backend named in WSD_BACKENDS, then what can go wrong.
set -u
wsdcp=$1
dir=$(mktemp -d) || exit 1
pid=
trap 'kill $pid 2>/dev/null; rm -rf "$dir"' EXIT
here=$(dirname "$0")
. "$here/run_lib.sh"
mkdir "$dir/from" "$dir/to"

head -c "${2:-30000001}" /dev/urandom >"$dir/from/large"
head -c 1000 /dev/urandom >"$dir/from/small name"
: >"$dir/from/empty"
for file in large "small name" empty; do
	start_listening "$wsdcp" -l 0 "$dir/to"
	"$wsdcp" "$dir/from/$file" "$at:$port" >"$dir/out" || bad "sending $file failed"
	wait "$pid" || bad "receiving $file failed: $(cat "$dir/listen.err")"
	cmp "$dir/from/$file" "$dir/to/$file" || bad "$file differs"
	grep -q "^sent $file: .* over $path$" "$dir/out" || bad "$(cat "$dir/out")"
	sum=$(sed -n 's/.*XXH3 \([0-9a-f]\{16\}\),.*/\1/p' "$dir/out")
	grep -q "XXH3 $sum," "$dir/listen" || bad "the two sides print different checksums"
done

# A file that is there: only with -f. A name chosen by the receiver.
start_listening "$wsdcp" -l 0 "$dir/to"
refused "$wsdcp" 'there already' "$dir/from/large" "$at:$port"
expect_end "$pid" 1 "there already"
start_listening "$wsdcp" -l 0 -f "$dir/to/empty"
"$wsdcp" "$dir/from/small name" "$at:$port" >/dev/null || bad "-f: not sent"
expect_end "$pid" 0 "-f"
cmp "$dir/from/small name" "$dir/to/empty" || bad "-f: not replaced"

# What the sender says before any byte moves.
refused "$wsdcp" 'cannot read .*: No such file' "$dir/from/missing" "$at:$port"
refused "$wsdcp" 'is not a file' "$dir/from" "$at:$port"
refused "$wsdcp" "cannot connect to $at" "$dir/from/large" "$at:$port"

# Either side killed in the middle: the other one ends, nothing is left in the folder.
ls -a "$dir/to" >"$dir/before"
for victim in sender receiver; do
	start_listening "$wsdcp" -l 0 "$dir/to"
	truncate -s 40G "$dir/from/huge"
	"$wsdcp" "$dir/from/huge" "$at:$port" >/dev/null 2>"$dir/err" &
	sender=$!
	i=0
	while [ "$(stat -c %s "$dir"/to/.wsdcp.*.part 2>/dev/null || echo 0)" -lt 10000000 ]; do
		i=$((i + 1))
		[ $i -lt 400 ] || { bad "no byte arrives"; break; }
		sleep 0.05
	done
	if [ $victim = sender ]; then
		kill -9 $sender
		expect_end "$pid" 1 "sender killed"
		grep -q 'did not receive a file' "$dir/listen.err" ||
			bad "sender killed: $(cat "$dir/listen.err")"
		ls -a "$dir/to" | cmp - "$dir/before" || bad "the temporary file is left"
	else
		kill -9 "$pid"
		expect_end $sender 1 "receiver killed"
		grep -Eq '(cannot send|did not confirm) .*: the other side ended' "$dir/err" ||
			bad "receiver killed: $(cat "$dir/err")"
		rm -f "$dir"/to/.wsdcp.*.part
	fi
	wait $sender "$pid" 2>/dev/null
done
rm -f "$dir/from/huge"
exit $status
