/* SPDX-License-Identifier: BSD-2-Clause */
/* ws2tcpip.h - IPv6 addresses, address text, and getaddrinfo over the system's resolver. */
#ifndef OPENWSD_WS2TCPIP_H
#define OPENWSD_WS2TCPIP_H

#include "winsock2.h"

/* Level IPPROTO_IPV6. 1 in a new socket; with 0, until bind or connect, it speaks IPv4 as well, to ::ffff:a.b.c.d. */
#define IPV6_V6ONLY 27
/*
 * The type of service of packets, 0 to 255, on paths that have one. IP_TOS (level IPPROTO_IP) for sockets of
 * AF_INET, IPV6_TCLASS for AF_INET6; a socket of both families has both names for one value. 0 leaves it to the
 * system. Connections over RDMA adapters keep what was set before connect or accept.
 */
#define IP_TOS	    3
#define IPV6_TCLASS 39
/* How many routers a packet passes at most, 1 to 255, by plain TCP; -1 of the second is what the system does. */
#define IP_TTL		  4
#define IPV6_UNICAST_HOPS 4

struct in6_addr {
	union {
		UCHAR Byte[16];
		USHORT Word[8];
	} u;
};
#define s6_addr	 u.Byte
#define s6_bytes u.Byte
#define s6_words u.Word

struct sockaddr_in6 {
	ADDRESS_FAMILY sin6_family; /* host order */
	USHORT sin6_port;	    /* network order */
	ULONG sin6_flowinfo;
	struct in6_addr sin6_addr;
	ULONG sin6_scope_id;
};

struct addrinfo {
	int ai_flags;
	int ai_family;
	int ai_socktype;
	int ai_protocol;
	size_t ai_addrlen;
	char *ai_canonname;
	struct sockaddr *ai_addr;
	struct addrinfo *ai_next;
};

typedef struct in6_addr IN6_ADDR, *PIN6_ADDR, *LPIN6_ADDR;
typedef struct sockaddr_in6 SOCKADDR_IN6, *PSOCKADDR_IN6, *LPSOCKADDR_IN6;
typedef struct addrinfo ADDRINFOA, *PADDRINFOA, ADDRINFO, *LPADDRINFO;

/* An address of either family. */
typedef union _SOCKADDR_INET {
	SOCKADDR_IN Ipv4;
	SOCKADDR_IN6 Ipv6;
	ADDRESS_FAMILY si_family;
} SOCKADDR_INET, *PSOCKADDR_INET;

WSD_STATIC_ASSERT(sizeof(SOCKADDR_INET) == 28, "SOCKADDR_INET layout");
WSD_STATIC_ASSERT(sizeof(struct in6_addr) == 16, "in6_addr layout");
WSD_STATIC_ASSERT(sizeof(struct sockaddr_in6) == 28, "sockaddr_in6 layout");

#define IN6ADDR_ANY_INIT                                                       \
	{                                                                      \
		{                                                              \
			{                                                      \
				0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
			}                                                      \
		}                                                              \
	}
#define IN6ADDR_LOOPBACK_INIT                                                  \
	{                                                                      \
		{                                                              \
			{                                                      \
				0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 \
			}                                                      \
		}                                                              \
	}

#define AI_PASSIVE     0x1
#define AI_CANONNAME   0x2
#define AI_NUMERICHOST 0x4
#define AI_NUMERICSERV 0x8
#define AI_ALL	       0x100
#define AI_ADDRCONFIG  0x400
#define AI_V4MAPPED    0x800

#define NI_NOFQDN      0x1
#define NI_NUMERICHOST 0x2
#define NI_NAMEREQD    0x4
#define NI_NUMERICSERV 0x8
#define NI_DGRAM       0x10
#ifndef NI_MAXHOST
#define NI_MAXHOST 1025
#endif
#ifndef NI_MAXSERV
#define NI_MAXSERV 32
#endif

#define EAI_AGAIN    WSATRY_AGAIN
#define EAI_BADFLAGS WSAEINVAL
#define EAI_FAIL     WSANO_RECOVERY
#define EAI_FAMILY   WSAEAFNOSUPPORT
#define EAI_MEMORY   WSA_NOT_ENOUGH_MEMORY
#define EAI_NONAME   WSAHOST_NOT_FOUND
#define EAI_NODATA   EAI_NONAME
#define EAI_SERVICE  WSATYPE_NOT_FOUND
#define EAI_SOCKTYPE WSAESOCKTNOSUPPORT

/* With port, brackets and scope. */
#define INET_ADDRSTRLEN	 22
#define INET6_ADDRSTRLEN 65

WSD_DECLS_BEGIN

extern const struct in6_addr in6addr_any;
extern const struct in6_addr in6addr_loopback;

INT WSAAPI inet_pton(INT Family, LPCSTR pszAddrString, PVOID pAddrBuf);
LPCSTR WSAAPI inet_ntop(INT Family, const VOID *pAddr, LPSTR pStringBuf, size_t StringBufSize);

/* Numeric addresses and names. The returned list is freed with freeaddrinfo only. */
INT WSAAPI getaddrinfo(LPCSTR pNodeName, LPCSTR pServiceName, const ADDRINFOA *pHints,
		       PADDRINFOA *ppResult);
VOID WSAAPI freeaddrinfo(PADDRINFOA pAddrInfo);
INT WSAAPI getnameinfo(const SOCKADDR *pSockaddr, int SockaddrLength, char *pNodeBuffer,
		       DWORD NodeBufferSize, char *pServiceBuffer, DWORD ServiceBufferSize,
		       INT Flags);
/* The text is static and constant. */
char *WSAAPI gai_strerror(int ecode);

WSD_DECLS_END

#define InetPtonA     inet_pton
#define InetNtopA     inet_ntop
#define GetAddrInfoA  getaddrinfo
#define GetNameInfoA  getnameinfo
#define gai_strerrorA gai_strerror

static inline BOOL wsd_in6_prefix_is_zero(const struct in6_addr *a, int words)
{
	int i;

	for (i = 0; i < words; i++)
		if (a->s6_words[i] != 0)
			return FALSE;
	return TRUE;
}

static inline BOOL IN6_IS_ADDR_UNSPECIFIED(const struct in6_addr *a)
{
	return wsd_in6_prefix_is_zero(a, 8);
}

static inline BOOL IN6_IS_ADDR_LOOPBACK(const struct in6_addr *a)
{
	return wsd_in6_prefix_is_zero(a, 7) && a->s6_bytes[14] == 0 && a->s6_bytes[15] == 1;
}

static inline BOOL IN6_IS_ADDR_MULTICAST(const struct in6_addr *a)
{
	return a->s6_bytes[0] == 0xff;
}

static inline BOOL IN6_IS_ADDR_LINKLOCAL(const struct in6_addr *a)
{
	return a->s6_bytes[0] == 0xfe && (a->s6_bytes[1] & 0xc0) == 0x80;
}

static inline BOOL IN6_IS_ADDR_V4MAPPED(const struct in6_addr *a)
{
	return wsd_in6_prefix_is_zero(a, 5) && a->s6_words[5] == 0xffff;
}

#endif
