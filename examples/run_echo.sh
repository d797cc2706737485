#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run_echo.sh SERVER CLIENT [MESSAGES] - the echo pair as two processes, over the backend named in WSD_BACKENDS.
set -eu
server=$1 client=$2 messages=${3:-20000}
at=${WSD_TEST_IPV4:-127.0.0.1} # an address of this machine
out=$(mktemp)
trap 'kill $pid 2>/dev/null || true; rm -f "$out"' EXIT
"$server" "$at:0" 3 >"$out" &
pid=$!
i=0
while ! grep -q 'listening on port' "$out"; do
	i=$((i + 1))
	[ $i -lt 400 ] || { echo "run_echo.sh: the server does not listen"; exit 1; }
	sleep 0.05
done
port=$(sed -n 's/listening on port //p' "$out")
"$client" "$at:$port" "$messages" 64
"$client" "$at:$port" 200 65536 1
"$client" "$at:$port" "$messages" 64 64
wait $pid
