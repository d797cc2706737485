// SPDX-License-Identifier: BSD-2-Clause
/* test_plain_rules.c - what rules and vanished devices change, in the standard order of paths. */
#include <stdio.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tests/plain/cases.h"
#include "tests/plain/system.h"

static void rules(const char *text)
{
	const char *path = test_write_file("rules", text);

	PEER_CHECK(setenv("WSD_CONFIG", path, 1) == 0);
	over("shm,tcp,plain");
	closesocket(peer_socket()); /* Windows loads providers no earlier than that */
	unlink(path);
}

/* Each line that is no rule is named in the log, and costs no other; so is a path that is none. */
static void check_log_of_rules(const char *path)
{
	static const char *const expected[] = {
		" line 8: unknown key THIS",
		" line 9: connect, listen or both comes first: nonsense",
		" line 10: no port or range of ports: connect 10.0.0.1:99-9 tcp",
		" line 11: no path of BACKENDS has the name plian",
	};
	char text[4096] = "";
	FILE *log = fopen(path, "r");

	PEER_CHECK(log != NULL);
	(void)fread(text, 1, sizeof(text) - 1, log);
	fclose(log);
	unlink(path);
	PEER_CHECK(strstr(text, " line 12:") == NULL);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (strstr(text, expected[i]) == NULL)
			peer_fail("the log lacks \"%s\":\n%s", expected[i], text);
}

#ifdef _WIN32
#define PROGRAM "Test_Plain_Rules.EXE"
#else
#define PROGRAM "test_plain_rules"
#endif

static void check_rules(void)
{
	char log[512];
	uint32_t denied = 0, only = 0;
	int one = system_listen(&denied, 4), two = system_listen(&only, 4);
	char text[512];
	struct sockaddr_in at = peer_address(0);
	SOCKET s, listener;
	uint32_t port;

	snprintf(text, sizeof(text),
		 "rule = connect 127.0.0.0/8:%u deny\n"
		 "rule = connect *:%u program another_program deny\n"
		 "rule = connect *:%u program renamed deny\n"
		 "rule = connect 127.0.0.1:%u program \"" PROGRAM "\" shm tcp\n"
		 "rule = listen *:1-1024 deny\n"
		 "rule = listen * shm, tcp\n"
		 "rule = connect * tcp shm\n"
		 "this = wrong\nrule = nonsense\nrule = connect 10.0.0.1:99-9 tcp\n"
		 "rule = connect 10.0.0.2 tcp plian\nrule = connect 10.0.0.3 shm/x tcp,plain\n",
		 denied, only, only, only);
	snprintf(log, sizeof(log), "%s", test_write_file("log", ""));
	PEER_CHECK(setenv("WSD_LOG_FILE", log, 1) == 0 && setenv("WSD_LOG", "warning", 1) == 0);
	rules(text);
	check_log_of_rules(log);
	s = peer_socket();
	PEER_CHECK(try_connect(s, denied) == WSAEACCES);
	PEER_CHECK(text_has(s, SO_OPENWSD_REASONS,
			    "rule at line 1: denied by a rule of openwsd.conf (-71)"));
	PEER_CHECK(system_nobody(one, 0));
	PEER_CHECK(try_connect(s, only) == WSAECONNREFUSED && system_nobody(two, 0));
	closesocket(s);
	/* Nobody without OpenWSD may come, and tcp is tried before shm. */
	listener = peer_listen(&port);
	PEER_CHECK(system_connect(port) < 0);
	s = connected(port);
	PEER_CHECK(text_has(s, SO_OPENWSD_PATH, "tcp"));
	closesocket(s);
	closesocket(listener);
	listener = peer_socket();
	at.sin_port = htons(987);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0) /* not everybody may */
		PEER_CHECK(listen(listener, 1) == SOCKET_ERROR && WSAGetLastError() == WSAEACCES);
	closesocket(listener);
	system_close(one);
	system_close(two);
}

/* The device of the first connection is gone before the second: the program does not notice. A peer that speaks only
 * TCP is known by heart all the same. */
static void check_device_gone(void)
{
	uint32_t port, other = 0;
	SOCKET listener, a, b, s[2];
	int plain = system_listen(&other, 8);
	char byte;

	PEER_CHECK(setenv("WSD_SIM_SCRIPT", "gone after 40 events", 1) == 0);
	over("sim,plain");
	listener = peer_listen(&port);
	a = connected(port);
	s[0] = accept(listener, NULL, NULL);
	PEER_CHECK(text_has(a, SO_OPENWSD_PATH, "sim"));
	while (send(a, "a", 1, 0) == 1 && recv(s[0], &byte, 1, 0) == 1)
		; /* until it is taken away */
	b = connected(port);
	s[1] = accept(listener, NULL, NULL);
	PEER_CHECK(text_has(b, SO_OPENWSD_PATH, "plain") &&
		   text_has(b, SO_OPENWSD_REASONS, "sim: "));
	PEER_CHECK(send(b, "b", 1, 0) == 1 && recv(s[1], &byte, 1, 0) == 1 && byte == 'b');
	closesocket(a);
	closesocket(b);
	a = connected(other);
	PEER_CHECK(text_has(a, SO_OPENWSD_REASONS, "sim: device failed or was removed (-80)"));
	b = connected(other);
	PEER_CHECK(text_has(b, SO_OPENWSD_REASONS,
			    "openwsd: nothing answers there by this path (-70)"));
	closesocket(a);
	closesocket(b);
	system_close(plain);
	closesocket(s[0]);
	closesocket(s[1]);
	closesocket(listener);
}

/* A backend of the list that does not exist, or no more, costs nothing but its line in the log. */
static void check_module_gone(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 8);

	over("nosuch,shm,plain");
	PEER_CHECK(closesocket(connected(port)) == 0);
	PEER_CHECK(WSACleanup() == 0);
	over("alsonot,plain");
	PEER_CHECK(closesocket(connected(port)) == 0);
	system_close(listener);
}

const struct plain_case plain_cases[] = {
	{ "rules", check_rules },
	{ "device_gone", check_device_gone },
	{ "module_gone", check_module_gone },
	{ NULL, NULL },
};
