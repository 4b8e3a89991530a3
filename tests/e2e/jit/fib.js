/* SPDX-License-Identifier: Apache-2.0 */
/* Burns in JavaScript functions that the compiler gets to know: node fib.js SECONDS */
function fib(n) {
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

class Shape {
	constructor(size) {
		this.size = size;
	}
	get area() {
		return fib(this.size);
	}
}

function outer(end) {
	const shape = new Shape(22);
	let sum = 0;
	while (Date.now() < end) sum += [1, 2, 3].map((number) => shape.area + number)[0];
	return sum;
}

outer(Date.now() + 1000 * Number(process.argv[2]));
