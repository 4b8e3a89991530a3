/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the real program for a test, and ends it. Each agent has a port, a token and a folder of
 * its own, so that tests never meet another agent.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, existsSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const program = join(root, 'build', 'flickerscope');

/** The path of a program with known stacks, built from tests/e2e/load_NAME.c. */
export const loadPath = (name) => join(root, 'build', 'release', 'bin', `load_${name}`);

/** The number of the user that its confined processes are here: agent/base/own_user.h. */
export const ownUser = () => /^flickerscope:[^:]*:(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[1] ?? '65534';

const START_TIME_MAX_MS = 10_000;
const STOP_TIME_MAX_MS = 10_000; // ten times the target of one second

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until check() gives something true, and returns that; fails after timeMs, in words. */
export async function until(check, words, timeMs = 20_000) {
	const end = Date.now() + timeMs;
	/* What comes at once is not waited for long; what takes long is not asked for often. */
	for (let pauseMs = 2; ; pauseMs = Math.min(50, pauseMs * 1.5)) {
		const value = await check();
		if (value) return value;
		if (Date.now() > end) throw new Error(`after ${timeMs} ms still not: ${words}`);
		await sleep(pauseMs);
	}
}

/** A folder that is removed when the test ends. */
export function temporaryFolder(test) {
	const folder = mkdtempSync(join(tmpdir(), 'flickerscope-'));
	test.after(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}

/*
 * A test that is killed ends nothing: the kernel ends the agent then (prctl(2), PR_SET_PDEATHSIG, which setpriv sets
 * before it becomes the agent). And a file of tests whose runner is gone ends, which it would not notice itself.
 */
const spawnMortal = (path, args, options) => spawn('/usr/bin/setpriv', ['--pdeathsig', 'TERM', '--', path, ...args], options);

if (process.env.NODE_TEST_CONTEXT) {
	const { ppid } = process;
	setInterval(() => process.ppid === ppid || process.exit(1), 1000).unref();
}

/** Runs the program to its end. */
export function run(args, { timeMs = 60_000, env = process.env } = {}) {
	return new Promise((resolve) => {
		const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
		const timer = setTimeout(() => child.kill('SIGKILL'), timeMs);
		let stdout = '';
		let stderr = '';
		child.stdout.on('data', (text) => (stdout += text));
		child.stderr.on('data', (text) => (stderr += text));
		child.on('close', (code, signal) => {
			clearTimeout(timer);
			resolve({ code, signal, stdout, stderr });
		});
	});
}

/**
 * Starts `flickerscope live` (or another command that serves) and waits for its address.
 * @param {import('node:test').TestContext} test ends the agent when it ends
 * @param {string[]} args behind the command's name
 * @param {{command?: string, port?: number, folder?: string, path?: string, env?: object}} options path: of another program
 */
export async function startAgent(test, args = [], { command = 'live', port = 0, folder, path = program, env = process.env } = {}) {
	if (!existsSync(path)) throw new Error(`${path} is not built`);
	const home = folder ?? temporaryFolder(test);
	const startedAt = performance.now();
	const child = spawnMortal(
		path,
		[command, '--listen', `127.0.0.1:${port}`, '--token-file', join(home, 'token'), ...args],
		{ stdio: ['ignore', 'pipe', 'pipe'], env },
	);
	const agent = {
		child,
		pid: child.pid,
		home,
		startedAt,
		stdout: '',
		stderr: '',
		url: '',
		origin: '',
		token: '',
		port: 0,
		exit: null,
		/** Ends it with a signal; gives its exit code and how long it took. */
		async stop(signal = 'SIGTERM') {
			if (agent.exit) return { ...agent.exit, ms: 0 };
			const began = performance.now();
			child.kill(signal);
			const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIME_MAX_MS);
			const exit = await exited;
			clearTimeout(timer);
			return { ...exit, ms: performance.now() - began };
		},
	};
	const exited = new Promise((resolve) => {
		child.on('close', (code, killedBy) => resolve((agent.exit = { code, signal: killedBy })));
	});
	agent.exited = exited;
	test.after(() => agent.stop());
	child.stderr.on('data', (text) => (agent.stderr += text));
	child.stdout.on('data', (text) => (agent.stdout += text));
	await until(
		() => {
			if (agent.exit) throw new Error(`it ended with ${agent.exit.code}: ${agent.stderr}`);
			return agent.stdout.includes('\n');
		},
		'the address on standard output',
		START_TIME_MAX_MS,
	);
	agent.url = agent.stdout.split('\n')[0].trim();
	const parsed = new URL(agent.url);
	agent.origin = parsed.origin;
	agent.port = Number(parsed.port);
	agent.token = parsed.hash.slice(1);
	return agent;
}

/** Starts a program with known stacks; it is ended with the test. */
export function startLoad(test, name, args = [], options = {}) {
	const child = spawn(loadPath(name), args.map(String), { stdio: 'ignore', ...options });
	const ended = new Promise((resolve) => child.on('close', resolve));
	test.after(async () => {
		child.kill('SIGKILL');
		await ended;
	});
	return child;
}

/** ... that leaves the CPUs to others who want them: the test itself and its browser have work to do. */
export function startPatientLoad(...args) {
	const load = startLoad(...args);
	setPriority(load.pid, constants.priority.PRIORITY_LOW);
	return load;
}
