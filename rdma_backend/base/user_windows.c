// SPDX-License-Identifier: BSD-2-Clause
/* user_windows.c - who runs this process, and what lets him alone reach a named object. */

#include <windows.h>

#include <sddl.h>
#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/platform_windows.h"

static struct {
	INIT_ONCE once;
	struct wsd_windows_user user;
	union {
		TOKEN_USER user;
		BYTE bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
	} token;
	union {
		SECURITY_DESCRIPTOR align;
		BYTE bytes[512];
	} descriptor; /* self-relative */
	bool known;
} self = { .once = INIT_ONCE_STATIC_INIT };

static bool find_user(void)
{
	HANDLE token;
	DWORD size;
	BOOL found;

	if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
		return false;
	found = GetTokenInformation(token, TokenUser, &self.token, sizeof(self.token), &size);
	CloseHandle(token);
	self.user.sid = self.token.user.User.Sid;
	return found;
}

/* The owner is named too: an administrator's things would belong to all administrators. */
static bool make_rights(const char *sid)
{
	char text[256];
	PSECURITY_DESCRIPTOR made;
	ULONG size = 0;
	bool fits;

	snprintf(text, sizeof(text), "O:%sD:P(A;;GA;;;%s)", sid, sid);
	if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(text, SDDL_REVISION_1, &made,
								  &size))
		return false;
	fits = size <= sizeof(self.descriptor);
	if (fits)
		memcpy(&self.descriptor, made, size);
	LocalFree(made);
	self.user.rights.nLength = sizeof(self.user.rights);
	self.user.rights.lpSecurityDescriptor = &self.descriptor;
	return fits;
}

static BOOL CALLBACK find_self(PINIT_ONCE once, void *arg, void **context)
{
	DWORD session;
	char *sid;

	(void)once;
	(void)arg;
	(void)context;
	if (!find_user() || !ProcessIdToSessionId(GetCurrentProcessId(), &session) ||
	    !ConvertSidToStringSidA(self.user.sid, &sid))
		return TRUE;
	snprintf(self.user.name, sizeof(self.user.name), "%u-%s", (unsigned)session, sid);
	self.known = make_rights(sid);
	LocalFree(sid);
	return TRUE;
}

const struct wsd_windows_user *wsd_windows_user(void)
{
	InitOnceExecuteOnce(&self.once, find_self, NULL, NULL);
	return self.known ? &self.user : NULL;
}
