/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a capture can be written as: one table of names, endings of file names and functions.
 *
 * Names of functions and processes are bytes from strangers: each format has its escaper. A format
 * holds what its readers know of; agent/convert/README.md tells what each leaves out.
 */
#ifndef FLICKERSCOPE_FORMATS_H
#define FLICKERSCOPE_FORMATS_H

#include <stdbool.h>
#include <stddef.h>

struct merged_profile;
struct output;

struct format {
	const char *name;
	const char *endings; /* of file names, ".a .b"; the longest that fits decides */
	const char *summary;
	bool is_text; /* that a terminal can show */
	/* @title: of the profile, such as the name of the file it was read from. */
	int (*write)(struct merged_profile *profile, const char *title, struct output *output);
};

extern const struct format formats[];
extern const size_t format_count;

/* NULL: there is none. */
const struct format *format_by_name(const char *name);
const struct format *format_by_path(const char *path);

/* Each returns 0 or -errno, not logged; what cannot be written is the output's to say. */
int export_capture(struct merged_profile *profile, const char *title, struct output *output);
int export_d3(struct merged_profile *profile, const char *title, struct output *output);
int export_folded(struct merged_profile *profile, const char *title, struct output *output);
int export_html(struct merged_profile *profile, const char *title, struct output *output);
int export_perf_script(struct merged_profile *profile, const char *title, struct output *output);
int export_pprof(struct merged_profile *profile, const char *title, struct output *output);
int export_speedscope(struct merged_profile *profile, const char *title, struct output *output);

#endif
