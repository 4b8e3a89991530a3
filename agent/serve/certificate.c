/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/log.h"

struct certificate {
	X509 *leaf;
	X509 *chain[CERTIFICATE_CHAIN_MAX];
	size_t chain_count;
	EVP_PKEY *key;
};

void certificate_free(struct certificate *certificate)
{
	if (!certificate)
		return;
	X509_free(certificate->leaf);
	for (size_t i = 0; i < certificate->chain_count; i++)
		X509_free(certificate->chain[i]);
	EVP_PKEY_free(certificate->key);
	free(certificate);
}

/* --- the files ------------------------------------------------------------------------------- */

/* @refused: bits of the mode that others may not have. */
static int check_file(int fd, const char *option, const char *path, mode_t refused)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return log_errno(-errno, "%s %s", option, path);
	if (!S_ISREG(status.st_mode)) {
		log_error("%s %s: it is no regular file", option, path);
		return -EINVAL;
	}
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		log_error("%s %s: it belongs to uid %u: chown it to root", option, path,
			  (unsigned int)status.st_uid);
		return -EPERM;
	}
	if (status.st_mode & refused) {
		log_error("%s %s: it is open to others (mode %03o): chmod %s it", option, path,
			  (unsigned int)status.st_mode & 0777, refused & 04 ? "600" : "go-w");
		return -EPERM;
	}
	return 0;
}

static int read_file(const char *option, const char *path, mode_t refused,
		     struct bytes_writer *ret_text)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r = fd < 0 ? log_errno(-errno, "%s %s", option, path)
		       : check_file(fd, option, path, refused);

	if (r < 0)
		return r;
	r = bytes_writer_read(ret_text, fd);
	return r < 0 ? log_errno(r, "%s %s", option, path) : 0;
}

/* A password would be asked for at the terminal. */
static int no_password(char *buffer, int size, int writing, void *context)
{
	return -1;
}

static int read_chain(BIO *text, const char *path, struct certificate *certificate)
{
	certificate->leaf = PEM_read_bio_X509_AUX(text, NULL, no_password, NULL);
	if (!certificate->leaf) {
		log_error("--tls-cert %s: there is no certificate in it (PEM: it begins with "
			  "-----BEGIN CERTIFICATE-----)",
			  path);
		return -EINVAL;
	}
	while (certificate->chain_count < CERTIFICATE_CHAIN_MAX) {
		X509 *next = PEM_read_bio_X509(text, NULL, no_password, NULL);

		if (!next)
			return 0;
		certificate->chain[certificate->chain_count++] = next;
	}
	return 0;
}

static int read_certificate(const char *path, struct certificate *certificate)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer text = bytes_writer_with_max(CERTIFICATE_FILE_SIZE_MAX);
	int r = read_file("--tls-cert", path, S_IWGRP | S_IWOTH, &text);
	BIO *bytes;

	if (r < 0)
		return r;
	bytes = BIO_new_mem_buf(text.bytes ? (const void *)text.bytes : "", (int)text.size);
	if (!bytes)
		return log_errno(-ENOMEM, "--tls-cert %s", path);
	r = read_chain(bytes, path, certificate);
	BIO_free(bytes);
	return r;
}

static int read_key(const char *path, struct certificate *certificate)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer text = bytes_writer_with_max(CERTIFICATE_FILE_SIZE_MAX);
	/* The group may read it: some systems have one for such keys. */
	int r = read_file("--tls-key", path, S_IWGRP | S_IXGRP | S_IRWXO, &text);
	BIO *bytes;

	if (r < 0)
		return r;
	bytes = BIO_new_mem_buf(text.bytes ? (const void *)text.bytes : "", (int)text.size);
	if (bytes)
		certificate->key = PEM_read_bio_PrivateKey(bytes, NULL, no_password, NULL);
	BIO_free(bytes);
	if (text.bytes)
		explicit_bzero(text.bytes, text.capacity);
	if (certificate->key)
		return 0;
	log_error("--tls-key %s: there is no private key in it, or it needs a password (PEM: it "
		  "begins with -----BEGIN PRIVATE KEY-----)",
		  path);
	return -EINVAL;
}

/* --- what they say --------------------------------------------------------------------------- */

static int check_dates(const char *path, const struct certificate *certificate)
{
	const ASN1_TIME *from = X509_get0_notBefore(certificate->leaf);
	const ASN1_TIME *to = X509_get0_notAfter(certificate->leaf);
	int days = 0, seconds = 0;

	if (X509_cmp_current_time(from) > 0) {
		log_error("--tls-cert %s: it is not valid yet: is the clock right?", path);
		return -EKEYEXPIRED;
	}
	if (X509_cmp_current_time(to) <= 0) {
		log_error("--tls-cert %s: it has expired: renew it", path);
		return -EKEYEXPIRED;
	}
	if (ASN1_TIME_diff(&days, &seconds, NULL, to) == 1 && days < CERTIFICATE_WARN_DAYS)
		log_warning("--tls-cert %s: it expires in %d days; start again when it is renewed",
			    path, days);
	return 0;
}

int certificate_open(const char *certificate_path, const char *key_path,
		     struct certificate **ret_certificate)
{
	CLEANUP(certificate_free)
	struct certificate *certificate = calloc(1, sizeof(*certificate));
	int r;

	if (!certificate)
		return log_errno(-ENOMEM, "read the certificate");
	r = read_certificate(certificate_path, certificate);
	if (r == 0)
		r = read_key(key_path, certificate);
	if (r == 0 && X509_check_private_key(certificate->leaf, certificate->key) != 1) {
		log_error("--tls-key %s: it is not the key of the certificate in %s", key_path,
			  certificate_path);
		r = -EKEYREJECTED;
	}
	if (r == 0)
		r = check_dates(certificate_path, certificate);
	ERR_clear_error(); /* all of it has been said */
	if (r < 0)
		return r;
	*ret_certificate = TAKE(certificate);
	return 0;
}

int certificate_use(const struct certificate *certificate, struct ssl_ctx_st *context)
{
	bool is_used = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
		       SSL_CTX_use_certificate(context, certificate->leaf) == 1 &&
		       SSL_CTX_use_PrivateKey(context, certificate->key) == 1;

	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	for (size_t i = 0; is_used && i < certificate->chain_count; i++)
		is_used = SSL_CTX_add1_chain_cert(context, certificate->chain[i]) == 1;
	ERR_clear_error();
	if (is_used)
		return 0;
	log_error("the certificate is not good enough for TLS here: its key may be too short");
	return -EINVAL;
}
