// SPDX-License-Identifier: BSD-2-Clause
/* main.c - the arguments as UTF-8: those of main have lost what the code page lacks. */
#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

#include "spi_shim/wsdctl/wsdctl.h"

int wmain(int argc, WCHAR **argv);

static char *narrow(const WCHAR *text)
{
	int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
	char *bytes = size > 0 ? malloc((size_t)size) : NULL;

	if (bytes != NULL)
		(void)WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, size, NULL, NULL);
	return bytes;
}

int wmain(int argc, WCHAR **argv)
{
	char **narrowed = calloc((size_t)argc + 1, sizeof(*narrowed));
	int status = WSDCTL_FAILED, i = 0;

	if (narrowed != NULL)
		while (i < argc && (narrowed[i] = narrow(argv[i])) != NULL)
			i++;
	if (i == argc)
		status = wsdctl_main(argc, narrowed);
	else
		fprintf(stderr, "wsdctl: no memory\n");
	while (i > 0)
		free(narrowed[--i]);
	free(narrowed);
	return status;
}
