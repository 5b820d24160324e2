/** Shows each test of `platformatic-2-suite.ts`, which another Node.js runs, as a test of this process. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { brokerUnderTest } from './broker-under-test.ts'
import { PeerProcess } from './peer-process.ts'
import { type Installed, installPlatformatic2 } from './platformatic-2-install.ts'

const SUITE_MS = 300_000

test('@platformatic/kafka 2', { timeout: SUITE_MS + 200_000 }, async (t) => {
  let installed: Installed
  try {
    installed = await installPlatformatic2()
  } catch (error) {
    if (!isUnreachable(error)) throw error
    return t.skip(`could not be installed from the npm registry: ${String(error).slice(0, 300)}`)
  }
  const broker = await brokerUnderTest()
  try {
    const { lines, output } = await runSuite(installed, broker.bootstrap)
    assert.ok(lines.length > 0, `the suite reported no test\n${output}`)
    for (const { name, ok, skipped } of lines) {
      await t.test(name, (sub) => {
        if (skipped !== undefined) return sub.skip(skipped)
        assert.ok(ok, output)
      })
    }
  } finally {
    await broker.stop()
  }
})

/** Only a registry that cannot be reached excuses the suite; a wrong lock file or a missing binary does not. */
function isUnreachable(error: unknown): boolean {
  return /code (ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|ERR_SOCKET_TIMEOUT|FETCH_ERROR|ENETUNREACH)|ended with SIGKILL/.test(
    String(error)
  )
}

interface Line {
  readonly name: string
  readonly ok: boolean
  readonly skipped: string | undefined
}

async function runSuite({ node, module }: Installed, bootstrap: string): Promise<{ lines: Line[]; output: string }> {
  const suite = fileURLToPath(new URL('./platformatic-2-suite.js', import.meta.url))
  const env: NodeJS.ProcessEnv = { ...process.env, LONGHAUL_TEST_MODULE: module, LONGHAUL_TEST_BOOTSTRAP: bootstrap }
  // Left in place, it would make the suite report to this process's own runner in a format of its own.
  delete env.NODE_TEST_CONTEXT
  const peer = new PeerProcess(node, ['--test-reporter=tap', suite], { env })
  const timer = setTimeout(() => void peer.kill(), SUITE_MS)
  const status = await peer.ended
  clearTimeout(timer)
  const lines = [...peer.stdout.matchAll(/^\s+(ok|not ok) \d+ - (.*?)(?: # SKIP (.*))?$/gm)].map((match) => ({
    ok: match[1] === 'ok',
    name: match[2] ?? '',
    skipped: match[3]
  }))
  if (status !== 0 && lines.every((line) => line.ok))
    lines.push({ name: `ends with ${status}`, ok: false, skipped: undefined })
  return { lines, output: peer.stdout + peer.stderr }
}
