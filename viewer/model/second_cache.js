/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of each second: made when asked for, kept, and made again only when what it was made of has changed. */

const second_us = 1e6;

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/profile").Change} Change */

/**
 * Seconds of the timeline, since the Unix epoch.
 * @template T
 */
export class SecondCache {
	/**
	 * @param {Profile} profile
	 * @param {object} rules
	 * @param {(second: number) => T | null} rules.make null: nothing is known of it, and nothing is kept
	 * @param {() => number} rules.reach_us how far a sample reaches into other seconds
	 * @param {number} rules.count_max seconds that are kept
	 */
	constructor(profile, { make, reach_us, count_max }) {
		this.make = make;
		this.reach_us = reach_us;
		this.count_max = count_max;
		/** @type {Map<number, T>} */
		this.seconds = new Map();
		this.forget = profile.listen((change) => this.changed(change));
	}

	close() {
		this.forget();
		this.seconds.clear();
	}

	/**
	 * The seconds that look different when a stretch has changed.
	 * @param {number} from_us
	 * @param {number} to_us
	 */
	touched(from_us, to_us) {
		const reach_us = this.reach_us();
		return { first: Math.floor((from_us - reach_us) / second_us),
			end: Math.floor((to_us + reach_us) / second_us) + 1 };
	}

	/** @param {Change} change */
	changed({ from_us, to_us }) {
		if (from_us >= to_us)
			return;
		const { seconds } = this;
		const { first, end } = this.touched(from_us, to_us);
		if (end - first > seconds.size) {
			for (const second of seconds.keys())
				if (second >= first && second < end)
					seconds.delete(second);
		} else {
			for (let second = first; second < end; second++)
				seconds.delete(second);
		}
	}

	/** @param {number} second @returns {T | null} */
	get(second) {
		const { seconds } = this;
		const known = seconds.get(second);
		if (known !== undefined)
			return known;
		const made = this.make(second);
		if (made === null)
			return null;
		seconds.set(second, made);
		if (seconds.size > this.count_max)
			seconds.delete(seconds.keys().next().value ?? 0);
		return made;
	}
}
