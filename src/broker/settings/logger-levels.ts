/**
 * The level of the node's log under the names that Kafka's tools use (BROKER_LOGGER, KIP-412). There is one logger, `root`;
 * what is set is forgotten when the node ends, as in Kafka.
 */

/** How a logger tells its level and is given another (pino's names: trace to fatal, silent). */
export interface LogLevel {
  level: string
}

export const ROOT_LOGGER = 'root'

const PINO_LEVELS: ReadonlyMap<string, string> = new Map([
  ['DEBUG', 'debug'],
  ['ERROR', 'error'],
  ['FATAL', 'fatal'],
  ['INFO', 'info'],
  ['TRACE', 'trace'],
  ['WARN', 'warn']
])

export const KAFKA_LEVELS: readonly string[] = [...PINO_LEVELS.keys()]

export function kafkaLevel({ level }: LogLevel): string {
  return level.toUpperCase()
}

/** `kafkaName` is one of `KAFKA_LEVELS`. */
export function setKafkaLevel(log: LogLevel, kafkaName: string): void {
  log.level = PINO_LEVELS.get(kafkaName) ?? log.level
}
