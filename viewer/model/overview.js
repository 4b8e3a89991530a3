/* SPDX-License-Identifier: Apache-2.0 */
/* How busy each second of the whole history was: samples counted, so that hours cost little. */

import { second_us } from "model/heat";
import { SecondCache } from "model/second_cache";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/filter").SampleFilter} SampleFilter */

/** More than a day. */
const seconds_max = 100_000;

export class Overview {
	/** @param {Profile} profile */
	constructor(profile) {
		this.profile = profile;
		/** @type {SampleFilter | null} */
		this.filter = null;
		/** CPUs busy; less than 0: nothing is known. @type {SecondCache<number>} */
		this.seconds = new SecondCache(profile, { make: (second) => this.busy(second), reach_us: () => 0, count_max: seconds_max });
	}

	close() {
		this.seconds.close();
	}

	/** @param {SampleFilter | null} filter */
	filter_set(filter) {
		this.filter = filter;
		this.seconds.seconds.clear();
	}

	/** @param {number} second of the timeline */
	busy(second) {
		const { profile, filter } = this;
		const from_us = second * second_us, to_us = from_us + second_us;
		const known = profile.known(from_us, to_us).length > 0;
		return known ? profile.cpus_busy([{ from_us, to_us }], filter) : -1;
	}

	/** The seconds that were busiest, the first of equals first. @param {number} first @param {number} end @param {number} count */
	hottest(first, end, count) {
		const all = [];
		for (let second = first; second < end; second++)
			all.push({ second, busy: this.seconds.get(second) ?? -1 });
		return all.filter(({ busy }) => busy > 0).sort((a, b) => b.busy - a.busy || a.second - b.second).slice(0, count)
			.map(({ second }) => second);
	}
}
