/* SPDX-License-Identifier: Apache-2.0 */
/* The browser that the tests run in: it draws in software and asks nobody anything. */

export const launch_options = {
	executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync"],
};
