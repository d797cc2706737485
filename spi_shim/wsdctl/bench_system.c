// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_system.c - what Linux says about memory, descriptors and load.
 */
#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "spi_shim/wsdctl/bench.h"

/* The sum of the lines "name: N kB" of a file of /proc. */
static bool sum_lines(const char *path, const char *const *names, unsigned count, uint64_t *kib)
{
	FILE *file = fopen(path, "r");
	unsigned found = 0, i;
	char line[256];

	if (!file)
		return false;
	*kib = 0;
	while (fgets(line, sizeof(line), file)) {
		for (i = 0; i < count; i++) {
			size_t length = strlen(names[i]);
			unsigned long long value;

			if (strncmp(line, names[i], length) != 0 || line[length] != ':' ||
			    sscanf(line + length + 1, "%llu", &value) != 1)
				continue;
			*kib += value;
			found++;
		}
	}
	fclose(file);
	return found == count;
}

bool bench_own_memory(uint64_t *pss_kib, uint64_t *descriptors)
{
	static const char *const names[] = { "Pss" };
	struct dirent *entry;
	DIR *folder;

	if (!sum_lines("/proc/self/smaps_rollup", names, 1, pss_kib))
		return false;
	folder = opendir("/proc/self/fd");
	if (!folder)
		return false;
	*descriptors = 0;
	while ((entry = readdir(folder)) != NULL)
		*descriptors += entry->d_name[0] != '.';
	*descriptors -= 1; /* the one that reads the folder */
	closedir(folder);
	return true;
}

/* Of the whole machine: only differences mean something, and only while it is quiet. */
bool bench_kernel_memory(uint64_t *kib)
{
	static const char *const names[] = { "Slab", "KernelStack", "PageTables" };

	return sum_lines("/proc/meminfo", names, 3, kib);
}

/*
 * Time in interrupts is left out: the kernel does not charge it to processes, so that our own
 * traffic would count as somebody else's.
 */
double bench_cpu_seconds(void)
{
	unsigned long long user = 0, nice = 0, sys = 0, steal = 0;
	FILE *file = fopen("/proc/stat", "r");
	int found;

	if (!file)
		return 0;
	found = fscanf(file, "cpu %llu %llu %llu %*u %*u %*u %*u %llu", &user, &nice, &sys, &steal);
	fclose(file);
	return found == 4 ? (double)(user + nice + sys + steal) / (double)sysconf(_SC_CLK_TCK) : 0;
}

static double seconds_of(int who)
{
	struct rusage usage;

	if (getrusage(who, &usage) != 0)
		return 0;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

double bench_own_cpu_seconds(void)
{
	return seconds_of(RUSAGE_SELF) + seconds_of(RUSAGE_CHILDREN);
}
