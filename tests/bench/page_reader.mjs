/* SPDX-License-Identifier: Apache-2.0 */
/* A page that only reads: for what an agent has to do for one. */
import WebSocket from 'ws';
import { resumeMessage } from '../e2e/raw_client.mjs';

/** @param {URL} url as the agent prints it. `bytes` counts what came. */
export function connect(url) {
	const socket = new WebSocket(`ws://${url.host}/live`, ['flickerscope', `token.${url.hash.slice(1)}`], { origin: url.origin });
	socket.bytes = 0;
	socket.on('message', (data) => (socket.bytes += data.length));
	socket.on('open', () => socket.send(resumeMessage()));
	return socket;
}
