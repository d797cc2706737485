#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run_interop.sh curl|nginx|redis|socat EXAMPLES - programs that nobody here wrote, at the other end of the
# examples, in the standard order of paths.
set -u
case $1 in
curl) tool=curl ;;
nginx) tool=nginx ;;
redis) tool=redis-benchmark ;;
socat) tool=socat ;;
esac
command -v "$tool" >/dev/null || { echo "$tool is not installed"; exit 77; }
what=$1 examples=$2
dir=$(mktemp -d)
unset WSD_BACKENDS
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT

fail() {
	echo "$what: $*"
	exit 1
}

# serve COMMAND...: in the background with an open input; its port in $port.
serve() {
	mkfifo "$dir/input$$.${#pids[@]}"
	sleep 600 >"$dir/input$$.${#pids[@]}" &
	pids+=($!)
	: >"$dir/listen"
	"$@" <"$dir/input$$.$((${#pids[@]} - 1))" >"$dir/listen" 2>"$dir/listen.err" &
	pids+=($!)
	for _ in $(seq 400); do
		port=$(sed -n 's/listening on port //p' "$dir/listen")
		[ -n "$port" ] && return
		sleep 0.05
	done
	fail "$1 does not listen: $(cat "$dir/listen.err")"
}

# free_port: one that is free now.
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# listens PID PORT: that process does, and nobody else who has that number now.
listens() {
	local inode fd
	inode=$(awk -v at="0100007F:$(printf '%04X' "$2")" '$2 == at && $4 == "0A" { print $10 }' /proc/net/tcp)
	for fd in "/proc/$1/fd"/*; do
		[ "$(readlink "$fd")" = "socket:[$inode]" ] && return
	done
	return 1
}

# serve_at COMMAND: in the background, with a port as its argument, where it listens; $port. Others may be faster.
serve_at() {
	for _ in 1 2 3 4 5; do
		port=$(free_port)
		"$1" "$port" &
		pids+=($!)
		for _ in $(seq 400); do
			listens $! "$port" && return
			kill -0 $! 2>/dev/null || break
			sleep 0.05
		done
		kill $! 2>/dev/null
	done
	fail "it does not listen"
}

nginx_at() {
	cat >"$dir/nginx.conf" <<CONF
daemon off; master_process off; pid $dir/pid; error_log $dir/error;
events {}
http {
	access_log off; client_body_temp_path $dir/a; proxy_temp_path $dir/b; fastcgi_temp_path $dir/c;
	uwsgi_temp_path $dir/d; scgi_temp_path $dir/e;
	server { listen 127.0.0.1:$1; root $dir; }
}
CONF
	exec nginx -c "$dir/nginx.conf" >"$dir/out" 2>&1
}

socat_at() {
	exec socat "TCP4-LISTEN:$1,bind=127.0.0.1,fork,reuseaddr" EXEC:cat
}

head -c 3000000 /dev/urandom >"$dir/file"
case $what in
curl)
	serve "$examples/http_server" 0
	at=http://127.0.0.1:$port
	[ "$(curl -sS -m 100 "$at/path")" = plain ] || fail "the path is not plain"
	# Twice over one connection, then what was posted comes back.
	[ "$(curl -sS -m 100 "$at/path" "$at/path")" = plainplain ] || fail "no second request"
	curl -sS -m 100 "$at/10000000" | python3 -c '
import sys
data = sys.stdin.buffer.read()
pattern = b"abcdefghijklmnopqrstuvwxyz" * (len(data) // 26 + 1)
sys.exit(len(data) != 10000000 or data != pattern[:len(data)])' || fail "10 MB are not right"
	curl -sS -m 100 --data-binary "@$dir/file" "$at/" | cmp - "$dir/file" || fail "posted bytes differ"
	# Many at once.
	for i in $(seq 20); do
		curl -sS -m 100 --data-binary "@$dir/file" "$at/" -o "$dir/back$i" &
		clients[i]=$!
	done
	for i in $(seq 20); do
		wait "${clients[i]}" || fail "client $i"
		cmp "$dir/back$i" "$dir/file" || fail "client $i got other bytes"
	done
	# A client with OpenWSD at the same listener.
	[ "$("$examples/http_get" "127.0.0.1:$port" /path)" = shm ] || fail "the client with OpenWSD"
	;;
nginx)
	serve_at nginx_at
	for _ in 1 2 3; do
		"$examples/http_get" "127.0.0.1:$port" /file 2>"$dir/err" | cmp - "$dir/file" ||
			fail "$(cat "$dir/err")"
		grep -q '^path: plain' "$dir/err" || fail "$(cat "$dir/err")"
	done
	"$examples/http_get" "127.0.0.1:$port" /nosuch 2>"$dir/err" && fail "a missing file is there"
	grep -q 'answers 404' "$dir/err" || fail "$(cat "$dir/err")"
	;;
redis)
	serve "$examples/kv_server" 0
	redis-cli -p "$port" set key value >/dev/null && [ "$(redis-cli -p "$port" get key)" = value ] ||
		fail "what was stored does not come back"
	redis-benchmark -p "$port" -n 20000 -c 50 -t ping_mbulk,set,get,incr --csv >"$dir/out" 2>&1 ||
		fail "$(cat "$dir/out")"
	redis-benchmark -p "$port" -n 40000 -c 50 -P 16 -d 1000 -t set,get --csv >>"$dir/out" 2>&1 ||
		fail "$(cat "$dir/out")"
	[ "$(grep -c '^"\(SET\|GET\|INCR\|PING_MBULK\)"' "$dir/out")" -eq 6 ] || fail "$(cat "$dir/out")"
	redis-cli -p "$port" shutdown >/dev/null 2>&1
	;;
socat)
	# It connects to our echo ...
	serve "$examples/echo_server" 127.0.0.1:0 1
	socat -t 100 - "TCP4:127.0.0.1:$port" <"$dir/file" >"$dir/back" || fail "client"
	cmp "$dir/back" "$dir/file" || fail "the echo differs"
	# ... and echoes what ours sends.
	serve_at socat_at
	"$examples/echo_client" "127.0.0.1:$port" 2000 64 || fail "messages of 64 bytes"
	"$examples/echo_client" "127.0.0.1:$port" 50 65536 1 || fail "messages of 64 KiB"
	;;
esac
