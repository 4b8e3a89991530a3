/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments that differ from the recent past: more or fewer CPUs busy, or other functions running, beyond
 * what the last minute shows to be usual.
 *
 * Sampling a busy CPU at a fixed rate has almost no noise, and the load of requests far more than
 * Poisson's: so no fixed threshold holds. What is usual is learned from the last minute at each scale
 * of time, and from the last hour's extremes: what comes every few minutes stops being news.
 *
 * Pure: seconds in, marks out, in order. Each second is 40 cells of 25 ms. README.md has the rates of
 * false alarms that were measured.
 */

import { SortedNumbers, array_sum, quantile } from "model/statistics";

/** Cells of a second. */
export const cells_per_second = 40;
const cell_s = 1 / cells_per_second;
/** What ran is kept as CPU time in so many buckets, by process and leaf function. */
export const buckets = 256;
/** Windows of 2, 4, ... 128 cells, each moved by half its length. */
const scales = [2, 4, 8, 16, 32, 64, 128];
/** The reference: so many seconds, the last of which ended so many seconds ago. */
const reference_s = 60, reference_ago_s = 4;
/** Seconds of reference without which nothing is judged. */
const reference_least_s = 30;
/** In spreads. */
const thresholds = { up: 8, down: 5.5, mix: 3.5 };
/** What is that much above the second largest peak of the hour's minutes is news. */
const peak_factor = 1.5, peak_minutes = 60;
/** More or fewer CPUs busy is no news where as many, or as few, were for as long in so many of the hour's minutes. */
const common_minutes = 6;
/** The least change: CPUs, share of all CPUs, and seconds of CPU time. */
const change_least_cpus = 0.3, change_least_share = { up: 0.02, down: 0.02, mix: 0.005 };
const change_least_cpu_s = 0.04;
/** A stretch that does not end within this is a new level. */
const level_s = 30;
/** How often the edges of a stretch are looked for again, with the height that they gave. */
const edge_rounds = 4;
/** A function of which the reference knows nothing surprises by log2 of one over this. */
const share_floor = 0.001;
/** Parts of the usual load that a window's surprise is taken relative to, and the least spread of it. */
const mix_usual_part = 0.3, mix_spread_least = 0.02;
/** One function stands for a window's surprise, and gives it its edges, when so much of the squares is its own. */
const carrier_least = 0.5;
/** How many of the largest seconds of the reference are not what is usual: earlier perturbations. */
const extremes_passed = 2;

/** @typedef {"up" | "down" | "mix"} Kind */
const kinds = /** @type {Kind[]} */ (["up", "down", "mix"]);

/**
 * One second of what ran.
 * @typedef {object} Second
 * @property {number} second of the timeline; a missing one starts a new reference
 * @property {Float32Array} busy CPUs busy by cell
 * @property {Float32Array} mix CPUs busy by cell and bucket: cells_per_second rows of `buckets`
 */

/**
 * @typedef {object} Mark
 * @property {Kind} kind more CPUs busy, fewer, or other functions than usual
 * @property {number} from_us timeline
 * @property {number} to_us
 * @property {number} busy mean of CPUs busy within
 * @property {number} usual CPUs busy in the minute before
 * @property {number} size CPU seconds beyond (or below) the usual
 * @property {number} certainty its score over the threshold, 1 or more
 * @property {boolean} level it did not end: a new level
 */

/** The windows of one scale that end in a second: CPUs busy and surprise, ascending once it is over. */
class Windows {
	constructor() {
		this.means = new Float32Array(0);
		this.surprises = new Float32Array(0);
	}
}

/** What a second leaves behind. */
class Past {
	/** @param {Second} second */
	constructor({ second, busy, mix }) {
		this.second = second;
		this.busy = busy;
		this.mix = mix;
		/** Surprise by cell, by the reference that was valid then; empty when there was none. */
		this.surprise = new Float32Array(0);
		this.windows = scales.map(() => new Windows());
		this.mean = array_sum(busy) / cells_per_second;
		this.bucket_means = new Float32Array(buckets);
		for (let cell = 0; cell < cells_per_second; cell++)
			for (let bucket = 0; bucket < buckets; bucket++)
				this.bucket_means[bucket] += mix[cell * buckets + bucket] / cells_per_second;
	}
}

const nothing = new Float32Array(0);

/** What is usual, at one scale of time. */
class Usual {
	/** @param {number} scale */
	constructor(scale) {
		this.scale = scale;
		this.means = new SortedNumbers();
		this.surprises = new SortedNumbers();
		/** Spreads of CPUs busy, and what surprise is usual with its spread. */
		this.up = this.down = this.surprise = this.surprise_spread = 0;
	}

	/**
	 * @param {Past | undefined} gone
	 * @param {Past | undefined} come
	 */
	replace(gone, come) {
		const { scale } = this;
		this.means.replace(gone?.windows[scale].means ?? nothing, come?.windows[scale].means ?? nothing);
		this.surprises.replace(gone?.windows[scale].surprises ?? nothing,
			come?.windows[scale].surprises ?? nothing);
	}

	/**
	 * @param {Past[]} seconds
	 * @param {number} usual median of the seconds' means
	 * @param {number} spread_least
	 */
	update(seconds, usual, spread_least) {
		const windows = seconds.map(({ windows }) => windows[this.scale])
			.filter(({ means }) => means.length);
		const most = extreme(windows.map(({ means }) => means[means.length - 1]));
		const least = -extreme(windows.map(({ means }) => -means[0]));
		const { values } = this.means;
		const middle = quantile(values, 0.5);
		this.up = Math.max((quantile(values, 0.95) - middle) / 1.645, (most - usual) / 3, spread_least);
		this.down = Math.max((middle - quantile(values, 0.05)) / 1.645, (usual - least) / 3, spread_least);
		this.surprise = quantile(this.surprises.values, 0.5);
		this.surprise_spread = mix_spread_least - this.surprise +
			extreme(windows.filter(({ surprises }) => surprises.length)
				.map(({ surprises }) => surprises[surprises.length - 1]));
	}
}

/** The largest but for those that are passed. @param {number[]} values */
function extreme(values) {
	values.sort((a, b) => a - b);
	return values[Math.max(0, values.length - 1 - extremes_passed)] ?? 0;
}

/** All that a second is compared with. */
class Reference {
	/** @param {number} rate_hz */
	constructor(rate_hz) {
		this.rate_hz = rate_hz;
		this.seconds = /** @type {Past[]} */ ([]);
		this.usual = 0;
		/** CPUs busy by bucket, and of all. */
		this.expected = new Float32Array(buckets);
		this.expected_busy = 1;
		this.weights = new Float32Array(buckets);
		this.scales = scales.map((_, scale) => new Usual(scale));
		/** The first seconds had no reference themselves. */
		this.knows_surprise = false;
		/** The bucket that carried most of the last surprise; -1: none did. */
		this.carrier = -1;
	}

	/** @param {Past[]} seconds in order; mostly those of the last time but for one */
	update(seconds) {
		const had = new Set(this.seconds), has = new Set(seconds);
		const gone = this.seconds.filter((past) => !has.has(past));
		const come = seconds.filter((past) => !had.has(past));
		for (let at = 0; at < Math.max(gone.length, come.length); at++)
			for (const usual of this.scales)
				usual.replace(gone[at], come[at]);
		this.seconds = seconds;
		this.usual = quantile(Float32Array.from(seconds, ({ mean }) => mean).sort(), 0.5);
		this.expected.fill(0);
		for (const { bucket_means } of seconds)
			for (let bucket = 0; bucket < buckets; bucket++)
				this.expected[bucket] += bucket_means[bucket] / seconds.length;
		this.knows_surprise = seconds.filter(({ surprise }) => surprise.length).length >= reference_least_s;
		this.expected_busy = Math.max(array_sum(this.expected), 1e-6);
		this.weights = this.expected.map((cpus) => -Math.log2(cpus / this.expected_busy + share_floor));
		for (const [scale, usual] of this.scales.entries())
			usual.update(seconds, this.usual, 0.5 / (this.rate_hz * scales[scale] * cell_s));
	}

	/**
	 * How surprising what ran is, per CPU that ran. More of all that always runs is none: where more CPUs
	 * are busy than in the reference, as much more of each function is expected. One function that is much
	 * beyond what is expected is more than many that are a little: their squares are added.
	 * @param {Float32Array} sums CPUs busy by bucket, summed over cells
	 * @param {number} cells
	 * @param {number} busy mean of CPUs busy
	 */
	surprise(sums, cells, busy) {
		const more = Math.max(1, busy / this.expected_busy);
		let squares = 0, most = 0;
		for (let bucket = 0; bucket < buckets; bucket++) {
			const beyond = sums[bucket] / cells - more * this.expected[bucket];
			if (beyond <= 0)
				continue;
			const square = (beyond * this.weights[bucket]) ** 2;
			squares += square;
			if (square > most) {
				most = square;
				this.carrier = bucket;
			}
		}
		if (most < carrier_least * squares)
			this.carrier = -1;
		return Math.sqrt(squares) / (busy + mix_usual_part * this.usual + 1e-6);
	}
}

/** Sums of 1, 2, 4, ... cells, so that each window is two of them. */
class Pyramid {
	constructor() {
		/** By level, the block before the last one and the last one: CPUs busy and the buckets. */
		this.levels = scales.map(() => ({ count: 0, busy: [0, 0],
			mix: [new Float32Array(buckets), new Float32Array(buckets)] }));
	}

	/**
	 * @param {number} busy
	 * @param {Float32Array} mix
	 * @param {(scale: number, busy: number, mix: Float32Array) => void} window is called for each window that is complete
	 */
	add(busy, mix, window) {
		let block_busy = busy, block_mix = mix;
		for (let scale = 0; scale < scales.length; scale++) {
			const level = this.levels[scale];
			level.busy.push(block_busy);
			level.busy.shift();
			const [older, newer] = level.mix;
			older.set(block_mix);
			level.mix = [newer, older];
			if (++level.count < 2)
				return;
			const sum = new Float32Array(buckets);
			for (let bucket = 0; bucket < buckets; bucket++)
				sum[bucket] = newer[bucket] + older[bucket];
			const busy_sum = level.busy[0] + level.busy[1];
			window(scale, busy_sum / scales[scale], sum);
			if (level.count % 2)
				return;
			block_busy = busy_sum;
			block_mix = sum;
		}
	}
}

/** The extreme of each of the last minutes. */
class Minutes {
	/**
	 * @param {(a: number, b: number) => number} extreme of two
	 * @param {number} none of no second
	 */
	constructor(extreme, none) {
		this.extreme = extreme;
		this.none = this.current = none;
		this.seconds = 0;
		this.minutes = /** @type {number[]} */ ([]);
		/** The same, the smallest first. */
		this.ascending = this.minutes;
	}

	/** @param {number} value the extreme of a second */
	add(value) {
		this.current = this.extreme(this.current, value);
		if (++this.seconds % 60)
			return;
		this.minutes.push(this.current);
		if (this.minutes.length > peak_minutes)
			this.minutes.shift();
		this.ascending = [...this.minutes].sort((a, b) => a - b);
		this.current = this.none;
	}
}

/** The largest score of each of the last minutes. */
class Peaks extends Minutes {
	constructor() {
		super(Math.max, 0);
	}

	/** @param {number} least */
	threshold(least) {
		return Math.max(least, peak_factor * (this.ascending[this.ascending.length - 2] ?? 0));
	}
}

/** The fewest CPUs busy in a window of each of the last minutes, at one scale of time; infinite: no window ended in it. */
class Lows extends Minutes {
	constructor() {
		super(Math.min, Infinity);
	}

	/** As few as this are nothing new. */
	get common() {
		return this.ascending[common_minutes - 1] ?? Infinity;
	}
}

/**
 * How far a stretch that begins with a cell goes on to gain by values above a floor.
 * @param {ArrayLike<number>} values
 * @param {number} at
 * @param {number} step 1 or -1
 * @param {number} floor
 * @returns {number} the last cell of the stretch
 */
function stretch_end(values, at, step, floor) {
	let best = 0, end = at, sum = 0;
	for (let next = at + step; next >= 0 && next < values.length; next += step) {
		sum += values[next] - floor;
		if (sum > best) {
			best = sum;
			end = next;
		}
	}
	return end;
}

/** A window by its first cell; carrier: the bucket that it is about, -1: all. @typedef {{ kind: Kind, ratio: number, first: number,
 * cells: number, carrier: number }} Hit */

/**
 * How many CPUs are busy says more than what they do: other functions are told where that is as usual.
 * @param {Kind} kind
 * @param {number} ratio
 * @param {Hit} best
 */
function is_better(kind, ratio, best) {
	return (kind === "mix") === (best.kind === "mix") ? ratio > best.ratio : best.kind === "mix";
}

export class Perturbations {
	/** @param {{ rate_hz: number, cpu_count: number }} host */
	constructor({ rate_hz, cpu_count }) {
		this.rate_hz = rate_hz;
		this.cpu_count = cpu_count;
		this.peaks = { up: new Peaks(), down: new Peaks(), mix: new Peaks() };
		this.lows = scales.map(() => new Lows());
		/** The most, as the fewest of what is negative. */
		this.highs = scales.map(() => new Lows());
		/** @type {Past[]} one second after the other */
		this.past = [];
		this.pyramid = new Pyramid();
		/** @type {Reference | null} */
		this.reference = null;
		/** @type {{ hit: Hit, mark: Mark } | null} */
		this.open = null;
		/** No mark begins before this cell: the end of the last one. */
		this.marked_cell = 0;
	}

	/** Forgets the last minute: time has a hole there. */
	restart() {
		this.past = [];
		this.pyramid = new Pyramid();
		this.reference = this.open = null;
	}

	/**
	 * Takes the next second.
	 * @param {Second} second
	 * @returns {Mark[]} marks that are complete now
	 */
	add(second) {
		const marks = [];
		const last = this.past[this.past.length - 1];
		if (last && last.second !== second.second - 1) {
			if (this.open)
				marks.push(this.open.mark);
			this.restart();
		}
		const past = new Past(second);
		this.past.push(past);
		if (this.past.length > reference_s + reference_ago_s + level_s + 4)
			this.past.shift();
		this.reference_update();
		const hit = this.windows_add(past);
		if (!this.open && hit)
			this.open = { hit, mark: this.mark_make(hit) };
		else if (this.open)
			this.open.mark = this.mark_make(this.open.hit);
		if (this.open && this.is_over(this.open.mark)) {
			marks.push(this.open.mark);
			this.close(this.open.mark);
		}
		return marks;
	}

	/** @param {Mark} mark */
	close({ from_us, to_us, level }) {
		this.marked_cell = Math.round(to_us / 1e6 * cells_per_second);
		this.open = null;
		if (!level)
			return;
		/* What lasts is usual from now on. */
		this.past = this.past.filter(({ second }) => second * 1e6 >= from_us);
		this.reference = null;
	}

	/** The mark that has not ended yet. @returns {Mark | null} */
	get current() {
		return this.open?.mark ?? null;
	}

	/** Whether more CPUs than usual cannot be busy: there are no more. */
	get is_full() {
		return this.reference !== null && this.cpu_count - this.reference.usual <
			Math.max(change_least_cpus, change_least_share.up * this.cpu_count);
	}

	/** The largest burst of under a second that nothing may be said of, in CPU seconds. */
	get unseen_cpu_s() {
		return this.reference ? Math.max(change_least_cpu_s, ...this.reference.scales
			.map(({ up }, scale) => (scales[scale] < cells_per_second
				? up * this.peaks.up.threshold(thresholds.up) * scales[scale] * cell_s : 0))) : Infinity;
	}

	reference_update() {
		if (this.open)
			return; /* what is under way does not become usual by itself */
		const end = this.past.length - reference_ago_s;
		if (end < reference_least_s)
			return;
		this.reference ??= new Reference(this.rate_hz);
		this.reference.update(this.past.slice(Math.max(0, end - reference_s), end));
	}

	/**
	 * Judges the windows that end in the newest second.
	 * @param {Past} past
	 * @returns {Hit | null} the one furthest above its threshold
	 */
	windows_add(past) {
		const { reference } = this;
		const most = { up: 0, down: 0, mix: 0 };
		const limits = { up: this.peaks.up.threshold(thresholds.up),
			down: this.peaks.down.threshold(thresholds.down), mix: this.peaks.mix.threshold(thresholds.mix) };
		const means = scales.map(() => /** @type {number[]} */ ([]));
		const surprises = scales.map(() => /** @type {number[]} */ ([]));
		/** @type {Hit | null} */
		let best = null;
		if (reference)
			past.surprise = new Float32Array(cells_per_second);
		for (let cell = 0; cell < cells_per_second; cell++) {
			const mix = past.mix.subarray(cell * buckets, (cell + 1) * buckets);
			if (reference)
				past.surprise[cell] = reference.surprise(mix, 1, past.busy[cell]) *
					(past.busy[cell] + mix_usual_part * reference.usual);
			this.pyramid.add(past.busy[cell], mix, (scale, busy, sums) => {
				const cells = scales[scale];
				const surprise = reference?.surprise(sums, cells, busy) ?? 0, carrier = reference?.carrier ?? -1;
				means[scale].push(busy);
				if (!reference)
					return;
				surprises[scale].push(surprise);
				const usual = reference.scales[scale];
				const beyond = busy - reference.usual;
				const scores = { up: beyond / usual.up, down: -beyond / usual.down,
					mix: reference.knows_surprise ? (surprise - usual.surprise) / usual.surprise_spread : 0 };
				const changes = { up: beyond, down: -beyond,
					mix: (surprise - usual.surprise) * (busy + mix_usual_part * reference.usual) /
						-Math.log2(share_floor) };
				/* What is common is no news, but the peaks are learned from it too. */
				const common = { up: -busy >= this.highs[scale].common,
					down: busy >= this.lows[scale].common, mix: false };
				for (const kind of kinds) {
					most[kind] = Math.max(most[kind], scores[kind]);
					const ratio = scores[kind] / limits[kind];
					if (ratio < 1 || common[kind] || best && !is_better(kind, ratio, best) ||
					    !this.is_large(kind, changes[kind], cells))
						continue;
					const first = past.second * cells_per_second + cell + 1 - cells;
					if (first >= this.marked_cell)
						best = { kind, ratio, first, cells, carrier: kind === "mix" ? carrier : -1 };
				}
			});
		}
		for (const [scale, windows] of past.windows.entries()) {
			windows.means = Float32Array.from(means[scale]).sort();
			windows.surprises = Float32Array.from(surprises[scale]).sort();
			this.lows[scale].add(windows.means[0] ?? Infinity);
			this.highs[scale].add(-(windows.means[windows.means.length - 1] ?? -Infinity));
		}
		for (const kind of kinds)
			this.peaks[kind].add(most[kind]);
		return best;
	}

	/**
	 * @param {Kind} kind
	 * @param {number} cpus
	 * @param {number} cells
	 */
	is_large(kind, cpus, cells) {
		const least = kind === "mix" ? change_least_share.mix * this.cpu_count
			: Math.max(change_least_cpus, change_least_share[kind] * this.cpu_count);
		return cpus >= least && cpus * cells * cell_s >= change_least_cpu_s;
	}

	/** Values by cell of what is kept, how far each is from the usual. @param {Hit} hit */
	values({ kind, carrier }) {
		const { usual, expected } = /** @type {Reference} */ (this.reference);
		if (carrier >= 0)
			return this.past.flatMap(({ mix }) => Array.from({ length: cells_per_second }, (_, cell) => mix[cell * buckets + carrier] - expected[carrier]));
		const surprise = kind === "mix" && quantile(Float32Array.from(this.past
			.flatMap(({ surprise }) => [...surprise])).sort(), 0.5);
		return this.past.flatMap(({ busy, surprise: own }) => kind === "mix"
			? Array.from(busy, (_, cell) => (own[cell] ?? 0) - /** @type {number} */ (surprise))
			: Array.from(busy, (value) => (kind === "up" ? value - usual : usual - value)));
	}

	/**
	 * From the largest cell of the window that was hit, the stretch with the largest sum above half its
	 * own height.
	 * @param {Hit} hit
	 * @returns {Mark}
	 */
	mark_make(hit) {
		const { kind, ratio, first: hit_first, cells: hit_cells } = hit;
		const usual = /** @type {Reference} */ (this.reference).usual;
		const base = Math.max(this.past[0].second * cells_per_second, this.marked_cell);
		const skipped = base - this.past[0].second * cells_per_second;
		const values = this.values(hit).slice(skipped);
		let first = hit_first - base, last = Math.min(values.length, first + hit_cells) - 1;
		let middle = first;
		for (let at = first; at <= last; at++)
			if (values[at] > values[middle])
				middle = at;
		for (let round = 0; round < edge_rounds; round++) {
			const half = array_sum(values.slice(first, last + 1)) / (last + 1 - first) / 2;
			first = stretch_end(values, middle, -1, half);
			last = stretch_end(values, middle, 1, half);
		}
		const cells = last + 1 - first;
		const busy = array_sum(this.past.flatMap(({ busy }) => [...busy])
			.slice(skipped + first, skipped + last + 1)) / cells;
		const cell_us = 1e6 / cells_per_second;
		return { kind, from_us: (base + first) * cell_us, to_us: (base + last + 1) * cell_us, busy, usual,
			size: Math.abs(busy - usual) * cells * cell_s, certainty: ratio,
			level: cells * cell_s >= level_s };
	}

	/** Whether something else has followed, or it lasts. @param {Mark} mark */
	is_over(mark) {
		const newest = this.past[this.past.length - 1].second + 1;
		return mark.level || mark.to_us <= newest * 1e6 - 1e6;
	}
}
