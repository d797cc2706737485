#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run_event.sh SERVER CLIENT [CONNECTIONS] - the event-driven client against the completion-port server as two processes,
# over the backend named in WSD_BACKENDS. The server ends with its standard input.
set -eu
server=$1 client=$2 many=${3:-1000}
at=${WSD_TEST_IPV4:-127.0.0.1} # an address of this machine
out=$(mktemp)
mkfifo "$out.input"
trap 'kill $pid 2>/dev/null || true; rm -f "$out" "$out.input"' EXIT
"$server" "$at:0" <"$out.input" >"$out" &
pid=$!
exec 9>"$out.input"
i=0
while ! grep -q 'listening on port' "$out"; do
	i=$((i + 1))
	[ $i -lt 400 ] || { echo "run_event.sh: the server does not listen"; exit 1; }
	sleep 0.05
done
port=$(sed -n 's/listening on port //p' "$out")
"$client" "$at:$port" 1 100000
"$client" "$at:$port" "$many" 65536
"$client" "$at:$port" 100 262144
exec 9>&-
wait $pid
cat "$out"
grep -q "^served $((many + 101)) connections$" "$out"
