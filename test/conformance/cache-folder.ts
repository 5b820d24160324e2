/** Where tests keep what they download once: jars, another Node.js, clients this project does not depend on. */
import { join } from 'node:path'

/** LONGHAUL_TEST_CACHE, or a folder below node_modules: owned by whoever owns the checkout, gone with it. */
export function cacheFolder(): string {
  return process.env.LONGHAUL_TEST_CACHE ?? join(process.cwd(), 'node_modules', '.cache', 'longhaul')
}
