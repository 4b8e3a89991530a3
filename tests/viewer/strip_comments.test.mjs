/* SPDX-License-Identifier: Apache-2.0 */
/* What is embedded in the program is what stands in the tree, but for comments and white space. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../../", import.meta.url));
const program = path.join(root, "packaging/strip-comments.awk");

const strip_run = (options, input) => spawnSync("awk", [...options, "-f", program], { input, encoding: "utf8",
	env: { ...process.env, LC_ALL: "C" } });

function strip(source, options = []) {
	const { status, stdout, stderr } = strip_run(options, source);
	assert.equal(status, 0, stderr);
	return stdout;
}

/** Every token of a module, with its kind, as a real parser sees it. */
function tokens(source) {
	const file = ts.createSourceFile("module.js", source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
	assert.deepEqual(file.parseDiagnostics.map(({ messageText }) => messageText), []);
	const found = [];
	const visit = (node) => {
		if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode)
			return;
		const children = node.getChildren(file);
		if (!children.length && node.getText(file))
			found.push(`${ts.SyntaxKind[node.kind]} ${node.getText(file)}`);
		children.forEach(visit);
	};
	visit(file);
	return found;
}

const files = (ending) => readdirSync(path.join(root, "viewer"), { recursive: true })
	.filter((name) => name.endsWith(ending)).map((name) => path.join(root, "viewer", name));

test("modules without their comments have the same tokens", () => {
	const modules = [...files(".js"), path.join(root, "packaging/export-boot.js")];
	assert.ok(modules.length > 30, `${modules.length} modules`);
	for (const name of modules) {
		const source = readFileSync(name, "utf8"), stripped = strip(source);
		assert.deepEqual(tokens(stripped), tokens(source), name);
		assert.ok(stripped.length < source.length, name);
		assert.doesNotMatch(stripped, /SPDX|@param|^\t/m, name);
	}
});

test("what looks like a comment in a string, a template or a regular expression stays", () => {
	const source = [
		'const a = "// no /* comment */", b = \'/* \\\' */ //\'; // one',
		'const c = /\\/\\*[/*"\'\\]]+\\//g, d = 6 / 2 / 3, /* two */ e = (d) / d;',
		'const f = `  // no',
		'	/* no */ ${ /* three */ `inner ${ { k: "}" }.k /* four',
		'	still four */ } //` } \\${ \\` // no',
		'  `;',
		'if (/[/]/.test(a)) value();',
		'const g = [1, 2].map((n) => n / 2), h = a ? /x/ : /* five */ /y/;',
		'function value() { return /\\//.source + typeof /a/; }',
	].join("\n") + "\n";
	const stripped = strip(source);
	assert.deepEqual(tokens(stripped), tokens(source));
	for (const number of ["one", "two", "three", "four", "five"])
		assert.ok(!stripped.includes(number), number);
});

test("lines stay lines, where a statement may end without a semicolon", () => {
	assert.equal(strip("let a = 1 /* over\n\ttwo lines */\nlet b\n\n\t\tb = a // end\n"), "let a = 1\nlet b\nb = a\n");
	assert.equal(strip("a/**/b\n").trim(), "a b");
});

test("the style sheet says the same", () => {
	const plain = (text) => text.replace(/\/\*[^]*?\*\//g, " ").replace(/\s+/g, " ").trim();
	for (const name of files(".css")) {
		const source = readFileSync(name, "utf8"), stripped = strip(source, ["-v", "style=1"]);
		assert.equal(plain(stripped), plain(source));
		assert.doesNotMatch(stripped, /\/\*|^\s/m);
	}
	assert.equal(strip("a::before { content: \"/* no */\"; } /* yes */\n", ["-v", "style=1"]), "a::before { content: \"/* no */\"; }\n");
});

test("what it cannot follow is an error", () => {
	for (const source of ["let a = \"open\n", "let a = `open\n", "/* open\n", "let a = /open\n", "`${`"])
		assert.notEqual(strip_run([], source).status, 0, source);
});
