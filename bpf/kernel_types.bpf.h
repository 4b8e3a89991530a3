/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only kernel fields that are read, found by name in the running kernel's BTF (CO-RE), so that
 * one object loads from 5.15 on. Order and offsets here mean nothing.
 */
#ifndef FLICKERSCOPE_KERNEL_TYPES_BPF_H
#define FLICKERSCOPE_KERNEL_TYPES_BPF_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "sample_abi.h"

enum {
	PF_KTHREAD = 0x00200000, /* include/linux/sched.h: a kernel thread */
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernel_atomic {
	int counter;
};

struct signal_struct {
	struct kernel_atomic live; /* threads that have not begun to exit */
};

struct super_block {
	__u32 s_dev;
};

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	__u32 i_generation; /* tells an inode number that is used again, where the file system can */
	__s64 i_mtime_sec;  /* from 6.11 on */
	__u32 i_mtime_nsec;
	struct timespec64 __i_mtime; /* 6.6 to 6.10 */
	struct timespec64 i_mtime;   /* to 6.5 */
};

struct file {
	struct inode *f_inode;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	unsigned long vm_pgoff; /* in pages */
	struct file *vm_file;	/* NULL: anonymous memory, or the kernel's own */
};

/* The tree of a process's mappings from 6.1 on: lib/maple_tree.c. */
struct maple_tree {
	void *ma_root;
};

struct maple_range_64 {
	unsigned long pivot[15];
	void *slot[16];
};

struct maple_arange_64 {
	unsigned long pivot[9];
	void *slot[10];
};

typedef struct {
	void *vdso;
} mm_context_t;

struct mm_struct {
	unsigned long start_code; /* 0 from exec's new address space until its program begins */
	struct maple_tree mm_mt;
	mm_context_t context;
	int mm_lock_seq; /* counts the changes of the mappings, from 6.4 on ... */
};

struct seqcount {
	__u32 sequence;
};

struct mm_struct___seqcount { /* ... and from 6.13 on */
	struct seqcount mm_lock_seq;
};

/* struct pt_regs, whose name <linux/bpf_perf_event.h> has taken. */
struct pt_regs___kernel {
	unsigned long bp;
	unsigned long ip;
	unsigned short cs;
	unsigned long sp;
};

struct rq {
	struct task_struct *idle; /* the CPU's idle thread */
};

struct cfs_rq {
	struct rq *rq; /* with CONFIG_FAIR_GROUP_SCHED */
};

struct sched_entity {
	struct cfs_rq *cfs_rq; /* the same; set for tasks of any scheduling class */
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct sched_entity se;
	struct mm_struct *mm;
	unsigned long nvcsw; /* times it left its CPU, by its will and otherwise */
	unsigned long nivcsw;
	__u64 start_boottime;
	__u64 self_exec_id; /* counts the execs; a child starts with its parent's */
	struct signal_struct *signal;
};

#pragma clang attribute pop

#endif
