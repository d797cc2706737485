/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * param_names.h - every parameter of the library and of the built-in backends, for the check of
 * openwsd.conf and for tools. X(name, standard value, help), sorted. tests/style compares it with the
 * calls in the code; a standard value that is no constant there stands in parentheses here.
 */
#ifndef WSD_BASE_PARAM_NAMES_H
#define WSD_BASE_PARAM_NAMES_H

/* clang-format off */
#define WSD_PARAM_LIST(X) \
	X("ANSWER_MEMORY", "60000", "how long a path by which a peer did not answer is passed over, in ms") \
	X("BACKENDS", "shm,verbs,tcp,plain", "paths: backends and plain TCP, in the order in which they are tried") \
	X("CLOSE_TIMEOUT", "60000", "longest closing in the background after closesocket, in ms") \
	X("CONNECT_TIMEOUT", "21000", "longest connect over all paths together, in ms") \
	X("DUPLICATE_TIMEOUT", "30000", "how long a duplicated socket waits for its new process, in ms") \
	X("ENGINE_THREAD", "1", "0: no background thread, callers make all progress") \
	X("ENGINE_TICK_US", "2000", "how often the background thread looks at a busy engine, in us") \
	X("EXIT_LINGER", "2000", "longest wait for closing sockets at exit, in ms") \
	X("HANDLES_MAX", "1m", "most sockets and events of a process") \
	X("LOG", "(silent)", "log level: error, warning, notice, info or debug") \
	X("LOG_FILE", "(standard error)", "file for log lines, %p is the process id; else standard error") \
	X("MODULE_DIR", "(installed)", "folder of backend modules") \
	X("MR_CACHE_BYTES", "256m", "most bytes kept registered when nobody uses them") \
	X("MR_CACHE_ENTRIES", "1024", "most ranges kept registered when nobody uses them") \
	X("PLAIN_BUFFER", "0", "plain: the system's send and receive buffers, in bytes; 0: its own choice") \
	X("PLAIN_SPEED", "125000000", "plain: bytes per second, of which rates are promised") \
	X("QOS_LEDGER", "qos", "name of the ledger of promised rates that processes share") \
	X("QOS_RESERVABLE", "75", "most of a path's speed that is promised, in percent") \
	X("QOS_TEMPLATES", "", "templates beside those of the codecs: NAME:RATE[:BUCKET[:PEAK]]") \
	X("QUEUE_DEPTH", "4096", "completions that one device's queue can hold") \
	X("RING_MEMORY", "256", "most memory of all rings beyond their first size, in MiB") \
	X("RULE", "(none)", "which addresses, ports and programs use which paths; one line for each rule") \
	X("SHM_SPEED", "1000000000", "shm: bytes per second, of which rates are promised") \
	X("SIM_CAPS", "", "sim: capabilities to switch off") \
	X("SIM_DEVICES", "1", "sim: number of devices") \
	X("SIM_MODE", "live", "sim: live, or stepped by a test") \
	X("SIM_SCRIPT", "", "sim: faults to play") \
	X("SIM_SEED", "0", "sim: one seed, one schedule") \
	X("SIM_SPEED", "125000000", "sim: bytes per second, of which rates are promised") \
	X("SPIN_THREADS", "2", "most threads that spin at the same time") \
	X("SPIN_US", "50", "longest spin before a wait sleeps, in us") \
	X("TCP_BANNER_LIMIT", "3000", "tcp: longest wait for the peer's first bytes, in ms") \
	X("TCP_HEAD_START", "50", "tcp: wait for the first candidate before trying others, in ms") \
	X("TCP_REQUEST_LIMIT", "10000", "tcp: longest wait for a connection request, in ms") \
	X("TCP_SPEED", "125000000", "tcp: bytes per second, of which rates are promised") \
	X("TCP_USER_TIMEOUT", "60000", "tcp: peer unreachable for so long is gone, in ms") \
	X("VERBS_ACK_TIMEOUT", "0", "verbs: wait for an acknowledgement, 4.096 us * 2^n; 0: as computed") \
	X("VERBS_ANSWER_LIMIT", "3000", "verbs: longest wait for any sign of life of a peer, in ms; 0: none") \
	X("VERBS_RNR_TIMER", "12", "verbs: wait of a peer that found no receive, code of InfiniBand") \
	X("VERBS_SPEED", "(of the port)", "verbs: bytes per second, of which rates are promised")
/* clang-format on */

#endif
