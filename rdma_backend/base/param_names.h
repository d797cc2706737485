/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * param_names.h - every parameter of the library and of the built-in backends, for the check of
 * openwsd.conf and for tools. X(name, help), sorted. tests/style compares it with the calls in the
 * code.
 */
#ifndef WSD_BASE_PARAM_NAMES_H
#define WSD_BASE_PARAM_NAMES_H

/* clang-format off */
#define WSD_PARAM_LIST(X)                                                                       \
	X("BACKENDS", "backends to use, in path order")                                         \
	X("CLOSE_TIMEOUT", "longest closing in the background after closesocket, in ms")        \
	X("CONNECT_TIMEOUT", "longest connect over all paths together, in ms")                  \
	X("ENGINE_THREAD", "0: no background thread, callers make all progress")                \
	X("ENGINE_TICK_US", "how often the background thread looks at a busy engine, in us")    \
	X("EXIT_LINGER", "longest wait for closing sockets at exit, in ms")                     \
	X("HANDLES_MAX", "most sockets and events of a process")                                \
	X("LOG", "log level: error, warning, notice, info or debug")                            \
	X("LOG_FILE", "file for log lines, %p is the process id; else standard error")          \
	X("MODULE_DIR", "folder of backend modules")                                            \
	X("MR_CACHE_BYTES", "most bytes kept registered when nobody uses them")                 \
	X("MR_CACHE_ENTRIES", "most ranges kept registered when nobody uses them")              \
	X("QUEUE_DEPTH", "completions that one device's queue can hold")                        \
	X("SIM_CAPS", "sim: capabilities to switch off")                                        \
	X("SIM_DEVICES", "sim: number of devices")                                              \
	X("SIM_MODE", "sim: live, or stepped by a test")                                        \
	X("SIM_SCRIPT", "sim: faults to play")                                                  \
	X("SIM_SEED", "sim: one seed, one schedule")                                            \
	X("SPIN_THREADS", "most threads that spin at the same time")                            \
	X("SPIN_US", "longest spin before a wait sleeps, in us")                                \
	X("TCP_BANNER_LIMIT", "tcp: longest wait for the peer's first bytes, in ms")            \
	X("TCP_HEAD_START", "tcp: wait for the first candidate before trying others, in ms")    \
	X("TCP_REQUEST_LIMIT", "tcp: longest wait for a connection request, in ms")             \
	X("TCP_USER_TIMEOUT", "tcp: peer unreachable for so long is gone, in ms")
/* clang-format on */

#endif
