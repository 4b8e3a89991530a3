/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The package that a function belongs to: Java's by its name, node's and Python's by its file, Go's by its
 * import path. What belongs to none is told by its module.
 */

/** A dependency of node's or Python's in a file's path: the innermost one. */
const dependency = /^.*\/(?:node_modules|site-packages|dist-packages)\/((?:@[^/]+\/)?[^/]+)/;
/** "Lcom/shop/Cart;::total", "com.shop.Cart::total", "com.shop.Cart.total(int)". */
const java = /^L?((?:[a-z_][\w$]*[./])+)[A-Z][\w$]*(?:;|::|\.)/;
/** "github.com/x/y.(*T).Run", "net/http.Get". */
const go = /^((?:[\w.-]+\/)+[\w-]+)\./;

/**
 * @param {string} name of the function
 * @param {string} file of its source, empty: not known
 * @returns {string} empty: none is known
 */
export function package_name(name, file) {
	/* Python's own names say the file. */
	const path = file || /^py::.*?:(.+)$/.exec(name)?.[1] || "";
	const found = dependency.exec(path);
	if (found)
		return found[1].replace(/\.py$/, "");
	if (/^node:/.test(path))
		return path.replace(/^(node:(?:internal\/)?[^/]+).*/, "$1");
	if (/\.(?:[cm]?[jt]s|py)$/.test(path))
		return path.slice(0, path.lastIndexOf("/")) || path;
	return java.exec(name)?.[1].slice(0, -1).replace(/\//g, ".") ?? go.exec(name)?.[1] ?? "";
}
