import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { compatibilityDocument, DOCUMENT, loadFindings } from './compatibility.ts'

test('docs/compatibility.md is what the last runs found', () => {
  assert.equal(readFileSync(DOCUMENT, 'utf8'), compatibilityDocument(loadFindings()))
})

test('what fails is marked, and told with its reason', () => {
  const finding = { client: 'c', version: '1', feature: 'f', result: 'fails', detail: 'it hangs' } as const
  const page = compatibilityDocument([finding, { ...finding, feature: 'g', result: 'works', detail: '' }])
  assert.match(page, /\| f \| ✗ \|/)
  assert.match(page, /\| g \| ✓ \|/)
  assert.match(page, /- c 1, f: it hangs/)
})
