/**
 * The client contract for @platformatic/kafka 2, run by the newer Node.js it needs: `platformatic-2.test.ts` starts
 * this file with the module's path in LONGHAUL_TEST_MODULE and the broker in LONGHAUL_TEST_BOOTSTRAP.
 */
import { pathToFileURL } from 'node:url'
import { clientContract } from './client-contract.ts'
import { type Platformatic, platformaticClient } from './platformatic.ts'

const modulePath = process.env.LONGHAUL_TEST_MODULE
const bootstrap = process.env.LONGHAUL_TEST_BOOTSTRAP
if (modulePath === undefined || bootstrap === undefined) {
  throw new Error('set LONGHAUL_TEST_MODULE and LONGHAUL_TEST_BOOTSTRAP, or run platformatic-2.test.js instead')
}
const kafka: Platformatic = await import(pathToFileURL(modulePath).href)

clientContract('@platformatic/kafka 2', bootstrap, () => platformaticClient(kafka, bootstrap))
