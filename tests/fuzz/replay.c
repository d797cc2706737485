// SPDX-License-Identifier: BSD-2-Clause
/*
 * replay.c - a fuzz target without libFuzzer, for every compiler and sanitizer: `replay_X FILE...` runs
 * the inputs kept in corpus/, changes of them, and made-up ones, the same in every run.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 4096u
#define MADE_UP	  150u
#define CHANGES	  10u

static uint32_t seed = 2024;

static uint32_t next_random(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

static void changed(const uint8_t *bytes, size_t size)
{
	uint8_t copy[INPUT_MAX];

	for (unsigned i = 0; i < CHANGES && size > 0; i++) {
		memcpy(copy, bytes, size);
		for (unsigned n = next_random() % 6; n > 0; n--)
			copy[next_random() % size] = (uint8_t)next_random();
		(void)LLVMFuzzerTestOneInput(copy, size);
	}
}

static int replay_file(const char *path)
{
	uint8_t bytes[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	(void)LLVMFuzzerTestOneInput(bytes, size);
	changed(bytes, size);
	return 0;
}

int main(int argc, char **argv)
{
	uint8_t bytes[INPUT_MAX];
	int result = 0;

	test_deadline(60);
	(void)LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		result |= replay_file(argv[i]);
	for (unsigned i = 0; i < MADE_UP; i++) {
		size_t size = next_random() % 400;

		for (size_t at = 0; at < size; at++)
			bytes[at] = (uint8_t)(next_random() % (i % 2 ? 256 : 12));
		(void)LLVMFuzzerTestOneInput(bytes, size);
	}
	printf("%d files, %u made up\n", argc - 1, MADE_UP);
	fflush(stdout);
	_Exit(result); /* a process that just ends: the engine is left to the system */
}
