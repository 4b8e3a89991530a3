/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of the HTML export as it is in the program: packaging/export-page.sh makes it, and it becomes
 * build/gen/export_page.c. @NONCE@, @NAME@ and @CAPTURE@ stand where those belong.
 */
#ifndef FLICKERSCOPE_EXPORT_PAGE_H
#define FLICKERSCOPE_EXPORT_PAGE_H

extern const char export_page[];

#endif
