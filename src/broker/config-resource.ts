/** `ConfigResource.Type` of Kafka's client, as far as it means something here. */
export const RESOURCE = { topic: 2, broker: 4 } as const
