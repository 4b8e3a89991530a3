/* SPDX-License-Identifier: Apache-2.0 */
struct Shape {
	virtual ~Shape() = default;
	virtual int draw() = 0;
};

int draw_all(int milliseconds);
int draw_nothing(int value);
