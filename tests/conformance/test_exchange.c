// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_exchange.c - one end of a connection whose other end is this program of another system: over the tcp
 * backend a Windows and a Linux process speak the same.
 *
 *   conformance_exchange ipv4|ipv6 serve FILE      writes its port to FILE, accepts, echoes, closes
 *   conformance_exchange ipv4|ipv6 connect PORT    connects, sends, compares the echo, closes
 */
#include "tests/conformance/host.h"
#include "tests/conformance/io.h"

#define MOST	(3u << 20) /* beyond the first ring, and through rings that grow */
#define PIECE	(64u << 10)
#define GOODBYE "goodbye"

static const unsigned sizes[] = { 1, 7, 256, 4096, 65537, MOST };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static char buffer[MOST];

static bool send_whole(SOCKET s, const char *bytes, unsigned length)
{
	while (length > 0) {
		int sent = host_send(s, bytes, length < PIECE ? length : PIECE);

		if (sent <= 0)
			return false;
		bytes += sent;
		length -= (unsigned)sent;
	}
	return true;
}

static bool receive_whole(SOCKET s, char *bytes, unsigned length)
{
	while (length > 0) {
		int received = host_recv(s, bytes, length);

		if (received <= 0)
			return false;
		bytes += received;
		length -= (unsigned)received;
	}
	return true;
}

static void check_path(SOCKET s)
{
	char path[32] = "";
	int length = sizeof(path);

	CHECK(spi.lpWSPGetSockOpt(s, SOL_SOCKET, SO_OPENWSD_PATH, path, &length, &host_error) == 0);
	CHECK(strcmp(path, getenv("WSD_BACKENDS")) == 0); /* the only one */
}

static void serve(const char *file_name)
{
	struct address at;
	SOCKET listener = host_listener(&at, 4), s;
	FILE *file = fopen(file_name, "w");
	char word[sizeof(GOODBYE)];

	if (listener == INVALID_SOCKET || file == NULL || fprintf(file, "%u\n", port_of(&at)) < 0 ||
	    fclose(file) != 0)
		abort();
	s = host_accept(listener);
	CHECK(s != INVALID_SOCKET);
	check_path(s);
	for (unsigned i = 0; i < SIZES; i++) {
		CHECK(receive_whole(s, buffer, sizes[i]));
		CHECK(pattern_ok(buffer, sizes[i], i));
		CHECK(send_whole(s, buffer, sizes[i]));
	}
	/* The other end says no more: then it is our turn to end. */
	CHECK(host_recv(s, buffer, 1) == 0);
	memcpy(word, GOODBYE, sizeof(word));
	CHECK(host_send(s, word, sizeof(word)) == (int)sizeof(word));
	host_close(s);
	host_close(listener);
}

static void call(u_short port)
{
	struct address at = loopback(port);
	char word[sizeof(GOODBYE)] = "";
	SOCKET s = host_socket();

	CHECK(host_connect(s, &at) == 0);
	check_path(s);
	for (unsigned i = 0; i < SIZES; i++) {
		pattern_fill(buffer, sizes[i], i);
		CHECK(send_whole(s, buffer, sizes[i]));
		memset(buffer, 0, sizes[i]);
		CHECK(receive_whole(s, buffer, sizes[i]));
		CHECK(pattern_ok(buffer, sizes[i], i));
	}
	CHECK(spi.lpWSPShutdown(s, SD_SEND, &host_error) == 0);
	CHECK(receive_whole(s, word, sizeof(word)) && strcmp(word, GOODBYE) == 0);
	CHECK(host_recv(s, buffer, 1) == 0);
	host_close(s);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (conf_role() == NULL || host_startup(0) != 0)
		return 2;
	if (strcmp(conf_role(), "serve") == 0)
		serve(conf_argument());
	else
		call((u_short)strtoul(conf_argument(), NULL, 10));
	CHECK(host_cleanup() == 0);
	return check_result();
}
