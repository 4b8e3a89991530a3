/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one segment: its chunks one after another, inflated by the browser, to records. What is wrong
 * ends this segment and nothing else; what was read before holds.
 */

import { RecordReader } from "record_reader";
import { WireError } from "wire_bytes";

/** @typedef {import("chunk_reader").Chunk} Chunk */
/** @typedef {import("record_reader").Record} Record */

/** How a segment can end. @typedef {"closed" | "cut" | "damaged" | "skipped"} SegmentEnd */

/**
 * Who takes what was read; called in the order of the chunks, each time from a task of its own.
 * @typedef {object} SegmentSink
 * @property {(instance_id: string, segment: number, records: Record[], end_us: number) => void}
 * records_add the records of one chunk; everything before end_us has come
 * @property {(instance_id: string, segment: number, state: SegmentEnd) => void} segment_end nothing
 * more will come
 */

/** An empty last block (RFC 1951, 3.2.6): ends a stream that was flushed but never finished. */
const empty_last_block = Uint8Array.of(0x03, 0x00);

export class SegmentReader {
	/**
	 * @param {string} instance_id
	 * @param {number} segment
	 * @param {SegmentSink} sink
	 */
	constructor(instance_id, segment, sink) {
		this.instance_id = instance_id;
		this.segment = segment;
		this.sink = sink;
		this.records = new RecordReader(segment);
		/** Chunks whose content has not been read yet, with where it ends in all that is inflated. */
		this.waiting = /** @type {{ chunk: Chunk, end: number }[]} */ ([]);
		this.sequence = 0;
		/** Inflated bytes: announced by chunks, and come out. */
		this.raw_announced = 0;
		this.raw_come = 0;
		/** What came out of the chunk that is being read. */
		this.raw = /** @type {Uint8Array} */ (new Uint8Array(0));
		this.raw_filled = 0;
		/** What was wrong. @type {WireError | null} */
		this.error = null;
		/** How it will have ended when all has been read. @type {SegmentEnd} */
		this.end_state = "cut";
		/** Whether more chunks are taken. */
		this.taking = true;
		const stream = new DecompressionStream("deflate-raw");
		this.writer = stream.writable.getWriter();
		this.reader = stream.readable.getReader();
		/** Done when everything was read and the sink knows the end. */
		this.done = this.read_all();
	}

	/** @param {Chunk} chunk the next one */
	chunk(chunk) {
		if (!this.taking)
			return;
		if (chunk.segment !== this.segment || chunk.sequence !== this.sequence ||
		    chunk.first !== (this.sequence === 0)) {
			this.fail(new WireError(`chunk ${chunk.sequence} of segment ${chunk.segment} stands ` +
				`where ${this.sequence} of ${this.segment} should`, chunk.offset));
			return;
		}
		this.sequence++;
		this.raw_announced += chunk.raw_size;
		if (chunk.raw_size)
			this.waiting.push({ chunk, end: this.raw_announced });
		this.write(chunk.payload);
		if (chunk.last)
			this.finish("closed");
	}

	/**
	 * No more chunks will come. Those that came are still read.
	 * @param {"cut" | "skipped"} state
	 */
	end(state) {
		if (!this.taking)
			return;
		this.write(empty_last_block);
		this.finish(state);
	}

	/**
	 * What follows cannot be read. What came before still is.
	 * @param {WireError} error
	 */
	fail(error) {
		if (!this.taking)
			return;
		this.error = error;
		this.write(empty_last_block);
		this.finish("damaged");
	}

	/** @param {SegmentEnd} state */
	finish(state) {
		this.taking = false;
		this.end_state = state;
		this.writer.close().catch(() => {}); /* the reader fails, too, and tells */
	}

	/** @param {Uint8Array} bytes */
	write(bytes) {
		/* A failure comes out of the reader. */
		this.writer.write(/** @type {Uint8Array<ArrayBuffer>} */ (bytes)).catch(() => {});
	}

	async read_all() {
		try {
			for (;;) {
				const { done, value } = await this.reader.read();
				if (done)
					break;
				this.inflated(value);
			}
			if (this.waiting.length)
				throw new WireError("a chunk holds less than it says", this.records.offset);
		} catch (error) {
			this.taking = false;
			this.end_state = "damaged";
			this.error ??= error instanceof WireError ? error
				: new WireError("this cannot be inflated", this.records.offset);
			this.writer.abort().catch(() => {});
			this.reader.cancel().catch(() => {});
		}
		this.waiting = [];
		this.raw = new Uint8Array(0);
		this.sink.segment_end(this.instance_id, this.segment, this.end_state);
	}

	/** @param {Uint8Array} bytes */
	inflated(bytes) {
		let at = 0;
		while (at < bytes.length) {
			const first = this.waiting[0];
			if (!first)
				throw new WireError("a chunk holds more than it says", this.records.offset);
			const { raw_size } = first.chunk;
			const size = Math.min(bytes.length - at, first.end - this.raw_come);
			if (!this.raw_filled && size === raw_size) {
				this.raw = bytes.subarray(at, at + size);
			} else {
				if (!this.raw_filled)
					this.raw = new Uint8Array(raw_size);
				this.raw.set(bytes.subarray(at, at + size), this.raw_filled);
			}
			this.raw_filled += size;
			this.raw_come += size;
			at += size;
			if (this.raw_come === first.end)
				this.chunk_whole();
		}
	}

	/** All of the first waiting chunk has come out. */
	chunk_whole() {
		const { chunk } = /** @type {{ chunk: Chunk }} */ (this.waiting.shift());
		this.raw_filled = 0;
		this.sink.records_add(this.instance_id, this.segment, this.records.read(this.raw),
			chunk.end_us);
	}
}
