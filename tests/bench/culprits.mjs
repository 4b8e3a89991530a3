/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often what is named as the cause of a change is its cause: invented programs of 150 functions or so, some
 * called from several places, that serve requests on 4 CPUs; in the last seconds one function
 * takes longer. Beside it what is simpler: the function that gained most self time, and the walk
 * down from the first function along whoever gained most.
 *
 *	node tests/bench/culprits.mjs [PROGRAMS [SECONDS [MS]]]
 *
 * MS: how long a request stays in one function, on average; 0: no longer than to the next sample
 */
import { normal } from '../viewer/synthetic_host.mjs';
import { SegmentMaker, random_make } from '../viewer/records.mjs';

const { Profile } = await import('model/profile');
const { Changes } = await import('model/changes');

const programs = Number(process.argv[2] ?? 200);
const STRETCH_S = Number(process.argv[3] ?? 10), STAY_S = Number(process.argv[4] ?? 0) / 1000, CHANGED_S = 60, SECONDS = CHANGED_S + STRETCH_S;
const CPUS = 4, RATE_HZ = 99, REQUEST_S = 0.03, LOAD = 0.4;
const HANDLERS = 6, DEPTH_MAX = 9, CALLEES_MAX = 4, SHARED = 0.15;
const start_us = 1_700_000_000_000_000;

/** Stacks of a program with the weight of each: a random tree of calls, with its handlers below main. */
function program_make(random) {
	const names = [], stacks = [];
	const call = (stack, depth) => {
		const is_shared = names.length > 20 && random() < SHARED;
		const name = is_shared ? names[Math.floor(random() * names.length)] : `f${names.length}`;
		if (stack.includes(name))
			return;
		if (!is_shared)
			names.push(name);
		const own = [...stack, name];
		const callees = depth < DEPTH_MAX ? Math.floor(random() * (CALLEES_MAX + 1)) : 0;
		if (!callees || random() < 0.5)
			stacks.push({ stack: own, weight: Math.exp(1.2 * normal(random)) });
		for (let i = 0; i < callees && stacks.length < 400; i++)
			call(own, depth + 1);
	};
	for (let handler = 0; handler < HANDLERS; handler++)
		call(['main', `serve${handler}`], 2);
	return stacks;
}

/** Which stack a moment of a request of a handler is in. */
function chooser(stacks) {
	const sums = [];
	let sum = 0;
	for (const { weight } of stacks)
		sums.push(sum += weight);
	return { sum, choose: (random) => {
		const at = random() * sum;
		let low = 0, high = sums.length - 1;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (sums[middle] > at) high = middle;
			else low = middle + 1;
		}
		return stacks[low].stack;
	} };
}

const by_handler = (stacks) => Array.from({ length: HANDLERS }, (_, handler) =>
	chooser(stacks.filter(({ stack }) => stack[1] === `serve${handler}`)));

/** The function that takes longer, and the program from then on. */
function change_make(stacks, random) {
	const total = stacks.reduce((sum, { weight }) => sum + weight, 0);
	const shares = new Map();
	for (const { stack, weight } of stacks)
		for (const name of stack.slice(2))
			shares.set(name, (shares.get(name) ?? 0) + weight / total);
	const candidates = [...shares].filter(([, share]) => share > 0.02 && share < 0.3);
	const [name] = candidates[Math.floor(random() * candidates.length)];
	const times = 2 + 6 * random();
	/* Its own code, or all that it calls as well. */
	const in_itself = random() < 0.5;
	const changed = stacks.map(({ stack, weight }) => ({ stack,
		weight: !in_itself && stack.includes(name) ? weight * times : weight }));
	/* Each way to it gets its part of what is more. */
	const ways = new Map();
	for (const { stack, weight } of stacks) {
		const at = stack.indexOf(name);
		const way = stack.slice(0, at + 1).join(' ');
		if (at >= 0)
			ways.set(way, (ways.get(way) ?? 0) + weight);
	}
	if (in_itself)
		for (const [way, weight] of ways)
			changed.push({ stack: way.split(' '), weight: weight * (times - 1) });
	return { name, changed };
}

function profile_make(seed, is_changed) {
	const random = random_make(seed);
	const stacks = program_make(random);
	const { name, changed } = change_make(stacks, random);
	const usual = by_handler(stacks), slow = by_handler(is_changed ? changed : stacks);
	const maker = new SegmentMaker({ start_us, cpu_count: CPUS, frequency_mhz: RATE_HZ * 1000 });
	const samples = [];
	for (let cpu = 0; cpu < CPUS; cpu++) {
		let tick = (cpu + 0.5) / CPUS / RATE_HZ;
		for (let at_s = 0; at_s < SECONDS;) {
			at_s -= Math.log(1 - random()) * REQUEST_S * (1 - LOAD) / LOAD;
			const handler = Math.floor(random() ** 2 * HANDLERS);
			const is_slow = at_s >= CHANGED_S;
			const { choose, sum } = (is_slow ? slow : usual)[handler];
			/* A request takes as much longer as its handler does. */
			const longer = usual[handler].sum ? sum / usual[handler].sum : 1;
			const end_s = Math.min(SECONDS, at_s + Math.exp(normal(random) - 0.5) * REQUEST_S * longer);
			for (; tick < at_s; tick += 1 / RATE_HZ);
			let stack = null, stays_s = 0;
			for (; tick < end_s; tick += 1 / RATE_HZ) {
				if (!stack || tick >= stays_s) {
					stack = sum ? choose(random) : ['main'];
					stays_s = tick - Math.log(1 - random()) * STAY_S;
				}
				samples.push({ time_us: start_us + Math.round(tick * 1e6), cpu, process: 'server', stack });
			}
			at_s = end_s;
		}
	}
	samples.sort((a, b) => a.time_us - b.time_us);
	const profile = new Profile();
	maker.fill(profile, samples, { end_us: start_us + SECONDS * 1e6, closed: true });
	return { profile, name, samples };
}

/** Samples a second more than before, by function: in itself, and in all. */
function gains(samples) {
	const self = new Map(), total = new Map();
	for (const { time_us, stack } of samples) {
		const more = time_us >= start_us + CHANGED_S * 1e6 ? 1 / (SECONDS - CHANGED_S) : -1 / CHANGED_S;
		self.set(stack.at(-1), (self.get(stack.at(-1)) ?? 0) + more);
		for (let depth = 1; depth <= stack.length; depth++) {
			const call = stack.slice(0, depth).join(' ');
			total.set(call, (total.get(call) ?? 0) + more);
		}
	}
	return { self, total };
}

const largest = (entries) => [...entries].reduce((best, one) => (one[1] > best[1] ? one : best), ['', 0])[0];

function walk_down(total) {
	let call = 'main';
	for (;;) {
		const below = [...total].filter(([other]) => other.startsWith(`${call} `) && !other.slice(call.length + 1).includes(' '));
		const next = largest(below);
		if (!next || total.get(next) < 0.5 * total.get(call))
			return call.split(' ').at(-1);
		call = next;
	}
}

const explained = (profile) => new Changes(profile, [{ from_us: start_us + CHANGED_S * 1e6, to_us: start_us + SECONDS * 1e6 }],
	[{ from_us: start_us, to_us: start_us + CHANGED_S * 1e6 }]).explain();
const found = { chance: 0, first: 0, among: 0, none: 0, near: 0, self: 0, walk: 0 };
let lines = 0;
for (let seed = 1; seed <= programs; seed++) {
	const { profile, name, samples } = profile_make(seed, true);
	const rows = explained(profile);
	const neighbours = new Set(samples.flatMap(({ stack }) => {
		const at = stack.indexOf(name);
		return at < 0 ? [] : [stack[at - 1], stack[at + 1]];
	}));
	const { self, total } = gains(samples);
	found.first += rows[0]?.name === name;
	found.among += rows.some((row) => row.name === name);
	found.near += rows.length > 0 && rows[0].name !== name && neighbours.has(rows[0].name);
	found.none += !rows.length;
	found.self += largest(self) === name;
	found.walk += walk_down(total) === name;
	lines += rows.length;
	found.chance += explained(profile_make(seed, false).profile).length > 0;
}

const share = (count) => `${(100 * count / programs).toFixed(0)} %`;
console.log(`# One function of ${programs} programs takes 2 to 8 times as long, ${STRETCH_S} s after 60 s, ${RATE_HZ} Hz, ${CPUS} CPUs\n`);
console.log('| | of the programs |\n| --- | --- |');
for (const [words, count] of [['named first', found.first], ['a caller or callee of it named first', found.near],
	['among the functions named', found.among], ['nothing beyond chance', found.none],
	['it gained most self time', found.self], ['the walk down ends in it', found.walk]])
	console.log(`| ${words} | ${share(count)} |`);
console.log(`| something is named where nothing changed | ${share(found.chance)} |`);
console.log(`\n${(lines / programs).toFixed(1)} functions named each time.`);
