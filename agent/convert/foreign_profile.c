/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/foreign_profile.h"

#include <errno.h>
#include <stdlib.h>

/* The tables' outcomes are one to the importers. */
_Static_assert((int)ROW_TABLE_FULL == (int)FOREIGN_PROFILE_FULL, "forwarded");
_Static_assert((int)STRING_TABLE_FULL == (int)FOREIGN_PROFILE_FULL, "forwarded");

int foreign_profile_new(struct foreign_profile **ret_profile)
{
	struct foreign_profile *profile = calloc(1, sizeof(*profile));

	if (!profile)
		return -ENOMEM;
	profile->strings = string_table_with_max(FOREIGN_STRINGS_MAX, FOREIGN_STRING_BYTES_MAX);
	profile->frames = row_table_of(sizeof(struct foreign_frame_row),
				       sizeof(struct foreign_frame_row), FOREIGN_FRAMES_MAX);
	profile->stacks = row_table_of(sizeof(struct foreign_stack_row),
				       offsetof(struct foreign_stack_row, depth),
				       FOREIGN_STACKS_MAX);
	profile->threads = row_table_of(sizeof(struct foreign_thread_row),
					sizeof(struct foreign_thread_row), FOREIGN_THREADS_MAX);
	profile->samples =
		bytes_writer_with_max((size_t)FOREIGN_SAMPLES_MAX * sizeof(struct foreign_sample));
	profile->losses = bytes_writer_with_max(FOREIGN_LOSSES_MAX * sizeof(struct foreign_loss));
	*ret_profile = profile;
	return 0;
}

void foreign_profile_free(struct foreign_profile *profile)
{
	if (!profile)
		return;
	string_table_free(&profile->strings);
	row_table_free(&profile->frames);
	row_table_free(&profile->stacks);
	row_table_free(&profile->threads);
	bytes_writer_free(&profile->samples);
	bytes_writer_free(&profile->losses);
	free(profile);
}

static int full(struct foreign_profile *profile, const char *what)
{
	profile->full = what;
	return FOREIGN_PROFILE_FULL;
}

const char *foreign_profile_full(const struct foreign_profile *profile)
{
	return profile->full;
}

int foreign_profile_string(struct foreign_profile *profile, struct foreign_text text,
			   uint32_t *ret_id)
{
	int r;

	if (!text.size) {
		*ret_id = 0;
		return 0;
	}
	r = string_table_add(&profile->strings, text.bytes, text.size, ret_id);
	return r == STRING_TABLE_FULL ? full(profile, "names") : r;
}

int foreign_profile_frame_row(struct foreign_profile *profile, const struct foreign_frame_row *row,
			      uint32_t *ret_frame)
{
	int r = row_table_add(&profile->frames, row, ret_frame);

	return r == ROW_TABLE_FULL ? full(profile, "functions") : r;
}

int foreign_profile_frame(struct foreign_profile *profile, const struct foreign_frame *frame,
			  uint32_t *ret_frame)
{
	struct foreign_frame_row row = {
		.line = frame->line,
		.kinds = foreign_kinds(frame->kind, frame->module_kind),
	};
	int r = foreign_profile_string(profile, frame->name, &row.name);

	if (!r)
		r = foreign_profile_string(profile, frame->module, &row.module);
	if (!r)
		r = foreign_profile_string(profile, frame->file, &row.file);
	return r ? r : foreign_profile_frame_row(profile, &row, ret_frame);
}

int foreign_profile_thread(struct foreign_profile *profile, uint32_t pid, uint32_t tid,
			   struct foreign_text comm, uint32_t *ret_thread)
{
	struct foreign_thread_row row = { .pid = pid, .tid = tid };
	int r = foreign_profile_string(profile, comm, &row.comm);

	if (r)
		return r;
	if (pid == FOREIGN_PID_UNKNOWN)
		row.pid = row.tid = row.comm;
	r = row_table_add(&profile->threads, &row, ret_thread);
	return r == ROW_TABLE_FULL ? full(profile, "threads") : r;
}

int foreign_profile_event(struct foreign_profile *profile, struct foreign_text name,
			  uint32_t *ret_index)
{
	char kept[FOREIGN_TEXT_MAX];

	foreign_text_keep(kept, name);
	for (uint32_t i = 0; i < profile->event_count; i++) {
		if (strcmp(profile->events[i].name, kept) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	if (profile->event_count == FOREIGN_EVENTS_MAX)
		return full(profile, "events");
	memcpy(profile->events[profile->event_count].name, kept, sizeof(kept));
	*ret_index = profile->event_count++;
	return 0;
}

int foreign_profile_stack(struct foreign_profile *profile, uint32_t parent, uint32_t frame,
			  uint32_t *ret_stack)
{
	struct foreign_stack_row row = { .parent = parent, .frame = frame, .depth = 1 };
	int r;

	if (parent) {
		const struct foreign_stack_row *above = row_table_row(&profile->stacks, parent);

		if (above->depth == WIRE_STACK_DEPTH_MAX) {
			*ret_stack = parent;
			return 0;
		}
		row.depth = above->depth + 1;
	}
	r = row_table_add(&profile->stacks, &row, ret_stack);
	return r == ROW_TABLE_FULL ? full(profile, "stacks") : r;
}

int foreign_profile_sample(struct foreign_profile *profile, const struct foreign_sample *sample)
{
	struct foreign_sample *row;

	if (profile->samples.size >= profile->samples.size_max)
		return full(profile, "samples");
	row = bytes_writer_extend(&profile->samples, sizeof(*row));
	if (!row)
		return -ENOMEM;
	*row = *sample;
	if (foreign_profile_sample_count(profile) > 1 && sample->time_us < profile->last_time_us)
		profile->out_of_order++;
	profile->last_time_us = sample->time_us;
	profile->events[sample->event].sample_count += sample->count;
	return 0;
}

int foreign_profile_loss(struct foreign_profile *profile, int64_t time_us, uint64_t count)
{
	const struct foreign_loss loss = { time_us, count };
	size_t known = profile->losses.size / sizeof(loss);

	if (known == FOREIGN_LOSSES_MAX) {
		struct foreign_loss *last =
			(struct foreign_loss *)profile->losses.bytes + known - 1;

		last->count = count > UINT64_MAX - last->count ? UINT64_MAX : last->count + count;
		return 0;
	}
	bytes_write(&profile->losses, &loss, sizeof(loss));
	return profile->losses.failed ? -ENOMEM : 0;
}

void foreign_profile_idle(struct foreign_profile *profile, uint32_t event)
{
	profile->events[event].idle_count++;
}

void foreign_text_keep(char target[FOREIGN_TEXT_MAX], struct foreign_text text)
{
	size_t size = text.size < FOREIGN_TEXT_MAX ? text.size : FOREIGN_TEXT_MAX - 1;

	if (size)
		memcpy(target, text.bytes, size);
	target[size] = '\0';
}
