/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls MS: main, visit<Circle>, Circle::draw (virtual), then through the PLT to shapes.cpp's draw_all, which
 * calls through its own PLT a function that does next to nothing, over and over.
 */
#include <cstdlib>
#include <memory>

#include "shapes.h"

struct Circle : Shape {
	int milliseconds;

	explicit Circle(int burn_ms) : milliseconds(burn_ms)
	{
	}

	__attribute__((noinline)) int draw() override
	{
		int result = draw_all(milliseconds);

		__asm__ volatile("" ::: "memory");
		return result;
	}
};

template <typename Kind> __attribute__((noinline)) int visit(Shape &shape)
{
	int result = shape.draw();

	__asm__ volatile("" ::: "memory");
	return result;
}

int main(int argument_count, char **arguments)
{
	std::unique_ptr<Shape> shape(new Circle(argument_count > 1 ? atoi(arguments[1]) : 1000));

	return visit<Circle>(*shape) < 0;
}
