/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of functions, processes and files as they are shown. They are bytes from strangers: a
 * control or direction character is made visible, never obeyed. Demangled names are shortened for
 * the graph; cards show the whole.
 */

/** Names above this many letters are shown cut: nobody reads them and layout would. */
const letters_max = 2000;

/*
 * C0 and C1 controls, soft hyphen, zero-width and direction characters, line separators, the
 * byte order mark, tags and lone surrogates.
 */
const hidden =
	/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/**
 * @param {string} text
 * @returns {string} with every hidden character as its number, such as "⟨U+202E⟩"
 */
export function name_escape(text) {
	const cut = text.length > letters_max ? `${text.slice(0, letters_max)}…` : text;
	return cut.replace(hidden, (letter) => {
		const code = /** @type {number} */ (letter.codePointAt(0));
		return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
	});
}

const open_of = /** @type {Record<string, string>} */ ({ ")": "(", ">": "<", "}": "{", "]": "[" });

/**
 * Letters of operators that would look like brackets: the span of "operator<<", "operator->",
 * "operator()" and so on, from the index of "operator".
 * @param {string} name
 * @param {number} at
 * @returns {number} letters to copy as they are, 0 when there is no operator here
 */
function operator_length(name, at) {
	if (!name.startsWith("operator", at) || /\w/.test(name[at - 1] ?? ""))
		return 0;
	const symbol = /^operator\s*(?:\(\)|\[\]|<=>|->\*?|<<=?|>>=?|<=?|>=?)/.exec(name.slice(at, at + 16));
	if (!symbol)
		return 0;
	/* "operator<" before a template argument list: "operator< <int>" or "operator<<int>(". */
	return symbol[0].length;
}

/**
 * The parts of a name at the top level and the bracketed parts between them.
 * @param {string} name
 * @returns {{ text: string, bracket: string }[] | null} null when brackets don't match
 */
function name_split(name) {
	const parts = [];
	/** @type {string[]} */
	const stack = [];
	let start = 0;
	for (let i = 0; i < name.length; i++) {
		const operator = operator_length(name, i);
		if (operator) {
			i += operator - 1;
			continue;
		}
		const letter = name[i];
		if (letter === "(" || letter === "<" || letter === "{" || letter === "[") {
			if (!stack.length) {
				parts.push({ text: name.slice(start, i), bracket: "" });
				start = i;
			}
			stack.push(letter);
		} else if (open_of[letter]) {
			if (letter === ">" && name[i - 1] === "-")
				continue; /* "-> T" of a Rust or a trailing return type */
			if (stack.pop() !== open_of[letter])
				return null;
			if (!stack.length) {
				parts.push({ text: name.slice(start, i + 1), bracket: letter });
				start = i + 1;
			}
		}
	}
	if (stack.length)
		return null;
	parts.push({ text: name.slice(start), bracket: "" });
	return parts.filter((part) => part.text);
}

/**
 * What a bracketed part is shown as.
 * @param {{ text: string, bracket: string }} part
 * @param {boolean} leads whether it opens the name or follows "::"
 */
function bracket_shorten(part, leads) {
	const inside = part.text.slice(1, -1);
	if (part.bracket === ")") {
		if (inside === "anonymous namespace")
			return "(anon)";
		/* Go's receivers, "net.(*conn).Read", and JavaScript's nameless functions. */
		if (leads || inside[0] === "*" || inside === "anonymous")
			return part.text;
		return inside.trim() ? "(…)" : "()";
	}
	if (part.bracket === ">") {
		/* Rust: "<core::iter::Map<I, F> as Iterator>::next" -> "<Map as Iterator>::next". */
		if (leads) {
			const [type, trait] = inside.split(/ as (?![^<]*>)/);
			const short = name_last(type);
			return trait ? `<${short} as ${name_last(trait)}>` : `<${short}>`;
		}
		return inside.length <= 12 ? part.text : "<…>";
	}
	if (part.bracket === "}")
		return part.text.replace(/\(.*\)/, "");
	return part.text;
}

/**
 * The last part of a path of a type, without its arguments.
 * @param {string} type
 */
function name_last(type) {
	const parts = name_split(type.trim());
	if (!parts)
		return type.trim();
	const plain = parts.filter((part) => !part.bracket).map((part) => part.text).join("");
	return plain.slice(plain.lastIndexOf("::") + 1 || 0).replace(/^:/, "").trim() || type.trim();
}

/** Of a function without a name, such as "/usr/lib/libc.so.6+0x1234", the folder is left out. */
const unnamed_folder = /^\/(?:[^/]*\/)*(?=[^/]+\+0x[0-9a-f]+$)/;

/** @type {Map<string, string>} */
const shortened = new Map();
const shortened_max = 50000;

/**
 * `std::vector<int, std::allocator<int>>::push_back(int const&)` -> `std::vector<…>::push_back(…)`,
 * with a return type and qualifiers left out. Names that are no demangled ones come back as they
 * are, but escaped.
 * @param {string} name
 */
export function name_shorten(name) {
	const known = shortened.get(name);
	if (known !== undefined)
		return known;
	const short = name_escape(shorten(name.replace(unnamed_folder, "")));
	if (shortened.size >= shortened_max)
		shortened.clear();
	shortened.set(name, short);
	return short;
}

/** @param {string} name */
function shorten(name) {
	if (name.length > letters_max || !/[(<]/.test(name))
		return name;
	const parts = name_split(name);
	if (!parts)
		return name;
	let text = "";
	/* Where the name starts: templates are demangled with their return type before it. */
	let name_at = 0, called = false;
	for (const part of parts) {
		if (part.bracket) {
			const short = bracket_shorten(part, text === "" || /(?:::|decltype)$/.test(text));
			called ||= part.bracket === ")" && (short === "(…)" || short === "()");
			text += short;
			continue;
		}
		/* After the parameters: qualifiers, clones and what hangs below a function. */
		const plain = called
			? part.text.replace(/^(?: const| volatile| noexcept| &{1,2})+/, "")
			: part.text;
		const space = plain.lastIndexOf(" ");
		if (!called && space >= 0 && !/\boperator\S* $/.test(plain.slice(0, space + 1)))
			name_at = text.length + space + 1;
		text += plain;
	}
	const named = called && name_at < text.length ? text.slice(name_at) : text;
	return named.replace(/\[clone (\.[^\]]*)\]/g, "$1").trim();
}
