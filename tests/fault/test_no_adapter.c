// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_no_adapter.c device|library|module - the standard paths on a machine that has no RDMA adapter, no libibverbs
 * or no module for them: everything works without, and the reason is told. Exits 77 where there is an adapter.
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/lib/peer.h"

#define NOBODY_LISTENS "nobody listens at that address (-62)"

static bool has_adapter(void)
{
	DIR *folder = opendir("/sys/class/infiniband");
	const struct dirent *each;
	bool found = false;

	while (folder && (each = readdir(folder)) != NULL)
		found |= each->d_name[0] != '.';
	if (folder)
		closedir(folder);
	return found;
}

/* Start again where the loader finds a libibverbs that is none. */
static void hide_library(char **argv)
{
	char folder[] = "/tmp/openwsd-test.XXXXXX", path[64], list[4096];
	const char *old = getenv("LD_LIBRARY_PATH");
	FILE *file;

	PEER_CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/libibverbs.so.1", folder);
	file = fopen(path, "w");
	PEER_CHECK(file && fclose(file) == 0);
	snprintf(list, sizeof(list), "%s:%s", folder, old ? old : "");
	PEER_CHECK(setenv("LD_LIBRARY_PATH", list, 1) == 0 && setenv("HIDDEN", folder, 1) == 0);
	execv("/proc/self/exe", argv);
	peer_fail("cannot start again");
}

static void show_library(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%.40s/libibverbs.so.1", getenv("HIDDEN"));
	PEER_CHECK(unlink(path) == 0 && rmdir(getenv("HIDDEN")) == 0);
}

static const char *option(SOCKET s, int name)
{
	static char text[1024];
	int length = sizeof(text);

	PEER_CHECK(getsockopt(s, SOL_SOCKET, name, text, &length) == 0);
	printf("%x: %s\n", (unsigned)name, text);
	return text;
}

static SOCKET connect_to(uint32_t port, int error)
{
	struct sockaddr_in at = peer_address(port);
	SOCKET s = peer_socket();
	int result = connect(s, (struct sockaddr *)&at, sizeof(at));

	PEER_CHECK(result == 0 ? error == 0 : WSAGetLastError() == error);
	return s;
}

/* Each path and its reason, in the standard order. */
static void check_all(const char *why)
{
	uint32_t port;
	SOCKET listener = peer_listen(&port), s = connect_to(port, 0), server;
	const char *reasons, *verbs, *tcp;
	char byte = 0;

	PEER_CHECK(strcmp(option(s, SO_OPENWSD_PATH), "shm") == 0);
	PEER_CHECK(strcmp(option(s, SO_OPENWSD_REASONS), "") == 0);
	server = accept(listener, NULL, NULL);
	PEER_CHECK(send(s, "a", 1, 0) == 1 && recv(server, &byte, 1, 0) == 1 && byte == 'a');
	PEER_CHECK(closesocket(s) == 0 && closesocket(server) == 0 && closesocket(listener) == 0);

	s = connect_to(port, WSAECONNREFUSED);
	reasons = option(s, SO_OPENWSD_REASONS);
	verbs = strstr(reasons, "; verbs: ");
	tcp = strstr(reasons, "; tcp: " NOBODY_LISTENS);
	PEER_CHECK(strncmp(reasons, "shm: " NOBODY_LISTENS ";", 42) == 0);
	PEER_CHECK(verbs && tcp && verbs < tcp && strstr(verbs, why) && strstr(verbs, why) < tcp);
	PEER_CHECK(closesocket(s) == 0);
}

/* Nothing else is configured. */
static void check_alone(const char *why)
{
	const char *reasons;
	SOCKET s;

	PEER_CHECK(setenv("WSD_BACKENDS", "verbs", 1) == 0);
	peer_winsock();
	s = connect_to(1, WSAENETUNREACH);
	reasons = option(s, SO_OPENWSD_REASONS);
	PEER_CHECK(strncmp(reasons, "verbs: ", 7) == 0 && strstr(reasons, why));
	PEER_CHECK(closesocket(s) == 0 && WSACleanup() == 0);
}

int main(int argc, char **argv)
{
	const char *kind = argc == 2 ? argv[1] : "";
	const char *why = "no such device (-81)";

	if (strcmp(kind, "library") == 0) {
		if (!getenv("HIDDEN"))
			hide_library(argv);
		why = "libibverbs.so.1";
	} else if (strcmp(kind, "module") == 0) {
		PEER_CHECK(setenv("WSD_MODULE_DIR", "/nowhere", 1) == 0);
		why = "there is no /nowhere/openwsd-backend-verbs.so";
	} else if (has_adapter()) {
		return 77;
	}
	peer_start(60, 256);
	unsetenv("WSD_BACKENDS");
	peer_winsock();
	check_all(why);
	PEER_CHECK(WSACleanup() == 0);
	check_alone(why);
	if (getenv("HIDDEN"))
		show_library();
	return 0;
}
