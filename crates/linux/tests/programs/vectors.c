// SPDX-License-Identifier: GPL-2.0-only
// Floating point without any library, scalar and, at -O3, packed; results as bit patterns.
typedef unsigned long u64;

static char line[17];

static void print(u64 bits)
{
	long ret;

	for (int i = 0; i < 16; i++)
		line[i] = "0123456789abcdef"[bits >> (60 - 4 * i) & 15];
	line[16] = '\n';
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(1), "D"(1), "S"(line), "d"(17)
			 : "rcx", "r11", "memory");
}

static void print_double(double value)
{
	union {
		double d;
		u64 u;
	} x = { value };

	print(x.u);
}

static double root(double x)
{
	__asm__("sqrtsd %0, %0" : "+x"(x));
	return x;
}

static double a[16][16], b[16][16], c[16][16];
static float f[64], g[64];
static unsigned short words[64];

void begin(void)
{
	double sum = 0;
	float small = 0;
	unsigned total = 0;

	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 16; j++) {
			a[i][j] = 1.0 / (i + j + 1);
			b[i][j] = (i ^ j) * 0.125;
		}
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 16; j++) {
			double s = 0;

			for (int k = 0; k < 16; k++)
				s += a[i][k] * b[k][j];
			c[i][j] = s;
		}
	for (int i = 0; i < 16; i++)
		sum += root(c[i][15 - i]);
	print_double(sum);
	for (int i = 0; i < 64; i++) {
		f[i] = i * 0.1f;
		words[i] = i * 1031;
	}
	for (int i = 0; i < 64; i++)
		g[i] = f[i] * f[63 - i] + (float)words[i];
	for (int i = 0; i < 64; i++)
		small += g[i];
	print_double(small);
	for (int i = 0; i < 64; i++)
		total += words[i] > 30000 ? words[i] : words[i] >> 1;
	print(total);
	print((u64)(long)(sum * -1e9));
	print((unsigned)(int)small);
	print_double((double)(long)total / 3);
	__asm__ volatile("syscall" : : "a"(231), "D"(0));
}

__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call begin\n");
