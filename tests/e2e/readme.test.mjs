/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples of the README work as they are written there, one after another in one folder. What is added
 * is what keeps a test to itself: a port and a token of its own for what serves.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { program, root, temporaryFolder, until } from './agent.mjs';

const TIME_MAX_MS = 30_000;

function examples() {
	const text = readFileSync(join(root, 'README.md'), 'utf8');
	const [, block] = /### Examples\n+```sh\n([^]*?)```/.exec(text);
	return block.split('\n').map((line) => line.replace(/\s+#.*$/, '').trim()).filter(Boolean);
}

/** Runs a line of the README in a shell, where `flickerscope` is the program and `sudo` is not needed. */
function start(line, cwd) {
	const child = spawn('bash', ['-c', `set -o pipefail; ${line.replaceAll('sudo ', '').replace(/^(\w+ (?:live|view) .*)$/, 'exec $1')}`], {
		cwd, env: { ...process.env, PATH: `${dirname(program)}:${process.env.PATH}` }, stdio: ['ignore', 'pipe', 'pipe'],
	});
	const started = { child, stdout: '', stderr: '', done: once(child, 'close') };
	child.stdout.on('data', (text) => (started.stdout += text));
	child.stderr.on('data', (text) => (started.stderr += text));
	return started;
}

async function finish(started, line) {
	const timer = setTimeout(() => started.child.kill('SIGKILL'), TIME_MAX_MS);
	const [code] = await started.done;
	clearTimeout(timer);
	assert.equal(code, 0, `${line}: ${started.stderr}`);
	return started;
}

test('the examples of the README work as they are written there', async (t) => {
	const folder = temporaryFolder(t);
	writeFileSync(join(folder, 'Makefile'), 'all:\n\t@end=$$((SECONDS + 1)); while [ $$SECONDS -lt $$end ]; do :; done\nSHELL := /bin/bash\n');
	const lines = examples();
	assert.ok(lines.length > 15, String(lines.length));
	let port = '';
	for (const line of lines) {
		const [, command] = /flickerscope (\w+)/.exec(line);
		if (command === 'live' || command === 'view') {
			const served = start(`${line} --listen 127.0.0.1:0 --token-file ${join(folder, 'token')}`, folder);
			t.after(() => served.child.kill('SIGKILL'));
			await until(() => /^http:\S+\n/.test(served.stdout) || served.child.exitCode !== null, `${line}: an address; ${served.stderr}`);
			assert.match(served.stdout, /^http:/, served.stderr);
			if (command === 'live') port = new URL(served.stdout.trim()).port;
			else served.child.kill('SIGTERM');
			continue;
		}
		/* Other agents may run on this host. */
		const { stdout, stderr } = await finish(start(command === 'dump' ? `${line} --port ${port}` : line, folder), line);
		const output = / -o (\S+)/.exec(line)?.[1] ?? '-';
		if (output === '-') assert.ok(stdout.length > 20, `${line}: ${stderr}`);
		else assert.ok(statSync(join(folder, output)).size > 0, line);
		if (line.includes('--json')) assert.ok(JSON.parse(stdout)[0].self > 0);
	}
});
