/** Why a produced batch is not taken for what its records hold, as Produce answers it (KIP-467). */

export interface RecordError {
  /** Place of the record in its batch. */
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string
}

export interface RecordProblem {
  readonly errorCode: number
  readonly message: string
  readonly recordErrors: readonly RecordError[]
}
