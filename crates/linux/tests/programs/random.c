// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/random.h>

int main(void)
{
	unsigned long word = 0;

	getrandom(&word, sizeof word, 0);
	printf("%016lx %016lx\n", word, *(unsigned long *)getauxval(AT_RANDOM));
	return 0;
}
