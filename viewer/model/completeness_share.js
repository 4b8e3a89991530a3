/* SPDX-License-Identifier: Apache-2.0 */
/* How many of the user stacks of a stretch are whole. */

import { user_status_mask } from "model/block";
import * as wire from "wire";

/** @typedef {import("model/profile").Profile} Profile */

/**
 * The share of whole stacks alone, for a figure that is shown all the time: why others are not is in completeness.js.
 * @param {Profile} profile
 * @param {number} from_us
 * @param {number} to_us
 * @returns {{ stacks: number, complete: number }}
 */
export function completeness_share(profile, from_us, to_us) {
	const counts = new Float64Array(user_status_mask + 1);
	for (const block of profile.blocks_in(from_us, to_us)) {
		block.counts("status", ...block.rows(from_us, to_us)).forEach((count, status) =>
			(counts[status & user_status_mask] += count));
	}
	return { stacks: counts.reduce((sum, count) => sum + count, 0) - counts[wire.WIRE_STACK_NONE],
		complete: counts[wire.WIRE_STACK_COMPLETE] };
}
