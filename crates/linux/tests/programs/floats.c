// SPDX-License-Identifier: GPL-2.0-only
// Double and single precision through SSE2, printed in every way; strtod; libm.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

volatile double two = 2.0;
volatile float third = 1.0f / 3.0f;

int main(void)
{
	double sum = 0, product = 1;

	for (int i = 1; i < 100; i++) {
		sum += 1.0 / i;
		product *= 1.0 + 1.0 / (i * two);
	}
	printf("%.15f %g %e %a\n", sum, product, product, sum);
	printf("%f %f\n", third, (double)(third * third));
	printf("%.3f %5.1f|%-8.2f|\n", sqrt(two), floor(-2.5), ceil(2.25));
	printf("%.12f %.12f %.12f\n", sin(1.0), exp(1.5), log(10.0));
	printf("%f %f\n", strtod("2.5e3", NULL), atof("-0.125"));
	printf("%d %ld %.1f\n", (int)(sum * 1e6), (long)-1e15, (double)123456789012L);
	printf("%f %f %f\n", 1.0 / (two - 2.0), -1.0 / (two - 2.0), fabs(-0.0));
	return 0;
}
