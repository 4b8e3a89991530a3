/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/formats.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

const struct format formats[] = {
	{ "flicker", ".flicker .flk", "a capture of flickerscope", false, export_capture },
	{ "perf-script", ".perf .perf.txt .stacks", "perf script text, as FlameScope opens it",
	  true, export_perf_script },
	{ "folded", ".folded .collapsed", "folded stacks, as flamegraph.pl takes them", true,
	  export_folded },
	{ "pprof", ".pb.gz .pprof .pb", "gzipped protobuf, as go tool pprof opens it", false,
	  export_pprof },
	{ "speedscope", ".speedscope.json", "JSON, as speedscope opens it", true,
	  export_speedscope },
	{ "d3", ".json", "JSON, as d3-flame-graph draws it", true, export_d3 },
	{ "html", ".html .htm", "one page with the viewer and the data, to open without a network",
	  true, export_html },
};

const size_t format_count = ARRAY_SIZE(formats);

const struct format *format_by_name(const char *name)
{
	for (size_t i = 0; i < format_count; i++)
		if (strcmp(name, formats[i].name) == 0)
			return &formats[i];
	return NULL;
}

static bool ends_with(const char *path, const char *ending, size_t ending_size)
{
	size_t size = strlen(path);

	return size > ending_size &&
	       strncasecmp(path + size - ending_size, ending, ending_size) == 0;
}

const struct format *format_by_path(const char *path)
{
	const struct format *best = NULL;
	size_t best_size = 0;

	for (size_t i = 0; i < format_count; i++) {
		const char *at = formats[i].endings;

		while (*at) {
			size_t size = strcspn(at, " ");

			if (size > best_size && ends_with(path, at, size)) {
				best = &formats[i];
				best_size = size;
			}
			at += size + (at[size] == ' ');
		}
	}
	return best;
}
