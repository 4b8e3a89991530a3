/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two captures as one profile, so that one can be compared with the other as any stretch with another: the second stands
 * behind the first on the timeline, moved by whole seconds. The wall clock of both stays what it was.
 */

import { FileFeed } from "file_feed";
import { second_us } from "model/heat";
import * as wire from "wire";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("feed").FeedSink} FeedSink */
/** @typedef {import("transfer").FileLike} FileLike */

/** Between the two nothing is known for so long at least: no column holds both. */
const apart_s = 1;

/** Puts what comes behind all that is there. @implements {FeedSink} */
class Behind {
	/** @param {Profile} profile */
	constructor(profile) {
		this.profile = profile;
		this.behind_us = profile.covered_us;
		this.shift_s = 0;
	}

	/** The same agent may have written both. @param {string} instance_id */
	instance(instance_id) {
		return `${instance_id} again`;
	}

	/**
	 * @param {string} instance_id
	 * @param {number} segment
	 * @param {import("record_reader").Record[]} records
	 * @param {number} end_us
	 */
	records_add(instance_id, segment, records, end_us) {
		const { profile } = this;
		const moved = records.map((record) => {
			if (record.kind !== wire.WIRE_RECORD_SEGMENT)
				return record;
			const { head } = record;
			if (profile.joined_us === Infinity)
				this.shift_s = Math.ceil((this.behind_us - head.start_us) / second_us) + apart_s;
			const start_us = head.start_us + this.shift_s * second_us;
			profile.joined_us = Math.min(profile.joined_us, start_us);
			return { ...record, head: { ...head, start_us, wall_shift_s: head.wall_shift_s + this.shift_s } };
		});
		profile.records_add(this.instance(instance_id), segment, moved, end_us + this.shift_s * second_us);
	}

	/** @param {string} instance_id @param {number} segment @param {Parameters<FeedSink["segment_end"]>[2]} state */
	segment_end(instance_id, segment, state) {
		this.profile.segment_end(this.instance(instance_id), segment, state);
	}

	/** @param {boolean} loading */
	loading_set(loading) {
		this.profile.loading_set(loading);
	}

	oldest_set() {}
}

/** Reads one file, then another behind it. */
export class JoinedFeed {
	/** @param {{ before: FileLike, file: FileLike, sink: Profile }} options sink: with by_name */
	constructor({ before, file, sink }) {
		this.file = file;
		this.sink = sink;
		this.feed = new FileFeed({ file: before, sink });
		this.stopped = false;
	}

	stop() {
		this.feed.stop();
		this.stopped = true;
	}

	/** @returns {ReturnType<FileFeed["read"]>} @throws {WireError} */
	async read() {
		const first = await this.feed.read();
		if (this.stopped)
			return first;
		this.feed = new FileFeed({ file: this.file, sink: new Behind(this.sink) });
		const second = await this.feed.read();
		return { complete: first.complete && second.complete, damaged: first.damaged + second.damaged,
			error: first.error ?? second.error, segments: first.segments + second.segments };
	}
}
