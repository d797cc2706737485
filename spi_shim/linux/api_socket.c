// SPDX-License-Identifier: BSD-2-Clause
/*
 * api_socket.c - owns the Winsock functions that make, connect, name, tune and close sockets.
 */
#include <openwsd/openwsd.h>

#include "spi_shim/linux/api.h"
#include "spi_shim/linux/catalog.h"
#include "spi_shim/linux/event.h"

/* The caller's protocol info, or the first of ours that fits. NULL with *error set. */
static LPWSAPROTOCOL_INFOW choose_info(int af, int type, int protocol, LPWSAPROTOCOL_INFOW given,
				       WSAPROTOCOL_INFOW *storage, int *error)
{
	const WSAPROTOCOL_INFOW *entry;

	if (given != NULL) {
		*error = WSAEINVALIDPROVIDER;
		return wsd_catalog_is_ours(&given->ProviderId) ? given : NULL;
	}
	if (af == FROM_PROTOCOL_INFO || type == FROM_PROTOCOL_INFO ||
	    protocol == FROM_PROTOCOL_INFO) {
		*error = WSAEFAULT;
		return NULL;
	}
	entry = wsd_catalog_find(af, type, protocol, error);
	if (entry == NULL)
		return NULL;
	*storage = *entry;
	return storage;
}

SOCKET WSAAPI WSASocketW(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
			 GROUP g, DWORD dwFlags)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	WSAPROTOCOL_INFOW storage;
	LPWSAPROTOCOL_INFOW info;
	int error = WSD_ERROR_UNSAID;
	SOCKET s;

	if (provider == NULL)
		return INVALID_SOCKET;
	info = choose_info(af, type, protocol, lpProtocolInfo, &storage, &error);
	if (info == NULL)
		return wsd_socket_result(INVALID_SOCKET, &error);
	s = provider->lpWSPSocket(af, type, protocol, info, g, dwFlags, &error);
	return wsd_socket_result(s, &error);
}

SOCKET WSAAPI WSASocketA(int af, int type, int protocol, LPWSAPROTOCOL_INFOA lpProtocolInfo,
			 GROUP g, DWORD dwFlags)
{
	WSAPROTOCOL_INFOW info;

	if (lpProtocolInfo == NULL)
		return WSASocketW(af, type, protocol, NULL, g, dwFlags);
	wsd_protocol_info_widen(&info, lpProtocolInfo);
	return WSASocketW(af, type, protocol, &info, g, dwFlags);
}

SOCKET WSAAPI socket(int af, int type, int protocol)
{
	return WSASocketW(af, type, protocol, NULL, 0, WSA_FLAG_OVERLAPPED);
}

int WSAAPI bind(SOCKET s, const struct sockaddr *name, int namelen)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPBind(s, name, namelen, &error), &error);
}

int WSAAPI listen(SOCKET s, int backlog)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPListen(s, backlog, &error), &error);
}

SOCKET WSAAPI WSAAccept(SOCKET s, struct sockaddr *addr, LPINT addrlen,
			LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;
	SOCKET accepted;

	if (provider == NULL)
		return INVALID_SOCKET;
	accepted = provider->lpWSPAccept(s, addr, addrlen, lpfnCondition, dwCallbackData, &error);
	return wsd_socket_result(accepted, &error);
}

SOCKET WSAAPI accept(SOCKET s, struct sockaddr *addr, int *addrlen)
{
	return WSAAccept(s, addr, addrlen, NULL, 0);
}

int WSAAPI WSAConnect(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData,
		      LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;

	if (provider == NULL)
		return SOCKET_ERROR;
	result = provider->lpWSPConnect(s, name, namelen, lpCallerData, lpCalleeData, lpSQOS,
					lpGQOS, &error);
	return wsd_result(result, &error);
}

int WSAAPI connect(SOCKET s, const struct sockaddr *name, int namelen)
{
	return WSAConnect(s, name, namelen, NULL, NULL, NULL, NULL);
}

SOCKET WSAAPI WSAJoinLeaf(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData,
			  LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS, DWORD dwFlags)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;
	SOCKET leaf;

	if (provider == NULL)
		return INVALID_SOCKET;
	leaf = provider->lpWSPJoinLeaf(s, name, namelen, lpCallerData, lpCalleeData, lpSQOS, lpGQOS,
				       dwFlags, &error);
	return wsd_socket_result(leaf, &error);
}

int WSAAPI shutdown(SOCKET s, int how)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPShutdown(s, how, &error), &error);
}

int WSAAPI closesocket(SOCKET s)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPCloseSocket(s, &error), &error);
}

int WSAAPI getsockname(SOCKET s, struct sockaddr *name, int *namelen)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPGetSockName(s, name, namelen, &error), &error);
}

int WSAAPI getpeername(SOCKET s, struct sockaddr *name, int *namelen)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPGetPeerName(s, name, namelen, &error), &error);
}

int WSAAPI getsockopt(SOCKET s, int level, int optname, char *optval, int *optlen)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;

	if (provider == NULL)
		return SOCKET_ERROR;
	result = provider->lpWSPGetSockOpt(s, level, optname, optval, optlen, &error);
	return wsd_result(result, &error);
}

int WSAAPI setsockopt(SOCKET s, int level, int optname, const char *optval, int optlen)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;

	if (provider == NULL)
		return SOCKET_ERROR;
	result = provider->lpWSPSetSockOpt(s, level, optname, optval, optlen, &error);
	return wsd_result(result, &error);
}

/* The three commands of BSD take one number; anything else is not a command of ioctlsocket. */
int WSAAPI ioctlsocket(SOCKET s, int cmd, u_long *argp)
{
	DWORD code = (DWORD)cmd, bytes = 0;

	if (wsd_shim_provider() == NULL)
		return SOCKET_ERROR;
	if (argp == NULL)
		return wsd_error(WSAEFAULT);
	if (code == FIONBIO)
		return WSAIoctl(s, code, argp, sizeof(*argp), NULL, 0, &bytes, NULL, NULL);
	if (code == FIONREAD || code == SIOCATMARK)
		return WSAIoctl(s, code, NULL, 0, argp, sizeof(*argp), &bytes, NULL, NULL);
	return wsd_error(WSAEOPNOTSUPP);
}

int WSAAPI WSADuplicateSocketW(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;

	if (provider == NULL)
		return SOCKET_ERROR;
	result = provider->lpWSPDuplicateSocket(s, dwProcessId, lpProtocolInfo, &error);
	return wsd_result(result, &error);
}

int WSAAPI WSADuplicateSocketA(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOA lpProtocolInfo)
{
	WSAPROTOCOL_INFOW info;
	int result;

	if (lpProtocolInfo == NULL)
		return WSADuplicateSocketW(s, dwProcessId, NULL);
	result = WSADuplicateSocketW(s, dwProcessId, &info);
	if (result == 0)
		wsd_protocol_info_narrow(lpProtocolInfo, &info);
	return result;
}

BOOL WSAAPI WSAGetQOSByName(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return FALSE;
	return provider->lpWSPGetQOSByName(s, lpQOSName, lpQOS, &error) || wsd_fail((DWORD)error);
}

/*
 * Byte order by socket: every entry of the catalogue is big-endian, so only the socket is checked.
 */
static bool is_socket(SOCKET s, const void *out)
{
	DWORD_PTR context;
	int error;

	if (wsd_shim_provider() == NULL)
		return false;
	if (WPUQuerySocketHandleContext(s, &context, &error) != 0)
		return wsd_fail((DWORD)error);
	return out != NULL || wsd_fail(WSAEFAULT);
}

int WSAAPI WSAHtonl(SOCKET s, u_long hostlong, u_long *lpnetlong)
{
	if (!is_socket(s, lpnetlong))
		return SOCKET_ERROR;
	*lpnetlong = htonl(hostlong);
	return 0;
}

int WSAAPI WSAHtons(SOCKET s, u_short hostshort, u_short *lpnetshort)
{
	if (!is_socket(s, lpnetshort))
		return SOCKET_ERROR;
	*lpnetshort = htons(hostshort);
	return 0;
}

int WSAAPI WSANtohl(SOCKET s, u_long netlong, u_long *lphostlong)
{
	return WSAHtonl(s, netlong, lphostlong);
}

int WSAAPI WSANtohs(SOCKET s, u_short netshort, u_short *lphostshort)
{
	return WSAHtons(s, netshort, lphostshort);
}
