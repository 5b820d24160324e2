import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, string, struct } from '../schema.ts'

/**
 * DescribeConfigs (key 32), request: asks for the configuration of topics and brokers (KIP-133). Null keys mean
 * all.
 */
export const DescribeConfigsRequest = request(
  { name: 'DescribeConfigs', apiKey: 32, versions: [1, 4], flexibleFrom: 4 },
  {
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configurationKeys: array(string).nullable()
      })
    ),
    includeSynonyms: bool.or(false),
    includeDocumentation: bool.in('3+')
  }
)
export type DescribeConfigsRequest = Infer<typeof DescribeConfigsRequest>

/** DescribeConfigs (key 32), response: values with their source and synonyms (KIP-226), and types (KIP-569). */
export const DescribeConfigsResponse = response(
  { name: 'DescribeConfigs', apiKey: 32, versions: [1, 4], flexibleFrom: 4 },
  {
    throttleTimeMs: int32,
    results: array(
      struct({
        errorCode: int16,
        errorMessage: string.nullable(),
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
            value: string.nullable(),
            readOnly: bool,
            configSource: int8.or(-1),
            isSensitive: bool,
            synonyms: array(struct({ name: string, value: string.nullable(), source: int8 })).or([]),
            configType: int8.in('3+').ignorable(),
            documentation: string.nullable().in('3+').ignorable()
          })
        )
      })
    )
  }
)
export type DescribeConfigsResponse = Infer<typeof DescribeConfigsResponse>
