// SPDX-License-Identifier: BSD-2-Clause
/* catalog_save.c - see catalog_save.h. */
#include "spi_shim/wsdctl/catalog_save.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32

#include <windows.h>

#define WIDE_SIZE 4096

static bool widen(const char *path, WCHAR wide[WIDE_SIZE])
{
	return MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, WIDE_SIZE) > 0;
}

static FILE *open_file(const char *path)
{
	WCHAR wide[WIDE_SIZE];

	return widen(path, wide) ? _wfopen(wide, L"wb") : NULL;
}

static bool give_name(const char *from, const char *to)
{
	WCHAR wide_from[WIDE_SIZE], wide_to[WIDE_SIZE];

	return widen(from, wide_from) && widen(to, wide_to) &&
	       MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
}

static void remove_file(const char *path)
{
	WCHAR wide[WIDE_SIZE];

	if (widen(path, wide))
		(void)DeleteFileW(wide);
}

#else

static FILE *open_file(const char *path)
{
	return fopen(path, "wb");
}

static bool give_name(const char *from, const char *to)
{
	return rename(from, to) == 0;
}

static void remove_file(const char *path)
{
	(void)remove(path);
}

#endif

static bool write_new(const char *path, const char *text)
{
	FILE *file = open_file(path);
	bool whole;

	if (file == NULL)
		return false;
	whole = fputs(text, file) >= 0 && fputc('\n', file) >= 0;
	return fclose(file) == 0 && whole;
}

bool wsd_catalog_save(const char *path, const char *text)
{
	static const char suffix[] = ".new";
	size_t size = strlen(path) + sizeof(suffix);
	char *name = malloc(size);
	bool saved;

	if (name == NULL)
		return false;
	snprintf(name, size, "%s%s", path, suffix);
	saved = write_new(name, text) && give_name(name, path);
	if (!saved)
		remove_file(name);
	free(name);
	return saved;
}
