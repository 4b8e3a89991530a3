/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which samples are shown: the one answer for map, lanes, graph, table and sums. It is found once for each CPU, thread and call
 * that there is, and then looked up for each sample.
 */

import { thread_text } from "model/dictionary";
import { array_grown } from "model/tables";
import * as wire from "wire";

/** @typedef {import("model/block").Block} Block */
/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/dictionary").Thread} Thread */

/** What a term is about; its order is that in which people see them. */
export const term_kinds = /** @type {const} */ (["process", "thread", "cpu", "container", "part", "function"]);

/**
 * Samples that are kept or, with `not`, left out. One of several terms of a kind is enough to be kept, and each kind must have one.
 * @typedef {object} Term
 * @property {typeof term_kinds[number]} kind
 * @property {string} value a name; of a thread name and number as thread_text() has it; of a part "kernel" or "user"
 * @property {boolean} not
 */

/** More terms than this are left out: each function takes a bit. */
export const terms_max = 24;

/** CPUs that a sample can be of. */
const cpus_max = 1 << 16;
/** The bits of a call beyond those of the functions. */
const kernel_bit = 1 << 28, user_bit = 1 << 29;

/** @param {Thread} thread @param {Term} term */
function thread_holds(thread, { kind, value }) {
	return value === (kind === "process" ? thread.process : kind === "thread" ? thread_text(thread) : thread.container);
}

/** @param {Term[]} terms @param {(term: Term) => boolean} holds @returns {boolean} */
function terms_pass(terms, holds) {
	const wanted = new Set(), found = new Set();
	for (const term of terms) {
		const held = holds(term);
		if (term.not && held)
			return false;
		if (!term.not)
			wanted.add(term.kind);
		if (!term.not && held)
			found.add(term.kind);
	}
	return wanted.size === found.size;
}

export class SampleFilter {
	/**
	 * @param {Profile} profile
	 * @param {Term[]} terms
	 */
	constructor(profile, terms) {
		this.profile = profile;
		this.terms = terms.slice(0, terms_max);
		const of = (/** @type {string[]} */ ...kinds) => this.terms.filter(({ kind }) => kinds.includes(kind));
		this.cpu_terms = of("cpu");
		this.thread_terms = of("process", "thread", "container");
		this.call_terms = of("part", "function");
		this.function_terms = of("function");
		this.cpus = this.cpus_make();
		/** By thread of the dictionary, as far as they are known. */
		this.threads = new Uint8Array(16);
		this.threads_known = 0;
		/** By call: which functions are on the way to it, and the part it is in itself; and whether it is kept. */
		this.bits = new Int32Array(16);
		this.calls = new Uint8Array(16);
		this.calls_known = 0;
		/** By symbol: its function's bit and, so that 0 is not asked yet, the sign. */
		this.symbols = new Int32Array(16);
		this.names_version = -1;
		this.identity = {};
	}

	/** Whether what is kept changes with names that come late. */
	get by_name() {
		return this.function_terms.length > 0;
	}

	cpus_make() {
		const { cpu_terms } = this;
		const cpus = new Uint8Array(cpus_max).fill(cpu_terms.some(({ not }) => !not) ? 0 : 1);
		for (const { value, not } of [...cpu_terms].sort((a, b) => Number(a.not) - Number(b.not)))
			if (Number(value) < cpus_max)
				cpus[Number(value)] = not ? 0 : 1;
		return cpus;
	}

	/** Takes in what has come to the dictionary. */
	update() {
		const { dictionary } = this.profile;
		if (dictionary.identity !== this.identity || this.by_name && this.names_version !== dictionary.names_version) {
			this.identity = dictionary.identity;
			this.names_version = dictionary.names_version;
			this.threads_known = this.calls_known = 0;
			this.symbols.fill(0);
		}
		if (this.thread_terms.length)
			this.threads_update(dictionary);
		if (this.call_terms.length)
			this.calls_update(dictionary);
	}

	/** @param {Profile["dictionary"]} dictionary */
	threads_update(dictionary) {
		const { count } = dictionary.threads;
		this.threads = array_grown(this.threads, count);
		for (let id = this.threads_known; id < count; id++) {
			const thread = dictionary.thread(id);
			this.threads[id] = Number(terms_pass(this.thread_terms, (term) => thread_holds(thread, term)));
		}
		this.threads_known = count;
	}

	/** @param {Profile["dictionary"]} dictionary */
	calls_update(dictionary) {
		dictionary.calls_update();
		const { calls: { count, columns: [parents, shown] } } = dictionary;
		this.bits = array_grown(this.bits, count);
		this.calls = array_grown(this.calls, count);
		this.symbols = array_grown(this.symbols, dictionary.symbols.count);
		const mask = (/** @type {boolean} */ not, /** @type {string} */ kind) => this.call_terms.reduce((bits, term) =>
			term.not === not && term.kind === kind ? bits | this.term_bit(term) : bits, 0);
		const out = mask(true, "function") | mask(true, "part");
		const functions = mask(false, "function"), parts = mask(false, "part");
		for (let call = this.calls_known; call < count; call++) {
			const own = shown[call] > 0 ? this.symbol_bits(shown[call]) : 0;
			const inherited = call ? this.bits[parents[call]] & ~(kernel_bit | user_bit) : 0;
			const bits = inherited | own |
				(dictionary.call_kind(call) === wire.WIRE_FRAME_KERNEL ? kernel_bit : user_bit);
			this.bits[call] = bits;
			this.calls[call] = !(bits & out) && (!functions || bits & functions) && (!parts || bits & parts) ? 1 : 0;
		}
		this.calls_known = count;
	}

	/** @param {Term} term */
	term_bit(term) {
		return term.kind === "function" ? 1 << this.function_terms.indexOf(term)
			: term.value === "kernel" ? kernel_bit : user_bit;
	}

	/** The functions that a symbol is one of. @param {number} symbol */
	symbol_bits(symbol) {
		const { dictionary } = this.profile;
		if (!this.symbols[symbol]) {
			const name = dictionary.function_text(dictionary.symbols.columns[0][symbol]);
			this.symbols[symbol] = this.function_terms.reduce((bits, term) =>
				term.value === name ? bits | this.term_bit(term) : bits, 1 << 31);
		}
		return this.symbols[symbol] & ~(1 << 31);
	}

	/**
	 * @param {Block} block
	 * @returns {(row: number) => boolean} whether a sample is kept
	 */
	keeps(block) {
		this.update();
		const { cpus, threads, calls } = this;
		const { cpu, thread, thread_ids, stack, stack_ids } = block;
		const { call_of_stack } = this.profile.dictionary;
		const by_cpu = this.cpu_terms.length > 0, by_thread = this.thread_terms.length > 0;
		const by_call = this.call_terms.length > 0;
		return (row) => (!by_cpu || cpus[cpu[row]] > 0) && (!by_thread || threads[thread_ids[thread[row]]] > 0) &&
			(!by_call || calls[call_of_stack[stack_ids[stack[row]]]] > 0);
	}
}
