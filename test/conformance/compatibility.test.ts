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
  assert.match(page, /\| c 1 \| f \| ✗ \|\n\| c 1 \| g \| ✓ \|/)
  assert.match(page, /- ✗ c 1, f: it hangs/)
})

test('clients that were checked for the same stand in one table', () => {
  const finding = { client: 'c', version: '1', feature: 'f', result: 'works', detail: '' } as const
  const page = compatibilityDocument([finding, { ...finding, client: 'd', result: 'not offered', detail: 'too old' }])
  assert.match(page, /\| f \| ✓ \| – \|/)
  assert.match(page, /- – d 1, f: too old/)
})
