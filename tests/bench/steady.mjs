/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is marked as unusual in real minutes in which nothing is: a program that burns at the same offset of
 * every second, and one that answers 200 requests a second, sampled by the real agent at 99 Hz. They are
 * scheduled before all others, so that other work on the machine does not make them unsteady.
 *
 *	node tests/bench/steady.mjs [MINUTES]
 *
 * Needs root; 30 minutes without a number. Prints the marks; the exit code is 1 when there is one.
 */
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { loadPath, program, sleep } from '../e2e/agent.mjs';
import '../viewer/bare_names.mjs';
import { folder, start } from './children.mjs';

const REQUEST_MS = 5, WORK_MS = 0.5, PRIORITY = 20;

if (process.argv[2] === 'serve') {
	setInterval(() => {
		for (const end = performance.now() + WORK_MS; performance.now() < end;);
	}, REQUEST_MS);
} else {
	const minutes = Number(process.argv[2] ?? 30), seconds = Math.round(minutes * 60);
	const load = (...command) => start('chrt', ['-f', PRIORITY, ...command]);
	const loads = [load(loadPath('burst'), '-m', 300, '-n', 200, '-s', seconds + 60), load(process.execPath, process.argv[1], 'serve')];
	await sleep(1000);
	const file = join(folder, 'steady.flk');
	const agent = start(program, ['record', '-F', 99, '-o', file, '-d', seconds, ...loads.flatMap(({ pid }) => ['-p', pid])],
		{ stdio: ['ignore', 'inherit', 'inherit'] });
	setPriority(agent.pid, -20);
	if ((await agent.ended).code) process.exit(2);

	const { FileFeed } = await import('file_feed');
	const { Profile } = await import('model/profile');
	const { Heat } = await import('model/heat');
	const { Unusual } = await import('model/unusual');
	const profile = new Profile();
	await new FileFeed({ file: new Blob([readFileSync(file)]), sink: profile }).read();
	const unusual = new Unusual(profile, new Heat(profile));
	while (unusual.update(1000));
	const { marks } = unusual;
	console.log(`${minutes} minutes, ${profile.sample_count} samples, ${((unusual.next - unusual.first) / 60).toFixed(1)} minutes looked at: ${marks.length} marks`);
	for (const { kind, from_us, to_us, busy, usual } of marks)
		console.log(`${kind} at ${((from_us - profile.oldest_us) / 1e6).toFixed(2)} s for ${((to_us - from_us) / 1e3).toFixed(0)} ms: ${busy.toFixed(2)} CPUs, usually ${usual.toFixed(2)}`);
	process.exit(marks.length ? 1 : 0);
}
