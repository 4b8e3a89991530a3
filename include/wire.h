/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between the agent, the page and the capture file: one format for the rolling
 * window in memory, the WebSocket and the file.
 *
 *   file    = wire_file_header, chunks, [index chunks, wire_file_trailer]
 *   stream  = WebSocket messages; their BYTES are the same chunks, cut anywhere
 *   chunk   = wire_chunk_header, payload; at most WIRE_CHUNK_RAW_MAX inflated
 *   segment = chunks with one segment number; their payloads one after another are one raw
 *             deflate stream (RFC 1951), sync-flushed at the end of each chunk, finished in the
 *             one with WIRE_CHUNK_LAST. Inflated, it is a sequence of records.
 *   record  = kind (1 byte), size of the payload (varint), payload. Never cut by a chunk's end.
 *
 * A segment is self-contained: ids are numbers within it, given in the order of the rows, from 1;
 * 0 means none. A row is always written before the first record that uses its id. Readers merge
 * segments by the 64-bit keys of modules and functions, and skip records of a kind they don't know.
 *
 * Numbers in structs are little-endian. A varint is unsigned LEB128, at most 10 bytes; a zigzag is
 * a varint that holds (n << 1) ^ (n >> 63). A key is 8 bytes, little-endian.
 *
 * Time is the timeline: microseconds since the Unix epoch by the wall clock at the segment's
 * start, advancing with CLOCK_MONOTONIC. In records it is relative to the segment's start_us. A
 * step of the wall clock opens a new segment; the timeline never goes back: where the wall clock
 * did, wall_shift_s of the segment tells by how many whole seconds the timeline is ahead of it.
 *
 * Everything here is an enum or a struct (macros would leave no type information): the viewer's
 * constants in viewer/wire.js are generated from this file by `make wire`.
 *
 * Compatibility: a reader refuses a larger major version and accepts any minor one. New kinds of
 * records and new fields at the end of a record's head are a minor change.
 */
#ifndef FLICKERSCOPE_WIRE_H
#define FLICKERSCOPE_WIRE_H

#include <linux/types.h>

enum wire_version {
	WIRE_VERSION_MAJOR = 1,
	WIRE_VERSION_MINOR = 0,
};

enum wire_limit {
	WIRE_CHUNK_RAW_MAX = 65536,    /* inflated bytes of a chunk */
	WIRE_CHUNK_STORED_MAX = 66560, /* bytes of a chunk's payload: the above, incompressible */
	WIRE_CHUNK_SPAN_MAX_US = 1000000,
	/* A segment closes when it has so many bytes for each CPU, within these bounds, or at its span. */
	WIRE_SEGMENT_STORED_CPU = 16384,
	WIRE_SEGMENT_STORED_LEAST = 1048576,
	WIRE_SEGMENT_STORED_MAX = 8388608,
	WIRE_SEGMENT_SPAN_MAX_US = 60000000,
	WIRE_SEGMENT_CHUNKS_MAX = 4096,	   /* 60 s of 20 chunks a second, and room */
	WIRE_IMPORT_SIZE_MAX = 1073741824, /* of a file that a page sends to be read */
	WIRE_STRING_SIZE_MAX = 16384,	   /* longer names are cut, with an ellipsis */
	WIRE_ROWS_MAX = 1048576,	   /* rows of one kind in a segment */
	WIRE_SAMPLES_MAX = 16384,	   /* rows of one WIRE_RECORD_SAMPLES */
	WIRE_CPUS_MAX = 4096,		   /* CPU numbers are below this */
	WIRE_STACK_DEPTH_MAX = 512,	   /* frames of a stack: kernel, user and inlined ones */
	WIRE_MESSAGE_SIZE_MAX = 32768,	   /* a WebSocket message, its header included */
	WIRE_RESUME_SEGMENTS_MAX = 4090,   /* rows of a RESUME: fits a message */
};

enum wire_magic_size {
	WIRE_MAGIC_SIZE = 8, /* "\x89FLK\r\n\x1a\n", after PNG's signature (ISO 15948, 5.2) */
};

/* Opens a file; also the payload of the message WIRE_MESSAGE_HELLO. */
struct wire_file_header {
	__u8 magic[WIRE_MAGIC_SIZE];
	__u16 version_major;
	__u16 version_minor;
	__u32 header_size;    /* bytes of this header: readers skip what they don't know */
	__u64 instance_id;    /* random, one for each start of an agent; never 0 */
	__u32 source;	      /* enum wire_source */
	__u32 oldest_segment; /* at the time of writing; 0 when there is none */
	__u32 open_segment;   /* at the time of writing; 0 when all are closed */
	__u32 reserved;
};

enum wire_source {
	WIRE_SOURCE_LIVE = 1,	 /* an agent that is sampling */
	WIRE_SOURCE_CAPTURE = 2, /* a file: nothing will be added */
};

enum wire_chunk_magic {
	WIRE_CHUNK_MAGIC = 0x4b4e4843,	 /* "CHNK" */
	WIRE_TRAILER_MAGIC = 0x58444e49, /* "INDX" */
};

enum wire_chunk_kind {
	WIRE_CHUNK_SEGMENT = 1, /* a part of a segment */
	WIRE_CHUNK_INDEX =
		2, /* all index chunks together, segment number 0, are one finished deflate
				   stream of records STRINGS, LATE_NAMES and INDEX, ids of their own */
};

enum wire_chunk_flag {
	WIRE_CHUNK_FIRST = 1, /* the segment starts here */
	WIRE_CHUNK_LAST = 2,  /* the segment ends here */
};

struct wire_chunk_header {
	__u32 magic;
	__u16 kind;
	__u16 flags;
	__u32 segment;	   /* number of the segment, from 1, counting up within the instance */
	__u32 sequence;	   /* of the chunk within its segment, from 0 */
	__u32 stored_size; /* bytes of the payload that follows */
	__u32 raw_size;	   /* bytes that it inflates to */
	__u64 end_us;	   /* timeline: everything before this time has been written */
	__u32 crc32c;	   /* RFC 3720, B.4; of this header with crc32c = 0, then the payload */
	__u32 reserved;
};

/* The last bytes of a file that was closed in order. */
struct wire_file_trailer {
	__u64 index_offset; /* of the first index chunk's header, from the start of the file */
	__u32 reserved;
	__u32 magic; /* WIRE_TRAILER_MAGIC */
};

enum wire_record_kind {
	WIRE_RECORD_SEGMENT = 1, /* struct wire_segment_head; first of every segment */
	WIRE_RECORD_META,	 /* rows {enum wire_meta varint, size varint, bytes}, to the end */
	WIRE_RECORD_STRINGS,	 /* count; rows {size, bytes}: any bytes, not only UTF-8 */
	WIRE_RECORD_MODULES,	 /* count; rows {key, name string, enum wire_module_kind} */
	WIRE_RECORD_FUNCTIONS,	 /* count; rows {module, name: 0 is none (shown as module+0xstart),
				    else 1 + the zigzag of the string's difference to the last name
				    in the record, start << 1 | has key, the key if it has one; else
				    it is the derived key, see below} */
	WIRE_RECORD_FRAMES,   /* count; rows {function (zigzag difference to the row before), enum
				    wire_frame_kind, file string, line} */
	WIRE_RECORD_STACKS,   /* count; rows {own id - parent's id, frame}; a root's parent is 0 */
	WIRE_RECORD_THREADS,  /* count; rows {tid, pid, process start (ns of CLOCK_BOOTTIME), comm
				    string, process name string, cgroup string, container string} */
	WIRE_RECORD_SAMPLES,  /* count, time of the first; then columns, see below */
	WIRE_RECORD_TICK,     /* time: everything before it has been written */
	WIRE_RECORD_CLOCK,    /* time, CLOCK_MONOTONIC in ns, wall clock in ns: one a second */
	WIRE_RECORD_GAP,      /* start (zigzag: it may lie before the segment's), end (may lie after
				    it), enum wire_gap_reason, samples lost (0: unknown) */
	WIRE_RECORD_RATE,     /* time, count; rows {CPU, mHz reached while busy; 0: was not busy} */
	WIRE_RECORD_COUNTERS, /* time; rows {enum wire_counter, value}, to the end: totals since
				    the agent's start, one record a second */
	WIRE_RECORD_LATE_NAMES, /* count; rows {key, key of the function it belongs to, name
				    string}: names functions of this and of earlier segments */
	WIRE_RECORD_INDEX, /* count; rows {segment number, offset in the file, size in the file,
				    start us since the epoch, span us, samples} */
	WIRE_RECORD_KIND_COUNT,
};

/*
 * Columns of WIRE_RECORD_SAMPLES, each for all rows, one after another. Rows are in no order of
 * time: the encoder puts those of one CPU together, because that halves what they take deflated.
 *   time    zigzag of (difference to the row before - the segment's sampling period) in us; the
 *           first one is a zigzag difference to the record's time. A sample may lie a little
 *           before the segment's start (a negative time). The period is 1e9 / frequency_mhz,
 *           rounded down; 0 when the frequency is 0
 *   cpu     varint
 *   thread  varint, id
 *   stack   zigzag differences of ids, the first against 0; id 0 when no frame is known
 *   status  runs {enum wire_stack of the user part, length} until all rows are covered
 *   kernel  runs {enum wire_stack of the kernel part, length}
 *   event   runs {event, length}; 0 is the segment's first event
 *   busy    runs {enum wire_busy, length}: what is known of the time since the CPU's last sample
 */

/* How far a stack reaches: the values of enum stack_status (include/sample_abi.h). */
enum wire_stack {
	WIRE_STACK_NONE = 0,	       /* there is no such stack */
	WIRE_STACK_COMPLETE = 1,       /* to the thread's first function */
	WIRE_STACK_FRAME_POINTERS = 2, /* found by frame pointers alone: callers may be missing */
	WIRE_STACK_TRUNCATED = 3,      /* deeper than is followed */
	WIRE_STACK_UNREADABLE = 4,     /* the memory was not there */
	WIRE_STACK_NO_MAPPING = 5,     /* an address in no file that is mapped */
	WIRE_STACK_NO_ROW = 6,	       /* an address of which the file does not say who called */
	WIRE_STACK_UNSUPPORTED = 7,
};

/* The values of enum sample_busy (include/sample_abi.h). */
enum wire_busy {
	WIRE_BUSY_UNKNOWN = 0,	  /* ticks are all that is known */
	WIRE_BUSY_PARTLY = 1,	  /* the CPU was idle, or a tick in between was left out or lost */
	WIRE_BUSY_THROUGHOUT = 2, /* the CPU was never idle in between */
};

/*
 * The derived key of a function, for functions that are known by their start in a module's file;
 * its 8 bytes are random ones to deflate, and there are many. Unsigned 64-bit arithmetic:
 *
 *   mix(a, b) = low half of a * b, xor its high half
 *   h = mix(module key ^ 0x3c6ef372fe94f82b ^ start, 0xbb67ae8584caa73b)
 *   key = mix(h ^ 8, 0x6a09e667f3bcc909); 1 where that is 0
 *
 * This is stable_key() of start, 8 bytes little-endian, with the module's key as the parent
 * (agent/base/hash_index.h). A writer whose key is another one writes it out.
 */

struct wire_segment_head {
	__u64 instance_id;
	__u64 start_us;	     /* timeline: microseconds since the Unix epoch */
	__u64 start_mono_ns; /* CLOCK_MONOTONIC at start_us */
	__u32 segment;	     /* number */
	__u32 wall_shift_s;  /* wall clock = timeline - this */
	__u32 frequency_mhz; /* asked for, in 1/1000 Hz, per CPU */
	__u32 cpu_count;     /* CPUs that are sampled: the scale's maximum */
	__u32 event;	     /* enum wire_event */
	__u32 reserved;
};

enum wire_event {
	WIRE_EVENT_CPU_CLOCK = 1, /* a sample is a fixed amount of CPU time */
	WIRE_EVENT_CYCLES = 2,	  /* a sample is a fixed number of cycles: never "CPUs busy" */
	WIRE_EVENT_OTHER = 3,	  /* named by WIRE_META_EVENT */
};

enum wire_meta {
	WIRE_META_HOST = 1, /* host name */
	WIRE_META_KERNEL,   /* "Linux 6.1.0-18-amd64" */
	WIRE_META_VERSION,  /* of the program that wrote this */
	WIRE_META_EVENT,    /* name of the event */
	WIRE_META_FILTER,   /* what was sampled, in words; absent: everything */
	WIRE_META_TITLE,    /* of a capture: the file's name or the command recorded */
	WIRE_META_NOTE,	    /* what one must know to read the picture: how times came about */
	WIRE_META_EVENTS,   /* all events of the file that this was made of: lines "samples name" */
};

enum wire_module_kind {
	WIRE_MODULE_FILE = 1,	   /* an executable or a library */
	WIRE_MODULE_KERNEL,	   /* vmlinux */
	WIRE_MODULE_KERNEL_MODULE, /* a kernel module */
	WIRE_MODULE_BPF,	   /* BPF programs */
	WIRE_MODULE_VDSO,
	WIRE_MODULE_JIT,     /* code named by the process itself: perf-PID.map, jitdump */
	WIRE_MODULE_UNKNOWN, /* no mapping is known for the address */
};

enum wire_frame_kind {
	WIRE_FRAME_PROGRAM = 1, /* user code of the process's own executable */
	WIRE_FRAME_LIBRARY,	/* user code of another file, or the vDSO */
	WIRE_FRAME_INLINED,	/* a function that the compiler put into its caller */
	WIRE_FRAME_JIT,		/* user code named by the process itself */
	WIRE_FRAME_KERNEL,
	WIRE_FRAME_UNRESOLVED, /* no module is known */
	WIRE_FRAME_KIND_COUNT,
};

enum wire_gap_reason {
	WIRE_GAP_RING_FULL = 1, /* samples lost: the ring was full */
	WIRE_GAP_RING_BUSY,	/* samples lost: the ring's lock was refused */
	WIRE_GAP_NOT_RUNNING,	/* the agent was not sampling */
	WIRE_GAP_CLOCK_STEP,	/* the wall clock was set */
	WIRE_GAP_OVERLOAD,	/* samples left out by the agent: it could not keep up */
	WIRE_GAP_DAMAGED,	/* this part of a file could not be read */
};

/* Totals since the agent's start. */
enum wire_counter {
	WIRE_COUNTER_SAMPLES = 1, /* written to the profile */
	WIRE_COUNTER_LOST_RING_FULL,
	WIRE_COUNTER_LOST_RING_BUSY,
	WIRE_COUNTER_LOST_OVERLOAD,  /* no room in a dictionary or a table of the agent */
	WIRE_COUNTER_LOST_SIDE_BAND, /* fork, exec, exit and mmap events that the kernel lost */
	WIRE_COUNTER_AGENT_CPU_US,   /* user and system time of all processes of the agent */
	WIRE_COUNTER_AGENT_BPF_US, /* run time of the BPF programs; 0 when the kernel does not count */
	WIRE_COUNTER_AGENT_RSS_BYTES, /* resident memory now, not a total */
	WIRE_COUNTER_WINDOW_BYTES,    /* of the rolling window now, not a total */
	WIRE_COUNTER_CLIENTS,	      /* connected now, not a total */
	WIRE_COUNTER_CLIENTS_REFUSED, /* wrong path, token, Host, Origin, or too many */
	WIRE_COUNTER_CLIENTS_SKIPPED, /* segments that left the window before a client had them */
	WIRE_COUNTER_PARSE_FAILED,    /* files, maps or /proc texts that could not be read */
	WIRE_COUNTER_WORKER_RESTARTS,
	WIRE_COUNTER_TICKS, /* timer interrupts, idle ones included */
	WIRE_COUNTER_FILTERED,
	WIRE_COUNTER_FILE_BYTES,      /* written to the capture file */
	WIRE_COUNTER_FILE_LOST_BYTES, /* not written: the disk was full or too slow */
	WIRE_COUNTER_IDLE, /* of a foreign file: samples of idle CPUs, which are left out */
	WIRE_COUNTER_UNWIND_TABLES,   /* of files, now, not a total */
	WIRE_COUNTER_UNWIND_BYTES,    /* that they take now, not a total */
	WIRE_COUNTER_UNWIND_BUILDING, /* that are being made now, not a total */
	WIRE_COUNTER_UNWIND_EVICTED,  /* given up to make room for others */
	WIRE_COUNTER_UNWIND_NO_ROOM,  /* left out, as all the room was in use: see --memory */
	WIRE_COUNTER_UNWIND_FAILED,   /* files that could not be opened or understood */
	WIRE_COUNTER_NAMES_LEFT_OUT,  /* functions that a limit kept out of a file's names, and
					 addresses that found no room to wait for theirs */
	WIRE_COUNTER_LINES_LEFT_OUT,  /* units of debug information beyond a limit, files that need
					 more than there is room for, and addresses that found no
					 room to wait */
	WIRE_COUNTER_NAMES_EVICTED,   /* files whose names or lines made room for others */
	WIRE_COUNTER_TOKENS_REFUSED,  /* wrong ones, and those that were not looked at any more */
	WIRE_COUNTER_FREQUENCY_ASKED_MHZ, /* not a total; the segments have the one that holds, which
					     is lower while the agent would take too much */
	WIRE_COUNTER_READS_DEFERRED, /* of files and processes: too many waited, or no descriptor or memory was left */
	WIRE_COUNTER_ACCEPTS_DEFERRED, /* times that new connections waited for descriptors */
	WIRE_COUNTER_COUNT,
};

/* WebSocket messages are binary: this header, then the payload to the message's end. */
struct wire_message_header {
	__u8 kind; /* enum wire_message_kind */
	__u8 version_major;
	__u16 reserved;
	__u32 segment;	      /* BYTES, SKIPPED: number */
	__u32 offset;	      /* BYTES: of the payload's first byte in the segment's chunks */
	__u32 oldest_segment; /* what the agent still holds; older ones may be forgotten */
};

enum wire_message_kind {
	WIRE_MESSAGE_HELLO = 1, /* agent: struct wire_file_header; first of all */
	WIRE_MESSAGE_BYTES,   /* agent: a part of a segment, each segment in order from its start */
	WIRE_MESSAGE_SKIPPED, /* agent: the segment left the window before all of it was sent */
	WIRE_MESSAGE_CAUGHT_UP, /* agent: everything held so far has been sent */
	WIRE_MESSAGE_RESUME,	/* page, once, first: struct wire_resume, then segment_count rows of
				   struct wire_resume_row: what it has already */
};

struct wire_resume {
	__u64 instance_id; /* 0, or another than the agent's: everything is sent from the start */
	__u32 segment_count;
	__u32 reserved;
};

struct wire_resume_row {
	__u32 segment;
	__u32 offset; /* bytes of the segment's chunks that the page has */
};

/* Close codes of the WebSocket beyond the standard's (RFC 6455, 7.4.2). */
enum wire_close_code {
	WIRE_CLOSE_BAD_MESSAGE = 4000,
	WIRE_CLOSE_VERSION = 4001,
};

/* Names every struct above, so that one type in the debug information leads to all of them. */
union wire_any {
	struct wire_file_header file_header;
	struct wire_chunk_header chunk_header;
	struct wire_file_trailer file_trailer;
	struct wire_segment_head segment_head;
	struct wire_message_header message_header;
	struct wire_resume resume;
	struct wire_resume_row resume_row;
};

_Static_assert(sizeof(struct wire_file_header) == 40, "no padding");
_Static_assert(sizeof(struct wire_chunk_header) == 40, "no padding");
_Static_assert(sizeof(struct wire_file_trailer) == 16, "no padding");
_Static_assert(sizeof(struct wire_segment_head) == 48, "no padding");
_Static_assert(sizeof(struct wire_message_header) == 16, "no padding");
_Static_assert(sizeof(struct wire_resume) == 16, "no padding");
_Static_assert(sizeof(struct wire_resume_row) == 8, "no padding");

#endif
