// SPDX-License-Identifier: BSD-2-Clause
/*
 * catalog_windows.c - the table of catalog_api.h for this Windows. The functions for the other width's
 * catalogue are not everywhere: looked up by name.
 */
#include "spi_shim/wsdctl/windows/catalog_windows.h"

#include <stdint.h>
#include <string.h>

#include <ws2spi.h>

#define SWITCH_KEY   L"System\\CurrentControlSet\\Services\\Winsock\\Parameters\\TCP on SAN"
#define SWITCH_VALUE L"OpenWSD"

typedef int(WSPAPI *enum_protocols)(LPINT, LPWSAPROTOCOL_INFOW, LPDWORD, LPINT);
typedef int(WSPAPI *provider_path)(LPGUID, WCHAR *, LPINT, LPINT);
typedef int(WSPAPI *deinstall)(LPGUID, LPINT);
typedef int(WSPAPI *install_both)(LPGUID, const WCHAR *, const WSAPROTOCOL_INFOW *, DWORD, LPINT);
typedef int(WSPAPI *write_order)(LPDWORD, DWORD);

/* One set of functions for each catalogue. */
static struct {
	enum_protocols enumerate[WSD_CATALOGS_MAX];
	provider_path path[WSD_CATALOGS_MAX];
	deinstall remove[WSD_CATALOGS_MAX];
	write_order order[WSD_CATALOGS_MAX];
	install_both install;
} calls;

static bool find(const char *name, void *to)
{
	FARPROC function = GetProcAddress(LoadLibraryW(L"ws2_32.dll"), name);

	memcpy(to, &function, sizeof(function));
	return function != NULL;
}

/* How many catalogues can be reached; 0: not even our own. */
static unsigned find_calls(void)
{
	unsigned catalogs = 1;

	if (!find("WSCEnumProtocols", &calls.enumerate[0]) ||
	    !find("WSCGetProviderPath", &calls.path[0]) ||
	    !find("WSCDeinstallProvider", &calls.remove[0]) ||
	    !find("WSCWriteProviderOrder", &calls.order[0]))
		return 0;
	if (find("WSCInstallProvider64_32", &calls.install) &&
	    find("WSCEnumProtocols32", &calls.enumerate[1]) &&
	    find("WSCGetProviderPath32", &calls.path[1]) &&
	    find("WSCDeinstallProvider32", &calls.remove[1]) &&
	    find("WSCWriteProviderOrder32", &calls.order[1]))
		catalogs = 2;
	else if (!find("WSCInstallProvider", &calls.install))
		return 0;
	return catalogs;
}

/* --- rights --- */

static bool may_change(void *self)
{
	TOKEN_ELEVATION elevation = { 0 };
	DWORD size = sizeof(elevation);
	HANDLE token;
	bool known;

	(void)self;
	if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
		return false;
	known = GetTokenInformation(token, TokenElevation, &elevation, size, &size);
	CloseHandle(token);
	return known && elevation.TokenIsElevated != 0;
}

/* --- catalogues --- */

/* A failed call always has a code. */
static int code_of(int result, int error)
{
	return result != SOCKET_ERROR ? 0 : error != 0 ? error : WSASYSCALLFAILURE;
}

static int enumerate(void *self, unsigned catalog, WSAPROTOCOL_INFOW *list, unsigned room,
		     unsigned *count)
{
	DWORD size = room * (DWORD)sizeof(*list);
	int error = 0, result = calls.enumerate[catalog](NULL, list, &size, &error);

	(void)self;
	if (result >= 0)
		*count = (unsigned)result;
	return code_of(result, error);
}

static int path(void *self, unsigned catalog, const GUID *provider, WCHAR out[WSD_CATALOG_PATH])
{
	int size = WSD_CATALOG_PATH, error = 0, result;
	GUID id = *provider;

	(void)self;
	out[0] = 0;
	result = calls.path[catalog](&id, out, &size, &error);
	out[WSD_CATALOG_PATH - 1] = 0;
	return code_of(result, error);
}

static int install(void *self, const GUID *provider, const WCHAR *dll,
		   const WSAPROTOCOL_INFOW *entries, unsigned count)
{
	GUID id = *provider;
	int error = 0, result = calls.install(&id, dll, entries, count, &error);

	(void)self;
	return code_of(result, error);
}

static int remove_provider(void *self, unsigned catalog, const GUID *provider)
{
	GUID id = *provider;
	int error = 0, result = calls.remove[catalog](&id, &error);

	(void)self;
	return code_of(result, error);
}

static int order(void *self, unsigned catalog, const DWORD *ids, unsigned count)
{
	DWORD copy[WSD_CATALOG_MAX];

	(void)self;
	memcpy(copy, ids, count * sizeof(*ids));
	return calls.order[catalog](copy, count); /* its result is the error */
}

/* --- the value for switches --- */

static int switch_get(void *self, enum wsd_catalog_switch *found, GUID *provider)
{
	DWORD size = sizeof(*provider), type = REG_NONE;
	LSTATUS status = RegGetValueW(HKEY_LOCAL_MACHINE, SWITCH_KEY, SWITCH_VALUE, RRF_RT_ANY,
				      &type, provider, &size);

	(void)self;
	if (status == ERROR_MORE_DATA ||
	    (status == ERROR_SUCCESS && (type != REG_BINARY || size != sizeof(*provider)))) {
		*found = WSD_SWITCH_OTHER;
		status = ERROR_SUCCESS;
	} else if (status == ERROR_SUCCESS) {
		*found = WSD_SWITCH_ID;
		return 0;
	} else {
		*found = WSD_SWITCH_NONE;
		if (status == ERROR_FILE_NOT_FOUND || status == ERROR_PATH_NOT_FOUND)
			status = ERROR_SUCCESS;
	}
	memset(provider, 0, sizeof(*provider));
	return (int)status;
}

static int switch_set(void *self, const GUID *provider)
{
	LSTATUS status;
	HKEY key;

	(void)self;
	status = RegCreateKeyExW(HKEY_LOCAL_MACHINE, SWITCH_KEY, 0, NULL, 0, KEY_SET_VALUE, NULL,
				 &key, NULL);
	if (status != ERROR_SUCCESS)
		return (int)status;
	status = RegSetValueExW(key, SWITCH_VALUE, 0, REG_BINARY, (const BYTE *)provider,
				sizeof(*provider));
	RegCloseKey(key);
	return (int)status;
}

static int switch_delete(void *self)
{
	DWORD values = 1, keys = 1;
	LSTATUS status;
	HKEY key;

	(void)self;
	status = RegOpenKeyExW(HKEY_LOCAL_MACHINE, SWITCH_KEY, 0, KEY_SET_VALUE | KEY_QUERY_VALUE,
			       &key);
	if (status != ERROR_SUCCESS)
		return (int)status;
	status = RegDeleteValueW(key, SWITCH_VALUE);
	(void)RegQueryInfoKeyW(key, NULL, NULL, NULL, &keys, NULL, NULL, &values, NULL, NULL, NULL,
			       NULL);
	RegCloseKey(key);
	if (status == ERROR_SUCCESS && keys == 0 && values == 0)
		(void)RegDeleteKeyW(HKEY_LOCAL_MACHINE, SWITCH_KEY);
	return (int)status;
}

/* --- the service behind handles that are no IFS handles --- */

static enum wsd_catalog_service state_of(SC_HANDLE service)
{
	union {
		QUERY_SERVICE_CONFIGW config;
		BYTE room[8192]; /* the most that there is */
	} known;
	SERVICE_STATUS status = { 0 };
	DWORD size, start = SERVICE_SYSTEM_START;
	bool runs =
		QueryServiceStatus(service, &status) && status.dwCurrentState == SERVICE_RUNNING;

	if (QueryServiceConfigW(service, &known.config, sizeof(known), &size))
		start = known.config.dwStartType;
	if (runs)
		return start <= SERVICE_AUTO_START ? WSD_SERVICE_RUNNING : WSD_SERVICE_ONCE;
	return start == SERVICE_DISABLED ? WSD_SERVICE_DISABLED : WSD_SERVICE_STOPPED;
}

static int service_state(void *self, enum wsd_catalog_service *state)
{
	SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT), service;
	int code = 0;

	(void)self;
	if (manager == NULL)
		return (int)GetLastError();
	service = OpenServiceW(manager, L"ws2ifsl", SERVICE_QUERY_CONFIG | SERVICE_QUERY_STATUS);
	if (service != NULL) {
		*state = state_of(service);
		CloseServiceHandle(service);
	} else if (GetLastError() == ERROR_SERVICE_DOES_NOT_EXIST) {
		*state = WSD_SERVICE_MISSING;
	} else {
		code = (int)GetLastError();
	}
	CloseServiceHandle(manager);
	return code;
}

static bool is_wow64(void)
{
	BOOL wow64 = FALSE;

	return IsWow64Process(GetCurrentProcess(), &wow64) && wow64;
}

bool wsd_catalog_windows(struct wsd_catalog_api *api)
{
	static struct wsd_catalog_api table = {
		.names = { sizeof(void *) == 8 ? "64-bit" : "32-bit", "32-bit" },
		.packaged = { sizeof(void *) == 8 ? "x64\\openwsd.dll" : "x86\\openwsd.dll",
			      "x86\\openwsd.dll" },
		.may_change = may_change,
		.enumerate = enumerate,
		.path = path,
		.install = install,
		.remove = remove_provider,
		.order = order,
		.switch_get = switch_get,
		.switch_set = switch_set,
		.switch_delete = switch_delete,
		.file_state = wsd_files_state,
		.file_packaged = wsd_files_packaged,
		.file_put = wsd_files_put,
		.file_drop = wsd_files_drop,
		.file_undo = wsd_files_undo,
		.file_settle = wsd_files_settle,
		.service = service_state,
		.load = wsd_files_load,
		.try_plain_tcp = wsd_trial_run,
	};

	if (is_wow64())
		return false;
	table.catalogs = find_calls();
	table.unhandled = sizeof(void *) == 8 && table.catalogs == 1 ? table.names[1] : NULL;
	*api = table;
	return table.catalogs > 0;
}
