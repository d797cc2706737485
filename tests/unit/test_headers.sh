#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# test_headers.sh SOURCE-ROOT [COMPILER...]: the public headers compile in every order with the system
# headers that share names with them, each alone, as C11 and C++17, with every compiler that is there.
set -eu

root=$1
shift
[ $# -gt 0 ] || set -- gcc clang
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
count=0

ours="wsatypes wsanames wsaerror wsadefs windows_min qos winsock2 ws2tcpip mstcpip ws2spi ws2san
mswsock openwsd"
system="stdlib unistd time poll netdb ifaddrs sys/types sys/time sys/select sys/socket sys/ioctl sys/uio
sys/un sys/epoll netinet/in netinet/tcp arpa/inet net/if"
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Werror"

# The names that collide, used as a Winsock program uses them.
use() {
	cat <<'END'
int use(SOCKET s);
int use(SOCKET s)
{
	struct sockaddr_storage storage;
	struct sockaddr_in6 in6;
	struct sockaddr_in in;
	struct timeval tv = { 1, 0 };
	struct linger lin = { 1, 2 };
	struct addrinfo hints;
	struct pollfd one;
	u_long yes = 1;
	u_short port = htons(80);
	fd_set set;
	char text[INET6_ADDRSTRLEN];
	int len = (int)sizeof(storage);

	in.sin_family = AF_INET;
	in.sin_port = port;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in6.sin6_addr = in6addr_any;
	in6.sin6_addr.s6_addr[0] = 1;
	hints.ai_family = AF_INET6;
	one.fd = s;
	one.events = POLLIN;
	FD_ZERO(&set);
	FD_SET(s, &set);
	if (bind(s, (struct sockaddr *)&in, sizeof(in)) != 0 || listen(s, SOMAXCONN) != 0)
		return WSAGetLastError();
	s = accept(s, (struct sockaddr *)&storage, &len);
	if (s == INVALID_SOCKET || connect(s, (struct sockaddr *)&in6, sizeof(in6)) != 0)
		return 1;
	send(s, text, (int)sizeof(text), MSG_OOB);
	recv(s, text, (int)sizeof(text), MSG_PEEK | MSG_WAITALL);
	setsockopt(s, SOL_SOCKET, SO_LINGER, (const char *)&lin, sizeof(lin));
	getsockopt(s, SOL_SOCKET, SO_ERROR, text, &len);
	ioctlsocket(s, (int)FIONBIO, &yes);
	select(0, &set, NULL, NULL, &tv);
	inet_pton(AF_INET6, "::1", &in6.sin6_addr);
	WSAPoll(&one, 1, 0);
	shutdown(s, SD_BOTH);
	gethostname(text, (int)sizeof(text));
	return closesocket(s) + hints.ai_family + FD_ISSET(s, &set) +
	       IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
}
WSD_STATIC_ASSERT(AF_INET6 == 23 && SOL_SOCKET == 0xFFFF && SO_RCVTIMEO == 0x1006, "values");
WSD_STATIC_ASSERT((uint32_t)SO_DONTLINGER == 0xFFFFFF7F, "values");
WSD_STATIC_ASSERT((uint32_t)SO_EXCLUSIVEADDRUSE == 0xFFFFFFFB, "values");
WSD_STATIC_ASSERT(SIO_GET_EXTENSION_FUNCTION_POINTER == 0xC8000006, "values");
WSD_STATIC_ASSERT(SIO_ADDRESS_LIST_QUERY == 0x48000016 && SIO_SET_QOS == 0x8800000B, "values");
WSD_STATIC_ASSERT(FIONBIO == 0x8004667E && FIONREAD == 0x4004667F, "values");
WSD_STATIC_ASSERT(SIO_KEEPALIVE_VALS == 0x98000004 && SIO_BASE_HANDLE == 0x48000022, "values");
WSD_STATIC_ASSERT(POLLIN == 0x300 && FD_ALL_EVENTS == 0x3FF, "values");
WSD_STATIC_ASSERT(sizeof(WSD_L("ab")) == 6, "16-bit literals");
WSD_STATIC_ASSERT(sizeof(u_long) == 4 && sizeof(SOCKET) == sizeof(void *), "widths");
END
}

all() {
	for own in $ours; do echo "#include <openwsd/$own.h>"; done
}

host() {
	for sys in $system; do echo "#include <$sys.h>"; done
}

# check LANGUAGE-OPTIONS FILE WHAT
check() {
	count=$((count + 1))
	# shellcheck disable=SC2086 # options are words
	if ! "$compiler" $1 $warnings -fsyntax-only -I"$root/provider/include" "$2" \
		2>"$dir/errors"; then
		echo "$compiler $1: $3"
		head -5 "$dir/errors"
		failed=$((failed + 1))
	fi
}

both_languages() {
	check "-x c -std=c11 -D_GNU_SOURCE -Wstrict-prototypes -Wmissing-prototypes" "$1" "$2"
	check "-x c++ -std=c++17" "$1" "$2"
}

for compiler in "$@"; do
	command -v "$compiler" >/dev/null || continue
	for name in $ours; do
		printf "#include <openwsd/%s.h>\nextern int alone;\n" "$name" >"$dir/t.c"
		both_languages "$dir/t.c" "$name alone"
	done
	for name in $system; do
		{ echo "#include <$name.h>"; all; use; } >"$dir/t.c"
		both_languages "$dir/t.c" "after $name"
		{ all; echo "#include <$name.h>"; use; } >"$dir/t.c"
		both_languages "$dir/t.c" "before $name"
	done
	{ host; all; use; } >"$dir/t.c"
	both_languages "$dir/t.c" "after all"
	check "-x c -std=gnu11" "$dir/t.c" "after all, gnu11"
	{ all; host; use; } >"$dir/t.c"
	both_languages "$dir/t.c" "before all"
	check "-x c -std=c17 -D_DEFAULT_SOURCE" "$dir/t.c" "before all, c17"
	{ all; use; } >"$dir/t.c"
	check "-x c -std=c11 -D_POSIX_C_SOURCE=200809L" "$dir/t.c" "strict POSIX"
	{
		echo '#define FD_SETSIZE 500'
		all
		echo 'WSD_STATIC_ASSERT(sizeof(fd_set) == 8 + 500 * sizeof(SOCKET), "size");'
		use
	} >"$dir/t.c"
	both_languages "$dir/t.c" "own FD_SETSIZE"
	{
		echo '#define WSD_KEEP_HOST_POLL'
		all
		echo '#include <poll.h>'
		echo 'int wait_fd(int fd);'
		echo 'int wait_fd(int fd)'
		echo '{ struct pollfd p = { fd, POLLIN, 0 }; return POLLIN == 1 ? poll(&p, 1, 0) : 0; }'
	} >"$dir/t.c"
	both_languages "$dir/t.c" "with the host's poll"
	for order in before after; do
		{
			[ $order = after ] || all
			echo '#include <functional>'
			echo '#include <thread>'
			echo '#include <string>'
			[ $order = before ] || all
			use
			echo 'int sum() { return std::bind([](int a, int b) { return a + b; }, 1, 2)(); }'
		} >"$dir/t.c"
		check "-x c++ -std=c++17 -Wno-missing-declarations" "$dir/t.c" "$order std::bind"
	done
done
echo "$count compilations, $failed failed"
[ "$failed" -eq 0 ] && [ "$count" -gt 0 ]
