// SPDX-License-Identifier: GPL-2.0-only
// long double: arithmetic, conversions, comparisons, rounding, remainders, printed in every way.
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

volatile long double one = 1.0L, three = 3.0L, tiny = LDBL_MIN, huge = LDBL_MAX;
volatile double seventh = 1.0 / 7;
volatile float tenth = 0.1f;
volatile long large = 0x7ffffffffffffff1, negative = -12345;

static long double series(int n)
{
	long double sum = 0;

	for (int i = 1; i <= n; i++)
		sum += one / i - 1 / ((long double)i * i + three);
	return sum;
}

static void compare(long double a, long double b)
{
	printf("%d%d%d%d%d%d", a < b, a <= b, a == b, a != b, a > b, a >= b);
	printf("%d%d ", isunordered(a, b), islessgreater(a, b));
}

int main(void)
{
	long double values[] = { 0.5L, -2.5L, 1e18L + 0.5L, -1e-30L, 123456.789L, 3e4000L };
	int exponent;

	printf("%Lf %.30Lf %Lg %Le %La\n", series(50), one / three, series(9), series(1000), one / three);
	printf("%f %g %.3f %e %f\n", seventh, seventh * 1e100, (double)tenth, 1e-300 * seventh, 1e22);
	printf("%Lf %Lf\n", huge / 1e4900L, tiny * 1e4930L);
	printf("%Lg %Lg %Lg %Lg\n", huge * 2, -huge * 2, tiny / 1024, tiny / huge);
	printf("%Lg %Lg %Lg\n", one / (one - 1), (one - 1) / (one - 1) * 0, -one / (one - 1));
	for (unsigned n = 0; n < sizeof values / sizeof *values; n++) {
		long double v = values[n];

		printf("%Lg: %Lg %Lg %Lg %Lg ", v, floorl(v), ceill(v), truncl(v), rintl(v));
		printf("%Lg %Lg %.20Lg ", fabsl(v), sqrtl(fabsl(v)), fmodl(v, three));
		printf("%Lg %.19Lg ", remainderl(v, seventh), frexpl(v, &exponent));
		printf("%d %Lg %d\n", exponent, ldexpl(v, -40), (int)ilogbl(v));
		compare(v, 0.5L);
		compare(v, NAN);
		printf("%a %a %lld\n", (double)v, (float)v, fabsl(v) < 1e19L ? (long long)v : 0);
	}
	printf("%.20Lg %Lg %Lg\n", (long double)large, (long double)negative, (long double)(unsigned long)negative);
	printf("%d %ld %lu\n", (int)(series(99) * 1000), lrintl(three / 2), (unsigned long)(1e19L + one));
	printf("%.21Lg %.21Lg %Lg\n", strtold("3.14159265358979323846264338", NULL),
	       strtold("1e-4940", NULL), strtold("-0x1.8p3", NULL));
	printf("%f %.10f %f\n", strtod("2.5e3", NULL), atof("1e-5"), strtod("1.7976931348623157e308", NULL) / 1e300);
	for (int mode = 0; mode < 4; mode++) {
		static const int modes[] = { FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO };

		fesetround(modes[mode]);
		feclearexcept(FE_ALL_EXCEPT);
		printf("%.25Lg %.20g %Lg ", one / three, 1 / seventh, rintl(-three / 2));
		printf("%d\n", fetestexcept(FE_INEXACT | FE_DIVBYZERO) == FE_INEXACT);
	}
	return 0;
}
