/* SPDX-License-Identifier: Apache-2.0 */
/* The package for Debian, and the service in it: what it may do is enough, and is all. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, readFileSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadPath, program, root, run, sleep, temporaryFolder, until } from './agent.mjs';

const OTHER_USER = 1234;
/** Of the user that the package makes; some number that the system may give. */
const OWN_USER = 987;
const NOBODY = 65534;
const unit = join(root, 'packaging', 'systemd', 'flickerscope.service');

function ran(command, ...args) {
	const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
	assert.equal(status, 0, `${command} ${args.join(' ')}: ${stdout}${stderr}`);
	return stdout;
}

/** The values of a setting of the unit, in their order. */
const settings = (name) => [...readFileSync(unit, 'utf8').matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value);

test('the package has the program, its pages, its service, and one file of options', (t) => {
	const folder = temporaryFolder(t);
	const [tree, file, out] = ['tree', 'flickerscope.deb', 'out'].map((name) => join(folder, name));
	ran('packaging/install', program, tree, '/usr');
	ran('packaging/deb/build', tree, '1.2.3', file);
	const field = (name) => ran('dpkg-deb', '-f', file, name).trim();
	assert.equal(field('Version'), '1.2.3');
	assert.match(field('Depends'), /libbpf1 .*libc6 .*libelf1 .*libwebsockets.*, adduser$/);
	assert.ok(Number(field('Installed-Size')) > 500);
	ran('dpkg-deb', '-R', file, out);
	assert.deepEqual(readdirSync(join(out, 'DEBIAN')).sort(), ['conffiles', 'control', 'md5sums', 'postinst', 'postrm', 'prerm']);
	assert.equal(readFileSync(join(out, 'DEBIAN', 'conffiles'), 'utf8'), '/etc/flickerscope.conf\n');
	for (const script of ['postinst', 'postrm', 'prerm']) ran('sh', '-n', join(out, 'DEBIAN', script));
	const listed = ran('dpkg-deb', '-c', file).trim().split('\n').map((line) => line.split(/\s+/)).filter(([mode]) => mode[0] === '-');
	assert.deepEqual(listed.map(([mode, owner, , , , path]) => `${mode} ${owner} ${path}`), [
		'-rw-r--r-- root/root ./etc/flickerscope.conf',
		'-rw-r--r-- root/root ./lib/systemd/system/flickerscope.service',
		'-rwxr-xr-x root/root ./usr/bin/flickerscope',
		'-rw-r--r-- root/root ./usr/share/bash-completion/completions/flickerscope',
		'-rw-r--r-- root/root ./usr/share/doc/flickerscope/changelog.gz',
		'-rw-r--r-- root/root ./usr/share/doc/flickerscope/copyright',
		'-rw-r--r-- root/root ./usr/share/man/man1/flickerscope.1.gz',
		'-rw-r--r-- root/root ./usr/share/man/man5/flickerscope.conf.5.gz',
		'-rw-r--r-- root/root ./usr/share/zsh/vendor-completions/_flickerscope',
	]);
	ran(join(out, 'usr/bin/flickerscope'), '--version');
	/* The file as it is installed changes nothing, and each line of it could stand there. */
	const lines = readFileSync(join(out, 'etc/flickerscope.conf'), 'utf8').split('\n').filter((line) => line.includes(' = '));
	assert.ok(lines.length >= 3 && lines.every((line) => line.startsWith('#')));
	const help = ran(program, 'live', '--help');
	for (const line of lines) assert.ok(help.includes(`--${line.slice(1).split(' ')[0]} `), line);
});

test('a container has the capabilities of the unit, and what is written for operators names what there is', () => {
	const container = readFileSync(join(root, 'packaging', 'container', 'Containerfile'), 'utf8');
	const [, added] = container.match(/--cap-add=(\S+)/);
	assert.deepEqual(added.split(',').sort(), settings('CapabilityBoundingSet')[0].split(' ').map((name) => name.replace('CAP_', '')).sort());
	const text = readFileSync(join(root, 'packaging', 'production.md'), 'utf8');
	const metrics = readFileSync(join(root, 'agent', 'serve', 'metrics.c'), 'utf8');
	const help = ran(program, 'live', '--help') + ran(program, 'record', '--help');
	const named = [...text.matchAll(/flickerscope_(\w+_total)/g)].map(([, name]) => name);
	assert.ok(named.length >= 5);
	for (const name of named) assert.ok(metrics.includes(`"${name}"`), name);
	for (const [, option] of text.matchAll(/`--([a-z-]+)/g)) assert.ok(help.includes(`--${option} `) || help.includes(`--${option}\n`), option);
});

test('systemd takes the unit, and finds it closed but for what sampling is', () => {
	ran('systemd-analyze', 'security', '--offline=true', '--threshold=30', unit);
});

const unitCapabilities = () => settings('CapabilityBoundingSet')[0].split(' ').map((name) => name.slice(4).toLowerCase());

/** The host's users, with one of this number for the agent, or without any. */
function writeUsers(path, number) {
	const others = readFileSync('/etc/passwd', 'utf8').split('\n').filter((line) => line && !line.startsWith('flickerscope:'));
	const own = number ? [`flickerscope:x:${number}:${number}::/nonexistent:/usr/sbin/nologin`] : [];
	writeFileSync(path, [...others, ...own, ''].join('\n'));
}

/** Runs a command as the service is run: with these users and capabilities, and without a sight of who is others'. */
function startAsService(users, capabilities, command) {
	const bounding = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
	return spawn('unshare', ['-m', 'sh', '-c', `mount --bind "$0" /etc/passwd && mount -t proc -o hidepid=${settings('ProtectProc')[0]} proc /proc && exec "$@"`,
		users, 'setpriv', '--bounding-set', bounding, '--inh-caps=-all', '--no-new-privs', ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** As the kernel tells a user: real, effective, saved, of the file system. */
const fourTimes = (id) => Array(4).fill(id).join('\t');

const statusOf = (pid) => Object.fromEntries(readFileSync(`/proc/${pid}/status`, 'utf8').split('\n').map((line) => line.split(':\t')));

/** What comes of half a second's recording of somebody else's program, whose file is gone, and what the process that records it is. */
async function recordAsService(users, capabilities, pid, file) {
	const child = startAsService(users, capabilities, [program, 'record', '-F', '499', '-p', String(pid), '-o', file]);
	let ended = false;
	const end = once(child, 'close').finally(() => (ended = true));
	const status = () => {
		try {
			return statusOf(child.pid);
		} catch {
			return {}; // it has ended
		}
	};
	await until(() => ended || status().Seccomp === '2', 'its list of system calls');
	const { Uid, Gid, CapPrm, CapBnd } = status();
	let rootEntries = null;
	try {
		rootEntries = readdirSync(`/proc/${child.pid}/root/`).length;
	} catch ({ code: error }) {
		if (error === 'ESRCH') rootEntries = 0; // it is the folder of a process that is gone
	}
	await sleep(500);
	child.kill('SIGINT');
	const [code] = await end;
	const { stdout } = await run(['report', file]);
	return { code, named: stdout.includes('busy_leaf'), Uid, Gid, CapPrm, CapBnd, rootEntries };
}

test('the service needs each of its capabilities', async (t) => {
	const folder = temporaryFolder(t);
	const copy = join(folder, 'busy');
	copyFileSync(loadPath('busy'), copy);
	chmodSync(copy, 0o700);
	chmodSync(folder, 0o711);
	chownSync(copy, OTHER_USER, OTHER_USER);
	const load = spawn(copy, ['-s', '60', '-t', '1'], { uid: OTHER_USER, gid: OTHER_USER, stdio: 'ignore' });
	t.after(() => load.kill('SIGKILL'));
	await until(() => readFileSync(`/proc/${load.pid}/comm`, 'utf8') === 'busy\n', 'the program');
	unlinkSync(copy);
	/* SYS_ADMIN stands for several others: the unit has it for kernels that ask for it alone. */
	const asked = Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8')) > 2;
	const all = unitCapabilities().filter((name) => !(asked ? ['bpf', 'perfmon', 'checkpoint_restore'] : ['sys_admin']).includes(name));
	const users = join(folder, 'passwd');
	writeUsers(users, OWN_USER);
	const outcomeWithout = (missing) =>
		recordAsService(users, all.filter((name) => name !== missing), load.pid, join(folder, `${missing}.flk`));
	const whole = await outcomeWithout('nothing');
	const own = fourTimes(OWN_USER);
	const none = '0'.repeat(16);
	assert.deepEqual(whole, { code: 0, named: true, Uid: own, Gid: own, CapPrm: none, CapBnd: none, rootEntries: 0 });
	await Promise.all(all.map(async (name) => assert.notDeepEqual(await outcomeWithout(name), whole, name)));
});

/** What the kernel tells of a process and of all below it. */
function processesOf(pid) {
	try {
		const children = readdirSync(`/proc/${pid}/task`).flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').match(/\d+/g) ?? []);
		return [statusOf(pid), ...children.flatMap(processesOf)];
	} catch {
		return []; // it has ended meanwhile
	}
}

for (const [number, words] of [[OWN_USER, 'a user of their own where there is one'], [NOBODY, 'nobody where there is none']])
	test(`all processes of the service but one are ${words}`, async (t) => {
		const folder = temporaryFolder(t);
		const users = join(folder, 'passwd');
		writeUsers(users, number === NOBODY ? 0 : number);
		const child = startAsService(users, unitCapabilities(), [program, 'live', '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token')]);
		t.after(() => child.kill('SIGKILL'));
		await once(child.stdout, 'data');
		/* Main, the one that is root, and five that start workers, each with its worker. */
		const all = await until(() => {
			const found = processesOf(child.pid);
			return found.length === 12 && found.every(({ Seccomp }) => Seccomp === '2') && found;
		}, 'all of them, confined');
		const own = fourTimes(number), none = '0'.repeat(16);
		for (const { Name, Uid, Gid, Groups, CapPrm } of all)
			if (Name === 'flicker-paths') assert.deepEqual([Uid, Gid], [fourTimes(0), fourTimes(0)]);
			else assert.deepEqual([Uid, Gid, Groups.trim(), CapPrm], [own, own, '', none], Name);
		assert.equal(all.filter(({ Name }) => Name === 'flicker-paths').length, 1);
	});

/** systemd's groups of system calls, each with the names in it and those of the groups in it. */
function callGroups() {
	const groups = new Map();
	for (const text of ran('systemd-analyze', 'syscall-filter').split(/\n(?=@)/)) {
		const [name, ...lines] = text.split('\n').map((line) => line.trim());
		groups.set(name, lines.filter((line) => line && !line.startsWith('#')));
	}
	return groups;
}

test('the service samples with the capabilities and the system calls of the unit, and needs no other', async (t) => {
	const folder = temporaryFolder(t);
	const trace = join(folder, 'trace');
	const groups = callGroups();
	const calls = (name) => groups.get(name)?.flatMap(calls) ?? [name];
	const allowed = new Set();
	for (const filter of settings('SystemCallFilter'))
		for (const call of filter.replace('~', '').split(' ').flatMap(calls))
			if (filter.startsWith('~')) allowed.delete(call);
			else allowed.add(call);
	const users = join(folder, 'passwd');
	writeUsers(users, OWN_USER);
	const child = startAsService(users, unitCapabilities(), ['strace', '-f', '-qq', '-o', trace,
		program, 'live', '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token')]);
	t.after(() => child.kill('SIGKILL'));
	let [stdout, stderr] = ['', ''];
	child.stdout.on('data', (text) => (stdout += text));
	child.stderr.on('data', (text) => (stderr += text));
	const port = await until(() => /^http:\/\/127\.0\.0\.1:(\d+)\//.exec(stdout)?.[1] ?? (child.exitCode !== null && 'none'), 'an address');
	assert.notEqual(port, 'none', stderr);
	const file = join(folder, 'window.flk');
	const samples = await until(async () => {
		assert.equal((await run(['dump', '--port', port, '--force', '-o', file])).code, 0);
		return JSON.parse((await run(['info', '--json', file])).stdout).samples;
	}, 'samples');
	assert.ok(samples > 0);
	const agent = Number(/^(\d+) /.exec(readFileSync(trace, 'utf8'))[1]);
	process.kill(agent, 'SIGINT');
	await until(() => child.exitCode !== null, 'its end');
	assert.equal(stderr, '');
	/* Nothing of what the workers leave was refused to them. */
	const refused = readFileSync(trace, 'utf8').split('\n').filter((line) => /\b(chroot|setresuid|setresgid|setgroups|capset)\b.* = -1 /.test(line));
	assert.deepEqual(refused, []);
	const used = new Set([...readFileSync(trace, 'utf8').matchAll(/^\d+ +([a-z][a-z_0-9]*)\(/gm)].map(([, name]) => name));
	assert.ok(used.has('bpf') && used.has('perf_event_open') && used.has('setresuid'));
	assert.deepEqual([...used].filter((name) => !allowed.has(name)), []);
});
