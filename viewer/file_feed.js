/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture file (include/wire.h): passes all that can be read of it to a sink, from the front, without
 * its index. Damage costs the segments it lies in; a file that was cut opens up to the cut.
 */

import { ChunkReader } from "chunk_reader";
import { file_header_read } from "feed";
import { SegmentReader } from "segment_reader";
import * as wire from "wire";
import { WireError, struct_read } from "wire_bytes";

/** @typedef {import("feed").FeedSink} FeedSink */

/** Bytes that are taken from the file at a time. */
const slice_size = 1024 * 1024;
/** Where the header may end at most. */
const header_size_max = 4096;

/**
 * How a file ended.
 * @typedef {object} FileOutcome
 * @property {boolean} complete it was closed in order
 * @property {number} damaged pieces that could not be read
 * @property {WireError | null} error the first of what was wrong
 * @property {number} segments that were read, wholly or in part
 */

export class FileFeed {
	/**
	 * @param {object} options
	 * @param {import("transfer").FileLike} options.file
	 * @param {FeedSink} options.sink
	 */
	constructor({ file, sink }) {
		this.file = file;
		this.sink = sink;
		this.stopped = false;
		this.instance_id = "";
		/** @type {SegmentReader | null} */
		this.reader = null;
		/** The last reader that was looked at for damage. @type {SegmentReader | null} */
		this.counted = null;
		/** Segments that have begun: a second one of the same number is damage. */
		this.seen = new Set();
		/** @type {FileOutcome} */
		this.outcome = { complete: false, damaged: 0, error: null, segments: 0 };
	}

	/** Stops reading; what was read stays. */
	stop() {
		this.stopped = true;
	}

	/**
	 * @returns {Promise<FileOutcome>}
	 * @throws {WireError} when this is no capture, or one that is too new
	 */
	async read() {
		const head = new Uint8Array(await this.file.slice(0, wire.wire_file_header.SIZE).arrayBuffer());
		const header = file_header_read(head);
		if (header.header_size > header_size_max)
			throw new WireError("The header of this capture says that it is too long", 12);
		this.instance_id = header.instance_id;
		const end = await this.content_end();
		this.sink.loading_set(true);
		try {
			await this.read_chunks(header.header_size, end);
		} finally {
			this.sink.loading_set(false);
		}
		return this.outcome;
	}

	/** Where the chunks end: before the trailer of a file that was closed in order. */
	async content_end() {
		const { SIZE } = wire.wire_file_trailer;
		const { size } = this.file;
		const bytes = new Uint8Array(await this.file.slice(Math.max(0, size - SIZE)).arrayBuffer());
		if (bytes.length < SIZE)
			return size;
		const trailer = struct_read(wire.wire_file_trailer, bytes);
		this.outcome.complete = trailer.magic === wire.WIRE_TRAILER_MAGIC &&
			trailer.index_offset <= BigInt(size);
		return this.outcome.complete ? size - SIZE : size;
	}

	/**
	 * @param {number} start
	 * @param {number} end
	 */
	async read_chunks(start, end) {
		const chunks = new ChunkReader();
		for (let at = start; at < end && !this.stopped; at += slice_size) {
			const slice = this.file.slice(at, Math.min(end, at + slice_size));
			chunks.push(new Uint8Array(await slice.arrayBuffer()));
			await this.take_all(chunks, at + slice_size >= end);
		}
		if (chunks.left && !chunks.lost)
			this.outcome.complete = false;
		this.reader?.end("cut");
		await this.segment_finish();
	}

	/**
	 * @param {ChunkReader} chunks
	 * @param {boolean} at_end
	 */
	async take_all(chunks, at_end) {
		while (!this.stopped) {
			let chunk = null;
			try {
				chunk = chunks.next(at_end);
			} catch (error) {
				if (!(error instanceof WireError))
					throw error;
				if (this.reader?.taking)
					this.reader.fail(error);
				else
					this.damage(error);
				continue;
			}
			if (!chunk)
				return;
			if (chunk.kind === wire.WIRE_CHUNK_SEGMENT)
				await this.take(chunk);
		}
	}

	/** @param {import("chunk_reader").Chunk} chunk */
	async take(chunk) {
		if (this.reader?.segment !== chunk.segment) {
			/* One after another: the memory that is under way is that of one segment. */
			this.reader?.end("cut");
			await this.segment_finish();
			if (this.seen.has(chunk.segment)) {
				this.damage(new WireError(`segment ${chunk.segment} comes twice`, chunk.offset));
				return;
			}
			this.seen.add(chunk.segment);
			this.outcome.segments++;
			this.reader = new SegmentReader(this.instance_id, chunk.segment, this.sink);
		}
		this.reader?.chunk(chunk);
		if (chunk.last)
			await this.segment_finish();
	}

	async segment_finish() {
		const { reader } = this;
		if (!reader)
			return;
		await reader.done;
		if (reader.error && reader !== this.counted)
			this.damage(reader.error);
		this.counted = reader;
	}

	/** @param {WireError} error */
	damage(error) {
		this.outcome.damaged++;
		this.outcome.error ??= error;
	}
}
