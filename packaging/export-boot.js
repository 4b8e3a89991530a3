/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the page that `flickerscope convert --to html` writes: unpacks the viewer's modules, which stand
 * in the page as one gzipped text in base64, and gives them to the browser under their bare names. A
 * module is "\0", its name, a newline, its source.
 *
 * The modules get addresses by blobs, and the import map that names them is made here; the page's nonce
 * lets it through the Content-Security-Policy.
 */
(async (nonce) => {
	const packed = Uint8Array.from(atob(document.getElementById("modules").textContent),
		(letter) => letter.charCodeAt(0));
	const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
	const imports = {};
	for (const part of (await new Response(stream).text()).split("\0").slice(1)) {
		const end = part.indexOf("\n");
		imports[part.slice(0, end)] = URL.createObjectURL(
			new Blob([part.slice(end + 1)], { type: "text/javascript" }));
	}
	const map = document.createElement("script");
	map.type = "importmap";
	map.nonce = nonce;
	map.textContent = JSON.stringify({ imports });
	document.head.append(map);
	await import("app");
})(document.currentScript.nonce).catch((error) => {
	document.body.textContent = `This page needs a newer browser: ${error.message}`;
});
