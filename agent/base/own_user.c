/* SPDX-License-Identifier: Apache-2.0 */
#include "base/own_user.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static bool is_ours(const struct passwd *entry)
{
	return strcmp(entry->pw_name, OWN_USER_NAME) == 0 && entry->pw_uid > 0 &&
	       entry->pw_uid <= OWN_USER_MAX && entry->pw_gid > 0;
}

struct own_user own_user_find(const char *path)
{
	struct own_user own = { .user = OWN_USER_NOBODY, .group = OWN_USER_NOBODY };
	CLEANUP(file_close) FILE *file = fopen(path, "re");
	const struct passwd *entry = NULL;

	while (file && (entry = fgetpwent(file)) && !is_ours(entry))
		;
	if (entry)
		own = (struct own_user){ .user = entry->pw_uid, .group = entry->pw_gid };
	return own;
}
