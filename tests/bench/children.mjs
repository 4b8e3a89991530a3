/* SPDX-License-Identifier: Apache-2.0 */
/* What benches have around them: a folder, children that end with them, what these cost, the machine. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Gone at the end. */
export const folder = mkdtempSync(join(tmpdir(), 'flickerscope-bench-'));

const running = new Set();

export const killAll = () => running.forEach((child) => child.kill('SIGKILL'));

process.on('exit', () => {
	killAll();
	rmSync(folder, { recursive: true, force: true });
});
process.on('SIGINT', () => process.exit(1));
process.on('SIGTERM', () => process.exit(1));

/** Another's child, which ends with the bench too. */
export const adopt = (child) => {
	running.add(child);
	child.ended = new Promise((resolve) => child.on('close', (code, signal) => {
		running.delete(child);
		resolve({ code, signal });
	}));
	return child;
};

/**
 * What is piped gathers in `text` and `errors`; `said` waits for its first words, `ended` for its end.
 * @param {import('node:child_process').SpawnOptions} options
 */
export function start(command, args, options = {}) {
	const child = adopt(spawn(command, args.map(String), { stdio: 'ignore', ...options }));
	child.text = child.errors = '';
	child.stdout?.on('data', (text) => (child.text += text));
	child.stderr?.on('data', (text) => (child.errors += text));
	child.said = new Promise((resolve) => child.stdout?.once('data', resolve));
	return child;
}

export async function stop(child, signal = 'SIGINT') {
	child.kill(signal);
	return child.ended;
}

const read = (path) => readFileSync(path, 'utf8');
const tasks = (pid) => readdirSync(`/proc/${pid}/task`);
const childrenOf = (pid) => tasks(pid).flatMap((tid) =>
	read(`/proc/${pid}/task/${tid}/children`).trim().split(' ').filter(Boolean));

/** CPU time of a process with all its threads, in ms, exact, by the scheduler. */
export const ownCpuMs = (pid) => tasks(pid)
	.reduce((sum, tid) => sum + Number(read(`/proc/${pid}/task/${tid}/schedstat`).split(' ')[0]) / 1e6, 0);

/** ... and of all processes below it that live. */
export const cpuMs = (pid) => childrenOf(pid).reduce((sum, child) => sum + cpuMs(child), ownCpuMs(pid));

/** Where control groups of version 2 are, which count the time of all that ever was in one. */
const cgroups = / - cgroup2 /.exec(read('/proc/self/mountinfo')) &&
	read('/proc/self/mountinfo').split('\n').find((line) => line.includes(' - cgroup2 ')).split(' ')[4];

/** CPU time in ms of a whole run of a command: of all its processes, those included that nobody waited for. */
export function wholeRunMs(command, args) {
	if (!cgroups) throw new Error('no cgroup2 is mounted, which counts the time of a whole run');
	const group = join(cgroups, `flickerscope-bench-${process.pid}`);
	mkdirSync(group);
	try {
		const enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"';
		const { status, stderr } = spawnSync('sh', ['-c', enter, group, command, ...args.map(String)], { encoding: 'utf8' });
		if (status !== 0) throw new Error(`${command}: ${stderr}`);
		while (read(join(group, 'cgroup.procs'))) spawnSync('sleep', ['0.05']);
		return Number(/usage_usec (\d+)/.exec(read(join(group, 'cpu.stat')))[1]) / 1000;
	} finally {
		rmdirSync(group);
	}
}

/** Resident memory of a process and all below it, in KiB; what they share is in it once. */
export const residentKiB = (pid) => childrenOf(pid).reduce((sum, child) => sum + residentKiB(child),
	Number(/Pss:\s+(\d+)/.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0));

export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Descriptors that a process and all below it have open. */
export const descriptors = (pid) => childrenOf(pid).reduce((sum, child) => sum + descriptors(child), readdirSync(`/proc/${pid}/fd`).length);

/** When and where it was measured. */
export const where = () => `${new Date().toISOString().slice(0, 10)}, ${cpus().length} CPUs (${cpus()[0].model}), Linux ${release()}`;

export const machine = () => `# ${where()}\n`;
