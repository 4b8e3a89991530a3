/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent while it is watched: how soon it shows something, what many, stopped and late clients
 * get, what it loses at its highest rate, what a dead worker costs, and how much it keeps.
 */
import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { loadPath, run, sleep, startAgent, startLoad, startPatientLoad, temporaryFolder, until } from './agent.mjs';
import { inFunction, openStream, startProgram, wire } from './stream.mjs';

const STOPPED_S = 10;

/** All samples of a closed stretch, as text: the same for everybody who got the same. */
const digest = (stream, from_us, to_us) =>
	stream.samples(from_us, to_us).map(({ time_us, cpu, thread, frames }) => `${time_us} ${cpu} ${thread.tid} ${frames.length}`).sort().join('\n');

test('the first column is there soon after the start', async (t) => {
	const target_ms = 500;
	const agent = await startAgent(t);
	const stream = await openStream(t, agent);
	await until(() => stream.profile.sample_count > 0, 'a sample', 10 * target_ms);
	const ms = performance.now() - agent.startedAt;
	t.diagnostic(`from the start to the first column: ${Math.round(ms)} ms`);
	assert.ok(ms < 10 * target_ms, `${ms} ms`);
});

/** What a client has read before it stopped is still inflated for a while. @returns {Promise<number>} covered_us */
async function standsStill(stream) {
	for (;;) {
		const { covered_us } = stream;
		await sleep(1000);
		if (stream.covered_us === covered_us) return covered_us;
	}
}

describe('clients', { concurrency: true }, () => {
	it('a client that stops for ten seconds catches up without a gap, and twenty others get the same meanwhile', async (t) => {
		const agent = await startAgent(t, ['-F', '199']);
		startPatientLoad(t, 'busy', ['-s', 40, '-t', 2]);
		const streams = await Promise.all(Array.from({ length: 21 }, () => openStream(t, agent)));
		const [stopped, ...others] = streams;
		const [from_us] = await stopped.stretch(1);
		stopped.pause();
		const stopped_us = await standsStill(stopped);
		for (const stream of others) await stream.covered(STOPPED_S + 1, from_us);
		assert.equal(stopped.covered_us, stopped_us, 'it has stopped');
		const to_us = from_us + STOPPED_S * 1e6;
		assert.equal(others[0].counter(wire.WIRE_COUNTER_CLIENTS), 21);

		stopped.resume();
		await stopped.covered(STOPPED_S, from_us);
		const [first, ...rest] = streams.map((stream) => digest(stream, from_us, to_us));
		const count = first.split('\n').length;
		t.diagnostic(`${count} samples in ${STOPPED_S} s, 21 times`);
		assert.ok(count > STOPPED_S * 199 * 0.2, `${count} samples`);
		for (const other of rest) assert.ok(other === first, 'the same samples');
		assert.deepEqual(stopped.gaps(from_us, to_us), []);
		assert.equal(stopped.feed.counts.connects, 1);
	});

	it('a short window forgets the oldest segments, and memory stays what it was', async (t) => {
		const window_s = 3;
		/* Of one program only: the names of whatever else runs here would take memory, too. */
		const load = startPatientLoad(t, 'busy', ['-s', 60, '-t', 2]);
		const agent = await startAgent(t, ['-F', '999', '--window', `${window_s}s`, '-p', load.pid]);
		const stream = await openStream(t, agent);
		await stream.stretch(20);
		assert.ok(stream.profile.oldest_segments.get(stream.feed.instance_id) > 5, 'segments have left');
		const kept_s = () => (stream.covered_us - stream.profile.oldest_us) / 1e6;
		await until(() => kept_s() >= window_s, 'as much is kept as was asked for');
		assert.ok(kept_s() < window_s + 3, `${kept_s()} s are kept`);
		assert.equal(stream.counter(wire.WIRE_COUNTER_LOST_RING_FULL), 0);

		const { rows } = stream.profile.counters;
		const settled = (counter) => {
			const values = rows.slice(8).map((row) => row.values[counter]);
			assert.ok(values.length >= 4, `${values.length} times`);
			return [Math.min(...values), Math.max(...values)];
		};
		const resident = settled(wire.WIRE_COUNTER_AGENT_RSS_BYTES);
		const window = settled(wire.WIRE_COUNTER_WINDOW_BYTES);
		t.diagnostic(`from the 8th second on: resident ${resident.map((bytes) => (bytes / 1048576).toFixed(1)).join(' to ')} MiB, ` +
			`the window ${window.map((bytes) => Math.round(bytes / 1024)).join(' to ')} KiB`);
		assert.ok(resident[1] - resident[0] < 8 * 1048576, resident.join(' to '));
		assert.ok(window[1] < 2 * window[0] + 262144, window.join(' to '));
		const late = await openStream(t, agent);
		await until(() => late.feed.state.kind === 'live' && !late.profile.loading && late.covered_us, 'a late one has all');
		assert.ok(late.covered_us - late.profile.oldest_us < (window_s + 3) * 1e6, 'nothing older is sent');
	});
});

/*
 * The ring holds a second of samples: who is kept from the CPU for longer loses some, and a crowded
 * machine does that. It may take three tries to have the CPUs for four seconds.
 */
test('two busy CPUs at 10,000 Hz lose nothing', async (t) => {
	const folder = temporaryFolder(t);
	startPatientLoad(t, 'busy', ['-s', 60, '-t', 2, '-c']);
	const tries = [];
	for (let i = 0; i < 3 && !tries.includes(0); i++) {
		const file = join(folder, `${i}.flk`);
		const recorded = await run(['record', '-F', '10000', '-d', '4', '-o', file]);
		assert.equal(recorded.code, 0, recorded.stderr);
		const summary = JSON.parse((await run(['info', '--json', file])).stdout);
		assert.ok(summary.samples > 20_000, `${summary.samples} samples`);
		tries.push(summary.lost);
	}
	t.diagnostic(`lost in each try: ${tries.join(', ')}`);
	assert.ok(tries.includes(0), tries.join(', '));
});

test('at 10,000 Hz a client that stops sees what it missed', async (t) => {
	const frequency = 10_000;
	const agent = await startAgent(t, ['-F', frequency, '--window', '3s']);
	startPatientLoad(t, 'walk', ['-s', 120, '-t', 2]);
	const stopped = await openStream(t, agent);
	const stream = await openStream(t, agent);
	const [begin_us] = await stopped.stretch(0.5);
	stopped.pause();
	const before = stream.received;
	await stream.stretch(STOPPED_S);
	const count = stream.received - before;
	t.diagnostic(`${count} samples in ${STOPPED_S} s`);
	assert.ok(count > frequency, `${count} samples`);

	const oldest = () => stream.profile.oldest_segments.get(stream.feed.instance_id) ?? 0;
	const had = Math.max(...stopped.feed.segments.keys());
	await until(() => oldest() > had + 2, 'segments have left that it never got');
	const missed_us = stream.covered_us;
	stopped.resume();
	await until(() => stopped.covered_us > missed_us, 'it is live again');
	/* What has left the agent's window has left the page's, too; the rest of what it missed are gaps. */
	const known_us = stopped.profile.known(begin_us, missed_us).reduce((sum, [from, to]) => sum + to - from, 0);
	t.diagnostic(`it knows ${(known_us / 1e6).toFixed(1)} of ${((missed_us - begin_us) / 1e6).toFixed(1)} s`);
	assert.ok(known_us < missed_us - begin_us - 1e6, 'it sees that something is missing');
	assert.equal(stopped.feed.counts.connects, 1);

	await until(() => stream.counter(wire.WIRE_COUNTER_CLIENTS_SKIPPED) > 0, 'the agent counts what it missed');
	const counted = [wire.WIRE_COUNTER_LOST_RING_FULL, wire.WIRE_COUNTER_LOST_RING_BUSY].map((counter) => stream.counter(counter));
	t.diagnostic(`lost: ${counted.join(' + ')}; in gaps: ${stream.lost}`);
	assert.equal(stream.counter(wire.WIRE_COUNTER_LOST_OVERLOAD), 0);
	assert.deepEqual(stream.gaps(missed_us, stream.covered_us), []);
});

/** A copy of a program that nobody has seen yet: what is known of a build id is known of all its files. */
function copyUnknown(from, to) {
	const bytes = readFileSync(from);
	const note = Buffer.from('040000001400000003000000474e5500', 'hex'); // 20 bytes of NT_GNU_BUILD_ID follow
	const at = bytes.indexOf(note);
	assert.ok(at > 0 && bytes.indexOf(note, at + 1) < 0, 'the build id is found');
	randomFillSync(bytes, at + note.length, 20);
	writeFileSync(to, bytes, { mode: 0o755 });
}

const children = (pid) => readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
	readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number));

test('a worker that is killed in the middle of a job costs no names', async (t) => {
	const agent = await startAgent(t, ['-F', '199']);
	const stream = await openStream(t, agent);
	/* In the order of their start: files of others, names, unwind tables, ... */
	const workers = () => children(agent.pid).slice(1, 2).flatMap(children);
	await until(() => workers().length === 1, 'the worker');
	startPatientLoad(t, 'burst', ['-m', 0, '-n', 900, '-s', 30]);
	const seen = (name) => until(() => stream.samples().some((sample) => inFunction(sample, name)), name);
	await seen('burst_known_function');

	/* It stands still over the file of the next program, and dies so. */
	const [worker] = workers();
	process.kill(worker, 'SIGSTOP');
	const program = join(temporaryFolder(t), 'unknown');
	copyUnknown(loadPath('busy'), program);
	const load = startProgram(t, program, ['-s', '30']);
	const mine = () => stream.samples().filter(({ thread }) => thread.pid === load.pid);
	await until(() => mine().length > 20, 'samples without names');
	assert.ok(!mine().some((sample) => inFunction(sample, 'busy_leaf')));
	process.kill(worker, 'SIGKILL');
	await until(() => mine().some((sample) => inFunction(sample, 'busy_leaf')), 'its names');
	startLoad(t, 'tree', ['-s', 30]);
	await seen('tree_parent_function');
	await until(() => stream.counter(wire.WIRE_COUNTER_WORKER_RESTARTS) === 1, 'the restart is counted');
	const [next] = workers();
	assert.notEqual(next, worker);
	assert.equal((await agent.stop()).code, 0, agent.stderr);
	await until(() => !existsSync(`/proc/${next}`), 'it ends with the agent');
});
