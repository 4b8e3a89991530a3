/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the records of a capture in the words of golden_capture.c, by the page's own reader:
 *
 *   node tests/golden/records_text.mjs FILE
 */

import "../viewer/bare_names.mjs";
import { readFileSync } from "node:fs";

const wire = await import("wire");
const { ChunkReader } = await import("chunk_reader");
const { file_header_read } = await import("feed");
const { SegmentReader } = await import("segment_reader");

const hex = (low, high) => (BigInt(high) << 32n | BigInt(low)).toString(16);
const lines = [];
/** Ids count up through the records of a segment. */
let ids = {};
let depths = [0];
const id_next = (what) => ids[what] = (ids[what] ?? 0) + 1;

const printers = {
	[wire.WIRE_RECORD_SEGMENT]: ({ head }) => {
		ids = {};
		depths = [0];
		lines.push(`segment ${head.segment} instance ${head.instance_id} start ${head.start_us} ` +
			`shift ${head.wall_shift_s} rate ${head.frequency_mhz} cpus ${head.cpu_count} ` +
			`event ${head.event}`);
	},
	[wire.WIRE_RECORD_META]: ({ rows }) => {
		for (const row of rows)
			lines.push(`meta ${row.meta} ${JSON.stringify(row.text)}`);
	},
	[wire.WIRE_RECORD_STRINGS]: ({ strings }) => {
		for (const string of strings)
			lines.push(`string ${id_next("string")} ${JSON.stringify(string)}`);
	},
	[wire.WIRE_RECORD_MODULES]: ({ rows }) => {
		for (const row of rows)
			lines.push(`module ${id_next("module")} key ${hex(row.key_low, row.key_high)} ` +
				`name ${row.name} kind ${row.module_kind}`);
	},
	[wire.WIRE_RECORD_FUNCTIONS]: ({ rows }) => {
		for (const row of rows)
			lines.push(`function ${id_next("function")} key ${hex(row.key_low, row.key_high)} ` +
				`module ${row.module} name ${row.name} start ${row.start.toString(16)}`);
	},
	[wire.WIRE_RECORD_FRAMES]: ({ rows }) => {
		for (const row of rows)
			lines.push(`frame ${id_next("frame")} function ${row.function_id} kind ${row.frame_kind} ` +
				`file ${row.file} line ${row.line}`);
	},
	[wire.WIRE_RECORD_STACKS]: ({ rows }) => {
		for (const row of rows) {
			const id = id_next("stack");
			depths[id] = depths[row.parent] + 1;
			lines.push(`stack ${id} parent ${row.parent} frame ${row.frame} depth ${depths[id]}`);
		}
	},
	[wire.WIRE_RECORD_THREADS]: ({ rows }) => {
		for (const row of rows)
			lines.push(`thread ${id_next("thread")} tid ${row.tid} pid ${row.pid} start ${row.start_ns} ` +
				`comm ${row.comm} process ${row.process} cgroup ${row.cgroup} ` +
				`container ${row.container}`);
	},
	[wire.WIRE_RECORD_SAMPLES]: (samples) => {
		for (let i = 0; i < samples.count; i++)
			lines.push(`sample ${samples.time[i]} cpu ${samples.cpu[i]} thread ${samples.thread[i]} ` +
				`stack ${samples.stack[i]} user ${samples.user_status[i]} ` +
				`kernel ${samples.kernel_status[i]} busy ${samples.busy[i]}`);
	},
	[wire.WIRE_RECORD_TICK]: ({ time_us }) => lines.push(`tick ${time_us}`),
	[wire.WIRE_RECORD_CLOCK]: ({ time_us, mono_ns, wall_ns }) =>
		lines.push(`clock ${time_us} mono ${mono_ns} wall ${wall_ns}`),
	[wire.WIRE_RECORD_GAP]: ({ from_us, to_us, reason, lost }) =>
		lines.push(`gap ${from_us} to ${to_us} reason ${reason} lost ${lost}`),
	[wire.WIRE_RECORD_RATE]: ({ time_us, rows }) => {
		for (const { cpu, mhz } of rows)
			lines.push(`rate ${time_us} cpu ${cpu} ${mhz}`);
	},
	[wire.WIRE_RECORD_COUNTERS]: ({ time_us, rows }) => {
		/* Without those of nothing: a counter more is no other text. */
		for (const { counter, value } of rows)
			if (value)
				lines.push(`counter ${time_us} ${counter} ${value}`);
	},
	[wire.WIRE_RECORD_LATE_NAMES]: ({ rows }) => {
		for (const row of rows)
			lines.push(`late name key ${hex(row.key_low, row.key_high)} ` +
				`function ${hex(row.owner_low, row.owner_high)} name ${row.name}`);
	},
};

const sink = {
	records_add(_instance_id, _segment, records) {
		for (const record of records)
			printers[record.kind](record);
	},
	segment_end(_instance_id, segment, state) {
		if (state !== "closed")
			lines.push(`segment ${segment} ended ${state}`);
	},
};

const bytes = readFileSync(process.argv[2]);
const header = file_header_read(new Uint8Array(bytes.subarray(0, wire.wire_file_header.SIZE)));
const chunks = new ChunkReader();
chunks.push(new Uint8Array(bytes.subarray(header.header_size, bytes.length - wire.wire_file_trailer.SIZE)));
let reader = null;
for (let chunk = chunks.next(true); chunk; chunk = chunks.next(true)) {
	if (chunk.kind !== wire.WIRE_CHUNK_SEGMENT)
		continue;
	if (chunk.first) {
		await reader?.done;
		reader = new SegmentReader(header.instance_id, chunk.segment, sink);
	}
	reader.chunk(chunk);
}
await reader?.done;
process.stdout.write(lines.map((line) => line + "\n").join(""));
