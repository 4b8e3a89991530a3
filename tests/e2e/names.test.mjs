/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where names are when the program itself has none: one program, packed as distributions pack theirs, in one recording.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from './agent.mjs';
import { build, checkChain, deepChain, ofProcess, recordWhile } from './chains.mjs';

const DEPTH = 6;
const BURN_MS = 400;
const text = (command, ...args) => execFileSync(command, args, { encoding: 'utf8' });

/** A program with a build id of its own, or none. */
function makeProgram(folder, name, flags = []) {
	mkdirSync(join(folder, name));
	return build('gcc', join(folder, name, name), 'deep.c', ['-O2', '-Wl,--build-id=uuid', ...flags]);
}

const buildId = (program) => text('readelf', '-n', program).match(/Build ID: ([0-9a-f]+)/)[1];

/** Takes the symbols out of a program and into a file beside it. */
function separate(program) {
	const debug = `${program}.debug`;
	text('objcopy', '--only-keep-debug', program, debug);
	text('strip', '--strip-all', program);
	return debug;
}

/** As rpm packs programs: the names of the functions that .dynsym lacks, as a packed ELF file in a section. */
function packMini(program) {
	const [debug, mini, names] = ['.debug', '.mini', '.names'].map((ending) => program + ending);
	const dynamic = new Set(text('nm', '-D', program, '--format=posix', '--defined-only').split('\n').map((line) => line.split(' ')[0]));
	const functions = text('nm', program, '--format=posix', '--defined-only').split('\n')
		.filter((line) => /^\S+ [tTD] /.test(line)).map((line) => line.split(' ')[0]).filter((name) => !dynamic.has(name));
	writeFileSync(names, functions.join('\n'));
	text('objcopy', '--only-keep-debug', program, debug);
	text('objcopy', '-S', '--remove-section', '.gdb_index', '--remove-section', '.comment', `--keep-symbols=${names}`, debug, mini);
	text('strip', '--strip-all', program);
	text('xz', '-f', mini);
	text('objcopy', '--add-section', `.gnu_debugdata=${mini}.xz`, program);
	for (const file of [debug, names, `${mini}.xz`]) rmSync(file);
}

/** What a stripped program's functions show as: where they start in the file. */
function startsOf(program) {
	const code = text('readelf', '-SW', program).match(/\.text\s+PROGBITS\s+(\w+) (\w+)/);
	const shift = Number.parseInt(code[1], 16) - Number.parseInt(code[2], 16);
	return new Map(text('nm', program, '--format=posix').split('\n').map((line) => line.split(' '))
		.filter(([, type]) => /^[tT]$/.test(type))
		.map(([name, , value]) => [name, `${basename(program)}+0x${(Number.parseInt(value, 16) - shift).toString(16)}`]));
}

/** A debuginfod server on loopback that has one file. */
async function serveDebugFile(t, id, bytes) {
	const server = createServer((request, response) => {
		const found = request.url === `/buildid/${id}/debuginfo`;
		response.writeHead(found ? 200 : 404).end(found ? bytes : '');
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.after(() => server.close());
	return `http://127.0.0.1:${server.address().port}`;
}

test('names of .gnu_debugdata, of debug files by build id and by link, inside a container, from a server, and of nobody', async (t) => {
	const folder = temporaryFolder(t);
	const placed = [];
	t.after(() => placed.forEach((path) => rmSync(path, { force: true })));
	const run = (program, { through = [], burn_ms = BURN_MS } = {}) => {
		const [first, ...args] = [...through, program, String(burn_ms), String(DEPTH)];
		return { program: first, args, name: basename(program) };
	};
	/* Only programs of this test have these build ids. */
	const place = (root, program, debug) => {
		const id = buildId(program);
		const path = join(root, '.build-id', id.slice(0, 2), `${id.slice(2)}.debug`);
		mkdirSync(dirname(path), { recursive: true });
		copyFileSync(debug, path);
		rmSync(debug);
		return path;
	};

	const mini = makeProgram(folder, 'mini');
	packMini(mini);

	const byId = makeProgram(folder, 'by_id');
	placed.push(place('/usr/lib/debug', byId, separate(byId)));

	const byLink = makeProgram(folder, 'by_link', ['-Wl,--build-id=none']);
	const link = separate(byLink);
	mkdirSync(join(folder, 'by_link', '.debug'));
	text('objcopy', `--add-gnu-debuglink=${link}`, byLink);
	copyFileSync(link, join(folder, 'by_link', '.debug', basename(link)));
	/* In its own folder first: another file of that name, whose CRC is wrong. */
	writeFileSync(link, 'something else');

	/* Its debug file is where only the program sees it: in a mount namespace of its own. */
	const inside = makeProgram(folder, 'inside');
	const insideRoot = join(folder, 'root');
	place(insideRoot, inside, separate(inside));

	const nobody = makeProgram(folder, 'nobody');
	const starts = startsOf(nobody);
	text('strip', '--strip-all', nobody);

	const fetched = makeProgram(folder, 'fetched');
	const server = await serveDebugFile(t, buildId(fetched), readFileSync(separate(fetched)));

	/* Not even its frames are described in the program: the compiler put .debug_frame beside its lines. */
	const frames = makeProgram(folder, 'frames', ['-g', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables']);
	placed.push(place('/usr/lib/debug', frames, separate(frames)));

	const mountAndRun = 'mount --bind "$0" /usr/lib/debug && exec "$@"';
	/* On a busy machine the first one waits for the tables of all else that runs. */
	const runs = [run(fetched, { burn_ms: 2 * BURN_MS }), run(mini), run(byId), run(byLink), run(frames, { burn_ms: 4 * BURN_MS }), run(nobody),
		run(inside, { through: ['unshare', '-m', 'sh', '-c', mountAndRun, insideRoot] })];
	const samples = await recordWhile(t, runs, {
		lead_ms: 1000,
		args: ['--debuginfod', server, '--debuginfod-cache', join(folder, 'cache')],
	});
	for (const { name, pid } of runs.filter(({ name }) => name !== 'nobody')) {
		/* Inlined functions are shown where lines are known; the chain is of those that are called. */
		checkChain(t, name, ofProcess(samples, pid), deepChain(DEPTH), { rename: (step) => (step === 'next' ? null : step) });
	}

	checkChain(t, 'nobody', ofProcess(samples, runs.find(({ name }) => name === 'nobody').pid), deepChain(DEPTH).map((step) => starts.get(step)),
		{ leaf: starts.get('burn_leaf'), rename: (name) => basename(name) });
});
