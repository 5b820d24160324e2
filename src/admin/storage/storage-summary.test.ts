import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useTotals } from './storage-summary.ts'

const GIGABYTE = 1e9

test('use is told per GB of payload, over all profiles, by requests on the wire where they are counted', () => {
  const directory = {
    puts: 10,
    composes: 2,
    putBytes: 2 * GIGABYTE,
    gets: 4,
    getBytes: GIGABYTE,
    uploadedBytes: GIGABYTE
  }
  const alone = useTotals([directory])
  assert.deepEqual([alone?.putsPerGB, alone?.getsPerGB, alone?.listsPerGB, alone?.deletesPerGB], [12, 4, 0, 0])
  assert.deepEqual([alone?.writeAmplification, alone?.readAmplification], [2, 1])
  const bucket = { puts: 1, copiedBytes: GIGABYTE, uploadedBytes: GIGABYTE, 'requests.put': 3, 'requests.multipart': 2 }
  assert.equal(useTotals([bucket])?.putsPerGB, 5)
  const both = useTotals([directory, bucket])
  assert.deepEqual([both?.writeAmplification, both?.putsPerGB], [1.5, 8.5])
  assert.equal(useTotals([{ puts: 5, uploadedBytes: 0 }]), undefined)
})
