/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's certificate and its private key, for TLS (RFC 8446), read and checked before anybody
 * is served: a file that is wrong is said at the start, in one line, and not at the first handshake.
 *
 * The key stays in the memory of OpenSSL; nothing prints a word of it. Loop thread.
 */
#ifndef FLICKERSCOPE_CERTIFICATE_H
#define FLICKERSCOPE_CERTIFICATE_H

#include "base/cleanup.h"

struct certificate;
struct ssl_ctx_st; /* SSL_CTX of OpenSSL */

enum certificate_limit {
	CERTIFICATE_FILE_SIZE_MAX = 1 << 20, /* bytes: a chain, and room to spare */
	CERTIFICATE_CHAIN_MAX = 16,	     /* certificates behind the first one */
	CERTIFICATE_WARN_DAYS = 14,	     /* before it expires */
};

/*
 * Reads PEM files (RFC 7468): @certificate_path has the certificate, then those that lead to a known
 * authority; @key_path its key, without a password. Links are followed, as renewing programs make
 * them; others may not write to either file, nor read the key.
 *
 * Returns 0, or -errno after one line on the log that names the file and the remedy: -EPERM for
 * its owner or mode, -EINVAL for what is in it, -EKEYREJECTED when the two do not belong together,
 * -EKEYEXPIRED when it is not valid today.
 */
int certificate_open(const char *certificate_path, const char *key_path,
		     struct certificate **ret_certificate);
void certificate_free(struct certificate *certificate); /* NULL is fine */
DEFINE_CLEANUP(struct certificate *, certificate_free);

/* Has @context serve with it, by TLS 1.2 or 1.3. Returns 0 or -EINVAL; logged. */
int certificate_use(const struct certificate *certificate, struct ssl_ctx_st *context);

#endif
