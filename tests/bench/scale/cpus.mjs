/* SPDX-License-Identifier: Apache-2.0 */
/* What a sample costs behind the sampler as CPUs grow, of a synthetic feed (bench_scale.c). Prints a table. */
import { join } from 'node:path';
import { root } from '../../e2e/agent.mjs';
import { start, where } from '../children.mjs';

console.log(`# A sample's way behind the sampler as CPUs grow, 99 Hz\n\n${where()}; a synthetic feed.\n`);
await start(join(root, 'build', 'release', 'bin', 'bench_scale'), [], { stdio: ['ignore', 'inherit', 'inherit'] }).ended;
