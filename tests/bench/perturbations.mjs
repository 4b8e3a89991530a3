/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often something is marked where nothing is, and how often a burner is found.
 *
 *	node tests/bench/perturbations.mjs [HOURS [LOAD [SEED]]]
 *
 * LOAD: only those loads whose name holds this, and no burners; "burners": these alone. A day of all loads takes an
 * hour and a half.
 */
import { random_make } from '../viewer/records.mjs';
import { SyntheticHost, beside, burner, compilers, constant, normal, requests } from '../viewer/synthetic_host.mjs';

const { Perturbations } = await import('../../viewer/model/perturbations.js');
const hours = Number(process.argv[2] ?? 4), only = process.argv[3], seed = Number(process.argv[4] ?? 7);

const lognormal = (random) => Math.exp(normal(random) - 0.5);
const pareto = (random) => (1 - random()) ** (-1 / 1.5) / 3;

function marks_of({ cpus, rate_hz, loads, seconds, from_s = 3600 }) {
	const host = new SyntheticHost({ cpus, rate_hz, loads });
	const finder = new Perturbations({ rate_hz, cpu_count: cpus });
	const marks = [];
	for (let second = 0; second < seconds; second++)
		marks.push(...finder.add(host.next()));
	return marks.filter(({ from_us }) => from_us >= from_s * 1e6);
}

/** Work at random, of which more comes and less by and by. */
function drift({ cpus, random }) {
	const quiet = requests({ cpus, load: 0.2, time: lognormal, random });
	const more = requests({ cpus, load: 0.3, time: lognormal, random });
	let level = 0.5;
	return (stretches, until_s) => {
		quiet(stretches, until_s);
		const made = stretches.map(() => []);
		more(made, until_s);
		level = Math.min(1, Math.max(0, level + 0.01 * normal(random)));
		made.forEach((list, cpu) => stretches[cpu].push(...list.filter(() => random() < level)));
	};
}

/** A job that takes one CPU for half a minute or so, again and again. */
function batch({ random }) {
	let at_s = 0;
	return (stretches, until_s) => {
		for (; at_s < until_s; at_s += 20 + 20 * random()) {
			const to_s = at_s + 20 + 20 * random();
			for (; at_s < to_s; at_s += 0.01)
				stretches[0].push({ from_s: at_s, to_s: at_s + 0.01, function: 40 + Math.floor(random() * 5) });
		}
	};
}

const every = (period_s, at_s = 0) => Array.from({ length: Math.ceil((hours + 1) * 3600 / period_s) }, (_, i) => at_s + i * period_s);
const random_loads = [];
for (const [cpus, time, shares] of [[2, lognormal, [10, 30, 50, 70, 90]], [8, lognormal, [10, 30, 50, 70, 90]],
	[2, pareto, [10, 30, 70]], [8, pareto, [10, 30, 70]], [64, lognormal, [10, 30, 50]]])
	for (const share of shares)
		random_loads.push([`${time.name} ${share} % of ${cpus}`, cpus, (random) => [requests({ cpus, load: share / 100, time, random })]]);

console.log(`# False alarms an hour over ${hours} h, after the first hour, 99 Hz\n`);
console.log('| load | alarms an hour | up, down, other functions |');
console.log('| --- | --- | --- |');
for (const [name, cpus, loads] of [
	['idle', 2, () => []], ['constant, 2 of 2 CPUs', 2, () => [constant({ cpus: 2 })]],
	['constant, 1 of 8 CPUs', 8, () => [constant({ cpus: 1 })]], ...random_loads,
	['slow drift, 20 to 50 % of 2', 2, (random) => [drift({ cpus: 2, random })]],
	['compilers, 2 of 2', 2, (random) => [compilers({ cpus: 2, random })]],
	['a batch job, on and off, 1 of 2', 2, (random) => [batch({ random })]],
	['a job of 0.5 s each minute, 10 % of 2', 2, (random) => [requests({ cpus: 2, load: 0.1, time: lognormal, random }),
		burner({ cpu: 1, at_s: every(60, 0.2), seconds: 0.5 })]],
	['a collector of 60 ms each second, 30 % of 2', 2, (random) => [requests({ cpus: 2, load: 0.3, time: lognormal, random }),
		burner({ cpu: 1, at_s: every(1, 0.4), seconds: 0.06 })]],
].filter(([name]) => !only || name.includes(only))) {
	const marks = marks_of({ cpus, rate_hz: 99, loads: loads(random_make(seed)), seconds: (hours + 1) * 3600 });
	const count = (kind) => marks.filter((mark) => mark.kind === kind).length;
	console.log(`| ${name} | ${(marks.length / hours).toFixed(2)} | ${count('up')}, ${count('down')}, ${count('mix')} |`);
}
if (only && only !== 'burners')
	process.exit(0);

console.log('\n# Burners of one CPU found, of 12, each after 2 min of that load alone\n');
console.log('| load | rate, Hz | 20 ms | 50 ms | 100 ms | 200 ms | 500 ms | other marks |');
console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
for (const [name, cpus, load] of [['idle, 8 CPUs', 8, () => () => {}],
	['lognormal, 0.35 of 8 CPUs', 8, (random) => requests({ cpus: 8, load: 0.35 / 8, time: lognormal, random })],
	['lognormal, 2.4 of 8 CPUs', 8, (random) => requests({ cpus: 8, load: 0.3, time: lognormal, random })],
	['compilers, 2 of 2 CPUs', 2, (random) => compilers({ cpus: 2, random })]])
	for (const rate_hz of [99, 999]) {
		const cells = [];
		let others = 0;
		for (const seconds of [0.02, 0.05, 0.1, 0.2, 0.5]) {
			let found = 0;
			for (let round = 0; round < 12; round++) {
				const random = random_make(seed + 4 + round);
				const at_s = 120 + random();
				const one = { cpu: cpus - 1, at_s: [at_s], seconds };
				/* Where no CPU is idle the burner goes before. */
				const usual = load(random);
				const marks = marks_of({ cpus, rate_hz, from_s: 0, seconds: 130, loads: [
					cpus === 2 ? beside(usual, one) : usual, burner(one)] });
				const true_marks = marks.filter(({ from_us, to_us }) => from_us < (at_s + seconds) * 1e6 && to_us > at_s * 1e6);
				found += true_marks.length ? 1 : 0;
				others += marks.length - true_marks.length;
			}
			cells.push(found);
		}
		console.log(`| ${name} | ${rate_hz} | ${cells.join(' | ')} | ${others} |`);
	}
