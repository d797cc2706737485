# SPDX-License-Identifier: BSD-2-Clause
# run_lib.sh - for the run_*.sh of two programs that need more than one line; $dir is their folder.
status=0
path="$WSD_BACKENDS\(/[^/ ]*\)\{0,1\}" # with the device, where there may be several
at=${WSD_TEST_IPV4:-127.0.0.1} # an address of this machine

bad() {
	echo "$*"
	status=1
}

# expect_line PATTERN FILE WHAT: it stands there within 20 seconds.
expect_line() {
	i=0
	while ! grep -q "$1" "$2"; do
		i=$((i + 1))
		[ $i -lt 400 ] || { echo "$3: $(cat "$2.err")"; exit 1; }
		sleep 0.05
	done
}

# start_listening COMMAND...: in the background, as $pid; wait for its port in $port.
start_listening() {
	: >"$dir/listen" # the port of the one before must not be seen
	"$@" >"$dir/listen" 2>"$dir/listen.err" &
	pid=$!
	expect_line 'listening on port' "$dir/listen" "$*: does not listen"
	port=$(sed -n 's/listening on port //p' "$dir/listen")
}

# expect_end PID STATUS WHAT: it ends within 20 seconds with that status.
expect_end() {
	i=0
	while kill -0 "$1" 2>/dev/null; do
		i=$((i + 1))
		[ $i -lt 400 ] || { bad "$3: still running"; kill -9 "$1"; break; }
		sleep 0.05
	done
	wait "$1"
	result=$?
	[ $result -eq "$2" ] || bad "$3: exit status $result"
}

# refused PROGRAM MESSAGE ARG...: exit status 1 and that message.
refused() {
	command=$1 message=$2
	shift 2
	"$command" "$@" >/dev/null 2>"$dir/err"
	result=$?
	[ $result -eq 1 ] || bad "$*: exit status $result"
	grep -q "$message" "$dir/err" || bad "$*: $(cat "$dir/err")"
}
