/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers and times in words, the same everywhere on the page. Times are microseconds of the wall
 * clock since the Unix epoch, shown in the time zone of whoever looks.
 */

const thin = "\u2009";

/**
 * 1491 -> "1 491", with thin spaces.
 * @param {number} value
 */
export function count_text(value) {
	return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, thin);
}

/** How a file's size is said. @param {number} bytes */
export function size_text(bytes) {
	return bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)}${thin}kB` : `${(bytes / 1e6).toFixed(1)}${thin}MB`;
}

/**
 * A share of a whole: two figures below 10 %.
 * @param {number} part
 * @param {number} whole
 */
export function share_text(part, whole) {
	if (!(whole > 0))
		return `0${thin}%`;
	const percent = (100 * part) / whole;
	if (percent > 0 && percent < 0.05)
		return `<0.1${thin}%`;
	return `${percent < 9.95 && percent > 0 ? percent.toFixed(1) : Math.round(percent)}${thin}%`;
}

/**
 * 0.9968 as "99.7 %". Rounded down, so that 100 % means all.
 * @param {number} part
 * @param {number} whole
 */
export function complete_text(part, whole) {
	const tenths = whole > 0 ? Math.floor((1000 * part) / whole) : 1000;
	return `${tenths === 1000 ? "100" : (tenths / 10).toFixed(1)}${thin}%`;
}

/**
 * CPUs busy, of two figures: 0, 0.04, 0.10, 0.27, 1.7, 12.
 * @param {number} cpus
 */
export function cpus_text(cpus) {
	if (cpus < 0.995)
		return cpus > 0 ? cpus.toFixed(2) : "0";
	return cpus < 9.95 ? cpus.toFixed(1) : String(Math.round(cpus));
}

/** @param {number} value */
function two(value) {
	return String(value).padStart(2, "0");
}

/** Files without a date begin near 1970: their clock is nobody's wall clock (agent/profile/timeline.h). */
const dated_from_us = Date.UTC(2000, 0) * 1e3;

/**
 * "12:03:12", by the reader's own clock; of a clock without a date hours from its zero.
 * @param {number} wall_us
 */
export function clock_text(wall_us) {
	const seconds = Math.floor(wall_us / 1e6);
	if (wall_us < dated_from_us)
		return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
	const date = new Date(seconds * 1e3);
	return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/**
 * "12:03:12.620"
 * @param {number} wall_us
 */
export function clock_ms_text(wall_us) {
	const ms = Math.floor((wall_us % 1e6) / 1e3);
	return `${clock_text(wall_us)}.${String(ms).padStart(3, "0")}`;
}

/**
 * The day by the reader's own clock; of what has no date: nothing.
 * @param {number} wall_us
 */
export function date_text(wall_us) {
	const date = new Date(wall_us / 1e3);
	return wall_us < dated_from_us ? "" : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/**
 * A stretch of time: "240 ms", "8.760 s", "3 min 12 s", "1 h 2 min".
 * @param {number} us
 */
export function span_text(us) {
	const ms = Math.round(us / 1e3);
	if (ms < 1000)
		return `${ms} ms`;
	const seconds = Math.round(us / 1e6);
	if (seconds < 60)
		return `${(ms / 1e3).toFixed(3)} s`;
	return span_words(us);
}

/**
 * As span_text(), without fractions: for ages.
 * @param {number} us
 */
export function span_words(us) {
	const seconds = Math.round(us / 1e6);
	if (seconds < 60)
		return `${seconds} s`;
	const minutes = Math.floor(seconds / 60);
	if (minutes < 60)
		return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
	return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
}

/**
 * Reads a time that a person typed: "12:03:12.620" or "12:03" on the day of a time nearby, or
 * seconds from the start as "2552.620 s". Returns the microseconds, or a sentence that says what is
 * wrong.
 *
 * @param {string} text
 * @param {number} near_us the time that the field stood for
 * @param {number} start_us the time of T = 0
 * @returns {{ us: number } | { error: string }}
 */
export function time_parse(text, near_us, start_us) {
	const trimmed = text.trim();
	const seconds = /^(\d+(?:\.\d{1,6})?)\s*s?$/.exec(trimmed);
	if (seconds)
		return { us: start_us + Math.round(Number(seconds[1]) * 1e6) };
	const clock = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?$/.exec(trimmed);
	if (!clock)
		return { error: "A time looks like 12:03:12.620, or like 2552.620 s from the start." };
	const [hours, minutes, whole] = [Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0)];
	if (hours > 23 || minutes > 59 || whole > 59)
		return { error: "Hours go to 23, minutes and seconds to 59." };
	const date = new Date(near_us / 1e3);
	date.setHours(hours, minutes, whole, 0);
	let us = date.getTime() * 1e3 + Number((clock[4] ?? "").padEnd(6, "0"));
	const half_day_us = 12 * 3600 * 1e6;
	/* Near midnight the day that is meant is the nearer one. */
	if (us - near_us > half_day_us)
		us -= 2 * half_day_us;
	else if (near_us - us > half_day_us)
		us += 2 * half_day_us;
	return { us };
}
