// SPDX-License-Identifier: GPL-2.0-only
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

void handle(int signal)
{
	(void)signal;
}

int main(void)
{
	puts("before");
	fflush(stdout);
	return socket(1, 1, 0);
}
