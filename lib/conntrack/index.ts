/** `cthelper/conntrack`: connection tracking, expectations, their events, and helpers registered from user space. */
export type {
  ConntrackChanges,
  ConntrackEntry,
  ConntrackEvent,
  ConntrackOperation,
  Counter,
  Expectation,
  ExpectationFlags,
  HelperRegistration,
  NewConntrack,
  OperationResult,
  RawConntrackEvent,
  SourcePolicy,
} from '../../types/conntrack.js'
export type { Endpoint, Family } from '../../types/endpoint.js'
export type { Tuple, TuplePair } from '../../types/tuple.js'
export * from './anchor.js'
export {
  Conntrack,
  type ConntrackEventsOptions,
  type ConntrackOptions,
  type ConntrackStats,
  openConntrack,
} from './conntrack.js'
export {
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DST_NAT,
  IPS_DYING,
  IPS_EXPECTED,
  IPS_FIXED_TIMEOUT,
  IPS_HELPER,
  IPS_OFFLOAD,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
} from './ctnetlink.table.js'
export type { EntryFilter } from './dump.js'
export { decodeEvent, type EventFilter, type EventGroup, type KernelEvent } from './events.js'
export { type ExpectationDump, Expectations } from './expectations.js'
export { listHelpers, registerHelper, unregisterHelper } from './helper.js'
export { decodeEntry, decodeExpectation, encodeOperations } from './message.js'
export { invert, type MaskOptions, maskFor, tupleKey } from './tuple.js'
