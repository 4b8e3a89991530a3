/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's counters as text for Prometheus and what reads its format
 * (prometheus.io/docs/instrumenting/exposition_formats, text format 0.0.4).
 *
 * No name of a stranger is in it: counters, and the version. Pure function.
 */
#ifndef FLICKERSCOPE_METRICS_H
#define FLICKERSCOPE_METRICS_H

#include <stdint.h>

struct bytes_writer;

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* @counters: WIRE_COUNTER_COUNT values by enum wire_counter. @text says when memory was missing. */
void metrics_write(const uint64_t *counters, struct bytes_writer *text);

#endif
