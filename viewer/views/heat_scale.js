/* SPDX-License-Identifier: Apache-2.0 */
/* Which CPUs busy make which step of the heat colours: up to all CPUs or less, in even steps or in finer ones where little runs. */

/** How much finer: the first step of nine stands for one part in so many. */
const fine = 63;

export class HeatScale {
	/**
	 * @param {number} most the share of the CPUs that has the last colour
	 * @param {boolean} log
	 */
	constructor(most = 1, log = false) {
		this.most = most;
		this.log = log;
	}

	/** @param {number} share of the CPUs @returns {number} 0 to 1 along the colours */
	part(share) {
		const part = Math.min(1, Math.max(0, share / this.most));
		return this.log ? Math.log1p(fine * part) / Math.log1p(fine) : part;
	}

	/** @param {number} part @returns {number} the share of the CPUs that is painted so */
	share(part) {
		return this.most * (this.log ? Math.expm1(part * Math.log1p(fine)) / fine : part);
	}
}
