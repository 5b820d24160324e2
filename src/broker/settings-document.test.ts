import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { withSettingTables } from './settings-document.ts'

describe('docs/settings.md', () => {
  it('lists the settings that the broker knows', () => {
    const path = join(process.cwd(), 'docs', 'settings.md')
    const written = readFileSync(path, 'utf8')
    const expected = withSettingTables(written)
    if (process.env.LONGHAUL_WRITE_DOCUMENTS === '1') writeFileSync(path, expected)
    else {
      const remedy =
        'write its tables anew: npm run build && ' +
        'LONGHAUL_WRITE_DOCUMENTS=1 node --test dist/src/broker/settings-document.test.js'
      assert.ok(written === expected, remedy)
    }
  })

  it('is refused without the marks of its tables', () => {
    assert.throws(() => withSettingTables('nothing'), /docs\/settings\.md must have the lines/)
  })
})
