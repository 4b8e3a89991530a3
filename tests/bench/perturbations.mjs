/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often something is marked where nothing is, and how often a burner is found.
 *
 *	node tests/bench/perturbations.mjs [HOURS]
 */
import { random_make } from '../viewer/records.mjs';
import { SyntheticHost, burner, constant, normal, requests } from '../viewer/synthetic_host.mjs';

const { Perturbations } = await import('../../viewer/model/perturbations.js');
const hours = Number(process.argv[2] ?? 4);

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

console.log(`# False alarms an hour over ${hours} h, after the first hour, 99 Hz\n`);
console.log('| load | alarms an hour | up, down, other functions |');
console.log('| --- | --- | --- |');
for (const [name, cpus, load, time] of [
	['idle', 2, 0], ['constant, 2 of 2 CPUs', 2, 1], ['constant, 1 of 8 CPUs', 8, 'one'],
	['lognormal 10 % of 2', 2, 0.1, lognormal], ['lognormal 30 % of 2', 2, 0.3, lognormal],
	['lognormal 50 % of 2', 2, 0.5, lognormal], ['lognormal 70 % of 2', 2, 0.7, lognormal],
	['lognormal 90 % of 2', 2, 0.9, lognormal], ['lognormal 10 % of 8', 8, 0.1, lognormal],
	['lognormal 50 % of 8', 8, 0.5, lognormal], ['lognormal 90 % of 8', 8, 0.9, lognormal],
	['pareto 30 % of 2', 2, 0.3, pareto], ['pareto 30 % of 8', 8, 0.3, pareto],
]) {
	const random = random_make(7);
	const loads = load === 0 ? [] : load === 1 ? [constant({ cpus })] : load === 'one' ? [constant({ cpus: 1 })]
		: [requests({ cpus, load, time, random })];
	const marks = marks_of({ cpus, rate_hz: 99, loads, seconds: (hours + 1) * 3600 });
	const count = (kind) => marks.filter((mark) => mark.kind === kind).length;
	console.log(`| ${name} | ${(marks.length / hours).toFixed(2)} | ${count('up')}, ${count('down')}, ${count('mix')} |`);
}

console.log('\n# Burners of one CPU found, of 12, on 8 CPUs, each after 2 min of that load alone\n');
console.log('| load | rate, Hz | 20 ms | 50 ms | 100 ms | 200 ms | 500 ms | other marks |');
console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
for (const [name, load] of [['idle', 0], ['lognormal, 0.35 CPUs', 0.35 / 8], ['lognormal, 2.4 CPUs', 0.3]])
	for (const rate_hz of [99, 999]) {
		const cells = [];
		let others = 0;
		for (const seconds of [0.02, 0.05, 0.1, 0.2, 0.5]) {
			let found = 0;
			for (let round = 0; round < 12; round++) {
				const random = random_make(11 + round);
				const at_s = 120 + random();
				const marks = marks_of({ cpus: 8, rate_hz, from_s: 0, seconds: 130, loads: [
					...(load ? [requests({ cpus: 8, load, time: lognormal, random })] : []),
					burner({ cpu: 7, at_s: [at_s], seconds })] });
				const true_marks = marks.filter(({ from_us, to_us }) => from_us < (at_s + seconds) * 1e6 && to_us > at_s * 1e6);
				found += true_marks.length ? 1 : 0;
				others += marks.length - true_marks.length;
			}
			cells.push(found);
		}
		console.log(`| ${name} | ${rate_hz} | ${cells.join(' | ')} | ${others} |`);
	}
