/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in the way is said in one line that names the cause and the remedy. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadPath, program, run, startAgent, temporaryFolder } from './agent.mjs';

/** Runs a shell line to its end; for namespaces and changed privileges. */
function shell(line) {
	return new Promise((resolve) => {
		const child = spawn('bash', ['-c', line], { stdio: ['ignore', 'pipe', 'pipe'] });
		const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
		let stdout = '';
		let stderr = '';
		child.stdout.on('data', (text) => (stdout += text));
		child.stderr.on('data', (text) => (stderr += text));
		child.on('close', (code) => {
			clearTimeout(timer);
			resolve({ code, stdout, stderr });
		});
	});
}

/** One line on standard error, nothing on standard output, this exit code. */
function assertOneLine(result, code, ...words) {
	const lines = result.stderr.trimEnd().split('\n');
	assert.equal(lines.length, 1, `one line, not: ${result.stderr}`);
	for (const word of words) assert.match(lines[0], word);
	assert.equal(result.stdout, '');
	assert.equal(result.code, code, result.stderr);
}

const live = (folder, more = '') =>
	`${program} live --listen 127.0.0.1:0 --token-file ${folder}/token ${more}`;

test('wrong usage is exit 2 and names the option, the value and what is right', async () => {
	assertOneLine(await run(['live', '-F', '0']), 2, /-F 0/, /1 to 10000/);
	assertOneLine(await run(['live', '-F', 'fast']), 2, /-F fast/);
	assertOneLine(await run(['live', '-C', '9-1']), 2, /-C 9-1/, /0-3,5/);
	assertOneLine(await run(['live', '--window', 'x']), 2, /--window x/);
	assertOneLine(await run(['live', '--listen', 'nonsense']), 2, /nonsense/);
	assertOneLine(await run(['live', '--listen', '127.0.0.1:99999']), 2, /99999/);
	assertOneLine(await run(['live', '--no-such-option']), 2, /--no-such-option/, /--help/);
	assertOneLine(await run(['nonsense']), 2, /nonsense/, /--help/);
	assertOneLine(await run(['record']), 2, /-o FILE/);
	assertOneLine(await run(['info']), 2, /FILE/);
	assertOneLine(await run(['live', '--config', '/nonsense']), 2, /--config \/nonsense/);
	assertOneLine(await run(['manual', 'nonsense']), 2, /nonsense/, /page/);
});

test('help is exit 0 on standard output', async () => {
	for (const args of [['--help'], ['-h'], ['help'], ['live', '--help'], ['record', '-h'], ['view', '--help'], ['info', '-h']]) {
		const result = await run(args);
		assert.equal(result.code, 0, args.join(' '));
		assert.match(result.stdout, /Usage: flickerscope/);
		assert.equal(result.stderr, '');
	}
	assert.match((await run(['--version'])).stdout, /^flickerscope \d+\.\d+\.\d+\n$/);
});

test('without root: one line, the remedy, exit 1', async (t) => {
	const folder = temporaryFolder(t);
	chmodSync(folder, 0o777);
	copyFileSync(program, join(folder, 'flickerscope'));
	const result = await shell(
		`setpriv --reuid 65534 --regid 65534 --clear-groups ${folder}/flickerscope live --listen 127.0.0.1:0 --token-file ${folder}/token`,
	);
	assertOneLine(result, 1, /root/, /sudo/);
});

test('root without the capabilities: one line that names them, exit 1', async (t) => {
	const folder = temporaryFolder(t);
	const result = await shell(`setpriv --bounding-set=-all --inh-caps=-all ${live(folder)}`);
	assertOneLine(result, 1, /CAP_(BPF|PERFMON|SYS_ADMIN)/);
});

test('perf events refused, as by a container: one line with the remedy, exit 1', async (t) => {
	const folder = temporaryFolder(t);
	assertOneLine(await shell(`${loadPath('refused')} ${live(folder)}`), 1, /perf events/, /CAP_PERFMON|seccomp|container/);
});

test('a kernel without BTF: one line that names the file, exit 1', async (t) => {
	const folder = temporaryFolder(t);
	const result = await shell(
		`unshare -m bash -c 'mount -t tmpfs none /sys/kernel/btf && exec ${live(folder)}'`,
	);
	assertOneLine(result, 1, /\/sys\/kernel\/btf\/vmlinux/, /CONFIG_DEBUG_INFO_BTF/);
});

test('doctor finds what is in the way, says what to do, and tries to sample when nothing is', async (t) => {
	const folder = temporaryFolder(t);
	chmodSync(folder, 0o777);
	copyFileSync(program, join(folder, 'flickerscope'));
	const here = await run(['doctor', '--json']);
	assert.equal(here.code, 0, here.stdout + here.stderr);
	const checks = JSON.parse(here.stdout);
	assert.deepEqual(checks.filter(({ verdict }) => verdict === 'bad'), []);
	assert.match(checks.at(-1).text, /^[1-9]\d* samples in \d\.\d s at 99 Hz, \d+ lost$/);
	for (const [line, check, remedy] of [
		[`setpriv --reuid 65534 --regid 65534 --clear-groups ${folder}/flickerscope doctor`, 'privileges', /sudo/],
		[`setpriv --bounding-set=-all --inh-caps=-all ${program} doctor`, 'privileges', /CAP_BPF/],
		[`unshare -m bash -c 'mount -t tmpfs none /sys/kernel/btf && exec ${program} doctor'`, 'type information', /CONFIG_DEBUG_INFO_BTF/],
		[`unshare -pf --mount-proc ${program} doctor`, 'process ids', /--pid=host/],
	]) {
		const result = await shell(line);
		assert.equal(result.code, 1, line);
		assert.equal(result.stderr, '');
		assert.match(result.stdout, new RegExp(`^bad +${check} .*\\n +-> .*${remedy.source}`, 'm'));
		assert.match(result.stdout, /^bad +sampling +not tried/m);
	}
});

test('-p of no process: one line, exit 1', async (t) => {
	const folder = temporaryFolder(t);
	assertOneLine(await shell(live(folder, '-p 4194303')), 1, /4194303/);
});

test('-G and --user of nobody, and -G where cgroups are not the host\'s or of version 1: one line', async (t) => {
	const folder = temporaryFolder(t);
	assertOneLine(await shell(live(folder, '-G /no/such')), 1, /no cgroup \/no\/such below \//);
	assertOneLine(await shell(live(folder, '-G a/../b')), 1, /a\/\.\.\/b.*downwards/);
	assertOneLine(await run(['live', '--user', 'no such user']), 2, /--user no such user/, /number/);
	assertOneLine(await shell(`unshare --cgroup ${live(folder, '-G x')}`), 1, /cgroup namespace/, /--cgroupns=host/);
	assertOneLine(await shell(`unshare -m bash -c 'umount -l -a -t cgroup2; exec ${live(folder, '-G x')}'`), 1, /version 2/, /-p/);
	assertOneLine(await shell(`unshare -pf --mount-proc ${live(folder)}`), 1, /pid namespace/, /--pid=host/);
});

test('-C of a CPU that is not there: one line, exit 1', async (t) => {
	const folder = temporaryFolder(t);
	assertOneLine(await shell(live(folder, '-C 1023')), 1, /1023/);
});

test('a port that is taken: one line with the remedy, exit 1', async (t) => {
	const folder = temporaryFolder(t);
	const server = createServer();
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.after(() => server.close());
	const { port } = server.address();
	const result = await run(['live', '--listen', `127.0.0.1:${port}`, '--token-file', join(folder, 'token')]);
	assertOneLine(result, 1, new RegExp(`${port}`), /--listen/);
});

test('a token file that others can read or that is no file: one line, exit 1', async (t) => {
	const folder = temporaryFolder(t);
	const open = join(folder, 'open');
	writeFileSync(open, 'A'.repeat(43), { mode: 0o644 });
	chmodSync(open, 0o644);
	assertOneLine(await run(['live', '--listen', '127.0.0.1:0', '--token-file', open]), 1, /open/);
	const link = join(folder, 'link');
	symlinkSync('/etc/hostname', link);
	assertOneLine(await run(['live', '--listen', '127.0.0.1:0', '--token-file', link]), 1, /link/);
});

test('a capture never replaces a file unasked, nor follows a symbolic link', async (t) => {
	const folder = temporaryFolder(t);
	const existing = join(folder, 'there.flk');
	writeFileSync(existing, 'precious');
	assertOneLine(await run(['record', '-o', existing, '-d', '1']), 1, /there\.flk/, /--force/);
	const link = join(folder, 'link.flk');
	symlinkSync(join(folder, 'target'), link);
	const result = await run(['record', '-o', link, '-d', '1']);
	assertOneLine(result, 1, /link\.flk/);
	assertOneLine(await run(['record', '-o', join(folder, 'no', 'such', 'folder'), '-d', '1']), 1, /folder/);
});

test('what is no profile is refused by name, exit 1', async (t) => {
	const folder = temporaryFolder(t);
	const text = join(folder, 'text.flk');
	writeFileSync(text, 'this is no capture\n');
	assertOneLine(await run(['info', text]), 1, /text\.flk/, /no format that is known/);
	const empty = join(folder, 'empty.flk');
	writeFileSync(empty, '');
	assertOneLine(await run(['info', empty]), 1, /empty\.flk/);
	mkdirSync(join(folder, 'folder.flk'));
	assertOneLine(await run(['info', join(folder, 'folder.flk')]), 1, /folder\.flk/);
	assertOneLine(await run(['info', join(folder, 'missing.flk')]), 1, /missing\.flk/);
});

test('names of strangers reach the terminal without control bytes', async (t) => {
	const folder = temporaryFolder(t);
	const result = await run(['info', join(folder, 'a\x1b[31mred\u202e')]);
	assertOneLine(result, 1, /\\x1b/);
	assert.ok(!result.stderr.includes('\x1b'));
});

test('an agent ends within a second of SIGINT and of SIGTERM, with exit 0', async (t) => {
	for (const signal of ['SIGINT', 'SIGTERM']) {
		const agent = await startAgent(t);
		const { code, ms } = await agent.stop(signal);
		assert.equal(code, 0, agent.stderr);
		assert.ok(ms < 10_000, `${signal} took ${ms} ms`);
		t.diagnostic(`${signal}: ${ms.toFixed(0)} ms`);
		assert.equal(agent.stderr, '');
	}
});
