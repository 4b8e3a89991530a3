/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and quantiles of arrays of numbers. */

/** @param {ArrayLike<number>} values */
export function array_sum(values) {
	let sum = 0;
	for (let at = 0; at < values.length; at++)
		sum += values[at];
	return sum;
}

/**
 * @param {ArrayLike<number>} sorted ascending
 * @param {number} share 0 to 1
 * @returns {number} between the two nearest values; 0 of nothing
 */
export function quantile(sorted, share) {
	if (!sorted.length)
		return 0;
	const at = share * (sorted.length - 1), low = Math.floor(at);
	return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

/** Numbers in order, of which some come and go together. */
export class SortedNumbers {
	constructor() {
		this.values = new Float32Array(0);
	}

	/**
	 * @param {Float32Array} gone ascending; all of them are in here
	 * @param {Float32Array} come ascending
	 */
	replace(gone, come) {
		const { values } = this;
		const next = new Float32Array(values.length - gone.length + come.length);
		let left = 0, entered = 0, at = 0;
		for (const value of values) {
			if (left < gone.length && gone[left] === value) {
				left++;
				continue;
			}
			while (entered < come.length && come[entered] < value)
				next[at++] = come[entered++];
			next[at++] = value;
		}
		next.set(come.subarray(entered), at);
		this.values = next;
	}
}

/** ln of the gamma function, by Lanczos' approximation. @param {number} x above 0 */
function gamma_ln(x) {
	const terms = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155,
		0.1208650973866179e-2, -0.5395239384953e-5];
	const base = x + 5.5;
	let sum = 1.000000000190015;
	for (let at = 0; at < terms.length; at++)
		sum += terms[at] / (x + at + 1);
	return (x + 0.5) * Math.log(base) - base + Math.log(2.5066282746310005 * sum / x);
}

/** The continued fraction of the incomplete beta function (Lentz). */
function beta_fraction(/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ x) {
	const tiny = 1e-300, rounds_max = 300;
	const apart = (/** @type {number} */ value) => (Math.abs(value) < tiny ? tiny : value);
	let c = 1, d = 1 / apart(1 - (a + b) * x / (a + 1)), product = d;
	for (let m = 1; m <= rounds_max; m++) {
		for (const term of [m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
			-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))]) {
			d = 1 / apart(1 + term * d);
			c = apart(1 + term / c);
			product *= c * d;
		}
		if (Math.abs(c * d - 1) < 1e-12)
			break;
	}
	return product;
}

/** The regularized incomplete beta function. @param {number} a @param {number} b @param {number} x 0 to 1 */
function beta_share(a, b, x) {
	if (x <= 0 || x >= 1)
		return x <= 0 ? 0 : 1;
	const front = Math.exp(gamma_ln(a + b) - gamma_ln(a) - gamma_ln(b) + a * Math.log(x) +
		b * Math.log(1 - x));
	return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
		: 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/**
 * How likely Student's t is at least that far from 0, on either side, by chance.
 * @param {number} t
 * @param {number} freedom degrees, 1 or more
 */
export function t_chance(t, freedom) {
	return beta_share(freedom / 2, 0.5, freedom / (freedom + t * t));
}
