/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a long window of 8 busy CPUs at 99 Hz takes, of a synthetic feed: memory, CPU time, and how long a page that
 * opens, a download and a dump of all of it take from the real server. Prints a table.
 *
 *	node tests/bench/scale/window.mjs [HOURS...]
 */
import { join } from 'node:path';
import { statSync } from 'node:fs';
import { MESSAGE } from '../../e2e/raw_client.mjs';
import { program, root } from '../../e2e/agent.mjs';
import { folder, ownCpuMs, start, stop, where } from '../children.mjs';
import { connect } from '../page_reader.mjs';

const hours = process.argv.slice(2).map(Number);
if (!hours.length) hours.push(0.25, 1, 4, 12, 24);

/** From the opening of the socket, in ms: to the first bytes of a segment, and until all that was held has come. */
async function newcomer(url) {
	const began = performance.now(), socket = connect(url);
	let first;
	await new Promise((done, failed) => {
		socket.on('error', failed);
		socket.on('message', (message) => {
			if (message[0] === MESSAGE.BYTES) first ??= performance.now() - began;
			if (message[0] === MESSAGE.CAUGHT_UP) done();
		});
	});
	socket.terminate();
	return { first, all: performance.now() - began, bytes: socket.bytes };
}

async function download(url) {
	const began = performance.now();
	const response = await fetch(`${url.origin}/download`, { headers: { authorization: `Bearer ${url.hash.slice(1)}` } });
	let bytes = 0;
	for await (const part of response.body) bytes += part.length;
	return { ms: performance.now() - began, bytes };
}

async function dump(url) {
	const file = join(folder, 'dump.flk'), began = performance.now();
	const child = start(program, ['dump', '--port', url.port, '-o', file, '--force'], { stdio: ['ignore', 'ignore', 'pipe'] });
	if ((await child.ended).code) throw new Error(child.errors);
	return { ms: performance.now() - began, bytes: statSync(file).size };
}

console.log(`# A long window of 8 busy CPUs at 99 Hz\n\n${where()}; a synthetic feed, the real server and client.\n`);
console.log('| window of so many hours | the window, MiB of memory | the process, MiB of memory | encode and deflate, ns a sample | into the full window, ns a sample ' +
	'| segments, in number | first bytes of a new page, ms | all of it to a new page, s | CPU time of the agent for that, s | a download of all, s | a dump of all, s |');
console.log(`|${' --- |'.repeat(11)}`);
for (const hour of hours) {
	const server = start(join(root, 'build', 'release', 'bin', 'bench_scale'), [Math.round(hour * 3600), join(folder, 'token')],
		{ stdio: ['ignore', 'pipe', 'inherit'] });
	while (server.text.split('\n').length < 3) await new Promise((done) => server.stdout.once('data', done));
	const [row, address] = server.text.split('\n'), url = new URL(address);
	const [, segments, window, process_mib, encode, add] = row.split('|').map(Number);
	const before = ownCpuMs(server.pid), page = await newcomer(url), cpu = ownCpuMs(server.pid) - before;
	const file = await download(url), dumped = await dump(url);
	/* All of it means all of it. */
	for (const { bytes } of [page, file, dumped])
		if (bytes < window * 1048576 * 0.9) throw new Error(`${bytes} bytes of a window of ${window} MiB came`);
	console.log(`| ${hour} | ${window} | ${process_mib} | ${encode} | ${add} | ${segments} | ${page.first.toFixed(1)} | ${(page.all / 1000).toFixed(2)} | ` +
		`${(cpu / 1000).toFixed(2)} | ${(file.ms / 1000).toFixed(2)} | ${(dumped.ms / 1000).toFixed(2)} |`);
	await stop(server, 'SIGTERM');
}
process.exit(0);
