import { after, test } from 'node:test'
import { brokerUnderTest } from './broker-under-test.ts'
import { clientContract } from './client-contract.ts'
import { KCAT, kcatClient } from './kcat.ts'
import { commandExists } from './peer-process.ts'

if (await commandExists(KCAT, ['-V'])) {
  const broker = await brokerUnderTest()
  after(() => broker.stop())
  clientContract('kcat', broker.bootstrap, () => kcatClient(broker.bootstrap), {
    partitions: 'kcat creates topics by asking for them'
  })
} else {
  test('kcat', { skip: 'kcat is not installed: `apt-get install kcat`, or name it in KCAT' }, () => {})
}
