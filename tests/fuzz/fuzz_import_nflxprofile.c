/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_nflxprofile.h"

#include "import_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	return fuzz_import(bytes, size, import_nflxprofile);
}
