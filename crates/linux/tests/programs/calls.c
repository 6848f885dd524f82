// SPDX-License-Identifier: GPL-2.0-only
// What a program asks the kernel, printed only where every kernel has to answer the same.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct utsname name;
	struct timespec a, b;
	struct sigaction action = { .sa_handler = SIG_IGN }, old;
	struct rlimit limit;
	struct stat status;
	struct iovec parts[2] = { { "two ", 4 }, { "parts\n", 6 } };
	sigset_t set, before;
	unsigned char random[32] = { 0 };
	char path[4096];
	int some = 0;
	char *page, *moved;

	for (int i = 1; i < argc; i++)
		printf("argument %s\n", argv[i]);
	if (getenv("COLOUR"))
		printf("colour %s\n", getenv("COLOUR"));
	printf("page %ld\n", sysconf(_SC_PAGESIZE));
	uname(&name);
	printf("%s %s\n", name.sysname, name.machine);

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (volatile int i = 0; i < 1000; i++)
		;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("time passes %d\n", b.tv_sec > a.tv_sec || b.tv_nsec > a.tv_nsec);

	printf("random %zd\n", getrandom(random, sizeof random, 0));
	for (int i = 0; i < 32; i++)
		some |= random[i];
	printf("not all zero %d\n", some != 0);

	page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	strcpy(page, "kept");
	printf("protect %d\n", mprotect(page + 4096, 4096, PROT_NONE));
	errno = 0;
	printf("write from there %d\n", (int)write(1, page + 4096, 1));
	printf("fault %d\n", errno == EFAULT);
	printf("unmap %d\n", munmap(page + 4096, 2 * 4096));
	moved = mremap(page, 4096, 64 * 4096, MREMAP_MAYMOVE);
	printf("%s %d\n", moved, moved[63 * 4096]);
	printf("no such %d\n", mprotect((void *)4096, 4096, PROT_READ));
	printf("grown %d\n", sbrk(100000) != (void *)-1);

	printf("action %d\n", sigaction(SIGPIPE, &action, &old));
	printf("was default %d\n", old.sa_handler == SIG_DFL);
	sigaction(SIGPIPE, NULL, &old);
	printf("is ignored %d\n", old.sa_handler == SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &before);
	sigprocmask(SIG_SETMASK, &before, &set);
	printf("blocked %d %d\n", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2));
	printf("ignored %d\n", raise(SIGPIPE));

	printf("terminal %d\n", isatty(1));
	fstat(1, &status);
	printf("pipe %d\n", S_ISFIFO(status.st_mode));
	printf("seek %d\n", lseek(1, 0, SEEK_CUR) == -1 && errno == ESPIPE);
	printf("limit %d\n", getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur > 0);
	printf("self %d\n", readlink("/proc/self/exe", path, sizeof path) > 1 && path[0] == '/');
	fflush(stdout);
	writev(1, parts, 2);
	fprintf(stderr, "to the other stream\n");
	exit(7);
}
