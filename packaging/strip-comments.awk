# SPDX-License-Identifier: Apache-2.0
#
# Leaves out of a script or a style sheet what only people read: comments, indentation, empty lines.
# Everything else stays, byte by byte, and each line stays a line.
#
#	LC_ALL=C awk -f packaging/strip-comments.awk viewer/app.js
#	LC_ALL=C awk -v style=1 -f packaging/strip-comments.awk viewer/style.css
#
# Strings, templates (with code in them, with templates in that) and regular expressions are told
# apart from comments and divisions as ECMAScript 2023, 12 does; whether "/" begins a regular
# expression is told by what stands before it. tests/viewer/strip_comments.test.mjs compares the
# tokens of all modules. What it cannot follow ends it with an error.

BEGIN {
	state = "code"
	level = 0 # templates that the code is in
	before = "" # the last letter of code, ")" for what ends a value
	interesting = style ? "[\"'\\/]" : "[\"'`\\/{}]"
	words = " return typeof case in of new delete void throw await yield else do instanceof "
}

function fail(text) {
	print "strip-comments: " FILENAME ":" FNR ": " text > "/dev/stderr"
	failed = 1
	exit 1
}

# Passes code on, and notes what it ends in.
function pass(text,    trimmed) {
	out = out text
	trimmed = text
	sub(/[ \t]+$/, "", trimmed)
	if (trimmed == "")
		return
	before = substr(trimmed, length(trimmed), 1)
	word = match(trimmed, /[A-Za-z0-9_$]+$/) ? substr(trimmed, RSTART) : ""
}

# Passes on what ends a value: a "/" behind it divides.
function pass_value(text) {
	out = out text
	before = ")"
	word = ""
}

# Takes @count letters from the rest of the line.
function take(count,    text) {
	text = substr(rest, 1, count)
	rest = substr(rest, count + 1)
	return text
}

function begins_expression() {
	if (word != "")
		return index(words, " " word " ") > 0
	return before == "" || index("(,=:[!&|?{};+-*%<>~^", before) > 0
}

function string(pattern,    quote) {
	quote = take(1)
	if (!match(rest, pattern))
		fail("a string without an end")
	pass_value(quote take(RLENGTH))
}

function slash() {
	if (substr(rest, 2, 1) == "*") {
		take(2)
		out = out " "
		state = "comment"
	} else if (style) {
		pass(take(1))
	} else if (substr(rest, 2, 1) == "/") {
		rest = ""
	} else if (begins_expression()) {
		if (!match(rest, /^\/([^\/\\[]|\\.|\[([^]\\]|\\.)*\])+\/[a-z]*/))
			fail("a regular expression without an end")
		pass_value(take(RLENGTH))
	} else {
		pass(take(1))
	}
}

function brace(letter) {
	if (letter == "{") {
		depth[level]++
	} else if (level && !depth[level]) {
		level--
		state = "template"
		out = out take(1)
		return
	} else {
		depth[level]--
	}
	pass(take(1))
}

function code(    letter) {
	if (!match(rest, interesting)) {
		pass(take(length(rest)))
		return
	}
	if (RSTART > 1)
		pass(take(RSTART - 1))
	letter = substr(rest, 1, 1)
	if (letter == "\"") {
		string("^([^\"\\\\]|\\\\.)*\"")
	} else if (letter == "'") {
		string("^([^'\\\\]|\\\\.)*'")
	} else if (letter == "/") {
		slash()
	} else if (letter == "`") {
		out = out take(1)
		state = "template"
	} else {
		brace(letter)
	}
}

function template() {
	if (!match(rest, /[`\\]|\$\{/)) {
		out = out take(length(rest))
		return
	}
	out = out take(RSTART - 1)
	if (substr(rest, 1, 1) == "`") {
		state = "code"
		pass_value(take(1))
	} else if (substr(rest, 1, 1) == "\\") {
		out = out take(2)
	} else {
		level++
		depth[level] = 0
		state = "code"
		pass(take(2))
	}
}

function comment(    end) {
	end = index(rest, "*/")
	take(end ? end + 1 : length(rest))
	if (end)
		state = "code"
}

{
	rest = $0
	out = ""
	in_template = state == "template"
	while (rest != "") {
		if (state == "comment")
			comment()
		else if (state == "template")
			template()
		else
			code()
	}
	if (!in_template)
		sub(/^[ \t]+/, "", out)
	if (state != "template")
		sub(/[ \t]+$/, "", out)
	if (in_template || out != "" || state == "template")
		print out
}

END {
	if (!failed && (state != "code" || level))
		fail("it ends inside a " state)
}
