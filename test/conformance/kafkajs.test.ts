import { after } from 'node:test'
import { brokerUnderTest } from './broker-under-test.ts'
import { clientContract } from './client-contract.ts'
import { kafkaJsClient } from './kafkajs.ts'

const broker = await brokerUnderTest()
after(() => broker.stop())

clientContract('kafkajs', broker.bootstrap, () => kafkaJsClient(broker.bootstrap), {
  staticMembership: 'kafkajs has no group instance id'
})
