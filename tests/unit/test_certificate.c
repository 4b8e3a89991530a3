/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

enum { DAY_S = 86400 };

/* A folder with a key and a certificate of it: good.key, good.pem. */
struct files {
	char folder[64];
	char key[96];
	char certificate[96];
	EVP_PKEY *private_key;
};

static void write_key(const char *path, EVP_PKEY *key, const char *password)
{
	FILE *file = fopen(path, "we");

	CHECK_OR_RETURN(file);
	CHECK_EQ(PEM_write_PrivateKey(file, key, password ? EVP_aes_128_cbc() : NULL,
				      (const unsigned char *)password,
				      password ? (int)strlen(password) : 0, NULL, NULL),
		 1);
	fclose(file);
	CHECK_EQ(chmod(path, 0600), 0);
}

/* Valid from and to so many seconds from now; appended to @path. */
static void write_certificate(const char *path, EVP_PKEY *key, long from_s, long to_s)
{
	FILE *file = fopen(path, "ae");
	X509 *certificate = X509_new();

	CHECK_OR_RETURN(file && certificate);
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
	X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
				   (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	X509_set_pubkey(certificate, key);
	CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
	CHECK_EQ(PEM_write_X509(file, certificate), 1);
	X509_free(certificate);
	fclose(file);
	CHECK_EQ(chmod(path, 0644), 0);
}

static void make_files(struct files *files)
{
	strcpy(files->folder, "/tmp/test_certificate.XXXXXX");
	CHECK_OR_RETURN(mkdtemp(files->folder));
	snprintf(files->key, sizeof(files->key), "%s/good.key", files->folder);
	snprintf(files->certificate, sizeof(files->certificate), "%s/good.pem", files->folder);
	files->private_key = EVP_EC_gen("P-256");
	CHECK_OR_RETURN(files->private_key);
	write_key(files->key, files->private_key, NULL);
	write_certificate(files->certificate, files->private_key, -DAY_S, 90 * DAY_S);
}

static void remove_files(struct files *files)
{
	unlink(files->key);
	unlink(files->certificate);
	CHECK_EQ(rmdir(files->folder), 0);
	EVP_PKEY_free(files->private_key);
}

static int open_both(const struct files *files)
{
	CLEANUP(certificate_free) struct certificate *certificate = NULL;
	int r = certificate_open(files->certificate, files->key, &certificate);

	CHECK_EQ(r == 0, certificate != NULL);
	return r;
}

static void a_chain_and_its_key_serve(void)
{
	CLEANUP(certificate_free) struct certificate *certificate = NULL;
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	STACK_OF(X509) *chain = NULL;
	struct files files;

	make_files(&files);
	write_certificate(files.certificate, files.private_key, -DAY_S, DAY_S);
	CHECK_OR_RETURN(certificate_open(files.certificate, files.key, &certificate) == 0);
	CHECK_EQ(certificate_use(certificate, context), 0);
	CHECK_EQ(SSL_CTX_check_private_key(context), 1);
	CHECK_EQ(SSL_CTX_get_min_proto_version(context), TLS1_2_VERSION);
	SSL_CTX_get0_chain_certs(context, &chain);
	CHECK_EQ(sk_X509_num(chain), 1);
	SSL_CTX_free(context);
	remove_files(&files);
}

static void links_are_followed_to_files_of_the_right_mode(void)
{
	struct files files;
	char link[128];

	make_files(&files);
	CHECK_EQ(open_both(&files), 0);
	CHECK_EQ(chmod(files.key, 0640), 0);
	CHECK_EQ(open_both(&files), 0); /* a group for keys */
	CHECK_EQ(chmod(files.key, 0644), 0);
	CHECK_EQ(open_both(&files), -EPERM);
	snprintf(link, sizeof(link), "%s.link", files.key);
	CHECK_EQ(rename(files.key, link), 0);
	CHECK_EQ(symlink(link, files.key), 0);
	CHECK_EQ(open_both(&files), -EPERM);
	CHECK_EQ(chmod(link, 0600), 0);
	CHECK_EQ(open_both(&files), 0);
	CHECK_EQ(chmod(files.certificate, 0664), 0);
	CHECK_EQ(open_both(&files), -EPERM);
	CHECK_EQ(chmod(files.certificate, 0644), 0);
	if (geteuid() == 0) {
		CHECK_EQ(chown(link, 12345, 12345), 0);
		CHECK_EQ(open_both(&files), -EPERM);
	}
	unlink(link);
	CHECK_EQ(open_both(&files), -ENOENT);
	remove_files(&files);
}

static void a_key_of_another_certificate_or_with_a_password_is_refused(void)
{
	struct files files;
	EVP_PKEY *other = EVP_EC_gen("P-256");

	make_files(&files);
	write_key(files.key, other, NULL);
	CHECK_EQ(open_both(&files), -EKEYREJECTED);
	write_key(files.key, files.private_key, "secret");
	CHECK_EQ(open_both(&files), -EINVAL);
	EVP_PKEY_free(other);
	remove_files(&files);
}

static void a_certificate_that_is_not_of_today_is_refused(void)
{
	static const struct {
		long from_s, to_s;
		int result;
	} cases[] = {
		{ -2 * DAY_S, -DAY_S, -EKEYEXPIRED },
		{ DAY_S, 2 * DAY_S, -EKEYEXPIRED },
		{ -DAY_S, 2 * DAY_S, 0 }, /* with a warning */
	};
	struct files files;

	make_files(&files);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unlink(files.certificate);
		write_certificate(files.certificate, files.private_key, cases[i].from_s,
				  cases[i].to_s);
		CHECK_EQ(open_both(&files), cases[i].result);
	}
	remove_files(&files);
}

static void what_is_no_pem_is_refused(void)
{
	struct files files;
	char swapped[96];
	FILE *file;

	make_files(&files);
	strcpy(swapped, files.key);
	strcpy(files.key, files.certificate);
	strcpy(files.certificate, swapped); /* the wrong way round */
	CHECK_EQ(open_both(&files), -EINVAL);
	CHECK_EQ(unlink(files.certificate), 0);
	CHECK_EQ(mkfifo(files.certificate, 0600), 0);
	CHECK_EQ(open_both(&files), -EINVAL);
	CHECK_EQ(unlink(files.certificate), 0);
	file = fopen(files.certificate, "we");
	CHECK_OR_RETURN(file);
	CHECK_EQ(fseek(file, 64 << 20, SEEK_SET), 0);
	fputc('\n', file);
	fclose(file);
	CHECK_EQ(open_both(&files), -EFBIG);
	CHECK_EQ(truncate(files.certificate, 0), 0);
	CHECK_EQ(open_both(&files), -EINVAL);
	remove_files(&files);
}

TESTS(TEST(a_chain_and_its_key_serve), TEST(links_are_followed_to_files_of_the_right_mode),
      TEST(a_key_of_another_certificate_or_with_a_password_is_refused),
      TEST(a_certificate_that_is_not_of_today_is_refused), TEST(what_is_no_pem_is_refused))
