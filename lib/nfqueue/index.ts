export type {
  Hook,
  Queue,
  QueueCounters,
  QueuedPacket,
  QueueFlag,
  QueueOptions,
  VerdictKind,
  VerdictOptions,
} from '../../types/nfqueue.js'
export { openQueue } from './queue.js'
