/** Every check of Kafka's own tools, one after the other. */
import type { CheckReport } from '../check-report.ts'
import type { JavaSetUp } from '../java-set-up.ts'
import { clusterTools } from './cluster-tools.ts'
import { configTools } from './config-tools.ts'
import { groupTools } from './group-tools.ts'
import { KafkaTools } from './kafka-tools.ts'
import { shareTools } from './share-tools.ts'
import { topicTools } from './topic-tools.ts'
import { trafficTools } from './traffic-tools.ts'
import { transactionTools } from './transaction-tools.ts'

export async function toolChecks(setUp: JavaSetUp, bootstrap: string, report: CheckReport): Promise<void> {
  const tools = await KafkaTools.create(setUp, bootstrap, report)
  try {
    for (const part of [
      clusterTools,
      topicTools,
      configTools,
      groupTools,
      shareTools,
      transactionTools,
      trafficTools
    ]) {
      await part(tools)
    }
  } finally {
    await tools.close()
  }
}
