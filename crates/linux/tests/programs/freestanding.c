// SPDX-License-Identifier: GPL-2.0-only
// Without any library (-nostdlib): recursion, sorting, long arithmetic, string instructions, and the
// system calls themselves. Built with -mgeneral-regs-only and without.
typedef unsigned long u64;

static long call(long n, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static char line[80];

static void print(const char *what, u64 value)
{
	char digits[20];
	int n = 0, len = 0;

	while (what[len]) {
		line[len] = what[len];
		len++;
	}
	line[len++] = ' ';
	do {
		digits[n++] = '0' + value % 10;
		value /= 10;
	} while (value);
	while (n)
		line[len++] = digits[--n];
	line[len++] = '\n';
	call(1, 1, (long)line, len, 0, 0, 0);
}

__attribute__((noinline)) static int fib(int n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void sort(int *v, int n)
{
	for (int i = 1; i < n; i++) {
		int x = v[i], j = i;

		for (; j > 0 && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

static int numbers[100];

void begin(long *sp)
{
	unsigned seed = 1;
	u64 sum = 0;
	unsigned char *page, *heap;

	print("fib", fib(12));

	for (int i = 0; i < 100; i++) {
		seed = seed * 1103515245u + 12345u;
		numbers[i] = seed >> 16 & 0x3fff;
	}
	sort(numbers, 100);
	for (int i = 0; i < 100; i++)
		sum = sum * 31 + numbers[i];
	print("sorted", sum);

	unsigned __int128 x = 1;

	for (int i = 0; i < 20; i++)
		x = x * 1000003u + i;
	print("wide", (u64)(x >> 64) ^ (u64)x);

	// MAP_PRIVATE | MAP_ANONYMOUS; zeros, then filled, copied and compared by string instructions.
	page = (unsigned char *)call(9, 0, 8192, 3, 0x22, -1, 0);
	print("zero", page[0] + page[8191]);
	{
		void *to = page, *from;
		u64 n = 1000;

		__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(7) : "memory");
		to = page + 4096;
		from = page;
		n = 125;
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
		page[4096 + 500] = 8;
		to = page + 4096;
		from = page;
		n = 1000;
		__asm__ volatile("repe cmpsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory", "cc");
		print("left", n);
		n = 0;
		__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(9) : "memory");
	}
	print("unmapped", call(11, (long)page, 8192, 0, 0, 0, 0));

	heap = (unsigned char *)call(12, 0, 0, 0, 0, 0, 0);
	call(12, (long)heap + 10000, 0, 0, 0, 0, 0);
	heap[9999] = 5;
	print("heap", heap[9999] + heap[0]);
	print("arguments", sp[0]);
	print("bad", -call(1, 99, 0, 0, 0, 0, 0));
	print("fault", -call(1, 1, 8, 5, 0, 0, 0));
	call(231, 0, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call begin\n");
