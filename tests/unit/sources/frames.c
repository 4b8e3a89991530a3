/* SPDX-License-Identifier: Apache-2.0 */
/* Code for test_inline_frames.c: functions that compilers inline, in each other and in loops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
	struct node *left, *right;
	char name[24];
	int weight;
};

static inline int order(const struct node *node, const char *name)
{
	int difference = strcmp(node->name, name);

	return difference < 0 ? -1 : difference > 0;
}

static inline struct node *node_make(const char *name)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		abort();
	snprintf(node->name, sizeof(node->name), "%s", name);
	return node;
}

static struct node *add(struct node **place, const char *name)
{
	while (*place) {
		int side = order(*place, name);

		if (!side)
			return *place;
		place = side < 0 ? &(*place)->left : &(*place)->right;
	}
	return *place = node_make(name);
}

static inline int twice(int value)
{
	return 2 * value;
}

static int sum(const struct node *node)
{
	return node ? twice(node->weight) + sum(node->left) + sum(node->right) : 0;
}

static void release(struct node *node)
{
	if (!node)
		return;
	release(node->left);
	release(node->right);
	free(node);
}

int main(int argument_count, char **arguments)
{
	struct node *root = NULL;
	int total;

	for (int i = 0; i < 1000; i++) {
		char name[24];

		snprintf(name, sizeof(name), "%d", i * 7919 % 1009 + argument_count);
		add(&root, name)->weight += twice(i);
	}
	for (int i = 1; i < argument_count; i++)
		add(&root, arguments[i])->weight++;
	total = sum(root);
	release(root);
	printf("%d\n", total);
	return 0;
}
