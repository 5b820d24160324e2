import { s3ServerContract } from './s3-server-contract.ts'

s3ServerContract('versitygw')
