import { after } from 'node:test'
import * as kafka from '@platformatic/kafka'
import { brokerUnderTest } from './broker-under-test.ts'
import { clientContract } from './client-contract.ts'
import { platformaticClient } from './platformatic.ts'

const broker = await brokerUnderTest()
after(() => broker.stop())

clientContract('@platformatic/kafka 1.35', broker.bootstrap, () => platformaticClient(kafka, broker.bootstrap))
