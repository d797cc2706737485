/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * winsock2.h - Winsock 2 for systems that are not Windows: same names, layouts and numeric values.
 *
 * Differences from Windows that a program can notice: struct timeval is the system's own; names
 * that the C library also has are macros (wsanames.h); a SOCKET is never a file descriptor
 * (openwsd.h gives one that can be polled). u_long and DWORD print with %u.
 */
#ifndef OPENWSD_WINSOCK2_H
#define OPENWSD_WINSOCK2_H

#include "qos.h"
#include "wsadefs.h"

typedef uint32_t wsd_u_long;
typedef unsigned short u_short;
typedef unsigned int u_int;
typedef unsigned char u_char;

typedef UINT_PTR SOCKET;
typedef unsigned int GROUP;
typedef USHORT ADDRESS_FAMILY;

struct in_addr {
	union {
		struct {
			UCHAR s_b1, s_b2, s_b3, s_b4;
		} S_un_b;
		struct {
			USHORT s_w1, s_w2;
		} S_un_w;
		ULONG S_addr;
	} S_un;
};
#define s_addr S_un.S_addr

struct sockaddr {
	ADDRESS_FAMILY sa_family; /* host order */
	CHAR sa_data[14];
};

struct sockaddr_in {
	ADDRESS_FAMILY sin_family; /* host order */
	USHORT sin_port;	   /* network order */
	struct in_addr sin_addr;
	CHAR sin_zero[8];
};

struct sockaddr_storage {
	ADDRESS_FAMILY ss_family;
	CHAR wsd_ss_pad1[6];
	int64_t wsd_ss_align;
	CHAR wsd_ss_pad2[112];
};

struct linger {
	u_short l_onoff;
	u_short l_linger; /* seconds */
};

typedef struct wsd_fd_set {
	u_int fd_count;
	SOCKET fd_array[FD_SETSIZE];
} wsd_fd_set;

typedef struct in_addr IN_ADDR, *PIN_ADDR, *LPIN_ADDR;
typedef struct sockaddr SOCKADDR, *PSOCKADDR, *LPSOCKADDR;
typedef struct sockaddr_in SOCKADDR_IN, *PSOCKADDR_IN, *LPSOCKADDR_IN;
typedef struct sockaddr_storage SOCKADDR_STORAGE, *PSOCKADDR_STORAGE, *LPSOCKADDR_STORAGE;
typedef struct linger LINGER, *PLINGER, *LPLINGER;
typedef wsd_fd_set *LPFD_SET;
typedef struct timeval TIMEVAL, *PTIMEVAL, *LPTIMEVAL;

typedef HANDLE WSAEVENT;
typedef WSAEVENT *LPWSAEVENT;
typedef OVERLAPPED WSAOVERLAPPED;
typedef WSAOVERLAPPED *LPWSAOVERLAPPED;

typedef struct _WSABUF {
	u_long len;
	char *buf;
} WSABUF, *LPWSABUF;

typedef struct _QualityOfService {
	FLOWSPEC SendingFlowspec;
	FLOWSPEC ReceivingFlowspec;
	WSABUF ProviderSpecific;
} QOS, *LPQOS;

typedef struct WSAData {
	WORD wVersion;
	WORD wHighVersion;
	unsigned short iMaxSockets;
	unsigned short iMaxUdpDg;
	char *lpVendorInfo;
	char szDescription[WSADESCRIPTION_LEN + 1];
	char szSystemStatus[WSASYS_STATUS_LEN + 1];
} WSADATA, *LPWSADATA;

typedef struct _WSANETWORKEVENTS {
	LONG lNetworkEvents;
	int iErrorCode[FD_MAX_EVENTS];
} WSANETWORKEVENTS, *LPWSANETWORKEVENTS;

typedef struct _WSAPROTOCOLCHAIN {
	int ChainLen;
	DWORD ChainEntries[MAX_PROTOCOL_CHAIN];
} WSAPROTOCOLCHAIN, *LPWSAPROTOCOLCHAIN;

#define WSD_PROTOCOL_INFO_FIELDS        \
	DWORD dwServiceFlags1;          \
	DWORD dwServiceFlags2;          \
	DWORD dwServiceFlags3;          \
	DWORD dwServiceFlags4;          \
	DWORD dwProviderFlags;          \
	GUID ProviderId;                \
	DWORD dwCatalogEntryId;         \
	WSAPROTOCOLCHAIN ProtocolChain; \
	int iVersion;                   \
	int iAddressFamily;             \
	int iMaxSockAddr;               \
	int iMinSockAddr;               \
	int iSocketType;                \
	int iProtocol;                  \
	int iProtocolMaxOffset;         \
	int iNetworkByteOrder;          \
	int iSecurityScheme;            \
	DWORD dwMessageSize;            \
	DWORD dwProviderReserved;

typedef struct _WSAPROTOCOL_INFOA {
	WSD_PROTOCOL_INFO_FIELDS
	CHAR szProtocol[WSAPROTOCOL_LEN + 1];
} WSAPROTOCOL_INFOA, *LPWSAPROTOCOL_INFOA;

typedef struct _WSAPROTOCOL_INFOW {
	WSD_PROTOCOL_INFO_FIELDS
	WCHAR szProtocol[WSAPROTOCOL_LEN + 1];
} WSAPROTOCOL_INFOW, *LPWSAPROTOCOL_INFOW;

typedef struct _SOCKET_ADDRESS {
	LPSOCKADDR lpSockaddr;
	INT iSockaddrLength;
} SOCKET_ADDRESS, *PSOCKET_ADDRESS, *LPSOCKET_ADDRESS;

typedef struct _SOCKET_ADDRESS_LIST {
	INT iAddressCount;
	SOCKET_ADDRESS Address[1];
} SOCKET_ADDRESS_LIST, *PSOCKET_ADDRESS_LIST, *LPSOCKET_ADDRESS_LIST;

typedef struct _CSADDR_INFO {
	SOCKET_ADDRESS LocalAddr;
	SOCKET_ADDRESS RemoteAddr;
	INT iSocketType;
	INT iProtocol;
} CSADDR_INFO, *PCSADDR_INFO, *LPCSADDR_INFO;

struct wsd_pollfd {
	SOCKET fd;
	SHORT events;
	SHORT revents;
};
typedef struct wsd_pollfd WSAPOLLFD, *PWSAPOLLFD, *LPWSAPOLLFD;

typedef struct _WSAMSG {
	LPSOCKADDR name;
	INT namelen;
	LPWSABUF lpBuffers;
	ULONG dwBufferCount;
	WSABUF Control;
	ULONG dwFlags;
} WSAMSG, *PWSAMSG, *LPWSAMSG;

#ifdef UNICODE
typedef WSAPROTOCOL_INFOW WSAPROTOCOL_INFO;
typedef LPWSAPROTOCOL_INFOW LPWSAPROTOCOL_INFO;
#else
typedef WSAPROTOCOL_INFOA WSAPROTOCOL_INFO;
typedef LPWSAPROTOCOL_INFOA LPWSAPROTOCOL_INFO;
#endif

typedef int(CALLBACK *LPCONDITIONPROC)(LPWSABUF lpCallerId, LPWSABUF lpCallerData, LPQOS lpSQOS,
				       LPQOS lpGQOS, LPWSABUF lpCalleeId, LPWSABUF lpCalleeData,
				       GROUP *g, DWORD_PTR dwCallbackData);
typedef void(CALLBACK *LPWSAOVERLAPPED_COMPLETION_ROUTINE)(DWORD dwError, DWORD cbTransferred,
							   LPWSAOVERLAPPED lpOverlapped,
							   DWORD dwFlags);

WSD_STATIC_ASSERT(sizeof(struct sockaddr) == 16, "sockaddr layout");
WSD_STATIC_ASSERT(sizeof(struct sockaddr_in) == 16, "sockaddr_in layout");
WSD_STATIC_ASSERT(sizeof(struct sockaddr_storage) == 128, "sockaddr_storage layout");
WSD_STATIC_ASSERT(sizeof(struct linger) == 4, "linger layout");
WSD_STATIC_ASSERT(sizeof(WSANETWORKEVENTS) == 44, "WSANETWORKEVENTS layout");
WSD_STATIC_ASSERT(sizeof(WSAPROTOCOLCHAIN) == 32, "WSAPROTOCOLCHAIN layout");
WSD_STATIC_ASSERT(sizeof(WSAPROTOCOL_INFOW) == 628, "WSAPROTOCOL_INFOW layout");
WSD_STATIC_ASSERT(sizeof(WSAPROTOCOL_INFOA) == 372, "WSAPROTOCOL_INFOA layout");
#if UINTPTR_MAX > 0xFFFFFFFFu
WSD_STATIC_ASSERT(sizeof(WSABUF) == 16, "WSABUF layout");
WSD_STATIC_ASSERT(sizeof(QOS) == 80, "QOS layout");
WSD_STATIC_ASSERT(sizeof(WSAPOLLFD) == 16, "WSAPOLLFD layout");
WSD_STATIC_ASSERT(sizeof(WSAMSG) == 56, "WSAMSG layout");
#else
WSD_STATIC_ASSERT(sizeof(WSABUF) == 8, "WSABUF layout");
WSD_STATIC_ASSERT(sizeof(QOS) == 72, "QOS layout");
#endif

WSD_DECLS_BEGIN

int WSAAPI wsd_fd_isset(SOCKET s, const wsd_fd_set *set);

int WSAAPI WSAStartup(WORD wVersionRequested, LPWSADATA lpWSAData);
int WSAAPI WSACleanup(void);
int WSAAPI WSAGetLastError(void);
void WSAAPI WSASetLastError(int iError);

SOCKET WSAAPI wsd_socket(int af, int type, int protocol);
int WSAAPI wsd_bind(SOCKET s, const struct sockaddr *name, int namelen);
int WSAAPI listen(SOCKET s, int backlog);
SOCKET WSAAPI accept(SOCKET s, struct sockaddr *addr, int *addrlen);
int WSAAPI connect(SOCKET s, const struct sockaddr *name, int namelen);
int WSAAPI send(SOCKET s, const char *buf, int len, int flags);
int WSAAPI recv(SOCKET s, char *buf, int len, int flags);
int WSAAPI sendto(SOCKET s, const char *buf, int len, int flags, const struct sockaddr *to,
		  int tolen);
int WSAAPI recvfrom(SOCKET s, char *buf, int len, int flags, struct sockaddr *from, int *fromlen);
int WSAAPI shutdown(SOCKET s, int how);
int WSAAPI closesocket(SOCKET s);
int WSAAPI select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
		  const struct timeval *timeout);
int WSAAPI ioctlsocket(SOCKET s, int cmd, u_long *argp);
int WSAAPI getsockopt(SOCKET s, int level, int optname, char *optval, int *optlen);
int WSAAPI setsockopt(SOCKET s, int level, int optname, const char *optval, int optlen);
int WSAAPI getsockname(SOCKET s, struct sockaddr *name, int *namelen);
int WSAAPI getpeername(SOCKET s, struct sockaddr *name, int *namelen);
int WSAAPI gethostname(char *name, int namelen);
char *WSAAPI inet_ntoa(struct in_addr in);

SOCKET WSAAPI WSASocketA(int af, int type, int protocol, LPWSAPROTOCOL_INFOA lpProtocolInfo,
			 GROUP g, DWORD dwFlags);
SOCKET WSAAPI WSASocketW(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
			 GROUP g, DWORD dwFlags);
SOCKET WSAAPI WSAAccept(SOCKET s, struct sockaddr *addr, LPINT addrlen,
			LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData);
int WSAAPI WSAConnect(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData,
		      LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS);
SOCKET WSAAPI WSAJoinLeaf(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData,
			  LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS, DWORD dwFlags);
int WSAAPI WSASend(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
		   DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
		   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
int WSAAPI WSASendTo(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
		     DWORD dwFlags, const struct sockaddr *lpTo, int iTolen,
		     LPWSAOVERLAPPED lpOverlapped,
		     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
int WSAAPI WSASendDisconnect(SOCKET s, LPWSABUF lpOutboundDisconnectData);
int WSAAPI WSARecv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd,
		   LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
		   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
int WSAAPI WSARecvFrom(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
		       LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, struct sockaddr *lpFrom,
		       LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
		       LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
int WSAAPI WSARecvDisconnect(SOCKET s, LPWSABUF lpInboundDisconnectData);
int WSAAPI WSAIoctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
		    LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
		    LPWSAOVERLAPPED lpOverlapped,
		    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
BOOL WSAAPI WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED lpOverlapped, LPDWORD lpcbTransfer,
				   BOOL fWait, LPDWORD lpdwFlags);
BOOL WSAAPI WSAGetQOSByName(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS);
int WSAAPI WSADuplicateSocketA(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOA lpProtocolInfo);
int WSAAPI WSADuplicateSocketW(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo);
int WSAAPI WSAEnumProtocolsA(LPINT lpiProtocols, LPWSAPROTOCOL_INFOA lpProtocolBuffer,
			     LPDWORD lpdwBufferLength);
int WSAAPI WSAEnumProtocolsW(LPINT lpiProtocols, LPWSAPROTOCOL_INFOW lpProtocolBuffer,
			     LPDWORD lpdwBufferLength);
int WSAAPI WSAPoll(LPWSAPOLLFD fdArray, ULONG fds, INT timeout);
int WSAAPI WSAHtonl(SOCKET s, u_long hostlong, u_long *lpnetlong);
int WSAAPI WSAHtons(SOCKET s, u_short hostshort, u_short *lpnetshort);
int WSAAPI WSANtohl(SOCKET s, u_long netlong, u_long *lphostlong);
int WSAAPI WSANtohs(SOCKET s, u_short netshort, u_short *lphostshort);

WSAEVENT WSAAPI WSACreateEvent(void);
BOOL WSAAPI WSACloseEvent(WSAEVENT hEvent);
BOOL WSAAPI WSASetEvent(WSAEVENT hEvent);
BOOL WSAAPI WSAResetEvent(WSAEVENT hEvent);
DWORD WSAAPI WSAWaitForMultipleEvents(DWORD cEvents, const WSAEVENT *lphEvents, BOOL fWaitAll,
				      DWORD dwTimeout, BOOL fAlertable);
int WSAAPI WSAEventSelect(SOCKET s, WSAEVENT hEventObject, long lNetworkEvents);
int WSAAPI WSAEnumNetworkEvents(SOCKET s, WSAEVENT hEventObject,
				LPWSANETWORKEVENTS lpNetworkEvents);

INT WSAAPI WSAAddressToStringA(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
			       LPWSAPROTOCOL_INFOA lpProtocolInfo, LPSTR lpszAddressString,
			       LPDWORD lpdwAddressStringLength);
INT WSAAPI WSAAddressToStringW(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
			       LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSTR lpszAddressString,
			       LPDWORD lpdwAddressStringLength);
INT WSAAPI WSAStringToAddressA(LPSTR AddressString, INT AddressFamily,
			       LPWSAPROTOCOL_INFOA lpProtocolInfo, LPSOCKADDR lpAddress,
			       LPINT lpAddressLength);
INT WSAAPI WSAStringToAddressW(LPWSTR AddressString, INT AddressFamily,
			       LPWSAPROTOCOL_INFOW lpProtocolInfo, LPSOCKADDR lpAddress,
			       LPINT lpAddressLength);

WSD_DECLS_END

#ifdef __cplusplus
static inline int bind(SOCKET s, const struct sockaddr *name, int namelen)
{
	return wsd_bind(s, name, namelen);
}
#endif

#ifdef UNICODE
#define WSASocket	   WSASocketW
#define WSADuplicateSocket WSADuplicateSocketW
#define WSAEnumProtocols   WSAEnumProtocolsW
#define WSAAddressToString WSAAddressToStringW
#define WSAStringToAddress WSAStringToAddressW
#else
#define WSASocket	   WSASocketA
#define WSADuplicateSocket WSADuplicateSocketA
#define WSAEnumProtocols   WSAEnumProtocolsA
#define WSAAddressToString WSAAddressToStringA
#define WSAStringToAddress WSAStringToAddressA
#endif

/*
 * An fd_set is a counted array of sockets. FD_SET drops a socket that does not fit, as on Windows.
 */
static inline void wsd_fd_add(SOCKET s, wsd_fd_set *set)
{
	u_int i;

	for (i = 0; i < set->fd_count; i++)
		if (set->fd_array[i] == s)
			return;
	if (i < (u_int)FD_SETSIZE) {
		set->fd_array[i] = s;
		set->fd_count = i + 1;
	}
}

static inline void wsd_fd_remove(SOCKET s, wsd_fd_set *set)
{
	u_int i;

	for (i = 0; i < set->fd_count; i++) {
		if (set->fd_array[i] != s)
			continue;
		for (; i + 1 < set->fd_count; i++)
			set->fd_array[i] = set->fd_array[i + 1];
		set->fd_count--;
		return;
	}
}

#define FD_SET(s, set)	 wsd_fd_add((SOCKET)(s), (set))
#define FD_CLR(s, set)	 wsd_fd_remove((SOCKET)(s), (set))
#define FD_ZERO(set)	 ((void)((set)->fd_count = 0))
#define FD_ISSET(s, set) wsd_fd_isset((SOCKET)(s), (set))

#endif
