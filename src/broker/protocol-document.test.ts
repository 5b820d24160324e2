import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { BrokerFixture } from './broker-fixture.ts'
import { withApiTable } from './protocol-document.ts'

describe('docs/protocol.md', () => {
  it('lists the APIs and versions that the broker serves', async () => {
    const broker = await BrokerFixture.start()
    const path = join(process.cwd(), 'docs', 'protocol.md')
    const written = readFileSync(path, 'utf8')
    const expected = withApiTable(written, broker.apis)
    await broker.close()
    if (process.env.LONGHAUL_WRITE_DOCUMENTS === '1') writeFileSync(path, expected)
    else {
      const remedy =
        'write its table anew: npm run build && ' +
        'LONGHAUL_WRITE_DOCUMENTS=1 node --test dist/src/broker/protocol-document.test.js'
      assert.ok(written === expected, remedy)
    }
  })
})
