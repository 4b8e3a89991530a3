/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_nflxprofile.h"

#include "check.h"
#include "import_fixture.h"

/* Fields of nflxprofile.proto, by their numbers. */
enum { START_TIME = 1, END_TIME, SAMPLES, TIME_DELTAS, NODES };

/* Adds a node, with what @node holds of it beside its name. */
static void put_node(struct bytes_writer *profile, uint32_t id, const char *name,
		     struct bytes_writer *node)
{
	struct bytes_writer entry = bytes_writer_with_max(4096);

	protobuf_put_varint(&entry, 1, id);
	protobuf_put_string(node, 1, name);
	protobuf_put_varint(node, 2, 0);
	protobuf_put_message(&entry, 2, node);
	protobuf_put_message(profile, NODES, &entry);
	bytes_writer_free(&entry);
}

static void put_times(struct bytes_writer *profile, const double *deltas, size_t count)
{
	struct bytes_writer part = bytes_writer_with_max(4096);

	for (size_t i = 0; i < count; i++) {
		uint64_t bits;

		memcpy(&bits, &deltas[i], sizeof(bits));
		bytes_write_u64(&part, bits);
	}
	protobuf_put_message(profile, TIME_DELTAS, &part);
	bytes_writer_free(&part);
}

/* Nodes with children, as made of perf's text: the root, the process, its functions. */
static struct bytes_writer make_tree(void)
{
	static const double deltas[] = { 0.25, 0.01, 0.01 };
	struct bytes_writer profile = bytes_writer_with_max(1 << 20);
	struct bytes_writer node = bytes_writer_with_max(1024);

	protobuf_put_double(&profile, START_TIME, 100.0);
	protobuf_put_double(&profile, END_TIME, 101.0);
	protobuf_put_bytes(&profile, SAMPLES, "\x03\x02\x03", 3);
	put_times(&profile, deltas, ARRAY_SIZE(deltas));
	protobuf_put_varint(&node, 3, 1);
	put_node(&profile, 0, "root", &node);
	protobuf_put_varint(&node, 3, 2);
	put_node(&profile, 1, "java", &node);
	protobuf_put_varint(&node, 3, 3);
	protobuf_put_string(&node, 4, "jit");
	put_node(&profile, 2, "Lorg/Main;::run", &node);
	protobuf_put_string(&node, 4, "kernel");
	put_node(&profile, 3, "sys_read", &node);
	protobuf_put_varint(&profile, 13, 9);
	bytes_writer_free(&node);
	return profile;
}

static void nodes_with_children_are_read(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer profile = make_tree();
	char *text = import_bytes(profile.bytes, profile.size, NULL);

	CHECK_STR_EQ(text, "100.250000 [0] java 2/2 Lorg/Main;::run'j;sys_read'k\n"
			   "100.260000 [0] java 2/2 Lorg/Main;::run'j\n"
			   "100.270000 [0] java 2/2 Lorg/Main;::run'j;sys_read'k\n");
	CHECK_EQ(import_summary(profile.bytes, profile.size, NULL).idle_count, 9);
	free(text);
}

/* Nodes with whole stacks, as made of V8's profiles: a process and its id, and its frames. */
static void nodes_with_stacks_are_read(void)
{
	static const double deltas[] = { 0.5 };
	CLEANUP(bytes_writer_free) struct bytes_writer profile = bytes_writer_with_max(1 << 20);
	CLEANUP(bytes_writer_free) struct bytes_writer node = bytes_writer_with_max(1024);
	CLEANUP(bytes_writer_free) struct bytes_writer frame = bytes_writer_with_max(1024);
	char *text;

	protobuf_put_double(&profile, START_TIME, 100.0);
	protobuf_put_double(&profile, END_TIME, 101.0);
	protobuf_put_varint(&profile, SAMPLES, 5);
	put_times(&profile, deltas, 1);
	protobuf_put_varint(&node, 6, 77);
	protobuf_put_string(&frame, 1, "outer");
	protobuf_put_message(&node, 10, &frame);
	protobuf_put_string(&frame, 1, "inner");
	protobuf_put_message(&node, 10, &frame);
	put_node(&profile, 5, "node", &node);
	text = import_bytes(profile.bytes, profile.size, NULL);
	CHECK_STR_EQ(text, "100.500000 [0] node 77/77 outer;inner\n");
	free(text);
}

static void a_file_cut_anywhere_is_no_crash(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer profile = make_tree();

	for (size_t size = 0; size < profile.size; size++)
		free(import_bytes(profile.bytes, size, NULL));
	CHECK(!import_bytes(profile.bytes, 17, NULL));
}

TESTS(TEST(nodes_with_children_are_read), TEST(nodes_with_stacks_are_read),
      TEST(a_file_cut_anywhere_is_no_crash))
