// SPDX-License-Identifier: GPL-2.0-only
// The library without floating point: printf, malloc, qsort, strings, recursion, setjmp.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FIXED_MEMORY
// Without the library's allocator, whose path depends on bits of the addresses that it is given.
static char memory[400000];
static size_t used;

static void *take(size_t size)
{
	used += size + 15 & ~15;
	return memory + used - (size + 15 & ~15);
}

#define malloc(size) take(size)
#define realloc(old, size) memcpy(take(size), old, 5000)
#define free(old) (void)(old)
#endif

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static int ackermann(int m, int n)
{
	return m ? ackermann(m - 1, n ? ackermann(m, n - 1) : 1) : n + 1;
}

static jmp_buf env;

int main(int argc, char **argv)
{
	int n = 200, *v = malloc(n * sizeof *v);
	unsigned seed = 12345;
	char *big, text[64];

	printf("%d %s %c %08lx %5d|%-5d|\n", 42, "world", 'x', 0xdeadbeefUL, 7, 7);
	for (int i = 0; i < n; i++) {
		seed = seed * 1103515245u + 12345u;
		v[i] = (int)(seed >> 8);
	}
	qsort(v, n, sizeof *v, compare);
	printf("%d %d %d\n", v[0], v[n / 2], v[n - 1]);
	free(v);
	big = malloc(5000);
	memset(big, 'a', 4999);
	big[4999] = 0;
	printf("%zu\n", strlen(big));
	big = realloc(big, 300000);
	memmove(big + 100000, big, 5000);
	printf("%zu %s\n", strlen(big + 100000), strstr(big + 104990, "aaa"));
	free(big);
	printf("%d\n", ackermann(2, 5));
	printf("%ld %ld\n", 123456789012345678L / 97, 123456789012345678L % 97);
	int r = setjmp(env);

	if (r < 3) {
		printf("jump %d\n", r);
		longjmp(env, r + 1);
	}
	snprintf(text, sizeof text, "%d arguments", argc);
	puts(text);
	printf("%s %d\n", strchr("abc/def", '/'), strcmp("abc", "abd") < 0);
	printf("%ld\n", strtol("-1234567", NULL, 10));
	return argv[0] == NULL;
}
