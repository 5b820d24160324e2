/**
 * `npm start -- ARGS`: prepares the checkout when needed, then runs `longhaul start ARGS`.
 *
 * In this process, not in a child: a signal reaches the node exactly as if it had been started by hand, kill -9
 * leaves nothing behind that still holds the ports, and the exit status is the node's own.
 */
import { pathToFileURL } from 'node:url'
import { mainPath, prepare } from './prepare.mjs'

prepare()
process.argv = [process.execPath, mainPath, 'start', ...process.argv.slice(2)]
await import(pathToFileURL(mainPath).href)
