/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * param_names.h - every parameter of the library and of the built-in backends, for the check of
 * openwsd.conf and for tools. X(name, standard value, help, least, most), sorted; a text has no limits: 0, 0.
 * tests/style compares it with the calls in the code; a standard value that is no constant there stands in
 * parentheses here.
 */
#ifndef WSD_BASE_PARAM_NAMES_H
#define WSD_BASE_PARAM_NAMES_H

/* clang-format off */
#define WSD_PARAM_LIST(X) \
	X("ANSWER_MEMORY", "60000", "how long a path without an answer is passed over, in ms", 0, 86400000) \
	X("BACKENDS", "shm,verbs,tcp,plain", "paths in the order in which they are tried: backends, plain TCP", 0, 0) \
	X("CLOSE_TIMEOUT", "60000", "longest closing in the background after closesocket, in ms", 1, 3600000) \
	X("CONNECT_TIMEOUT", "21000", "longest connect over all paths together, in ms", 1, 3600000) \
	X("DUPLICATE_TIMEOUT", "30000", "how long a duplicated socket waits for its new process, in ms", 100, 600000) \
	X("ENGINE_THREAD", "1", "0: no background thread, callers make all progress", 0, 1) \
	X("ENGINE_TICK_US", "2000", "how often the background thread looks at a busy engine, in us", 100, 1000000) \
	X("EXIT_LINGER", "2000", "longest wait for closing sockets at exit, in ms", 0, 600000) \
	X("HANDLES_MAX", "1m", "most sockets and events of a process", 64, 1u << 22) \
	X("LISTENER_WAIT", "250", "how long connects without plain TCP try again, in ms", 0, 60000) \
	X("LOG", "(silent)", "log level: error, warning, notice, info or debug", 0, 0) \
	X("LOG_FILE", "(standard error)", "file for log lines, %p is the process id; else standard error", 0, 0) \
	X("MODULE_DIR", "(installed)", "folder of backend modules", 0, 0) \
	X("MR_CACHE_BYTES", "256m", "most bytes kept registered when nobody uses them", 0, UINT64_MAX / 2) \
	X("MR_CACHE_ENTRIES", "1024", "most ranges kept registered when nobody uses them", 0, 1u << 20) \
	X("PLAIN_BUFFER", "0", "plain: the system's buffers, each way, in bytes; 0: its own choice", 0, 1u << 30) \
	X("PLAIN_SPEED", "125000000", "plain: bytes per second, of which rates are promised", 0, UINT64_MAX) \
	X("QOS_LEDGER", "qos", "name of the ledger of promised rates that processes share", 0, 0) \
	X("QOS_RESERVABLE", "75", "most of a path's speed that is promised, in percent", 0, 100) \
	X("QOS_TEMPLATES", "", "templates beside those of the codecs: NAME:RATE[:BUCKET[:PEAK]]", 0, 0) \
	X("QUEUE_DEPTH", "4096", "completions that one device's queue can hold", 16, 1u << 20) \
	X("RING_MEMORY", "256", "most memory of all rings beyond their first size, in MiB", 0, 1u << 20) \
	X("RULE", "(none)", "which addresses, ports and programs use which paths; one line for each rule", 0, 0) \
	X("SHM_SPEED", "1000000000", "shm: bytes per second, of which rates are promised", 0, 1ull << 40) \
	X("SIM_CAPS", "", "sim: capabilities to switch off", 0, 0) \
	X("SIM_DEVICES", "1", "sim: number of devices", 1, 9) \
	X("SIM_MODE", "live", "sim: live, or stepped by a test", 0, 0) \
	X("SIM_SCRIPT", "", "sim: faults to play", 0, 0) \
	X("SIM_SEED", "0", "sim: one seed, one schedule", 0, UINT64_MAX) \
	X("SIM_SPEED", "125000000", "sim: bytes per second, of which rates are promised", 0, 1ull << 40) \
	X("SPIN_THREADS", "2", "most threads that spin at the same time", 0, 1024) \
	X("SPIN_US", "50", "longest spin before a wait sleeps, in us", 0, 1000) \
	X("TCP_BANNER_LIMIT", "3000", "tcp: longest wait for the peer's first bytes, in ms", 10, 60000) \
	X("TCP_HEAD_START", "50", "tcp: wait for the first candidate before trying others, in ms", 1, 10000) \
	X("TCP_REQUEST_LIMIT", "10000", "tcp: longest wait for a connection request, in ms", 10, 600000) \
	X("TCP_SPEED", "125000000", "tcp: bytes per second, of which rates are promised", 0, 1ull << 40) \
	X("TCP_USER_TIMEOUT", "60000", "tcp: peer unreachable for so long is gone, in ms", 0, 3600000) \
	X("VERBS_ACK_TIMEOUT", "0", "verbs: wait for an acknowledgement, 4.096 us * 2^n; 0: as computed", 0, 31) \
	X("VERBS_ANSWER_LIMIT", "3000", "verbs: longest wait for a peer's sign of life, in ms; 0: none", 0, 3600000) \
	X("VERBS_RNR_TIMER", "12", "verbs: wait of a peer that found no receive, code of InfiniBand", 1, 31) \
	X("VERBS_SPEED", "(of the port)", "verbs: bytes per second, of which rates are promised", 0, 1ull << 40)
/* clang-format on */

#endif
