/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves the page with an invented host behind it: eight CPUs, work at 640 ms of every second, work that
 * drifts, a stretch of one thread only, lost data, names that come late.
 *
 *   node tests/viewer/synthetic_feed.mjs [PORT [SECONDS]]
 *
 * Prints the address; ends after SECONDS (3600), or with Control-C.
 */

import { FeedServer } from "./feed_server.mjs";
import { SegmentMaker, key_of, random_make } from "./records.mjs";
import { SegmentEncoder } from "./wire_encoder.mjs";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const wire = await import("wire");

const viewer = fileURLToPath(new URL("../../viewer/", import.meta.url));
const types = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml" };

const cpu_count = 8;
const frequency_hz = 99;
const period_us = 1e6 / frequency_hz;
const segment_us = 20e6;
const history_us = 150e6;
const flush_us = 50_000;
const segments_max = 30;
const late_after_us = 2e6;

/* ---- what runs ---- */

const library = (name, module = "libc.so.6") => ({ name, module, kind: wire.WIRE_FRAME_LIBRARY });
const kernel = (name) => ({ name, module: "vmlinux", kind: wire.WIRE_FRAME_KERNEL });
const inlined = (name, module, line) => ({ name, module, kind: wire.WIRE_FRAME_INLINED, file: "src/tape.cc", line });
const jit = (name) => ({ name, module: "[jit]", module_kind: wire.WIRE_MODULE_JIT, kind: wire.WIRE_FRAME_JIT });
const program = (name, module) => ({ name, module });
/* Named two seconds after it was first sent; its parts turn out to be one function. */
const late = (part) => ({ name: `ssl_part_${part}`, module: "libssl.so.3", kind: wire.WIRE_FRAME_LIBRARY,
	named: false, start: 0x1f000 + part * 0x40 });
const late_name = "SSL_do_handshake";

const read_call = [library("read"), kernel("entry_SYSCALL_64_after_hwframe"), kernel("do_syscall_64"),
	kernel("ksys_read"), kernel("vfs_read"), kernel("pipe_read")];
const ingest = [library("__libc_start_main"), program("main", "ingest"), program("ingest::run(int)", "ingest"),
	program("Reader::next_batch(std::vector<int, std::allocator<int> >&)", "ingest")];
const workloads = {
	ingest: [
		[...ingest, program("simd_json::to_tape", "ingest"), inlined("parse_str", "ingest", 212)],
		[...ingest, program("simd_json::to_tape", "ingest"), inlined("parse_num", "ingest", 318)],
		[...ingest, program("Batch::push", "ingest"), library("__memmove_avx_unaligned_erms")],
		[...ingest, ...read_call],
	],
	java: [
		[library("start_thread"), library("JavaThread::run", "libjvm.so"), jit("Lcom/shop/Cart;::total"),
			jit("Ljava/util/HashMap;::getNode")],
		[library("start_thread"), library("JavaThread::run", "libjvm.so"), jit("Lcom/shop/Cart;::total")],
		[library("start_thread"), library("GCTaskThread::run", "libjvm.so"),
			library("G1EvacuateRegionsTask::work(unsigned int)", "libjvm.so"),
			library("oop_iterate", "libjvm.so")],
	],
	nginx: [
		[program("main", "nginx"), program("ngx_worker_process_cycle", "nginx"), late(0)],
		[program("main", "nginx"), program("ngx_worker_process_cycle", "nginx"), late(1),
			library("AES_encrypt", "libcrypto.so.3")],
		[program("main", "nginx"), program("ngx_http_process_request", "nginx"),
			{ name: "?", module: "", kind: wire.WIRE_FRAME_UNRESOLVED, named: false, start: 0x7f1200 }],
	],
	backup: [
		[program("main", "backup"), program("archive_tree", "backup"), library("deflate", "libz.so.1"),
			library("longest_match", "libz.so.1")],
		[program("main", "backup"), program("archive_tree", "backup"), library("deflate", "libz.so.1")],
	],
	cron_job: [
		[program("main", "cron_job"), program("rotate", "cron_job"), library("qsort_r")],
		[program("main", "cron_job"), program("rotate", "cron_job"), library("fsync"),
			kernel("entry_SYSCALL_64_after_hwframe"), kernel("do_syscall_64"), kernel("ext4_sync_file")],
	],
	"kworker/u16:2": [[kernel("ret_from_fork"), kernel("kthread"), kernel("worker_thread"),
		kernel("process_one_work"), kernel("wb_workfn")]],
};

/** What a CPU does at a time, or nothing. @returns {[string, number] | null} process, thread */
function work_at(time_us, cpu, second, offset, burst) {
	const cycle = second % 120;
	if (cycle >= 60 && cycle < 72)
		return cpu === 2 ? ["backup", 4242] : null;
	if (offset >= 0.62 && offset < 0.68 && cpu < 6)
		return ["cron_job", 900 + cpu];
	if (time_us % 1_025_000 < 45_000 && cpu >= 3 && cpu < 7)
		return ["java", 700 + cpu];
	return burst;
}

/** How far a stack reaches: a kernel thread has none, a few of some processes end early. */
function status_of(process, stack, dice) {
	if (process.startsWith("kworker"))
		return wire.WIRE_STACK_NONE;
	if (stack.some(({ kind }) => kind === wire.WIRE_FRAME_JIT) && dice < 0.05)
		return wire.WIRE_STACK_NO_ROW;
	if (process === "nginx" && dice < 0.08)
		return dice < 0.02 ? wire.WIRE_STACK_UNREADABLE : wire.WIRE_STACK_NO_ROW;
	return process === "cron_job" && dice < 0.01 ? wire.WIRE_STACK_FRAME_POINTERS : wire.WIRE_STACK_COMPLETE;
}

/** The host's samples, in order of time on each CPU. */
class Host {
	constructor(start_us) {
		this.random = random_make(42);
		this.next_us = Array.from({ length: cpu_count }, (_, cpu) => start_us + cpu * period_us / cpu_count);
		this.bursts = Array.from({ length: cpu_count }, () => ({ until_us: 0, work: null }));
	}

	burst(cpu, time_us) {
		const burst = this.bursts[cpu];
		if (time_us >= burst.until_us) {
			const dice = this.random();
			burst.work = dice < 0.06 ? ["ingest", 100 + cpu] : dice < 0.1 ? ["java", 700 + cpu]
				: dice < 0.13 ? ["nginx", 300 + cpu] : dice < 0.14 ? ["kworker/u16:2", 55] : null;
			burst.until_us = time_us + 20_000 + this.random() * 180_000;
		}
		return burst.work;
	}

	samples_until(end_us) {
		const samples = [];
		for (let cpu = 0; cpu < cpu_count; cpu++) {
			for (; this.next_us[cpu] < end_us; this.next_us[cpu] += period_us) {
				const time_us = Math.round(this.next_us[cpu] + (this.random() - 0.5) * 300);
				const second = Math.floor(time_us / 1e6);
				const work = work_at(time_us, cpu, second, time_us % 1e6 / 1e6, this.burst(cpu, time_us));
				if (!work)
					continue;
				const [process, tid] = work;
				const stacks = workloads[process];
				const stack = stacks[Math.floor(this.random() ** 2 * stacks.length)];
				samples.push({ time_us, cpu, process, tid, stack, status: status_of(process, stack, this.random()) });
			}
		}
		return samples;
	}
}

/* ---- the agent that tells of it ---- */

class Agent {
	constructor(server, start_us) {
		this.server = server;
		this.host = new Host(start_us);
		this.time_us = start_us;
		this.segment = 0;
		this.counters = { samples: 0, cpu_us: 0, lost: 0 };
		this.second = Math.floor(start_us / 1e6);
	}

	open() {
		this.maker = new SegmentMaker({ instance_id: this.server.instance_id, segment: ++this.segment,
			start_us: this.time_us, frequency_mhz: frequency_hz * 1000, cpu_count });
		this.encoder = new SegmentEncoder(this.segment);
		this.start_us = this.time_us;
		this.late_sent = false;
		return [{ kind: wire.WIRE_RECORD_META, rows: [
			{ meta: wire.WIRE_META_HOST, text: "checkout-07" },
			{ meta: wire.WIRE_META_KERNEL, text: "Linux 6.1.0-18-amd64" },
			{ meta: wire.WIRE_META_VERSION, text: "synthetic" }] }];
	}

	/** The next chunk, up to a time. */
	async flush(end_us) {
		const more = this.maker ? [] : this.open();
		const before = this.time_us;
		let samples = this.host.samples_until(end_us);
		this.time_us = end_us;
		const at = (time_us) => Math.max(0, Math.round(time_us - this.start_us));
		/* Lost: 750 ms of every 90 s. */
		const lost_from = Math.floor(end_us / 90e6) * 90e6 + 40e6, lost_to = lost_from + 750_000;
		const lost = samples.filter(({ time_us }) => time_us >= lost_from && time_us < lost_to);
		if (lost.length) {
			samples = samples.filter((sample) => !lost.includes(sample));
			this.counters.lost += lost.length;
			more.push({ kind: wire.WIRE_RECORD_GAP, from_us: at(Math.max(before, lost_from)),
				to_us: at(Math.min(end_us, lost_to)), reason: wire.WIRE_GAP_RING_FULL,
				lost: lost.length });
		}
		this.counters.samples += samples.length;
		this.counters.cpu_us += 40 + samples.length * 2;
		const second = Math.floor(end_us / 1e6);
		if (second !== this.second) {
			this.second = second;
			more.push(...this.each_second(at(end_us)));
		}
		if (!this.late_sent && end_us - this.start_us > late_after_us) {
			this.late_sent = true;
			const [owner, part] = [key_of("ssl_part_0"), key_of("ssl_part_1")];
			const name = this.maker.string(late_name);
			more.push({ kind: wire.WIRE_RECORD_LATE_NAMES, rows: [owner, part].map((key) => ({ ...key,
				owner_low: owner.key_low, owner_high: owner.key_high, name })) });
		}
		more.push({ kind: wire.WIRE_RECORD_TICK, time_us: at(end_us) });
		const last = end_us - this.start_us >= segment_us;
		const chunk = await this.encoder.chunk(this.maker.records(samples, more), Math.round(end_us), last);
		this.server.add(this.segment, chunk, last);
		if (last)
			this.maker = null;
		while (this.server.segments.size > segments_max)
			this.server.segments.delete(this.server.oldest);
	}

	each_second(time_us) {
		return [
			{ kind: wire.WIRE_RECORD_COUNTERS, time_us, rows: [
				{ counter: wire.WIRE_COUNTER_SAMPLES, value: this.counters.samples },
				{ counter: wire.WIRE_COUNTER_AGENT_CPU_US, value: this.counters.cpu_us },
				{ counter: wire.WIRE_COUNTER_LINES_LEFT_OUT, value: 3 },
				{ counter: wire.WIRE_COUNTER_NAMES_EVICTED, value: 1200 },
				{ counter: wire.WIRE_COUNTER_READS_DEFERRED, value: 17 },
				{ counter: wire.WIRE_COUNTER_ACCEPTS_DEFERRED, value: 2 },
				{ counter: wire.WIRE_COUNTER_LOST_RING_FULL, value: this.counters.lost }] },
			{ kind: wire.WIRE_RECORD_RATE, time_us, rows: Array.from({ length: cpu_count },
				(_, cpu) => ({ cpu, mhz: frequency_hz * 1000 })) },
			{ kind: wire.WIRE_RECORD_CLOCK, time_us, mono_ns: time_us * 1000,
				wall_ns: (this.start_us + time_us) * 1000 },
		];
	}
}

/* ---- the page's files ---- */

function files_list(folder = "") {
	return readdirSync(path.join(viewer, folder), { withFileTypes: true }).flatMap((entry) => {
		const name = `${folder}${entry.name}`;
		return entry.isDirectory() ? files_list(`${name}/`) : [name];
	});
}

function serve(request, response) {
	const name = new URL(request.url, "http://x").pathname.slice(1) || "index.html";
	const files = files_list();
	if (!files.includes(name)) {
		response.writeHead(404).end();
		return true;
	}
	const map = JSON.stringify({ imports: Object.fromEntries(files.filter((file) => file.endsWith(".js"))
		.map((file) => [file.slice(0, -3), `./${file}`])) });
	const hash = createHash("sha256").update(map).digest("base64");
	/* The sources as they are: a map of the bare names takes the place of the bundler. */
	const text = readFileSync(path.join(viewer, name), "utf8")
		.replace('<script type="module"', `<script type="importmap">${map}</script>\n$&`);
	response.writeHead(200, {
		"content-type": types[path.extname(name)] ?? "application/octet-stream",
		"cache-control": "no-store",
		"content-security-policy": `default-src 'none'; script-src 'self' 'sha256-${hash}'; ` +
			"style-src 'self'; connect-src 'self'; img-src 'self'",
	}).end(text);
	return true;
}

const [port = "7790", seconds = "3600"] = process.argv.slice(2);
const token = "synthetic-token-1";
const server = new FeedServer({ token, serve,
	instance_id: Math.floor(Math.random() * 2 ** 48 + 1).toString(16).padStart(16, "0") });
const now_us = () => Date.now() * 1000;
const agent = new Agent(server, now_us() - history_us);
while (agent.time_us < now_us() - flush_us)
	await agent.flush(Math.min(agent.time_us + 1e6, now_us()));
console.log(`${await server.listen(Number(port))}#${token}`);
setTimeout(() => process.exit(0), Number(seconds) * 1000);
for (;;) {
	await new Promise((resolve) => setTimeout(resolve, flush_us / 1000));
	await agent.flush(now_us());
}
