/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes viewer/wire.js from include/wire.h, by way of the compiler: what BTF says is what the agent
 * is built with.
 *
 *   node tests/lint/wire.mjs           writes viewer/wire.js
 *   node tests/lint/wire.mjs --check   exits 1 when the file is another one
 *
 * Enums become constants; structs become an object with their size and the place of each field.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const header_path = path.join(root, "include/wire.h");
const output_path = path.join(root, "viewer/wire.js");

const clang = process.env.CLANG ?? "clang";
const bpftool = process.env.BPFTOOL ?? (existsSync("/usr/sbin/bpftool") ? "/usr/sbin/bpftool" : "bpftool");
const compiler = process.env.CC ?? "gcc";

/** The names of the enums, in the order of the header: BTF holds only what a global uses. */
function enum_names(header) {
	return [...header.matchAll(/^enum (\w+) \{/gm)].map(([, name]) => name);
}

/** A program that declares a global of each type, compiled, and its BTF. */
function types_read(header) {
	const folder = mkdtempSync(path.join(tmpdir(), "flickerscope-wire-"));
	try {
		const source = ['#include "wire.h"', "union wire_any every_struct;",
			...enum_names(header).map((name) => `enum ${name} one_${name};`), ""].join("\n");
		writeFileSync(path.join(folder, "every_type.c"), source);
		/* Where Debian keeps asm/types.h, which clang does not look at for another target. */
		const multiarch = execFileSync(compiler, ["-dumpmachine"], { encoding: "utf8" }).trim();
		execFileSync(clang, ["-g", "-O2", "-target", "bpf", `-I${path.dirname(header_path)}`,
			"-idirafter", `/usr/include/${multiarch}`, "-c", "every_type.c", "-o", "every_type.o"],
			{ cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
		return JSON.parse(execFileSync(bpftool, ["-j", "btf", "dump", "file", "every_type.o"],
			{ cwd: folder, encoding: "utf8" })).types;
	} finally {
		rmSync(folder, { recursive: true });
	}
}

function enum_print(type) {
	const lines = type.values.map(({ name, val }) => `export const ${name} = ${val};`);
	return [`/* enum ${type.name} */`, ...lines, ""];
}

/** Bytes of a type, through typedefs and arrays. */
function size_of(types, id) {
	const type = types.get(id);
	switch (type.kind) {
	case "TYPEDEF":
		return size_of(types, type.type_id);
	case "ARRAY":
		return type.nr_elems * size_of(types, type.type_id);
	default:
		return type.size;
	}
}

function struct_print(types, type) {
	const lines = type.members.map((member) => {
		const offset = member.bits_offset / 8;
		return `\t${member.name}: { offset: ${offset}, size: ${size_of(types, member.type_id)} },`;
	});
	return [`export const ${type.name} = Object.freeze({`, `\tSIZE: ${type.size},`, ...lines, "});", ""];
}

function wire_print() {
	const header = readFileSync(header_path, "utf8");
	const types = new Map(types_read(header).map((type) => [type.id, type]));
	const by_name = (kind) => new Map([...types.values()]
		.filter((type) => type.kind === kind).map((type) => [type.name, type]));
	const enums = by_name("ENUM");
	const structs = by_name("STRUCT");
	const any = by_name("UNION").get("wire_any");
	const lines = [
		"/* SPDX-License-Identifier: Apache-2.0 */",
		"/* Generated from include/wire.h by `make wire`: change that file instead. */",
		"",
	];
	for (const name of enum_names(header))
		lines.push(...enum_print(enums.get(name)));
	for (const { type_id } of any.members)
		lines.push(...struct_print(types, structs.get(types.get(type_id).name)));
	lines.pop();
	return `${lines.join("\n")}\n`;
}

const text = wire_print();
if (process.argv.includes("--check")) {
	const written = existsSync(output_path) ? readFileSync(output_path, "utf8") : "";
	if (written !== text) {
		console.error("viewer/wire.js is not what include/wire.h says: run `make wire`");
		process.exit(1);
	}
} else {
	writeFileSync(output_path, text);
}
