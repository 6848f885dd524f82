// SPDX-License-Identifier: GPL-2.0-only
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

int main()
{
	std::map<std::string, int> sums;

	for (int i = 0; i < 100; i++)
		sums["key" + std::to_string(i % 7)] += i;
	for (auto &[key, sum] : sums)
		std::cout << key << " = " << sum << "\n";
	try {
		throw std::runtime_error("thrown and caught");
	} catch (const std::exception &error) {
		std::cout << error.what() << " " << 3.25 << std::endl;
	}
}
