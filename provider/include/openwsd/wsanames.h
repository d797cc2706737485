/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wsanames.h - makes room for the Winsock names that the C library also uses.
 *
 * The system headers that declare a colliding name are included first, so that their include guards
 * keep them from being read again below our macros. Then each colliding name becomes a macro for a
 * name with the prefix wsd_: "socket" is wsd_socket, "struct sockaddr" is struct wsd_sockaddr. The
 * macros have no arguments: a structure member of the same name is renamed where it is declared and
 * where it is used. Include these headers before a library header that has such members.
 *
 * A source file that calls the C library's own sockets must not include winsock2.h. Define
 * WSD_KEEP_HOST_POLL to keep the system's poll.h names; then WSAPoll takes WSD_POLLIN and so on.
 */
#ifndef OPENWSD_WSANAMES_H
#define OPENWSD_WSANAMES_H

/* A program may choose FD_SETSIZE as on Windows, by defining it before its first include. */
#ifndef WSD_FD_SETSIZE
#if defined(FD_SETSIZE) && !defined(_SYS_SELECT_H)
enum { WSD_FD_SETSIZE = FD_SETSIZE };
#undef FD_SETSIZE
#else
#define WSD_FD_SETSIZE 64
#endif
#endif

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Types */
#define u_long		 wsd_u_long
#define sockaddr	 wsd_sockaddr
#define sockaddr_in	 wsd_sockaddr_in
#define sockaddr_in6	 wsd_sockaddr_in6
#define sockaddr_storage wsd_sockaddr_storage
#define in_addr		 wsd_in_addr
#define in6_addr	 wsd_in6_addr
#define addrinfo	 wsd_addrinfo
#define linger		 wsd_linger
#define fd_set		 wsd_fd_set
#define in6addr_any	 wsd_in6addr_any
#define in6addr_loopback wsd_in6addr_loopback

/* Functions */
#define accept	     wsd_accept
#define closesocket  wsd_closesocket
#define connect	     wsd_connect
#define freeaddrinfo wsd_freeaddrinfo
#define gai_strerror wsd_gai_strerror
#define getaddrinfo  wsd_getaddrinfo
#define gethostname  wsd_gethostname
#define getnameinfo  wsd_getnameinfo
#define getpeername  wsd_getpeername
#define getsockname  wsd_getsockname
#define getsockopt   wsd_getsockopt
#define inet_ntoa    wsd_inet_ntoa
#define inet_ntop    wsd_inet_ntop
#define inet_pton    wsd_inet_pton
#define ioctlsocket  wsd_ioctlsocket
#define listen	     wsd_listen
#define recv	     wsd_recv
#define recvfrom     wsd_recvfrom
#define select	     wsd_select
#define send	     wsd_send
#define sendto	     wsd_sendto
#define setsockopt   wsd_setsockopt
#define shutdown     wsd_shutdown
#define socket	     wsd_socket
/*
 * A macro would take std::bind away from C++; winsock2.h has an overload of bind() there instead.
 */
#ifndef __cplusplus
#define bind wsd_bind
#endif

/* Constants that get the Windows value in winsock2.h, ws2tcpip.h and mswsock.h */
#undef AF_UNSPEC
#undef AF_UNIX
#undef AF_INET
#undef AF_INET6
#undef PF_UNSPEC
#undef PF_UNIX
#undef PF_INET
#undef PF_INET6
#undef SOCK_STREAM
#undef SOCK_DGRAM
#undef SOCK_RAW
#undef SOCK_RDM
#undef SOCK_SEQPACKET
#undef SOL_SOCKET
#undef SOMAXCONN
#undef SO_DEBUG
#undef SO_ACCEPTCONN
#undef SO_REUSEADDR
#undef SO_KEEPALIVE
#undef SO_DONTROUTE
#undef SO_BROADCAST
#undef SO_LINGER
#undef SO_OOBINLINE
#undef SO_SNDBUF
#undef SO_RCVBUF
#undef SO_SNDLOWAT
#undef SO_RCVLOWAT
#undef SO_SNDTIMEO
#undef SO_RCVTIMEO
#undef SO_ERROR
#undef SO_TYPE
#undef MSG_OOB
#undef MSG_PEEK
#undef MSG_DONTROUTE
#undef MSG_WAITALL
#undef MSG_TRUNC
#undef MSG_CTRUNC
#undef FIONBIO
#undef FIONREAD
#undef FIOASYNC
#undef SIOCATMARK
#undef IOC_IN
#undef IOC_OUT
#undef IOC_INOUT
#undef FD_SETSIZE
#undef FD_SET
#undef FD_CLR
#undef FD_ZERO
#undef FD_ISSET
#undef IPPROTO_TCP
#undef IPPROTO_UDP
#undef IPPROTO_IPV6
#undef TCP_NODELAY
#undef TCP_MAXSEG
#undef TCP_KEEPIDLE
#undef TCP_KEEPINTVL
#undef TCP_KEEPCNT
#undef IPPROTO_IP
#undef IP_TOS
#undef IP_TTL
#undef IPV6_V6ONLY
#undef IPV6_TCLASS
#undef IPV6_UNICAST_HOPS
#undef AI_PASSIVE
#undef AI_CANONNAME
#undef AI_NUMERICHOST
#undef AI_NUMERICSERV
#undef AI_ALL
#undef AI_ADDRCONFIG
#undef AI_V4MAPPED
#undef NI_NOFQDN
#undef NI_NUMERICHOST
#undef NI_NAMEREQD
#undef NI_NUMERICSERV
#undef NI_DGRAM
#undef EAI_AGAIN
#undef EAI_BADFLAGS
#undef EAI_FAIL
#undef EAI_FAMILY
#undef EAI_MEMORY
#undef EAI_NONAME
#undef EAI_NODATA
#undef EAI_SERVICE
#undef EAI_SOCKTYPE
#undef INET_ADDRSTRLEN
#undef INET6_ADDRSTRLEN
#undef IN6ADDR_ANY_INIT
#undef IN6ADDR_LOOPBACK_INIT
#undef IN6_IS_ADDR_UNSPECIFIED
#undef IN6_IS_ADDR_LOOPBACK
#undef IN6_IS_ADDR_MULTICAST
#undef IN6_IS_ADDR_LINKLOCAL
#undef IN6_IS_ADDR_V4MAPPED
#undef s6_addr
#undef s6_addr16
#undef s6_addr32

#ifndef WSD_KEEP_HOST_POLL
#define pollfd wsd_pollfd
#undef POLLIN
#undef POLLPRI
#undef POLLOUT
#undef POLLERR
#undef POLLHUP
#undef POLLNVAL
#undef POLLRDNORM
#undef POLLRDBAND
#undef POLLWRNORM
#undef POLLWRBAND
#endif

#endif
