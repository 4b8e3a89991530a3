/* SPDX-License-Identifier: Apache-2.0 */
/* The manual pages and the completions say what --help says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { program, temporaryFolder } from './agent.mjs';

function output(...args) {
	const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
	assert.equal(stderr, '');
	assert.equal(status, 0);
	return stdout;
}

const manual = (what) => output('manual', what);
const commands = [...output('--help').matchAll(/^ {2}(\w+) {2,}/gm)].map(([, name]) => name);
const help = new Map(commands.map((name) => [name, output(name, '--help')]));
const optionsOf = (name) => [...help.get(name).matchAll(/^ {2}(?:-(\w), | {4})--([\w-]+)(?: (\S+))? +\S/gm)]
	.map(([, short, long, argument]) => ({ short, long, argument }));

test('the page has every command with its options, the page of the file those of live', () => {
	const plain = (text) => text.replaceAll('\\-', '-').replaceAll('\\&', '').replaceAll('\\e', '\\');
	const sections = new Map(plain(manual('page')).split(/^\.SS /m).slice(1).map((text) => [text.split('\n')[0], text]));
	assert.deepEqual([...sections.keys()], commands);
	for (const name of commands) {
		const shown = [...help.get(name).split('Options:\n')[1].matchAll(/^ +(-.*?--\S+|--\S+)( [A-Z]\S*)? +(.*)$/gm)];
		assert.ok(shown.length >= 2);
		for (const [, option, argument = '', words] of shown)
			assert.ok(sections.get(name).includes(`${option}${argument}\n${words}\n`), `${name} ${option}`);
	}
	const file = [...plain(manual('config-page')).matchAll(/^\.TP\n\.B ([\w-]+)/gm)].map(([, name]) => name);
	assert.deepEqual(file, optionsOf('live').map(({ long }) => long).filter((name) => name !== 'help' && name !== 'config'));
});

test('bash completes commands, options, words and files', (t) => {
	const folder = temporaryFolder(t);
	writeFileSync(join(folder, 'a file.flk'), '');
	const script = `${manual('bash')}
complete_line() {
	read -ra COMP_WORDS <<<"$1"
	[[ $1 == *' ' ]] && COMP_WORDS+=('')
	COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)) COMPREPLY=()
	_flickerscope
	(IFS='|'; echo "\${COMPREPLY[*]}")
}
while IFS= read -r line; do complete_line "$line"; done`;
	const lines = ['flickerscope re', 'flickerscope report --by ', 'flickerscope convert --to f', 'flickerscope view a',
		'flickerscope --li', 'flickerscope info --js', 'flickerscope manual ', ...commands.map((name) => `flickerscope ${name} --`)];
	const { stdout, stderr } = spawnSync('bash', ['-c', script], { cwd: folder, encoding: 'utf8', input: `${lines.join('\n')}\n` });
	assert.equal(stderr, '');
	const [re, by, to, view, live, json, what, ...all] = stdout.split('\n').map((line) => line.split('|').sort());
	assert.deepEqual(re, ['record', 'report']);
	assert.deepEqual(by, ['function', 'module', 'process', 'thread']);
	assert.deepEqual(to, ['flicker', 'folded']);
	assert.deepEqual(view, ['a file.flk']);
	assert.deepEqual(live, ['--listen']);
	assert.deepEqual(json, ['--json']);
	assert.deepEqual(what, ['bash', 'config-page', 'page', 'zsh']);
	commands.forEach((name, i) => assert.deepEqual([...new Set(all[i])],
		[...new Set(optionsOf(name).map(({ long }) => `--${long}`))].sort(), name));
});
