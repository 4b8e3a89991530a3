/* SPDX-License-Identifier: Apache-2.0 */
/* The same in C++: templates, lambdas, virtual functions, exceptions, a namespace without a name. */
#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <vector>

namespace
{

template <typename Number> inline Number twice(Number value)
{
	return value + value;
}

} // namespace

struct Shape {
	virtual ~Shape() = default;
	virtual double area(double factor) const = 0;
};

template <int Count> struct Polygon : Shape {
	double sides[Count];

	Polygon()
	{
		for (int i = 0; i < Count; i++)
			sides[i] = twice(i);
	}

	double area(double factor) const override
	{
		double total = 0;

		std::for_each(sides, sides + Count, [&](double side) { total += side * factor; });
		return total;
	}
};

static int checked(const std::vector<int> &values, int index)
{
	if (index > 1000)
		throw std::out_of_range("index");
	return values[static_cast<size_t>(index)];
}

int main(int argument_count, char **)
{
	std::vector<int> values;
	Polygon<3> triangle;
	Polygon<5> pentagon;
	const Shape *shapes[] = { &triangle, &pentagon };
	double total = 0;

	for (int i = 0; i < 1000; i++)
		values.push_back(twice(i) ^ argument_count);
	std::sort(values.begin(), values.end(), [=](int a, int b) { return (a ^ argument_count) < (b ^ argument_count); });
	try {
		for (int i = 0; i < 1000 * argument_count; i++)
			total += shapes[i & 1]->area(checked(values, i));
	} catch (const std::out_of_range &error) {
		std::puts(error.what());
	}
	std::printf("%f\n", total);
	return 0;
}
