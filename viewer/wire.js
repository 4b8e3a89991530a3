/* SPDX-License-Identifier: Apache-2.0 */
/* Generated from include/wire.h by `make wire`: change that file instead. */

/* enum wire_version */
export const WIRE_VERSION_MAJOR = 1;
export const WIRE_VERSION_MINOR = 0;

/* enum wire_limit */
export const WIRE_CHUNK_RAW_MAX = 65536;
export const WIRE_CHUNK_STORED_MAX = 66560;
export const WIRE_CHUNK_SPAN_MAX_US = 1000000;
export const WIRE_SEGMENT_STORED_CPU = 16384;
export const WIRE_SEGMENT_STORED_LEAST = 1048576;
export const WIRE_SEGMENT_STORED_MAX = 8388608;
export const WIRE_SEGMENT_SPAN_MAX_US = 60000000;
export const WIRE_SEGMENT_CHUNKS_MAX = 4096;
export const WIRE_IMPORT_SIZE_MAX = 1073741824;
export const WIRE_STRING_SIZE_MAX = 16384;
export const WIRE_ROWS_MAX = 1048576;
export const WIRE_SAMPLES_MAX = 16384;
export const WIRE_CPUS_MAX = 4096;
export const WIRE_STACK_DEPTH_MAX = 512;
export const WIRE_MESSAGE_SIZE_MAX = 32768;
export const WIRE_RESUME_SEGMENTS_MAX = 4090;

/* enum wire_magic_size */
export const WIRE_MAGIC_SIZE = 8;

/* enum wire_source */
export const WIRE_SOURCE_LIVE = 1;
export const WIRE_SOURCE_CAPTURE = 2;

/* enum wire_chunk_magic */
export const WIRE_CHUNK_MAGIC = 1263421507;
export const WIRE_TRAILER_MAGIC = 1480871497;

/* enum wire_chunk_kind */
export const WIRE_CHUNK_SEGMENT = 1;
export const WIRE_CHUNK_INDEX = 2;

/* enum wire_chunk_flag */
export const WIRE_CHUNK_FIRST = 1;
export const WIRE_CHUNK_LAST = 2;

/* enum wire_record_kind */
export const WIRE_RECORD_SEGMENT = 1;
export const WIRE_RECORD_META = 2;
export const WIRE_RECORD_STRINGS = 3;
export const WIRE_RECORD_MODULES = 4;
export const WIRE_RECORD_FUNCTIONS = 5;
export const WIRE_RECORD_FRAMES = 6;
export const WIRE_RECORD_STACKS = 7;
export const WIRE_RECORD_THREADS = 8;
export const WIRE_RECORD_SAMPLES = 9;
export const WIRE_RECORD_TICK = 10;
export const WIRE_RECORD_CLOCK = 11;
export const WIRE_RECORD_GAP = 12;
export const WIRE_RECORD_RATE = 13;
export const WIRE_RECORD_COUNTERS = 14;
export const WIRE_RECORD_LATE_NAMES = 15;
export const WIRE_RECORD_INDEX = 16;
export const WIRE_RECORD_KIND_COUNT = 17;

/* enum wire_stack */
export const WIRE_STACK_NONE = 0;
export const WIRE_STACK_COMPLETE = 1;
export const WIRE_STACK_FRAME_POINTERS = 2;
export const WIRE_STACK_TRUNCATED = 3;
export const WIRE_STACK_UNREADABLE = 4;
export const WIRE_STACK_NO_MAPPING = 5;
export const WIRE_STACK_NO_ROW = 6;
export const WIRE_STACK_UNSUPPORTED = 7;

/* enum wire_busy */
export const WIRE_BUSY_UNKNOWN = 0;
export const WIRE_BUSY_PARTLY = 1;
export const WIRE_BUSY_THROUGHOUT = 2;

/* enum wire_event */
export const WIRE_EVENT_CPU_CLOCK = 1;
export const WIRE_EVENT_CYCLES = 2;
export const WIRE_EVENT_OTHER = 3;

/* enum wire_meta */
export const WIRE_META_HOST = 1;
export const WIRE_META_KERNEL = 2;
export const WIRE_META_VERSION = 3;
export const WIRE_META_EVENT = 4;
export const WIRE_META_FILTER = 5;
export const WIRE_META_TITLE = 6;
export const WIRE_META_NOTE = 7;
export const WIRE_META_EVENTS = 8;

/* enum wire_module_kind */
export const WIRE_MODULE_FILE = 1;
export const WIRE_MODULE_KERNEL = 2;
export const WIRE_MODULE_KERNEL_MODULE = 3;
export const WIRE_MODULE_BPF = 4;
export const WIRE_MODULE_VDSO = 5;
export const WIRE_MODULE_JIT = 6;
export const WIRE_MODULE_UNKNOWN = 7;

/* enum wire_frame_kind */
export const WIRE_FRAME_PROGRAM = 1;
export const WIRE_FRAME_LIBRARY = 2;
export const WIRE_FRAME_INLINED = 3;
export const WIRE_FRAME_JIT = 4;
export const WIRE_FRAME_KERNEL = 5;
export const WIRE_FRAME_UNRESOLVED = 6;
export const WIRE_FRAME_KIND_COUNT = 7;

/* enum wire_gap_reason */
export const WIRE_GAP_RING_FULL = 1;
export const WIRE_GAP_RING_BUSY = 2;
export const WIRE_GAP_NOT_RUNNING = 3;
export const WIRE_GAP_CLOCK_STEP = 4;
export const WIRE_GAP_OVERLOAD = 5;
export const WIRE_GAP_DAMAGED = 6;

/* enum wire_counter */
export const WIRE_COUNTER_SAMPLES = 1;
export const WIRE_COUNTER_LOST_RING_FULL = 2;
export const WIRE_COUNTER_LOST_RING_BUSY = 3;
export const WIRE_COUNTER_LOST_OVERLOAD = 4;
export const WIRE_COUNTER_LOST_SIDE_BAND = 5;
export const WIRE_COUNTER_AGENT_CPU_US = 6;
export const WIRE_COUNTER_AGENT_BPF_US = 7;
export const WIRE_COUNTER_AGENT_RSS_BYTES = 8;
export const WIRE_COUNTER_WINDOW_BYTES = 9;
export const WIRE_COUNTER_CLIENTS = 10;
export const WIRE_COUNTER_CLIENTS_REFUSED = 11;
export const WIRE_COUNTER_CLIENTS_SKIPPED = 12;
export const WIRE_COUNTER_PARSE_FAILED = 13;
export const WIRE_COUNTER_WORKER_RESTARTS = 14;
export const WIRE_COUNTER_TICKS = 15;
export const WIRE_COUNTER_FILTERED = 16;
export const WIRE_COUNTER_FILE_BYTES = 17;
export const WIRE_COUNTER_FILE_LOST_BYTES = 18;
export const WIRE_COUNTER_IDLE = 19;
export const WIRE_COUNTER_UNWIND_TABLES = 20;
export const WIRE_COUNTER_UNWIND_BYTES = 21;
export const WIRE_COUNTER_UNWIND_BUILDING = 22;
export const WIRE_COUNTER_UNWIND_EVICTED = 23;
export const WIRE_COUNTER_UNWIND_NO_ROOM = 24;
export const WIRE_COUNTER_UNWIND_FAILED = 25;
export const WIRE_COUNTER_NAMES_LEFT_OUT = 26;
export const WIRE_COUNTER_LINES_LEFT_OUT = 27;
export const WIRE_COUNTER_NAMES_EVICTED = 28;
export const WIRE_COUNTER_TOKENS_REFUSED = 29;
export const WIRE_COUNTER_FREQUENCY_ASKED_MHZ = 30;
export const WIRE_COUNTER_READS_DEFERRED = 31;
export const WIRE_COUNTER_ACCEPTS_DEFERRED = 32;
export const WIRE_COUNTER_COUNT = 33;

/* enum wire_message_kind */
export const WIRE_MESSAGE_HELLO = 1;
export const WIRE_MESSAGE_BYTES = 2;
export const WIRE_MESSAGE_SKIPPED = 3;
export const WIRE_MESSAGE_CAUGHT_UP = 4;
export const WIRE_MESSAGE_RESUME = 5;

/* enum wire_close_code */
export const WIRE_CLOSE_BAD_MESSAGE = 4000;
export const WIRE_CLOSE_VERSION = 4001;

export const wire_file_header = Object.freeze({
	SIZE: 40,
	magic: { offset: 0, size: 8 },
	version_major: { offset: 8, size: 2 },
	version_minor: { offset: 10, size: 2 },
	header_size: { offset: 12, size: 4 },
	instance_id: { offset: 16, size: 8 },
	source: { offset: 24, size: 4 },
	oldest_segment: { offset: 28, size: 4 },
	open_segment: { offset: 32, size: 4 },
	reserved: { offset: 36, size: 4 },
});

export const wire_chunk_header = Object.freeze({
	SIZE: 40,
	magic: { offset: 0, size: 4 },
	kind: { offset: 4, size: 2 },
	flags: { offset: 6, size: 2 },
	segment: { offset: 8, size: 4 },
	sequence: { offset: 12, size: 4 },
	stored_size: { offset: 16, size: 4 },
	raw_size: { offset: 20, size: 4 },
	end_us: { offset: 24, size: 8 },
	crc32c: { offset: 32, size: 4 },
	reserved: { offset: 36, size: 4 },
});

export const wire_file_trailer = Object.freeze({
	SIZE: 16,
	index_offset: { offset: 0, size: 8 },
	reserved: { offset: 8, size: 4 },
	magic: { offset: 12, size: 4 },
});

export const wire_segment_head = Object.freeze({
	SIZE: 48,
	instance_id: { offset: 0, size: 8 },
	start_us: { offset: 8, size: 8 },
	start_mono_ns: { offset: 16, size: 8 },
	segment: { offset: 24, size: 4 },
	wall_shift_s: { offset: 28, size: 4 },
	frequency_mhz: { offset: 32, size: 4 },
	cpu_count: { offset: 36, size: 4 },
	event: { offset: 40, size: 4 },
	reserved: { offset: 44, size: 4 },
});

export const wire_message_header = Object.freeze({
	SIZE: 16,
	kind: { offset: 0, size: 1 },
	version_major: { offset: 1, size: 1 },
	reserved: { offset: 2, size: 2 },
	segment: { offset: 4, size: 4 },
	offset: { offset: 8, size: 4 },
	oldest_segment: { offset: 12, size: 4 },
});

export const wire_resume = Object.freeze({
	SIZE: 16,
	instance_id: { offset: 0, size: 8 },
	segment_count: { offset: 8, size: 4 },
	reserved: { offset: 12, size: 4 },
});

export const wire_resume_row = Object.freeze({
	SIZE: 8,
	segment: { offset: 0, size: 4 },
	offset: { offset: 4, size: 4 },
});
