// SPDX-License-Identifier: GPL-2.0-only
// Compiled with -ffast-math: reciprocals by RCPPS and RSQRTPS and a step of Newton's method, printed with
// the digits that every processor agrees on.
#include <math.h>
#include <stdio.h>

float in[64], out[64];

int main(void)
{
	double sum = 0;

	for (int i = 0; i < 64; i++)
		in[i] = i + 1;
	for (int i = 0; i < 64; i++)
		out[i] = 1.0f / sqrtf(in[i]) + 3.0f / in[i];
	for (int i = 0; i < 64; i++)
		sum += out[i];
	printf("%.3f %.3f\n", out[63], sum);
	return 0;
}
