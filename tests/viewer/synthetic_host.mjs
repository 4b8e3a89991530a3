/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seconds of an invented host, as a sampler would see it: for the tests and the bench of what is
 * found unusual. Deterministic for a seed.
 */
import './bare_names.mjs';

const { buckets, cells_per_second } = await import('../../viewer/model/perturbations.js');

export function normal(random) {
	return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/**
 * Stretches in which a CPU is busy with a function.
 * @typedef {{ from_s: number, to_s: number, function: number }} Stretch
 */

/**
 * Requests that arrive at random, are served in order by the CPUs, and take a random time each.
 * @param {{ cpus: number, load: number, mean_s?: number, time: (random: () => number) => number, random: () => number }} options
 * `time` has the mean 1
 * @returns {(cpu_stretches: Stretch[][], until_s: number) => void} adds what begins before a time
 */
export function requests({ cpus, load, mean_s = 0.01, time, random }) {
	const free_s = new Float64Array(cpus);
	let arrival_s = 0;
	return (stretches, until_s) => {
		for (; arrival_s < until_s; arrival_s += -Math.log(1 - random()) * mean_s / (load * cpus)) {
			let cpu = 0;
			for (let other = 1; other < cpus; other++)
				if (free_s[other] < free_s[cpu])
					cpu = other;
			const from_s = Math.max(arrival_s, free_s[cpu]);
			free_s[cpu] = from_s + time(random) * mean_s;
			/* A request goes from function to function. */
			for (let at_s = from_s; at_s < free_s[cpu];) {
				const to_s = Math.min(free_s[cpu], at_s - Math.log(1 - random()) * 0.001);
				stretches[cpu].push({ from_s: at_s, to_s, function: Math.floor(random() ** 2 * 20) });
				at_s = to_s;
			}
		}
	};
}

/** Always the same: CPUs that are busy throughout, each with functions in turn. */
export function constant({ cpus }) {
	let done_s = 0;
	return (stretches, until_s) => {
		for (; done_s < until_s; done_s += 0.005)
			for (let cpu = 0; cpu < cpus; cpu++)
				stretches[cpu].push({ from_s: done_s, to_s: done_s + 0.005, function: Math.round(done_s / 0.005) % 7 });
	};
}

/**
 * Compilers and tests, one behind the other on each CPU, which is never idle: each of hundreds of functions, mostly the same program's,
 * else a new one's.
 */
export function compilers({ cpus, random }) {
	const done_s = new Float64Array(cpus);
	let functions = 1000;
	return (stretches, until_s) => {
		for (let cpu = 0; cpu < cpus; cpu++)
			while (done_s[cpu] < until_s) {
				const first = random() < 0.7 ? 0 : functions += 300;
				const end_s = done_s[cpu] + 0.6 * Math.exp(0.8 * normal(random));
				for (let at_s = done_s[cpu]; at_s < end_s;) {
					const to_s = Math.min(end_s, at_s - Math.log(1 - random()) * (random() < 0.02 ? 0.02 : 0.001));
					stretches[cpu].push({ from_s: at_s, to_s, function: first + Math.floor(300 * random() ** 3) });
					at_s = to_s;
				}
				done_s[cpu] = end_s;
			}
	};
}

/** A load that does not run on a CPU while another goes before it. */
export function beside(load, { cpu, at_s, seconds }) {
	return (stretches, until_s) => {
		const made = stretches.map(() => []);
		load(made, until_s);
		made[cpu] = made[cpu].filter(({ from_s, to_s }) => !at_s.some((begin_s) => from_s < begin_s + seconds && to_s > begin_s));
		made.forEach((list, cpu) => stretches[cpu].push(...list));
	};
}

/** A burner now and then. @param {{ cpu: number, at_s: number[], seconds: number, function?: number }} options */
export function burner({ cpu, at_s, seconds, function: name = 99 }) {
	let next = 0;
	return (stretches, until_s) => {
		for (; next < at_s.length && at_s[next] < until_s; next++)
			stretches[cpu].push({ from_s: at_s[next], to_s: at_s[next] + seconds, function: name });
	};
}

export class SyntheticHost {
	/**
	 * @param {{ cpus: number, rate_hz: number, loads: ((stretches: Stretch[][], until_s: number) => void)[] }} options
	 */
	constructor({ cpus, rate_hz, loads }) {
		this.cpus = cpus;
		this.period_s = 1 / rate_hz;
		this.loads = loads;
		this.stretches = Array.from({ length: cpus }, () => []);
		this.tick = Array.from({ length: cpus }, (_, cpu) => (cpu + 0.5) / cpus * this.period_s);
		this.second = 0;
		this.now = this.cells();
		this.later = this.cells();
	}

	cells() {
		return { busy: new Float32Array(cells_per_second), mix: new Float32Array(cells_per_second * buckets) };
	}

	/** The next second. */
	next() {
		const until_s = this.second + 1;
		for (const load of this.loads)
			load(this.stretches, until_s);
		for (let cpu = 0; cpu < this.cpus; cpu++)
			this.sample(cpu, until_s);
		const { busy, mix } = this.now;
		this.now = this.later;
		this.later = this.cells();
		return { second: this.second++, busy, mix };
	}

	sample(cpu, until_s) {
		const stretches = this.stretches[cpu].sort((a, b) => a.from_s - b.from_s);
		let at = 0;
		for (; this.tick[cpu] < until_s; this.tick[cpu] += this.period_s) {
			const tick_s = this.tick[cpu];
			while (at < stretches.length && stretches[at].to_s <= tick_s)
				at++;
			/* A longer one may have begun before a shorter one that is over. */
			const running = stretches[at];
			if (running && running.from_s <= tick_s)
				this.spread(tick_s, running.function);
		}
		this.stretches[cpu] = stretches.slice(at);
	}

	/** A sample stands for the period around it. */
	spread(tick_s, name) {
		const bucket = (name * 37 + 11) % buckets;
		const from = (tick_s - this.period_s / 2 - this.second) * cells_per_second;
		const to = from + this.period_s * cells_per_second;
		for (let cell = Math.max(0, Math.floor(from)); cell < to; cell++) {
			const share = Math.min(to, cell + 1) - Math.max(from, cell);
			const cells = cell < cells_per_second ? this.now : this.later;
			const place = cell % cells_per_second;
			if (share <= 0)
				continue;
			cells.busy[place] += share;
			cells.mix[place * buckets + bucket] += share;
		}
	}
}
