#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes the page of the HTML export to standard output.
#
#	packaging/export-page.sh viewer/index.html viewer/favicon.svg build/gen/viewer/style.css build/gen/export.js
#
# Needs bash, coreutils, grep and zopfli. The same files give the same bytes. It is index.html with the
# icon, the style and the script inside, and places for what differs: @NONCE@, @NAME@ and @CAPTURE@.
# The script is packed, as the capture is: the page unpacks both with what browsers have for it.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

fail() {
	echo "export-page: $*" >&2
	exit 1
}

(($# == 4)) || fail 'wants the page, its icon, its style and its script'
index=$1 icon=$2 style=$3 script=$4
policy="default-src 'none'; script-src 'nonce-@NONCE@'; style-src 'nonce-@NONCE@'; \
img-src data: blob:; base-uri 'none'; form-action 'none'"
grep -qi '</style' "$style" && fail "$style would end its element"
grep -qE '@(NONCE|NAME|CAPTURE)@' "$index" "$icon" "$style" "$script" && fail 'a place stands where none belongs'
grep -qx '</body>' "$index" || fail "$index has no line </body>"

unpack() {
	cat <<'END'
{
	const { nonce } = document.currentScript;
	const packed = Uint8Array.from(atob(document.getElementById("program").textContent), (letter) => letter.charCodeAt(0));
	const run = (text) => {
		const script = document.createElement("script");
		Object.assign(script, { type: "module", nonce, textContent: text });
		document.body.append(script);
	};
	new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text().then(run);
}
END
}

page() {
	local line
	while IFS= read -r line; do
		case $line in
		*'<meta charset='*)
			printf '%s\n' "$line"
			printf '<meta http-equiv="Content-Security-Policy" content="%s">\n' "$policy"
			;;
		*'rel="icon"'*)
			printf '<link rel="icon" type="image/svg+xml" href="data:image/svg+xml;base64,%s">\n' \
				"$(base64 -w 0 "$icon")"
			;;
		*'rel="stylesheet"'*)
			printf '<style nonce="@NONCE@">\n'
			cat "$style"
			printf '</style>\n'
			;;
		*'type="module"'*) ;;
		'</body>')
			printf '<script type="text/plain" id="capture-name">@NAME@</script>\n'
			printf '<script type="text/plain" id="capture">@CAPTURE@</script>\n'
			printf '<script type="text/plain" id="program">%s</script>\n' \
				"$(zopfli -c "$script" | base64 -w 0)"
			printf '<script nonce="@NONCE@">\n'
			unpack
			printf '</script>\n</body>\n'
			;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$index"
}

page
