/* SPDX-License-Identifier: Apache-2.0 */
/* Growing typed arrays and tables of distinct rows: what the profile is made of. */

/** @typedef {Uint8Array | Uint16Array | Uint32Array} CountArray */

/** How full a table of slots may get before it is doubled. */
const load_max = 0.6;

/**
 * @template {Int32Array | Uint32Array | Float64Array | CountArray} A
 * @param {A} array
 * @param {number} size that must fit
 * @returns {A} the same array, or a larger one with its content
 */
export function array_grown(array, size) {
	if (size <= array.length)
		return array;
	const Kind = /** @type {new (size: number) => A} */ (array.constructor);
	const larger = new Kind(Math.max(size, 16, Math.ceil(array.length * 1.5)));
	larger.set(array);
	return larger;
}

/** @param {number} value @returns {CountArray} an array whose elements can hold it */
function array_for(value) {
	return value < 256 ? new Uint8Array(0) : value < 65536 ? new Uint16Array(0) : new Uint32Array(0);
}

/**
 * The array itself, or a copy whose elements are wide enough for a value.
 * @param {CountArray} array
 * @param {number} value
 * @returns {CountArray}
 */
export function array_widened(array, value) {
	const wanted = array_for(value);
	if (wanted.BYTES_PER_ELEMENT <= array.BYTES_PER_ELEMENT)
		return array;
	const Kind = /** @type {Uint16ArrayConstructor | Uint32ArrayConstructor} */ (wanted.constructor);
	return new Kind(array);
}

/**
 * Gives every distinct row of 32-bit numbers a small id, counting up from 1; 0 means none.
 * Rows are kept as columns; row 0 is all zero. Open addressing, never shrinks.
 */
export class RowTable {
	/** @param {number} width numbers in a row */
	constructor(width) {
		this.width = width;
		/** Rows, row 0 included: the id of the next new row. */
		this.count = 1;
		/** @type {Int32Array[]} */
		this.columns = Array.from({ length: width }, () => new Int32Array(16));
		this.slots = new Int32Array(32);
		/* What strangers sent cannot be made to collide without knowing this. */
		this.seed = (Math.random() * 0x100000000) | 0;
		/** The row that add() takes. */
		this.row = new Int32Array(width);
	}

	get byte_count() {
		return this.slots.byteLength + this.columns.reduce((sum, { byteLength }) => sum + byteLength, 0);
	}

	/** @returns {number} of this.row */
	hash_row() {
		let hash = this.seed;
		for (let i = 0; i < this.width; i++) {
			hash = Math.imul(hash ^ this.row[i], 0x9e3779b1);
			hash ^= hash >>> 15;
		}
		hash = Math.imul(hash, 0x85ebca6b);
		return (hash ^ (hash >>> 13)) >>> 0;
	}

	/** The slot of this.row: it holds its id, or 0. */
	find_slot() {
		const { columns, slots, row, width } = this;
		const mask = slots.length - 1;
		for (let slot = this.hash_row() & mask; ; slot = (slot + 1) & mask) {
			const id = slots[slot];
			if (!id)
				return slot;
			let i = 0;
			while (i < width && columns[i][id] === row[i])
				i++;
			if (i === width)
				return slot;
		}
	}

	/** @returns {number} the id of this.row, 0 when there is none */
	find() {
		return this.slots[this.find_slot()];
	}

	/** @returns {number} the id of this.row, which is added when it is new */
	add() {
		let slot = this.find_slot();
		if (this.slots[slot])
			return this.slots[slot];
		if (this.count >= this.slots.length * load_max) {
			this.double();
			slot = this.find_slot();
		}
		const id = this.count++;
		if (id >= this.columns[0].length)
			this.columns = this.columns.map((column) => array_grown(column, this.count));
		for (let i = 0; i < this.width; i++)
			this.columns[i][id] = this.row[i];
		this.slots[slot] = id;
		return id;
	}

	/**
	 * add() of a row of two.
	 * @param {number} a
	 * @param {number} b
	 */
	add_pair(a, b) {
		const { row, slots, columns: [first, second] } = this;
		row[0] = a;
		row[1] = b;
		/* What find_slot() does, for the tables that are asked for each sample. */
		const low = row[0], high = row[1], mask = slots.length - 1;
		for (let slot = this.hash_row() & mask; slots[slot]; slot = (slot + 1) & mask) {
			const id = slots[slot];
			if (first[id] === low && second[id] === high)
				return id;
		}
		return this.add();
	}

	double() {
		const wanted = this.row.slice();
		this.slots = new Int32Array(this.slots.length * 2);
		for (let id = 1; id < this.count; id++) {
			for (let i = 0; i < this.width; i++)
				this.row[i] = this.columns[i][id];
			this.slots[this.find_slot()] = id;
		}
		this.row.set(wanted);
	}
}

/** Gives every distinct text an id, counting up from 1; 0 is the empty text. */
export class StringTable {
	constructor() {
		/** @type {string[]} */
		this.texts = [""];
		/** @type {Map<string, number>} */
		this.ids = new Map([["", 0]]);
		this.byte_count = 0;
	}

	/** @param {string} text */
	add(text) {
		let id = this.ids.get(text);
		if (id === undefined) {
			id = this.texts.length;
			this.texts.push(text);
			this.ids.set(text, id);
			/* The text and its places in the list and in the map, about. */
			this.byte_count += 2 * text.length + 64;
		}
		return id;
	}
}
