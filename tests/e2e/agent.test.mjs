/* SPDX-License-Identifier: Apache-2.0 */
/* The tests' own helper: nothing that it started outlives it, however it ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, temporaryFolder, until } from './agent.mjs';

const helper = JSON.stringify(join(root, 'tests', 'e2e', 'agent.mjs'));

/** Starts a file of tests that starts an agent and waits; gives its process, its own pid and the agent's. */
async function startTest(t, args) {
	const folder = temporaryFolder(t), file = join(folder, 'waits.mjs');
	writeFileSync(file, `import { test } from 'node:test';
import { writeSync } from 'node:fs';
import { startAgent } from ${helper};
test('waits', async (t) => {
	const { pid } = await startAgent(t);
	writeSync(2, \`\${process.pid} \${pid} \\n\`);
	await new Promise((resolve) => setTimeout(resolve, 60_000));
});
`);
	/* What is killed removes no folder: all that it makes is in this one. */
	const { NODE_TEST_CONTEXT, ...env } = { ...process.env, TMPDIR: folder };
	const child = spawn(process.execPath, [...args, file], { stdio: ['ignore', 'pipe', 'pipe'], env });
	t.after(() => child.kill('SIGKILL'));
	let said = '';
	child.stdout.on('data', (text) => (said += text));
	child.stderr.on('data', (text) => (said += text));
	const [, pid, agentPid] = await until(() => /(\d+) (\d+) \n/.exec(said), 'its agent has started');
	return { child, pid, agentPid };
}

const isThere = (pid) => existsSync(`/proc/${pid}`);

test('an agent ends with a test that is killed', async (t) => {
	const { pid, agentPid } = await startTest(t, []);
	assert.ok(isThere(agentPid));
	process.kill(pid, 'SIGKILL');
	await until(() => !isThere(agentPid), 'it has ended');
});

test('an agent and its test end when the runner is killed', async (t) => {
	const { child, pid, agentPid } = await startTest(t, ['--test']);
	assert.notEqual(Number(pid), child.pid, 'a process each');
	child.kill('SIGKILL');
	await until(() => !isThere(pid) && !isThere(agentPid), 'both have ended');
});
